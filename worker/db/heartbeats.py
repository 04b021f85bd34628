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
_NOTE = text(
    "INSERT INTO heartbeats (name, at, done_to) VALUES (:name, :at, :done_to) "
    "ON CONFLICT (name) DO UPDATE SET at = excluded.at, done_to = excluded.done_to"
).bindparams(bindparam("at", type_=Moment()))

_LAST = Prepared(select(heartbeats.c.at).where(heartbeats.c.name == bindparam("name")))


def beat(conn: Connection, name: str, now: datetime) -> None:
    """Notes that the duty ``name`` was done at ``now``; an older note never replaces a newer."""
    conn.execute(_BEAT, {"name": name, "at": now})


def last(conn: Connection, name: str) -> datetime | None:
    """When the duty ``name`` was last done, by any process."""
    return next(iter(_LAST.scalars(conn, name=name)), None)


def note(conn: Connection, name: str, done_to: str, now: datetime) -> None:
    """Notes that the duty ``name`` was done to ``done_to``, in the place of what it was before."""
    conn.execute(_NOTE, {"name": name, "at": now, "done_to": done_to})


def done_to(conn: Connection, name: str) -> str | None:
    """What the duty ``name`` was last done to, by any process."""
    told: str | None = conn.scalar(select(heartbeats.c.done_to).where(heartbeats.c.name == name))
    return told


def newest(conn: Connection) -> datetime | None:
    """When any duty was last done, by any process."""
    at: datetime | None = conn.execute(select(func.max(heartbeats.c.at))).scalar()
    return at
