"""Hand-overs: when an account gets another manager, and when open tasks follow."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, select, update
from sqlalchemy.engine import Connection

from worker.access import audit
from worker.access.audit import Actor
from worker.catalogue.records import accounts
from worker.catalogue.report import Managed
from worker.db import bulk
from worker.kernel.errors import FindingsError
from worker.kernel.keys import digest
from worker.worklist import store
from worker.worklist.records import tasks
from worker.worklist.store import NewTask

KIND = "hand-over"


class SeenAnewError(FindingsError):
    """The tasks are not those that the person saw."""


def open_for(conn: Connection, changes: Sequence[Managed], now: datetime) -> None:
    """Opens a task for each new manager of an account, in the caller's transaction.

    One that the manager before had not done yet is closed: the account went on. The number of
    statements grows with thousands of changes, not with each.
    """
    for chunk in bulk.chunks(changes):
        query = select(accounts.c.id, accounts.c.name).where(
            bulk.among(accounts.c.id, sorted({one.account_id for one in chunk}))
        )
        names = {row.id: row.name for row in conn.execute(query)}
        left = sorted({_key(one.account_id, one.before) for one in chunk})
        store.close_keys(conn, left, "handed on", now)
        new = {_key(one.account_id, one.after): _task(one, names) for one in chunk}
        store.open_tasks(conn, list(new.values()), now)


def _key(account_id: int, manager: str) -> str:
    return f"{KIND}:{account_id}:{manager}"


def _task(one: Managed, names: dict[int, str]) -> NewTask:
    name = names[one.account_id]
    return NewTask(
        key=_key(one.account_id, one.after),
        kind=KIND,
        title=f"Take over {name}",
        detail=f"{name} is yours now; before, it was managed by {one.before}.",
        account_id=one.account_id,
        assignee=one.after,
    )


def theirs(conn: Connection, account_id: int, manager: str) -> Sequence[Any]:
    """The open tasks of an account that this person has, in order of id."""
    mine = (tasks.c.account_id == account_id, tasks.c.assignee == manager)
    open_ones = select(tasks).where(*mine, tasks.c.closed_at.is_(None))
    return conn.execute(open_ones.order_by(tasks.c.id)).all()


def seen(work: Sequence[Any]) -> str:
    """A fingerprint of tasks as somebody saw them: another one when any of them has changed."""
    return digest("\n".join(f"{task.id}:{task.version}" for task in work))


def hand_over(
    engine: Engine,
    account: Any,
    people: tuple[str, str],
    saw: str,
    now: datetime,
    by: Actor,
) -> int:
    """Gives the open tasks of an account (a row with id and key) to another person, ``people``
    being the keys of (the one before, the new one); how many there were.

    Raises ``SeenAnewError`` when they are not those that ``saw`` is the fingerprint of.
    """
    before, after = people
    with engine.begin() as conn:
        work = theirs(conn, account.id, before)
        if seen(work) != saw:
            raise SeenAnewError("The tasks changed meanwhile. Nothing was moved; look once more.")
        ids = [task.id for task in work]
        if not ids:
            return 0
        if _move(conn, ids, after) != len(ids):
            raise SeenAnewError("The tasks changed meanwhile. Nothing was moved; look once more.")
        store.tell_history(conn, ids, by.name, "assigned", f"to {after}", now)
        detail = {"from": before, "to": after, "tasks": ids}
        audit.note(conn, by, "account.handed-over", f"account {account.key}", now, detail)
    return len(ids)


def _move(conn: Connection, ids: Sequence[int], after: str) -> int:
    mine = (bulk.among(tasks.c.id, list(ids)), tasks.c.closed_at.is_(None))
    values = {
        "assignee": after,
        "claimed_at": None,
        "snoozed_until": None,
        "version": tasks.c.version + 1,
    }
    return conn.execute(update(tasks).where(*mine).values(values)).rowcount
