"""Statements that are built once and run on the driver itself.

For the few that the engine and the ledger run thousands of times: there SQLAlchemy's own way
costs more than the statement. The types, the transaction and the errors stay SQLAlchemy's.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Delete, Dialect, Select, Update
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import TypeEngine

from worker.db.types import Moment

Convert = Callable[[Any], Any]
_REMEMBERED = 4096  # moments: the same few, row after row


class Prepared:
    """A statement with named parameters; its rows are named tuples."""

    def __init__(self, statement: Select[Any] | Update | Delete) -> None:
        self._statement = statement
        self._compiled: dict[str, _Compiled] = {}

    def rows(self, conn: Connection, **values: Any) -> list[Any]:
        """Runs it in the connection's transaction; all rows, under the names of their columns."""
        compiled = self._for(conn)
        return compiled.read(self._fetched(conn, compiled, values))

    def scalars(self, conn: Connection, **values: Any) -> list[Any]:
        """The first column of every row."""
        return [row[0] for row in self.rows(conn, **values)]

    def asking(self, **values: Any) -> Asking:
        """The statement with what it is asked about, for ``together``."""
        return Asking(self, values)

    def run(self, conn: Connection, **values: Any) -> int:
        """Runs a statement without rows; how many it touched."""
        compiled = self._for(conn)
        cursor = _opened(conn)
        try:
            cursor.execute(compiled.sql, compiled.bound(values))
            return int(cursor.rowcount)
        except conn.dialect.loaded_dbapi.Error as error:
            raise _as_ours(conn, cursor, error) from error
        finally:
            cursor.close()

    def _fetched(self, conn: Connection, compiled: _Compiled, values: dict[str, Any]) -> list[Any]:
        cursor = _opened(conn)
        try:
            cursor.execute(compiled.sql, compiled.bound(values))
            return compiled.fetched(conn.dialect, cursor)
        except conn.dialect.loaded_dbapi.Error as error:
            raise _as_ours(conn, cursor, error) from error
        finally:
            cursor.close()

    def _for(self, conn: Connection) -> _Compiled:
        found = self._compiled.get(conn.dialect.name)
        if found is None:
            found = self._compiled[conn.dialect.name] = _compile(self._statement, conn.dialect)
        return found


@dataclass(frozen=True, slots=True)
class Asking:
    """A statement with the values of its parameters."""

    statement: Prepared
    values: dict[str, Any]

    def sent(self, conn: Connection, cursor: Any) -> tuple[_Compiled, Any]:
        """Begins it on a cursor of the driver; how to read what it finds, and the cursor."""
        compiled = self.statement._for(conn)
        cursor.execute(compiled.sql, compiled.bound(self.values))
        return compiled, cursor


def together(conn: Connection, asked: Sequence[Asking | None]) -> list[list[Any]]:
    """What ``rows`` of each would give, in their order; nothing for ``None``.

    For statements about rows that are named by their numbers. PostgreSQL is sent all of them before
    it answers the first, so that the way there and back is paid once, and keeps their plans: else
    it plans each anew, every time, as a list of unknown length looks dearer than the one it has.
    """
    if conn.dialect.name != "postgresql":
        return [one.statement.rows(conn, **one.values) if one else [] for one in asked]
    with driving(conn) as first:
        driver = first.connection
        with driver.pipeline():
            first.execute("SET LOCAL plan_cache_mode = force_generic_plan")
            sent = [one and one.sent(conn, driver.cursor()) for one in asked]
            first.execute("SET LOCAL plan_cache_mode = auto")
        return [one[0].read(one[0].fetched(conn.dialect, one[1])) if one else [] for one in sent]


@contextmanager
def driving(conn: Connection, *, begin: bool = True) -> Iterator[Any]:
    """A cursor of the driver in the connection's transaction; its errors become SQLAlchemy's.

    Without a transaction one is begun, as SQLAlchemy does it, unless ``begin`` is false.
    """
    cursor = _opened(conn, begin=begin)
    try:
        yield cursor
    except conn.dialect.loaded_dbapi.Error as error:
        raise _as_ours(conn, cursor, error) from error
    finally:
        cursor.close()


