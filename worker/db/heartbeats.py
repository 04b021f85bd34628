"""When the recurring duties were last done: the heartbeat's own heartbeat."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import bindparam, func, select, text
from sqlalchemy.engine import Connection

from worker.db.prepared import Prepared
from worker.db.records import heartbeats
from worker.db.types import Moment

_BEAT = text(
    "INSERT INTO heartbeats (name, at) VALUES (:name, :at) "
    "ON CONFLICT (name) DO UPDATE SET at = excluded.at WHERE heartbeats.at < excluded.at"
).bindparams(bindparam("at", type_=Moment()))


_LAST = Prepared(select(heartbeats.c.at).where(heartbeats.c.name == bindparam("name")))


def beat(conn: Connection, name: str, now: datetime) -> None:
    """Notes that the duty ``name`` was done at ``now``; an older note never replaces a newer."""
    conn.execute(_BEAT, {"name": name, "at": now})


def last(conn: Connection, name: str) -> datetime | None:
    """When the duty ``name`` was last done, by any process."""
    return next(iter(_LAST.scalars(conn, name=name)), None)


def newest(conn: Connection) -> datetime | None:
    """When any duty was last done, by any process."""
    at: datetime | None = conn.execute(select(func.max(heartbeats.c.at))).scalar()
    return at
