"""Queries on calls. Every write of an attempt is fenced by its attempt id."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.engine import Connection

from worker.db import bulk
from worker.db.prepared import Prepared
from worker.webhooks.records import calls
from worker.webhooks.rules import CALLING, DUE

NEW = ("key", "url", "type", "body", "state", "next_at", "created_at")


class Call(NamedTuple):
    """A call as a worker sees it; ``attempts`` counts the one it was claimed for."""

    id: int
    key: str
    url: str
    body: Any
    attempts: int
    endpoint: str | None
    created_at: datetime


def add(conn: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    """Puts calls into the table; each tuple is in the order of ``NEW``. A second one with the
    same key raises."""
    bulk.insert(conn, calls, NEW, rows)


_due = (
    select(calls.c.id)
    .where(calls.c.next_at <= bindparam("now"))
    .order_by(calls.c.next_at, calls.c.id)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
    .cte("due")  # evaluated once: a plain subquery may lock more than it returns
)
_CLAIM = Prepared(
    update(calls)
    .where(calls.c.id.in_(select(_due.c.id)), calls.c.next_at <= bindparam("now"))
    .values(
        state=CALLING,
        attempt_id=bindparam("attempt"),
        lease_until=bindparam("until"),
        next_at=bindparam("until"),
        attempts=calls.c.attempts + 1,
    )
    .returning(*[calls.c[name] for name in Call._fields])
)


def claim(
    conn: Connection, now: datetime, lease_until: datetime, attempt_id: str, limit: int
) -> list[Call]:
    """Takes up to ``limit`` calls for this attempt; nobody else gets them meanwhile.

    A call whose lease ran out is due like any other: whether it arrived is not known, and its id
    makes a second one harmless.
    """
    values = {"now": now, "until": lease_until, "attempt": attempt_id, "most": limit}
    return [Call(*row) for row in sorted(_CLAIM.rows(conn, **values), key=lambda row: row.id)]


_IDLE = {"attempt_id": None, "lease_until": None}


def finish(conn: Connection, id_: int, attempt_id: str, values: dict[str, Any]) -> bool:
    """Writes what came of a call if the attempt still holds it; whether it did."""
    held = (calls.c.id == id_, calls.c.attempt_id == attempt_id, calls.c.state == CALLING)
    return conn.execute(update(calls).where(*held).values(_IDLE | values)).rowcount == 1


def hand_back(conn: Connection, ids: Sequence[int], attempt_id: str, at: datetime) -> None:
    """Gives up claims on calls that were not made: due at ``at``, and the attempt does not
    count."""
    mine = (bulk.among(calls.c.id, ids), calls.c.attempt_id == attempt_id)
    back = _IDLE | {"state": DUE, "next_at": at, "attempts": calls.c.attempts - 1}
    conn.execute(update(calls).where(*mine, calls.c.state == CALLING).values(back))


_NEXT_DUE = Prepared(
    select(calls.c.next_at).where(calls.c.next_at.is_not(None)).order_by(calls.c.next_at).limit(1)
)


def next_due(conn: Connection) -> datetime | None:
    """When the next call wants attention."""
    return next(iter(_NEXT_DUE.scalars(conn)), None)


_COUNTS = Prepared(
    select(calls.c.state, func.count().label("calls"))
    .group_by(calls.c.state)
    .order_by(calls.c.state)
)


def counts(conn: Connection) -> dict[str, int]:
    """Calls by state."""
    return {row.state: row.calls for row in _COUNTS.rows(conn)}
