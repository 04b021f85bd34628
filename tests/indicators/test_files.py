"""Reports on the terminal and as files for other programs."""

from __future__ import annotations

import csv
import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from pyarrow import parquet

from tests.indicators.conftest import YEAR, Town, settled
from worker.indicators import files
from worker.indicators.board import Board, Share, cell
from worker.indicators.reports import KINDS


def _board(rows: list[dict[str, object]]) -> Board:
    return Board("matrix", "Matrix", "", YEAR, [], exports={"clients": rows})


def test_parquet_keeps_the_types_of_a_table(tmp_path: Path) -> None:
    rows = [
        {"name": "Ą", "sum": Decimal("10.50"), "n": 3, "part": Share(0.25), "on": date(2026, 1, 2)},
        {"name": None, "sum": Decimal(-1), "n": None, "part": None, "on": None},
    ]
    (written,) = files.write(_board(rows), tmp_path / "new", files.PARQUET)
    assert written.name == "matrix-clients.parquet"
    table = parquet.read_table(written)
    assert [str(one.type) for one in table.schema] == [
        *("string", "decimal128(18, 2)", "int64", "double", "date32[day]"),
    ]
    first, second = table.to_pylist()
    assert first == rows[0]
    assert second == {"name": None, "sum": Decimal("-1.00"), "n": None, "part": None, "on": None}


def test_a_column_of_counts_and_amounts_is_one_of_numbers(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"value": 3}, {"value": Decimal("2.50")}, {"value": None}]
    (written,) = files.write(_board(rows), tmp_path, files.PARQUET)
    assert parquet.read_table(written).column("value").to_pylist() == [3.0, 2.5, None]


def test_csv_has_plain_numbers_and_no_formula(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"name": "=1+1", "sum": Decimal("-10.50"), "part": Share(0.25), "on": date(2026, 1, 2)}
    ]
    (written,) = files.write(_board(rows), tmp_path, files.CSV)
    with written.open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert row == {"name": "'=1+1", "sum": "-10.50", "part": "0.25", "on": "2026-01-02"}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"),
        ("", "–"),
        (1234, "1,234"),
        (Decimal("-1234.5"), "−1,234.50"),
        (Share(0.256), "25.6 %"),
        (2.25, "2.2"),
        (date(2026, 1, 2), "2026-01-02"),
    ],
)
def test_people_read_values_as_words(value: object, shown: str) -> None:
    assert cell(value) == shown


@pytest.mark.parametrize("form", files.WRITERS)
def test_every_table_of_every_report_can_be_written(town: Town, tmp_path: Path, form: str) -> None:
    settled(town)
    town.mail("A", "2026-10-10")
    town.said("A", 9, "2026-10-10")
    for name in KINDS:
        board = town.board(name, YEAR)
        written = files.write(board, tmp_path, form)
        assert {path.stem for path in written} == {f"{name}-{table}" for table in board.tables}
        for figure in board.figures:
            record = figure.record(YEAR)
            assert json.loads(json.dumps(record, default=str))["metric"]
