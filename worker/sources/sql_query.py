"""The rows of a query. Read only, streamed into a file of our own before anything is read."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, CursorResult, Engine, create_engine, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from worker.config.settings import SourceSettings
from worker.kernel.errors import did_you_mean
from worker.sources.cells import text_of
from worker.sources.contract import BadRow, Reading, Source, SourceDownError, SourceError, refuse
from worker.sources.declared import Wrong
from worker.sources.spool import MOST_BYTES, MOST_ROWS, Spool

TAKES = ("password", "timeout")

_BATCH = 1000
_COMMENT = re.compile(r"\s+|--[^\n]*(?:\n|$)|/\*.*?\*/", re.S)
_READS = ("select", "with", "values", "table")
_KNOWN = ("postgresql+psycopg", "sqlite", "mysql+pymysql", "oracle+oracledb", "mssql+pyodbc")


def check(source: SourceSettings) -> Iterator[Wrong]:
    """What is wrong with the keys of a source of this kind."""
    if source.url is not None:
        yield from _check_url(source)
    if source.query is not None and _first_word(source.query) not in _READS:
        expected = "a query that only reads"
        got, hint = repr(_first_word(source.query)), "begin it with SELECT or WITH"
        yield Wrong("query", "not-a-query", expected, got, hint)


def _check_url(source: SourceSettings) -> Iterator[Wrong]:
    try:
        url = make_url(source.url or "")
    except (ArgumentError, ValueError):
        hint = "write e.g. 'postgresql+psycopg://reader@host/erp'"
        yield Wrong("url", "url", "the address of a database", "", hint)
        return
    if (missing := _missing_driver(url)) is not None:
        yield missing
    if source.password is not None and url.password:
        yield Wrong("password", "set-twice", "given once", "", "url has a password already")


def _missing_driver(url: URL) -> Wrong | None:
    expected = "a database whose driver is installed"
    try:
        url.get_dialect().import_dbapi()
    except NoSuchModuleError:
        hint = did_you_mean(url.drivername, _KNOWN, otherwise=f"known are e.g. {', '.join(_KNOWN)}")
        return Wrong("url", "driver", expected, repr(url.drivername), hint)
    except ImportError as error:
        hint = f"install {error.name} beside Perennial"
        return Wrong("url", "driver", expected, repr(url.drivername), hint)
    return None


def _first_word(query: str) -> str:
    at = 0
    while found := _COMMENT.match(query, at):
        at = found.end()
    word = re.match(r"\(*\s*(\w+)", query[at:])
    return word[1].lower() if word else query[at : at + 20]


def open_sql(path: Path | None, how: Reading) -> Source:
    """Runs the query and keeps its rows; see ``contract.Opener``. No file stands in for it."""
    if path is not None:
        hint = "declare a source of kind csv with the same loads to read a file"
        got = f"the file {path.name}"
        raise refuse(how.name, "no-file", "no file: this source reads a database", got, hint)
    settings = how.settings
    if settings is None or settings.url is None or settings.query is None:
        raise ValueError("a source of kind sql is opened with its settings")
    engine = _engine(settings, how)
    try:
        with _told(how), engine.connect() as conn:
            return _run(conn, settings.query, how)
    finally:
        engine.dispose()


def _engine(settings: SourceSettings, how: Reading) -> Engine:
    url = make_url(settings.url or "")
    if settings.password is not None:
        url = url.set(password=settings.password.get_secret_value())
    seconds = settings.timeout.total_seconds()
    if url.get_backend_name() == "sqlite":
        file = how.root / (url.database or "")
        return create_engine(
            "sqlite://", creator=lambda: _read_only(file, seconds), poolclass=NullPool
        )
    options: dict[str, Any] = {}
    if url.get_backend_name() == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
        options = {"connect_timeout": max(2, int(seconds))}
        if "options" not in url.query:  # else whoever wrote them has said what they want
            options["options"] = f"-c statement_timeout={int(seconds * 1000)}"
    return create_engine(url, poolclass=NullPool, hide_parameters=True, connect_args=options)


def _read_only(file: Path, seconds: float) -> sqlite3.Connection:
    """A connection that cannot write, and that makes no new file where there is none."""
    return sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True, timeout=seconds)


def _run(conn: Connection, query: str, how: Reading) -> Source:
    options: dict[str, Any] = {"stream_results": True, "no_parameters": True}
    if conn.dialect.name == "postgresql":
        options["postgresql_readonly"] = True
    conn = conn.execution_options(**options)
    if conn.dialect.name in ("mysql", "mariadb"):
        conn.exec_driver_sql("SET SESSION TRANSACTION READ ONLY")
    with closing(conn.exec_driver_sql(query.strip().rstrip(";"))) as result:
        return _spooled(result, how)


def _spooled(result: CursorResult[Any], how: Reading) -> Source:
    spool = Spool()
    names = list(result.keys())
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        hint = "give each column a name of its own with AS"
        raise how.at("query", "doubled-column", "columns of different names", repr(twice), hint)
    for name in names:
        spool.column(name)
    for batch in result.partitions(_BATCH):
        _keep(spool, batch, how)
    if not spool.count:
        raise refuse(how.name, "no-rows", "at least one row", "none")
    return spool


def _keep(spool: Spool, batch: Any, how: Reading) -> None:
    for row in batch:
        raw = [at for at, cell in enumerate(row, start=1) if isinstance(cell, bytes | memoryview)]
        if raw:
            spool.add(BadRow(0, "bytes", "text, a number or a date", "bytes", column=raw[0]))
        else:
            spool.add([text_of(cell, how.point) for cell in row])
    if spool.count > MOST_ROWS or spool.size > MOST_BYTES:
        expected = f"at most {MOST_ROWS:,} rows in {MOST_BYTES >> 30} GB"
        raise refuse(how.name, "too-large", expected, "more")
    how.told(spool.count)


@contextmanager
def _told(how: Reading) -> Iterator[None]:
    """Turns what a database says into what a person can act on."""
    try:
        yield
    except SourceError:
        raise
    except SQLAlchemyError as error:
        raise _failed(error, how) from error


def _failed(error: SQLAlchemyError, how: Reading) -> SourceError:
    cause = getattr(error, "orig", None) or error
    said = next(iter(str(cause).strip().splitlines()), type(cause).__name__)
    if getattr(error, "statement", None) is None:  # it did not come to the query
        problem = how.at("url", "no-connection", "a database that answers", said, "is it up?")
        return SourceDownError(*problem.problems)
    return how.at("query", "query", "a query that the database runs", said)
