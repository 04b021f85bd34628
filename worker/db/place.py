"""Where a database lives. A copy finds itself elsewhere than the row that came with it says."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine, select, text, update
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from worker.db.records import instance
from worker.kernel.keys import digest

_MACHINE = Path("/etc/machine-id")


def place_of(engine: Engine) -> str:
    """A fingerprint of the place of a database.

    For SQLite the machine, the path and the file itself; for PostgreSQL the cluster's own number
    and timeline, and the database in it. A dump that is restored, a file that is copied, a standby
    that was promoted: each has another.
    """
    if engine.dialect.name == "sqlite":
        return digest("\0".join(_file(Path(engine.url.database or "").resolve())))
    with engine.connect() as conn:
        return digest("\0".join(_cluster(conn)))


def _file(path: Path) -> list[str]:
    machine = _MACHINE.read_text().strip() if _MACHINE.is_file() else ""
    number = str(path.stat().st_ino) if path.exists() else ""
    return ["sqlite", machine, str(path), number]


def _cluster(conn: Connection) -> list[str]:
    mine = "SELECT oid::text || ':' || datname FROM pg_database WHERE datname = current_database()"
    database = conn.execute(text(mine)).scalar_one()
    try:
        with conn.begin_nested():
            cluster = conn.execute(
                text(
                    "SELECT system_identifier::text || ':' || timeline_id::text "
                    "FROM pg_control_system(), pg_control_checkpoint()"
                )
            ).scalar_one()
    except DBAPIError:  # not every hosted PostgreSQL lets its users ask
        cluster = ""
    return ["postgresql", cluster, database]


def known_place(conn: Connection) -> str | None:
    """The place that the database remembers; ``None`` before it was ever asked."""
    return conn.execute(select(instance.c.place)).scalar()


def settle(conn: Connection, place: str) -> None:
    """Remembers where the database lives from now on."""
    conn.execute(update(instance).values(place=place))