def _opened(conn: Connection, *, begin: bool = True) -> Any:
    if begin and not conn.in_transaction():
        conn.begin()
    return conn.connection.cursor()


def _as_ours(conn: Connection, cursor: Any, error: Any) -> BaseException:
    """The driver's error as SQLAlchemy's."""
    lost = conn.dialect.is_disconnect(error, conn.connection.dbapi_connection, cursor)
    if lost:
        conn.invalidate(error)
    # The text of a failing row may hold an address, so parameters are never shown.
    ours: BaseException = DBAPIError.instance(
        None,
        None,
        error,
        conn.dialect.loaded_dbapi.Error,
        hide_parameters=True,
        connection_invalidated=lost,
        dialect=conn.dialect,
    )
    return ours


@dataclass(slots=True)
class _Compiled:
    """A statement as the driver of one dialect wants it."""

    sql: str
    names: tuple[str, ...]
    positional: bool
    fixed: dict[str, Any]
    converters: dict[str, Convert]
    row: Callable[[Any], Any]
    types: tuple[TypeEngine[Any], ...]
    readers: list[tuple[int, Convert]] | None = None

    def bound(self, values: dict[str, Any]) -> Any:
        given = self.fixed | values
        for name, convert in self.converters.items():
            given[name] = convert(given[name])
        return [given[name] for name in self.names] if self.positional else given

    def learned(self, dialect: Dialect, description: Any) -> list[tuple[int, Convert]]:
        """How to read the columns; the driver's own type codes are known from the first run on."""
        found = []
        for place, (type_, told) in enumerate(zip(self.types, description, strict=True)):
            read = _reader(type_, dialect, told[1])
            if read is not None:
                found.append((place, read))
        return found

    def fetched(self, dialect: Dialect, cursor: Any) -> list[Any]:
        """All rows of a cursor that has run it, as the driver gives them."""
        if self.readers is None:  # a description is made anew whenever it is asked for
            self.readers = self.learned(dialect, cursor.description)
        return list(cursor.fetchall())

    def read(self, raw: list[Any]) -> list[Any]:
        make = self.row
        if not self.readers:
            return [make(row) for row in raw]
        found = []
        for row in raw:
            cells = list(row)
            for place, convert in self.readers:
                if cells[place] is not None:
                    cells[place] = convert(cells[place])
            found.append(make(cells))
        return found


def _compile(statement: Select[Any] | Update | Delete, dialect: Dialect) -> _Compiled:
    compiled: Any = statement.compile(dialect=dialect)
    fixed: dict[str, Any] = {}
    converters: dict[str, Convert] = {}
    for bind, name in compiled.bind_names.items():
        convert = bind.type.dialect_impl(dialect).bind_processor(dialect)
        if convert is not None and isinstance(bind.type, Moment):
            convert = lru_cache(maxsize=_REMEMBERED)(convert)
        if bind.required:
            if convert is not None:
                converters[name] = convert
        else:
            fixed[name] = convert(bind.value) if convert else bind.value
    columns: Any = statement.exported_columns
    return _Compiled(
        sql=str(compiled),
        names=tuple(compiled.positiontup or ()),
        positional=bool(compiled.positional),
        fixed=fixed,
        converters=converters,
        row=_row(tuple(columns.keys())),
        types=tuple(column.type for column in columns.values()),
    )


def _reader(type_: TypeEngine[Any], dialect: Dialect, code: Any) -> Convert | None:
    convert = type_.dialect_impl(dialect).result_processor(dialect, code)
    if convert is None or not isinstance(type_, Moment):
        return convert
    return lru_cache(maxsize=_REMEMBERED)(convert)


def _row(names: tuple[str, ...]) -> Callable[[Any], Any]:
    """How a row is made; ``_mapping`` as on SQLAlchemy's rows, for what reads either."""
    base = namedtuple("base", names)  # type: ignore[misc]  # the names are known when it runs
    mapping = property(lambda row: row._asdict())
    made: Any = type("Row", (base,), {"__slots__": (), "_mapping": mapping})
    make: Callable[[Any], Any] = made._make
    return make
