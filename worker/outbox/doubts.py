"""Mails of which nobody knows whether they left: which they are, and what settles it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, literal, select, update
from sqlalchemy.engine import Connection

from worker.db import bulk
from worker.db.types import Moment
from worker.outbox.records import messages
from worker.outbox.rules import ACCEPTED, BLOCKED, DUE, FAILED, GIVEN_UP, UNKNOWN
from worker.outbox.store import SEEN, Message


def unknown(conn: Connection, now: datetime, limit: int) -> list[Message]:
    """Unknown messages whose evidence should be looked for now."""
    rows = conn.execute(
        select(*SEEN)
        .where(messages.c.next_at <= now, messages.c.state == UNKNOWN)
        .order_by(messages.c.next_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return [Message(*row) for row in rows]


def settle(conn: Connection, id_: int, values: dict[str, Any]) -> None:
    """Moves an unknown message on."""
    conn.execute(
        update(messages).where(messages.c.id == id_, messages.c.state == UNKNOWN).values(**values)
    )


def prove(conn: Connection, ids: Sequence[int], now: datetime) -> int:
    """Moves mails on of which there is proof that they left: whatever was not known of them is
    known now. How many moved. One that is being sent is left to whoever sends it."""
    return sum(_prove(conn, some, _IN_DOUBT, now) for some in bulk.chunks(ids))


def prove_told(conn: Connection, ids: Sequence[int], now: datetime) -> int:
    """``prove`` for those of these mails that the provider told of while they were being sent."""
    return _prove(conn, ids, _IN_DOUBT & messages.c.fate.is_not(None), now)


_IN_DOUBT = messages.c.state.in_((UNKNOWN, GIVEN_UP)) | (
    messages.c.state.in_((DUE, FAILED, BLOCKED)) & messages.c.unknown_since.is_not(None)
)


def _prove(conn: Connection, ids: Sequence[int], which: ColumnElement[bool], now: datetime) -> int:
    left = func.coalesce(messages.c.unknown_since, literal(now, Moment()))
    done = {"state": ACCEPTED, "accepted_at": left, "reason": None, "next_at": None}
    mine = update(messages).where(bulk.among(messages.c.id, ids), which)
    return conn.execute(mine.values(**done)).rowcount


_ABOUT = timedelta(minutes=10)


def others_told(conn: Connection, message: Message) -> bool:
    """Whether the provider told of mails that it took around the time of this one's attempt."""
    since = message.unknown_since
    if since is None:
        return False
    near = messages.c.accepted_at.between(since - _ABOUT, since + _ABOUT)
    told = (messages.c.channel == message.channel) & messages.c.fate.is_not(None)
    query = select(messages.c.id).where(near, told, messages.c.id != message.id).limit(1)
    return conn.execute(query).first() is not None


def doubtful(conn: Connection) -> list[Any]:
    """Mails of which nobody knows whether they left, and those that were sent again in doubt: the
    oldest first."""
    asked = messages.c.state.in_((UNKNOWN, GIVEN_UP)) | (messages.c.resends > 0)
    return list(conn.execute(select(messages).where(asked).order_by(messages.c.id)))
