"""The kinds of sources. A new one is its file and a line here."""

from __future__ import annotations

from collections.abc import Mapping

from worker.sources.contract import Opener
from worker.sources.csv_file import open_csv
from worker.sources.xlsx_file import open_xlsx

KINDS: Mapping[str, Opener] = {
    "csv": open_csv,
    "xlsx": open_xlsx,
}
