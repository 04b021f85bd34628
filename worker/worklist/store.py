"""Queries on tasks. Opening is idempotent: one open task per key.

Closing a task ends the stops that waited for it, in the same transaction. What is opened and closed
is noted for other systems.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from worker.catalogue import stops
from worker.catalogue.records import accounts, licences, staff
from worker.db import bulk, notices
from worker.db.notices import Notice
from worker.db.prepared import Prepared
from worker.schedules.fields import ASSIGNEES
from worker.worklist.kinds import FEEDBACK, kind_of
from worker.worklist.records import task_history, tasks


@dataclass(frozen=True, slots=True)
class NewTask:
    """A task to open. ``key`` is built from stable ids and says what the task is about.

    Without an ``assignee``, or with a role that nobody fills, it is for the ``pool``: that of its
    kind unless another is named. ``opened_by`` is the login of the person who opens it.
    """

    key: str
    kind: str
    title: str
    detail: str | None = None
    account_id: int | None = None
    licence_id: int | None = None
    assignee: str | None = None
    due_on: date | None = None
    pool: str | None = None
    opened_by: str | None = None


def open_tasks(conn: Connection, new: Sequence[NewTask], now: datetime) -> list[int]:
    """Opens tasks; one whose key is open already is left as it is. The ids of the new ones."""
    if not new:
        return []
    dialect = postgresql if conn.dialect.name == "postgresql" else sqlite
    opened = dialect.insert(tasks).on_conflict_do_nothing().returning(tasks.c.id)
    ids = list(conn.execute(opened, [_row(task, now) for task in new]).scalars())
    _tell(conn, "task.opened", ids, now)
    return ids


def _row(task: NewTask, now: datetime) -> dict[str, Any]:
    row = {name: getattr(task, name) for name in NewTask.__dataclass_fields__}
    if task.assignee is None or task.assignee in ASSIGNEES:
        row |= {"assignee": None, "pool": task.pool or str(kind_of(task.kind).pool)}
    return row | {"opened_at": now}


def close(conn: Connection, key: str, outcome: str, now: datetime) -> int:
    """Closes the open task of that key, if there is one; returns how many were closed."""
    return len(_close(conn, tasks.c.key == key, outcome, now))


def close_all(conn: Connection, prefix: str, outcome: str, now: datetime) -> int:
    """Closes the open tasks whose key begins with ``prefix``; how many there were."""
    return len(_close(conn, tasks.c.key.startswith(prefix, autoescape=True), outcome, now))


def close_seen(
    conn: Connection, number: int, seen: int, outcome: str, who: str, note: str, now: datetime
) -> bool:
    """Closes the open task with this id if its version is the one that was ``seen``."""
    which = (tasks.c.id == number) & (tasks.c.version == seen)
    return bool(_close(conn, which, outcome, now, who, note))


def close_keys(conn: Connection, keys: Sequence[str], outcome: str, now: datetime) -> int:
    """Closes the open tasks of these keys; how many there were."""
    return len(_close(conn, bulk.among(tasks.c.key, list(keys)), outcome, now)) if keys else 0


def _close(
    conn: Connection,
    which: ColumnElement[bool],
    outcome: str,
    now: datetime,
    who: str | None = None,
    note: str = "",
) -> Sequence[Row[Any]]:
    values = {"closed_at": now, "outcome": outcome, "closed_by": who, "snoozed_until": None}
    closed = conn.execute(
        update(tasks)
        .where(which, tasks.c.closed_at.is_(None))
        .values(values | {"version": tasks.c.version + 1})
        .returning(tasks.c.id, tasks.c.key)
    ).all()
    stops.lift_for(conn, [row.key for row in closed], now)
    said = outcome if not note else f"{outcome}: {note}"
    tell_history(conn, [row.id for row in closed], who, "closed", said, now)
    _tell(conn, "task.closed", [row.id for row in closed], now)
    return closed


def change(conn: Connection, number: int, seen: int, values: Mapping[str, Any]) -> Row[Any] | None:
    """Changes columns of the open task with this id if its version is the one that was ``seen``;
    the task as it is then, else ``None``."""
    mine = (tasks.c.id == number, tasks.c.version == seen, tasks.c.closed_at.is_(None))
    changed = update(tasks).where(*mine).values({**values, "version": tasks.c.version + 1})
    return conn.execute(changed.returning(*tasks.c)).first()


def tell_history(
    conn: Connection,
    ids: Sequence[int],
    who: str | None,
    what: str,
    note: str | None,
    now: datetime,
) -> None:
    """Adds a line to the history of each of these tasks; ``who`` of ``None`` is the machine."""
    shared = {"at": now, "who": who, "what": what, "note": note}
    if ids:
        conn.execute(insert(task_history), [shared | {"task_id": id_} for id_ in ids])


def _tell(conn: Connection, type_: str, ids: Sequence[int], now: datetime) -> None:
    """Notes for other systems what became of these tasks."""
    if not ids or not notices.is_heard(conn):
        return
    columns = ("kind", "title", "assignee", "pool", "due_on", "outcome", "closed_by")
    query = (
        select(tasks.c.id, *(tasks.c[name] for name in columns))
        .add_columns(accounts.c.key.label("account"), licences.c.key.label("licence"))
        .outerjoin(accounts, accounts.c.id == tasks.c.account_id)
        .outerjoin(licences, licences.c.id == tasks.c.licence_id)
        .where(bulk.among(tasks.c.id, list(ids)))
    )
    happened = []
    for row in conn.execute(query.order_by(tasks.c.id)):
        body = dict(row._mapping) | {"due_on": row.due_on and row.due_on.isoformat()}
        happened.append(Notice(f"{type_}:{row.id}", type_, {"task": body.pop("id"), **body}))
    notices.note(conn, happened, now)


def one(conn: Connection, number: int) -> Row[Any] | None:
    """The task with this id, open or closed, with ``account_key``, ``account_name`` and
    ``licence_key``; ``None`` when there is none."""
    query = (
        select(tasks)
        .add_columns(accounts.c.key.label("account_key"), accounts.c.name.label("account_name"))
        .add_columns(licences.c.key.label("licence_key"))
        .outerjoin(accounts, accounts.c.id == tasks.c.account_id)
        .outerjoin(licences, licences.c.id == tasks.c.licence_id)
        .where(tasks.c.id == number)
    )
    return conn.execute(query).first()


def version_of(conn: Connection, number: int) -> int:
    """The version of the task with this id, which there is."""
    return int(conn.execute(select(tasks.c.version).where(tasks.c.id == number)).scalar_one())


def number_of(conn: Connection, key: str) -> int:
    """The id of the task with that key that was opened last, and that there is."""
    query = select(func.max(tasks.c.id)).where(tasks.c.key == key)
    return int(conn.execute(query).scalar_one())


def history(conn: Connection, number: int) -> Sequence[Row[Any]]:
    """What happened to a task after it was opened: at, who, what, note; the oldest first."""
    columns = (task_history.c[name] for name in ("at", "who", "what", "note"))
    query = select(*columns).where(task_history.c.task_id == number)
    return conn.execute(query.order_by(task_history.c.id)).all()


_UNHEARD = Prepared(
    select(tasks.c.account_id).where(
        tasks.c.kind == FEEDBACK, tasks.c.closed_at.is_(None), bulk.listed(tasks.c.account_id)
    )
)


def with_open_feedback(conn: Connection, account_ids: Collection[int]) -> frozenset[int]:
    """Those of these accounts of whom somebody who is not content waits for an answer."""
    return frozenset(_UNHEARD.scalars(conn, ids=sorted(account_ids)) if account_ids else ())


def held(conn: Connection, key: str) -> int:
    """How many open tasks this member of staff has claimed.

    Waits for whoever claims in the same name, so that two at once are counted one after the other.
    """
    conn.execute(select(staff.c.id).where(staff.c.key == key).with_for_update())
    mine = (tasks.c.assignee == key, tasks.c.closed_at.is_(None), tasks.c.claimed_at.is_not(None))
    return conn.scalar(select(func.count()).select_from(tasks).where(*mine)) or 0


def open_ones(conn: Connection, kinds: Sequence[str] = ()) -> list[Any]:
    """Open tasks, those due first."""
    query = select(tasks).where(tasks.c.closed_at.is_(None))
    if kinds:
        query = query.where(tasks.c.kind.in_(kinds))
    return list(conn.execute(query.order_by(tasks.c.due_on, tasks.c.id)))


def of_account(conn: Connection, account_id: int, since: datetime, most: int) -> Sequence[Row[Any]]:
    """Tasks and promises of an account that are open, or were opened or closed since then; the
    newest first, at most so many."""
    lately = (
        tasks.c.closed_at.is_(None) | (tasks.c.closed_at >= since) | (tasks.c.opened_at >= since)
    )
    query = select(tasks).where(tasks.c.account_id == account_id, lately)
    return conn.execute(query.order_by(tasks.c.id.desc()).limit(most)).all()


def count_open(conn: Connection) -> dict[str, int]:
    """Open tasks by kind."""
    query = select(tasks.c.kind, func.count()).where(tasks.c.closed_at.is_(None))
    return {row[0]: row[1] for row in conn.execute(query.group_by(tasks.c.kind))}
