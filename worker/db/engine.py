"""Engines with the settings that keep the ledger honest."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache, cached_property
from pathlib import Path
from time import monotonic
from typing import Any, Literal

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import StaticPool
from sqlalchemy.schema import CreateTable
from sqlalchemy.util import LRUCache

from worker.db.prepared import driving
from worker.db.types import FOR_PEOPLE, metadata

# Below these a checkpoint that races with another may corrupt a database in WAL mode
# (sqlite.org/wal.html, "WAL-reset bug"), so the rollback journal is used there.
_WAL_SAFE = (3, 51, 3)
_WAL_BACKPORTS = ((3, 44, 6), (3, 50, 7))

_IDLE_SECONDS = 1.0


def wal_is_safe(version: tuple[int, ...] = sqlite3.sqlite_version_info) -> bool:
    """Whether this SQLite may use write-ahead logging with several processes."""
    return version >= _WAL_SAFE or version in _WAL_BACKPORTS


def make_engine(url: str, *, durable: bool = True, pool_size: int = 18) -> Engine:
    """An engine for ``sqlite:///path`` or ``postgresql+psycopg://…``.

    ``durable=False`` trades safety on power loss for speed. Nothing connects until the first use.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite(parsed, _SAFE if durable else _QUICK)
    return _postgresql(parsed, pool_size)


def make_scratch(path: Path) -> Engine:
    """An engine on a throw-away SQLite file that one thread alone uses, through one connection.

    Nothing is rolled back: whoever fails throws the file away.
    """
    return _sqlite(make_url(f"sqlite:///{path}"), _SCRATCH, poolclass=StaticPool)


class Alone(Engine):
    """A throw-away database that one thread alone uses: all that happens there is one transaction,
    which is taken back at last. So many short ones would cost more than what is done in them."""

    @cached_property
    def held(self) -> Connection:
        """The connection, in the transaction."""
        conn = self.connect()
        conn.exec_driver_sql("BEGIN")
        return conn

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        yield self.held

    @property
    def pages(self) -> int:
        """How large it is, in pages of 4 KB."""
        size: int = self.held.exec_driver_sql("PRAGMA page_count").scalar_one()
        return size

    def begin_anew(self, done: Literal["COMMIT", "ROLLBACK"]) -> None:
        """Keeps all that happened so far, or takes it back."""
        self.held.exec_driver_sql(done)
        self.held.exec_driver_sql("BEGIN")

    def dispose(self, close: bool = True) -> None:
        self.held.close()
        super().dispose(close)


def make_alone() -> Alone:
    """One with all tables, in memory; what exceeds 32 MB is in a file that SQLite removes."""
    made, known = _first_alone()
    options = {"compiled_cache": known}
    engine = Alone(
        made.pool.recreate(),
        made.dialect,
        made.url,
        hide_parameters=True,
        execution_options=options,
    )
    lay_tables(engine)
    engine.begin_anew("COMMIT")
    return engine


@cache
def _first_alone() -> tuple[Engine, LRUCache[Any, Any]]:
    """What they have in common: a dialect, and the statements that were compiled for it, which
    takes far longer than to make the tables."""
    settings = (*_SCRATCH, "journal_mode = MEMORY")
    url = make_url("sqlite:///file:?uri=true")
    made = _sqlite(url, settings, poolclass=StaticPool, keeps=_STATEMENTS)
    return made, LRUCache(_STATEMENTS)


def lay_tables(scratch: Engine) -> None:
    """Makes all tables in an empty throw-away database. Nobody looks for things there, so it goes
    without the indexes that serve people: each would be written with every mail."""
    with scratch.begin() as conn:
        for table in metadata.sorted_tables:
            conn.execute(CreateTable(table))
            for index in table.indexes:
                if index.info != FOR_PEOPLE:
                    index.create(conn)


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction that only reads: one moment's view, and no writer is kept waiting."""
    if isinstance(engine, Alone):
        yield engine.held
        return
    options: dict[str, Any] = {"only_reads": True}
    if engine.dialect.name == "postgresql":
        options = {"postgresql_readonly": True, "isolation_level": "REPEATABLE READ"}
    with engine.connect() as conn:
        reader = conn.execution_options(**options)
        with reader.begin():
            yield reader


_SAFE = ("journal_mode = " + ("WAL" if wal_is_safe() else "DELETE"), "synchronous = FULL")
_QUICK = ("journal_mode = MEMORY", "synchronous = OFF")
_SCRATCH = (
    "locking_mode = EXCLUSIVE",
    "journal_mode = OFF",
    "synchronous = OFF",
    "cache_size = -32768",
)
_STATEMENTS = 512
"""That a throw-away database keeps prepared: all that the engine and the ledger have."""


def _sqlite(url: URL, settings: Sequence[str], *, keeps: int = 128, **options: Any) -> Engine:
    if url.database and url.database != ":memory:":
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        url,
        hide_parameters=True,
        connect_args={"timeout": 30, "check_same_thread": False, "cached_statements": keeps},
        **options,
    )

    @event.listens_for(engine, "connect")
    def _settings(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we write BEGIN ourselves
        cursor = connection.cursor()
        cursor.execute("PRAGMA busy_timeout = 30000")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA cache_size = -65536")
        cursor.execute("PRAGMA temp_store = MEMORY")
        for setting in settings:
            cursor.execute(f"PRAGMA {setting}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A deferred transaction that upgrades to a write loses updates silently.
        only_reads = connection.get_execution_options().get("only_reads", False)
        with driving(connection, begin=False) as cursor:
            cursor.execute("BEGIN" if only_reads else "BEGIN IMMEDIATE")

    return engine


def _postgresql(url: URL, pool_size: int) -> Engine:
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    engine = create_engine(
        url,
        hide_parameters=True,  # they hold addresses, and errors end up in logs
        # A connection above the usual number would be made and closed for each use.
        pool_size=pool_size,
        max_overflow=0,
        pool_use_lifo=True,
        connect_args={
            "connect_timeout": 10,
            # A server whose machine vanished is noticed in a minute, not in hours.
            "keepalives_idle": 30,
            "keepalives_interval": 10,
            "keepalives_count": 3,
            "tcp_user_timeout": 60_000,
            "options": "-c lock_timeout=30s -c statement_timeout=300s -c timezone=UTC",
        },
    )
    _ping_what_was_idle(engine)
    return engine


def _ping_what_was_idle(engine: Engine) -> None:
    """Asks a connection whether it still stands, unless it was used a moment ago: a question for
    each use would cost as much as a query. A server that went away meanwhile fails one use; then
    the pool is empty, as it is after any error of that kind."""

    @event.listens_for(engine, "checkin")
    def _note(_connection: Any, record: Any) -> None:
        record.info["used"] = monotonic()

    @event.listens_for(engine, "checkout")
    def _ask(connection: Any, record: Any, _proxy: Any) -> None:
        if monotonic() - record.info.get("used", monotonic()) < _IDLE_SECONDS:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            raise DisconnectionError("the server went away meanwhile") from error


_MEMORY = "64MB"  # for each join or sort; a year of a million licences fits


def settle_in(conn: Connection) -> None:
    """Readies PostgreSQL for a transaction that counts.

    It compiles no expressions: these queries have so many that it costs seconds, more than it saves
    even in a large book. And it joins and sorts a large book in memory, not in files.
    """
    if conn.dialect.name == "postgresql":
        conn.exec_driver_sql("SET LOCAL jit = off")
        conn.exec_driver_sql(f"SET LOCAL work_mem = '{_MEMORY}'")
