"""What a sender does to the ledger: it claims mails and writes what came of them. Every write of an
attempt is fenced by its attempt id."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import bindparam, select, update
from sqlalchemy.engine import Connection

from worker.db import bulk
from worker.db.prepared import Prepared
from worker.outbox.records import messages
from worker.outbox.rules import ACCEPTED, DUE, SENDING, UNKNOWN
from worker.outbox.store import SEEN, Message

_due = (
    select(messages.c.id)
    .where(messages.c.next_at <= bindparam("now"), messages.c.state == DUE)
    .order_by(messages.c.next_at)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
    .cte("due")  # evaluated once: a plain subquery may lock more than it returns
)
_CLAIM = Prepared(
    update(messages)
    .where(messages.c.id.in_(select(_due.c.id)), messages.c.state == DUE)
    .values(
        state=SENDING,
        attempt_id=bindparam("attempt"),
        lease_until=bindparam("until"),
        next_at=bindparam("until"),
        attempts=messages.c.attempts + 1,
        started_at=None,
    )
    .returning(*SEEN)
)


def claim(
    conn: Connection, now: datetime, lease_until: datetime, attempt_id: str, limit: int
) -> list[Message]:
    """Takes up to ``limit`` due messages for this attempt; nobody else gets them meanwhile."""
    values = {"now": now, "until": lease_until, "attempt": attempt_id, "most": limit}
    return [Message(*row) for row in sorted(_CLAIM.rows(conn, **values))]


_OURS = (
    bulk.listed(messages.c.id),
    messages.c.attempt_id == bindparam("attempt"),
    messages.c.state == SENDING,
)
_START = Prepared(
    update(messages)
    .where(*_OURS)
    .values(started_at=bindparam("started"), channel=bindparam("way"))
    .returning(messages.c.id)
)


def mark_started(
    conn: Connection, ids: Sequence[int], attempt_id: str, channel: str, now: datetime
) -> set[int]:
    """Records that the first byte of these mails is about to leave by ``channel``; the ids that are
    still ours."""
    return set(_START.scalars(conn, ids=ids, attempt=attempt_id, way=channel, started=now))


def finish(conn: Connection, ids: Sequence[int], attempt_id: str, values: dict[str, Any]) -> int:
    """Writes the same result for ``ids`` where the attempt still holds them; how many it held."""
    given = {f"to_{name}": value for name, value in values.items()}
    statement = _finishing(tuple(sorted(values)))
    return statement.run(conn, ids=ids, attempt=attempt_id, **given)


class Left(NamedTuple):
    """A mail that was accepted, under which id of the provider's, and what it said."""

    id: int
    provider_id: str | None
    subject: str | None
    language: str | None


def accept(conn: Connection, left: Sequence[Left], attempt_id: str, now: datetime) -> None:
    """Writes that these mails were accepted, where the attempt still holds them."""
    ended = dict.fromkeys(("next_at", "reason", "attempt_id", "lease_until"))
    same = {"state": ACCEPTED, "accepted_at": now} | ended
    fence = {"attempt_id": attempt_id, "state": SENDING}
    bulk.update_held(conn, messages, Left._fields, left, same=same, held=fence)


@cache
def _finishing(names: tuple[str, ...]) -> Prepared:
    settings = {name: bindparam(f"to_{name}", type_=messages.c[name].type) for name in names}
    return Prepared(update(messages).where(*_OURS).values(settings))


def release_dead(conn: Connection, now: datetime) -> int:
    """Ends leases that ran out: what had not started is due again, the rest is unknown."""
    dead = (messages.c.next_at <= now) & (messages.c.state == SENDING)
    fresh = conn.execute(
        update(messages)
        .where(dead, messages.c.started_at.is_(None))
        .values(state=DUE, attempt_id=None, lease_until=None, next_at=now)
    )
    lost = conn.execute(
        update(messages)
        .where(dead, messages.c.started_at.is_not(None))
        .values(
            state=UNKNOWN,
            reason="worker-died",
            attempt_id=None,
            unknown_since=messages.c.started_at,
            next_at=now,
            deaths=messages.c.deaths + 1,
        )
    )
    return fresh.rowcount + lost.rowcount
