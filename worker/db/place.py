"""Where a database lives. A copy finds itself elsewhere than the row that came with it says."""

from __future__ import annotations

import contextlib
import secrets
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine, select, text, update
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from worker.db import heartbeats
from worker.db.records import instance
from worker.kernel.keys import digest

_MACHINE = Path("/etc/machine-id")
_FORGOTTEN = timedelta(minutes=5)
"""So much a database may lose when the power fails; a backup that is put back lost more."""


def place_of(engine: Engine) -> str:
    """A fingerprint of the place of a database.

    For SQLite the machine, the path and the file itself; for PostgreSQL the database and its
    tables, then, after a dot, the cluster's own number and timeline where we may ask for them. A
    dump that is restored, a file that is copied, a standby that was promoted: each has another.
    """
    if engine.dialect.name == "sqlite":
        return digest("\0".join(_file(Path(engine.url.database or "").resolve())))
    with engine.connect() as conn:
        cluster = _cluster(conn)
        return f"{digest(_database(conn))}.{digest(cluster) if cluster else ''}"


def is_same(known: str, here: str) -> bool:
    """Whether two fingerprints mean one place; a cluster that did not tell its number to one of
    two users is the same to both."""
    database, _, cluster = known.partition(".")
    database_here, _, cluster_here = here.partition(".")
    return database == database_here and (cluster == cluster_here or not (cluster and cluster_here))


def _file(path: Path) -> list[str]:
    machine = _MACHINE.read_text().strip() if _MACHINE.is_file() else ""
    number = str(path.stat().st_ino) if path.exists() else ""
    return ["sqlite", machine, str(path), number]


def _database(conn: Connection) -> str:
    """A dump that is put back makes the tables anew, so that they have other numbers."""
    mine = (
        "SELECT oid::text || ':' || datname || ':' || ('instance'::regclass)::oid::text "
        "FROM pg_database WHERE datname = current_database()"
    )
    found: str = conn.execute(text(mine)).scalar_one()
    return found


def _cluster(conn: Connection) -> str:
    asked = (
        "SELECT system_identifier::text || ':' || timeline_id::text "
        "FROM pg_control_system(), pg_control_checkpoint()"
    )
    try:
        with conn.begin_nested():
            found: str = conn.execute(text(asked)).scalar_one()
    except DBAPIError:  # not every hosted PostgreSQL lets its users ask
        return ""
    return found


def known_place(conn: Connection) -> str | None:
    """The place that the database remembers; ``None`` before it was ever asked."""
    return conn.execute(select(instance.c.place)).scalar()


def settle(conn: Connection, place: str) -> None:
    """Remembers where the database lives from now on."""
    conn.execute(update(instance).values(place=place))


def note_seen(file: Path, conn: Connection) -> None:
    """Notes outside of the database until when it was written, for ``forgotten``. A disk that
    takes no note stops nobody."""
    born, last = _born(conn), heartbeats.newest(conn)
    if born is None or last is None:
        return
    draft = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(f"{born} {last.isoformat()}\n", encoding="ascii")
        draft.replace(file)


def forgotten(file: Path, conn: Connection) -> datetime | None:
    """Until when this database was written as this machine remembers it, if it knows nothing of
    that itself: a backup was put back in its place."""
    try:
        born, _, seen = file.read_text(encoding="ascii").strip().partition(" ")
        moment = datetime.fromisoformat(seen)
    except (OSError, ValueError):
        return None
    if born != _born(conn):
        return None
    last = heartbeats.newest(conn)
    return moment if last is None or moment - last > _FORGOTTEN else None


def _born(conn: Connection) -> str | None:
    """Tells one database from another at the same address."""
    at = conn.execute(select(instance.c.created_at)).scalar()
    return at.isoformat() if at else None
