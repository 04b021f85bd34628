"""The kinds of sources. A new one is its file and a line here."""

from __future__ import annotations

from collections.abc import Mapping

from worker.sources import http_json, sql_query
from worker.sources.csv_file import open_csv
from worker.sources.declared import Kind
from worker.sources.xlsx_file import open_xlsx

KINDS: Mapping[str, Kind] = {
    "csv": Kind(open_csv, needs=("path",), takes=("encoding", "delimiter")),
    "xlsx": Kind(open_xlsx, needs=("path",), takes=("sheet",)),
    "http": Kind(http_json.open_http, ("url",), http_json.TAKES, http_json.check),
    "sql": Kind(sql_query.open_sql, ("url", "query"), sql_query.TAKES, sql_query.check),
}
