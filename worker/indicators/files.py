"""Tables as files for programs that make pictures of their own: CSV always, Parquet where pyarrow
is installed (``pip install 'perennial[parquet]'``).

In CSV an amount is ``1234.50``, a share ``0.8123``, a day ``2026-03-31``, nothing an empty cell; a
text that a spreadsheet would take for a formula gets an apostrophe in front. Parquet keeps the
types: amounts are decimals with two digits, counts 64-bit integers, shares doubles, days dates.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from worker.indicators.board import Board, Table
from worker.kernel import sheets
from worker.kernel.errors import DependencyDownError, UsageError

CSV, PARQUET = "csv", "parquet"


def has_parquet() -> bool:
    """Whether Parquet can be written here."""
    return find_spec("pyarrow") is not None


def csv_of(rows: Table) -> bytes:
    """A table as CSV in UTF-8."""
    return sheets.written(rows).encode()


def parquet_of(rows: Table) -> bytes:
    """A table as Parquet. Raises ``UsageError`` where pyarrow is not installed."""
    if not has_parquet():
        raise UsageError(
            "Parquet needs pyarrow, which is not here: pip install 'perennial[parquet]'"
        )
    import pyarrow
    from pyarrow import parquet

    columns = {name: [row.get(name) for row in rows] for name in rows[0]}
    fields = [pyarrow.field(name, _type(pyarrow, cells)) for name, cells in columns.items()]
    arrays = [
        pyarrow.array(_cells(columns[field.name], _converter(pyarrow, field.type)), field.type)
        for field in fields
    ]
    sink = pyarrow.BufferOutputStream()
    parquet.write_table(pyarrow.Table.from_arrays(arrays, schema=pyarrow.schema(fields)), sink)
    written: bytes = sink.getvalue().to_pybytes()
    return written


def _type(pyarrow: Any, cells: list[object]) -> Any:
    """The type of a column, by all that stands in it; text where it is mixed, or nothing is
    known."""
    found = {type(cell) for cell in cells if cell is not None}
    if found and found <= {int}:
        return pyarrow.int64()
    if found == {Decimal}:
        return pyarrow.decimal128(18, 2)
    if found and all(issubclass(one, int | float | Decimal) for one in found):
        return pyarrow.float64()
    if found == {date}:
        return pyarrow.date32()
    return pyarrow.string()


def _cells(cells: list[object], convert: Callable[[Any], object]) -> list[object]:
    """Cells as pyarrow takes them; what is empty stays so."""
    return [None if cell is None else convert(cell) for cell in cells]


def _converter(pyarrow: Any, type_: Any) -> Callable[[Any], object]:
    """What makes a value of a mixed column one of its type."""
    if type_ == pyarrow.string():
        return str
    return float if type_ == pyarrow.float64() else lambda cell: cell


WRITERS: Mapping[str, Callable[[Table], bytes]] = {CSV: csv_of, PARQUET: parquet_of}


def write(board: Board, folder: Path, kind: str) -> list[Path]:
    """Writes every table of a report into ``folder``, which is made if need be, as
    ``REPORT-TABLE.csv`` or ``.parquet``; old files of these names are replaced.

    Raises ``UsageError`` for Parquet without pyarrow, ``DependencyDownError`` when a file cannot be
    written.
    """
    written = []
    for name, rows in board.tables.items():
        target = folder / f"{board.name}-{name}.{kind}"
        content = WRITERS[kind](rows)
        part = target.with_name(f"{target.name}.part")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            part.write_bytes(content)
            part.replace(target)
        except OSError as error:
            raise DependencyDownError(
                f"{target}: cannot be written ({error.strerror}); name a folder of yours"
            ) from error
        written.append(target)
    return written
