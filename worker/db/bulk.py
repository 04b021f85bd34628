"""Many rows at once: COPY on PostgreSQL, one prepared statement on SQLite.

SQLAlchemy's own executemany is the yardstick (``bench/``); these are what the import, the engine
and the ledger use where thousands of rows move in one transaction.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Date,
    Dialect,
    Table,
    Text,
    TypeDecorator,
    bindparam,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import NullType, TypeEngine

from worker.db.prepared import driving
from worker.db.types import Moment

Row = Sequence[Any]
_FEW = 5000
_NOTHING: Mapping[str, Any] = MappingProxyType({})


def insert(conn: Connection, table: Table, columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Inserts ``rows`` (tuples in the order of ``columns``). A duplicate key raises."""
    if not rows:
        return
    if conn.dialect.name == "postgresql":
        _copy(conn, table.name, columns, _converted(conn, table, columns, rows))
        return
    names, marks = ", ".join(columns), ", ".join("?" * len(columns))
    sql = f"INSERT INTO {table.name} ({names}) VALUES ({marks})"  # noqa: S608 -- names are ours
    with driving(conn) as cursor:
        cursor.executemany(sql, _converted(conn, table, columns, rows))


def add_new(
    conn: Connection, table: Table, columns: Sequence[str], rows: Sequence[Row], *, key: str
) -> set[Any]:
    """Inserts those of ``rows`` that conflict with none; their values in the column ``key``."""
    if not rows:
        return set()
    if conn.dialect.name != "postgresql":
        adding = sqlite.insert(table).on_conflict_do_nothing().returning(table.c[key])
        named = [dict(zip(columns, row, strict=True)) for row in rows]
        return set(conn.execute(adding, named).scalars())
    names, arrays = ", ".join(columns), _arrays(conn.dialect, table, columns)
    with driving(conn) as cursor:
        cursor.execute(
            f"INSERT INTO {table.name} ({names}) SELECT * FROM unnest({arrays}) "  # noqa: S608
            f"ON CONFLICT DO NOTHING RETURNING {key}",
            _lists(conn, table, columns, rows),
        )
        return {row[0] for row in cursor.fetchall()}


def _arrays(dialect: Dialect, table: Table, columns: Sequence[str]) -> str:
    """A parameter for each column: the list of its values."""
    types = [table.c[name].type.compile(dialect) for name in columns]
    return ", ".join(f"%s::{type_}[]" for type_ in types)


def _lists(
    conn: Connection, table: Table, columns: Sequence[str], rows: Sequence[Row]
) -> list[list[Any]]:
    return [list(cells) for cells in zip(*_converted(conn, table, columns, rows), strict=True)]


def update(
    conn: Connection, table: Table, columns: Sequence[str], rows: Sequence[Row], *, key: str = "id"
) -> None:
    """Updates rows found by ``key``: each tuple holds the key first, then ``columns``."""
    if not rows:
        return
    many = conn.dialect.name == "postgresql" and len(rows) > _FEW
    (_update_many if many else update_held)(conn, table, [key, *columns], rows)


def update_held(
    conn: Connection,
    table: Table,
    columns: Sequence[str],
    rows: Sequence[Row],
    *,
    same: Mapping[str, Any] = _NOTHING,
    held: Mapping[str, str] = _NOTHING,
) -> None:
    """Updates a few rows found by the first of ``columns``; ``same`` is what all of them get. Only
    where other columns still hold the texts ``held``: whoever lost a row meanwhile changes nothing
    of it."""
    sql = _updating(table, tuple(columns), tuple(same), tuple(held), conn.dialect)
    (shared,) = _converted(conn, table, [*same], [[*same.values()]])
    with driving(conn) as cursor:
        if conn.dialect.name == "postgresql":
            arrays = _lists(conn, table, columns, rows)
            cursor.execute(sql, (*shared, *arrays, *held.values()))
        else:
            rest = *shared, *held.values()
            converted = _converted(conn, table, columns, rows)
            cursor.executemany(sql, ((*row[1:], *rest, row[0]) for row in converted))


