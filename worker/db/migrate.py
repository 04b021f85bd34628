"""Moves the schema forward. Revisions are numbered ``0001``, ``0002`` … in the order they run.

A migration leaves the schema usable by the release before it, so that old processes may go on
while new ones start; hence a schema newer than this code is accepted.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Engine, inspect, text
from sqlalchemy.engine import Connection

from worker.db.engine import reading
from worker.db.prepared import driving
from worker.kernel.errors import ConfigError

if TYPE_CHECKING:
    from alembic.config import Config

_FOLDER = Path(__file__).parent / "migrations"
_LOCK = 7_367_291_145  # any number that no other program is likely to choose


def head() -> str:
    """The newest revision that this code knows."""
    return max(path.name.split("_")[0] for path in (_FOLDER / "versions").glob("[0-9]*.py"))


def current(engine: Engine) -> str | None:
    """The revision of the database; ``None`` when it was never migrated."""
    with reading(engine) as conn:
        return _current(conn)


def _current(conn: Connection) -> str | None:
    if not inspect(conn).has_table("alembic_version"):
        return None
    revision: str | None = conn.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return revision


def require_current(engine: Engine) -> None:
    """Raises ``ConfigError`` when the schema is missing or older than this code."""
    found = current(engine)
    if found is None or found < head():
        state = "has no tables yet" if found is None else f"stands at {found}"
        raise ConfigError(
            f"The database {state}; this release needs {head()}. Run: perennial db upgrade"
        )


def upgrade(engine: Engine) -> None:
    """Brings the schema to ``head()``, in one transaction; a second caller waits, then rests.

    Does nothing when the schema is current or newer.
    """
    with _unreferenced(engine) as conn, conn.begin():
        if conn.dialect.name == "postgresql":
            conn.execute(text("SET LOCAL lock_timeout = '300s'"))
            conn.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        found = _current(conn)
        if found is None or found < head():
            _run(conn)


@contextmanager
def _unreferenced(engine: Engine) -> Iterator[Connection]:
    """A connection on which SQLite lets a table be made anew that others refer to. That each row
    still finds what it refers to is looked at before the end (``_run``)."""
    with engine.connect() as conn:
        _refer(conn, "OFF")
        try:
            yield conn
        finally:
            _refer(conn, "ON")


def _refer(conn: Connection, state: str) -> None:
    if conn.dialect.name == "sqlite":
        with driving(conn, begin=False) as cursor:
            cursor.execute(f"PRAGMA foreign_keys = {state}")


def _run(conn: Connection) -> None:
    from alembic import command

    command.upgrade(alembic_config(conn), "head")
    if conn.dialect.name == "sqlite":
        lost = conn.execute(text("PRAGMA foreign_key_check")).first()
        if lost is not None:
            said = f"rows of {lost[0]} refer to what is not there"
            raise ConfigError(f"The database was left as it was: {said}")


def alembic_config(conn: Connection) -> Config:
    """What alembic's own commands need to work on ``conn``; tests and drafts use it too."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.attributes["connection"] = conn
    return config
