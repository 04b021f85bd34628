"""Endpoints that are told of what happens: who listens, who is told what, who rests.

Rooms note what happened (``worker/db/notices.py``); here calls are made of it, one for each
endpoint, in the transaction that takes the note away. The id of a call is built from both, so that
nothing is told twice under two ids.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Engine

from worker.db import bulk
from worker.db.engine import reading
from worker.db.prepared import Prepared
from worker.db.records import endpoints, notices
from worker.kernel.keys import notice_key
from worker.webhooks import resting
from worker.webhooks.records import calls
from worker.webhooks.resting import GONE, WELL, Standing, Trouble
from worker.webhooks.rules import DONE, DUE, FAILED, REFUSED, Fate, Reply
from worker.webhooks.store import Call

BATCH = 500
TASK = "endpoint"
"""What the keys of tasks about endpoints begin with."""
NOT_DECLARED = "not-declared"

_STANDING = [endpoints.c[name] for name in Standing._fields]


class Endpoint(NamedTuple):
    """Who is told, and of what, as the settings have it."""

    url: str
    types: Sequence[str]


def task_key(name: str) -> str:
    """The key of the task about an endpoint."""
    return f"{TASK}:{name}"


# --- who listens ----------------------------------------------------------------------------------


def sync(
    engine: Engine,
    declared: Mapping[str, Endpoint],
    open_tasks: Callable[[Connection], Collection[str]],
    now: datetime,
) -> None:
    """Makes the table of those who listen that of the settings; writes only where they differ.

    One that is gone listens again once its task is closed. What waits for one that is not declared
    any more is not sent.
    """
    with reading(engine) as conn:
        if not _differ(conn, declared, open_tasks):
            return
    with engine.begin() as conn:
        known = {row.name: row for row in conn.execute(select(endpoints).with_for_update())}
        for name in known.keys() - declared.keys():
            conn.execute(delete(endpoints).where(endpoints.c.name == name))
            _end_waiting(conn, name, NOT_DECLARED)
        for name, wanted in declared.items():
            values = {"url": wanted.url, "types": list(wanted.types), "changed_at": now}
            _declare(conn, name, known.get(name), values, open_tasks(conn))


def _differ(
    conn: Connection,
    declared: Mapping[str, Endpoint],
    open_tasks: Callable[[Connection], Collection[str]],
) -> bool:
    rows = conn.execute(select(endpoints)).all()
    if {row.name: Endpoint(row.url, row.types) for row in rows} != {
        name: Endpoint(one.url, list(one.types)) for name, one in declared.items()
    }:
        return True
    gone = {task_key(row.name) for row in rows if row.why == GONE}
    return bool(gone) and bool(gone - set(open_tasks(conn)))


def _declare(
    conn: Connection, name: str, row: Any, values: dict[str, Any], asked: Collection[str]
) -> None:
    mine = endpoints.c.name == name
    if row is None:
        conn.execute(insert(endpoints).values(name=name, **values))
    elif row.url != values["url"] or (row.why == GONE and task_key(name) not in asked):
        # another address, another chance
        conn.execute(update(endpoints).where(mine).values(**values, **WELL._asdict()))
        waiting = update(calls).where(calls.c.endpoint == name, calls.c.state == DUE)
        soon = waiting.where(calls.c.next_at.is_not(None))
        conn.execute(soon.values(url=values["url"], next_at=values["changed_at"]))
    elif list(row.types) != values["types"]:
        conn.execute(update(endpoints).where(mine).values(values))


def _end_waiting(conn: Connection, name: str, why: str) -> None:
    waiting = (calls.c.endpoint == name, calls.c.state == DUE, calls.c.next_at.is_not(None))
    ended = {"state": FAILED, "reason": why, "next_at": None}
    conn.execute(update(calls).where(*waiting).values(ended))


_FARES = Prepared(select(endpoints.c.name, *_STANDING).order_by(endpoints.c.name))


def fares(conn: Connection) -> list[tuple[str, Standing]]:
    """How each endpoint fares, by name."""
    return [(row[0], Standing(*row[1:])) for row in _FARES.rows(conn)]


# --- who is told what -----------------------------------------------------------------------------


def fan_out(engine: Engine, now: datetime) -> int:
    """Makes a call of each notice for every endpoint that wants it, and takes the notices away; how
    many there were. Two who do so at once share them."""
    with reading(engine) as conn:
        if conn.execute(select(notices.c.id).limit(1)).first() is None:
            return 0
    done = 0
    while True:
        with engine.begin() as conn:
            some = select(notices).order_by(notices.c.id).limit(BATCH)
            rows = conn.execute(some.with_for_update(skip_locked=True)).all()
            _add(conn, rows, now)
            taken = [row.id for row in rows]
            if taken:
                conn.execute(delete(notices).where(bulk.among(notices.c.id, taken)))
        done += len(rows)
        if len(rows) < BATCH:
            return done


def _add(conn: Connection, rows: Sequence[Any], now: datetime) -> None:
    listeners = conn.execute(select(endpoints)).all()
    new = [
        _call(row, each, now)
        for row in rows
        for each in listeners
        if row.type in each.types and each.why != GONE
    ]
    if new:
        dialect = postgresql if conn.dialect.name == "postgresql" else sqlite
        conn.execute(dialect.insert(calls).on_conflict_do_nothing(), new)


def _call(row: Any, endpoint: Any, now: datetime) -> dict[str, Any]:
    body = {"type": row.type, "timestamp": row.at.isoformat(), "data": row.body}
    return {
        "key": notice_key(endpoint.name, row.key),
        "url": endpoint.url,
        "type": row.type,
        "body": body,
        "endpoint": endpoint.name,
        "state": DUE,
        "next_at": max(now, endpoint.paused_until or now),
        "created_at": now,
    }


# --- who rests ------------------------------------------------------------------------------------


def heard(
    conn: Connection,
    call: Call,
    reply: Reply,
    fate: Fate,
    warn: Callable[[Connection, Trouble, datetime], None],
    now: datetime,
) -> datetime | None:
    """Notes what a call brought, in the transaction that records it. Until when the endpoint rests:
    what waits for it is due then, and holds up nobody else's calls."""
    name = call.endpoint or ""
    mine = endpoints.c.name == name
    row = conn.execute(select(*_STANDING).where(mine)).first()
    if row is None or (fate.state == DONE and row.failures == 0):
        return None
    if fate.state == DONE:
        conn.execute(update(endpoints).where(mine).values(**WELL._asdict(), changed_at=now))
        warn(conn, Trouble(name), now)
        return None
    row = conn.execute(select(*_STANDING).where(mine).with_for_update()).one()
    return _worse(conn, name, Standing(*row), reply, fate, warn, now)


def _worse(
    conn: Connection,
    name: str,
    before: Standing,
    reply: Reply,
    fate: Fate,
    warn: Callable[[Connection, Trouble, datetime], None],
    now: datetime,
) -> datetime | None:
    if before.why == GONE:  # a call that was under way when another one heard it
        return None
    said = GONE if fate.reason == REFUSED else reply.said
    standing = resting.failed(before, said, now)
    mine = endpoints.c.name == name
    conn.execute(update(endpoints).where(mine).values(**standing._asdict(), changed_at=now))
    trouble = resting.trouble_of(name, standing, now)
    if trouble is not None:
        warn(conn, trouble, now)
    if said == GONE:
        _end_waiting(conn, name, REFUSED)
    elif standing.paused_until is not None:
        waiting = update(calls).where(calls.c.endpoint == name, calls.c.state == DUE)
        early = waiting.where(calls.c.next_at < standing.paused_until)
        conn.execute(early.values(next_at=standing.paused_until))
    return standing.paused_until