@lru_cache(maxsize=64)
def _updating(
    table: Table,
    columns: tuple[str, ...],
    same: tuple[str, ...],
    held: tuple[str, ...],
    dialect: Dialect,
) -> str:
    """The statement of ``update_held``: its parameters are what is the same, the rows and what is
    held; on SQLite the rest of a row comes first and its key last."""
    key, *others = columns
    if dialect.name != "postgresql":
        sets = ", ".join(f"{name} = ?" for name in (*others, *same))
        fence = " AND ".join(f"{name} = ?" for name in (*held, key))
        return f"UPDATE {table.name} SET {sets} WHERE {fence}"  # noqa: S608 -- names are ours
    sets = ", ".join([f"{name} = %s" for name in same] + [f"{name} = s.{name}" for name in others])
    fence = "".join(f" AND t.{name} = %s" for name in held)
    # An array for each column. A temporary table for each batch would swell the catalogue.
    arrays, names = _arrays(dialect, table, columns), ", ".join(columns)
    return (
        f"UPDATE {table.name} t SET {sets} "  # noqa: S608 -- names are ours
        f"FROM unnest({arrays}) AS s({names}) WHERE t.{key} = s.{key}{fence}"
    )


def _update_many(
    conn: Connection, table: Table, columns: Sequence[str], rows: Sequence[Row]
) -> None:
    key, *others = columns
    staged = stage(conn, table, columns, rows)
    assignments = ", ".join(f"{name} = s.{name}" for name in others)
    conn.exec_driver_sql(
        f"UPDATE {table.name} t SET {assignments} FROM {staged} s WHERE t.{key} = s.{key}"  # noqa: S608
    )
    conn.exec_driver_sql(f"DROP TABLE {staged}")


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
    sql = f"COPY {name} ({', '.join(columns)}) FROM STDIN"
    with driving(conn) as cursor, cursor.copy(sql) as copy:
        for row in rows:
            copy.write_row(row)


def _converted(
    conn: Connection, table: Table, columns: Sequence[str], rows: Iterable[Row]
) -> Iterable[Row]:
    """Rows with the columns' own types applied, as the driver wants them."""
    converters = _converters(table, tuple(columns), conn.dialect)
    if not converters:
        return map(tuple, rows)  # the driver takes no rows of SQLAlchemy's
    return _convert(rows, converters)


@lru_cache(maxsize=256)
def _converters(
    table: Table, columns: tuple[str, ...], dialect: Dialect
) -> list[tuple[int, Callable[[Any], Any]]]:
    found: list[tuple[int, Callable[[Any], Any]]] = []
    for place, name in enumerate(columns):
        processor = table.c[name].type.dialect_impl(dialect).bind_processor(dialect)
        if processor is None:
            continue
        if isinstance(table.c[name].type, Date | Moment):  # the same few, row after row
            processor = lru_cache(maxsize=4096)(processor)
        found.append((place, processor))
    return found


def _convert(
    rows: Iterable[Row], converters: list[tuple[int, Callable[[Any], Any]]]
) -> Iterator[Row]:
    for row in rows:
        cells = list(row)
        for place, convert in converters:
            cells[place] = convert(cells[place])
        yield tuple(cells)


class _List(TypeDecorator[list[Any]]):
    """A list as one bound parameter: an array on PostgreSQL, JSON text on SQLite."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(Text() if dialect.name == "sqlite" else NullType())

    def process_bind_param(self, value: list[Any] | None, dialect: Dialect) -> Any:
        return json.dumps(value) if dialect.name == "sqlite" else value


class _Among(FunctionElement[Any]):
    type = NullType()  # a boolean would be compared with 1 on SQLite, past any index
    inherit_cache = True


@compiles(_Among, "postgresql")
def _among_array(element: _Among, compiler: SQLCompiler, **options: Any) -> str:
    column, values = element.clauses
    return f"{compiler.process(column, **options)} = ANY({compiler.process(values, **options)})"


@compiles(_Among, "sqlite")
def _among_json(element: _Among, compiler: SQLCompiler, **options: Any) -> str:
    column, values = element.clauses
    listed = compiler.process(values, **options)
    rows = f"(SELECT value FROM json_each({listed}))"  # noqa: S608 -- a bound parameter
    return f"{compiler.process(column, **options)} IN {rows}"


def listed(column: ColumnElement[Any], name: str = "ids") -> ColumnElement[bool]:
    """``column`` is among the list bound to ``name``: one parameter, one prepared statement.

    Meant for statements that are built once; give the list (not empty) when executing.
    """
    return _Among(column, bindparam(name, type_=_List()))


def among(column: ColumnElement[Any], values: Sequence[Any]) -> ColumnElement[bool]:
    """``column IN values`` for a statement that is built on the spot; ``values`` not empty."""
    return _Among(column, bindparam(None, list(values), type_=_List()))


def chunks(values: Sequence[Any], size: int = 5000) -> Iterator[Sequence[Any]]:
    """``values`` cut into slices of at most ``size``."""
    for start in range(0, len(values), size):
        yield values[start : start + size]
