"""Tables for spreadsheets: CSV in which every cell is data, never a formula."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence

_FORMULA = ("=", "+", "-", "@")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")


def safe(cell: object) -> str:
    """``cell`` as a spreadsheet may have it: what it would take for a formula gets an apostrophe in
    front. A number with its sign stays a number."""
    text = "" if cell is None else str(cell)
    text = "".join(char if char.isprintable() else " " for char in text).strip(" ")
    if text.startswith(_FORMULA) and not _NUMBER.fullmatch(text):
        return f"'{text}"
    return text


def written(rows: Sequence[Mapping[str, object]]) -> str:
    """The rows with the names of their columns above them; the first row names the columns."""
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    for cells in _lines(rows):
        writer.writerow([safe(cell) for cell in cells])
    return file.getvalue()


def _lines(rows: Sequence[Mapping[str, object]]) -> Iterable[Iterable[object]]:
    if rows:
        yield rows[0].keys()
    for row in rows:
        yield row.values()
