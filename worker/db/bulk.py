"""Many rows at once: COPY on PostgreSQL, one prepared statement on SQLite.

SQLAlchemy's own executemany is the yardstick (``bench/``); these are what the import, the engine
and the ledger use where thousands of rows move in one transaction.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, Table, bindparam, func, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.engine import Connection

Row = Sequence[Any]


def insert(conn: Connection, table: Table, columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Inserts ``rows`` (tuples in the order of ``columns``). A duplicate key raises."""
    if not rows:
        return
    if conn.dialect.name == "postgresql":
        _copy(conn, table.name, columns, _converted(conn, table, columns, rows))
        return
    names, marks = ", ".join(columns), ", ".join("?" * len(columns))
    sql = f"INSERT INTO {table.name} ({names}) VALUES ({marks})"  # noqa: S608 -- names are ours
    conn.exec_driver_sql(sql, list(_converted(conn, table, columns, rows)))


def update(
    conn: Connection, table: Table, columns: Sequence[str], rows: Sequence[Row], *, key: str = "id"
) -> None:
    """Updates rows found by ``key``: each tuple holds the key first, then ``columns``."""
    if not rows:
        return
    if conn.dialect.name == "postgresql":
        staged = stage(conn, table, [key, *columns], rows)
        assignments = ", ".join(f"{name} = s.{name}" for name in columns)
        conn.exec_driver_sql(
            f"UPDATE {table.name} t SET {assignments} FROM {staged} s WHERE t.{key} = s.{key}"  # noqa: S608
        )
        conn.exec_driver_sql(f"DROP TABLE {staged}")
        return
    assignments = ", ".join(f"{name} = ?" for name in columns)
    sql = f"UPDATE {table.name} SET {assignments} WHERE {key} = ?"  # noqa: S608
    converted = _converted(conn, table, [key, *columns], rows)
    conn.exec_driver_sql(sql, [(*row[1:], row[0]) for row in converted])


def stage(conn: Connection, table: Table, columns: Sequence[str], rows: Sequence[Row]) -> str:
    """PostgreSQL only: copies ``rows`` into a temporary table shaped like ``table``; its name."""
    name = f"staged_{table.name}"
    wanted = ", ".join(columns)
    conn.exec_driver_sql(
        f"CREATE TEMPORARY TABLE {name} ON COMMIT DROP AS SELECT {wanted} FROM {table.name} LIMIT 0"  # noqa: S608
    )
    _copy(conn, name, columns, _converted(conn, table, columns, rows))
    return name


def _copy(conn: Connection, name: str, columns: Sequence[str], rows: Iterable[Row]) -> None:
    cursor = conn.connection.cursor()
    try:
        with cursor.copy(f"COPY {name} ({', '.join(columns)}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
    finally:
        cursor.close()


def _converted(
    conn: Connection, table: Table, columns: Sequence[str], rows: Iterable[Row]
) -> Iterable[Row]:
    """Rows with the columns' own types applied, as the driver wants them."""
    converters: list[tuple[int, Callable[[Any], Any]]] = []
    for place, name in enumerate(columns):
        column: Column[Any] = table.c[name]
        processor = column.type.dialect_impl(conn.dialect).bind_processor(conn.dialect)
        if processor is not None:
            converters.append((place, processor))
    if not converters:
        return rows
    return _convert(rows, converters)


def _convert(
    rows: Iterable[Row], converters: list[tuple[int, Callable[[Any], Any]]]
) -> Iterator[Row]:
    for row in rows:
        cells = list(row)
        for place, convert in converters:
            cells[place] = convert(cells[place])
        yield cells


def among(
    conn: Connection, column: ColumnElement[Any], values: Sequence[Any]
) -> ColumnElement[bool]:
    """``column IN values`` as one bound parameter, so that the statement is prepared once."""
    if conn.dialect.name == "postgresql":
        return column == func.any(bindparam(None, list(values), type_=ARRAY(column.type)))
    listed = json.dumps(list(values))
    return column.in_(select(text("value")).select_from(func.json_each(bindparam(None, listed))))


def chunks(values: Sequence[Any], size: int = 5000) -> Iterator[Sequence[Any]]:
    """``values`` cut into slices of at most ``size``."""
    for start in range(0, len(values), size):
        yield values[start : start + size]
