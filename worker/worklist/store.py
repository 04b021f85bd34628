"""Queries on tasks. Opening is idempotent: one open task per key.

Closing a task ends the stops that waited for it, in the same transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from worker.catalogue import stops
from worker.catalogue.records import accounts, licences
from worker.db import bulk, notices
from worker.db.notices import Notice
from worker.worklist.records import tasks


@dataclass(frozen=True, slots=True)
class NewTask:
    """A task to open. ``key`` is built from stable ids and says what the task is about."""

    key: str
    kind: str
    title: str
    detail: str | None = None
    account_id: int | None = None
    licence_id: int | None = None
    assignee: str | None = None
    due_on: date | None = None


def open_tasks(conn: Connection, new: Sequence[NewTask], now: datetime) -> None:
    """Opens tasks; one whose key is open already is left as it is."""
    if not new:
        return
    rows = [
        {name: getattr(task, name) for name in NewTask.__dataclass_fields__} | {"opened_at": now}
        for task in new
    ]
    dialect = postgresql if conn.dialect.name == "postgresql" else sqlite
    opened = dialect.insert(tasks).on_conflict_do_nothing().returning(tasks.c.id)
    ids = list(conn.execute(opened, rows).scalars())
    _tell(conn, "task.opened", ids, now)


def close(conn: Connection, key: str, outcome: str, now: datetime) -> int:
    """Closes the open task of that key, if there is one; returns how many were closed."""
    return len(_close(conn, tasks.c.key == key, outcome, now))


def close_one(conn: Connection, number: int, outcome: str, now: datetime) -> str | None:
    """Closes the open task with this id; its title, or ``None`` when there is none."""
    closed = _close(conn, tasks.c.id == number, outcome, now)
    return str(closed[0].title) if closed else None


def close_all(conn: Connection, prefix: str, outcome: str, now: datetime) -> int:
    """Closes the open tasks whose key begins with ``prefix``; how many there were."""
    return len(_close(conn, tasks.c.key.startswith(prefix, autoescape=True), outcome, now))


def _close(
    conn: Connection, which: ColumnElement[bool], outcome: str, now: datetime
) -> Sequence[Row[Any]]:
    closed = conn.execute(
        update(tasks)
        .where(which, tasks.c.closed_at.is_(None))
        .values(closed_at=now, outcome=outcome)
        .returning(tasks.c.id, tasks.c.key, tasks.c.title)
    ).all()
    stops.lift_for(conn, [row.key for row in closed], now)
    _tell(conn, "task.closed", [row.id for row in closed], now)
    return closed


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


def open_ones(conn: Connection, kinds: Sequence[str] = ()) -> list[Any]:
    """Open tasks, those due first."""
    query = select(tasks).where(tasks.c.closed_at.is_(None))
    if kinds:
        query = query.where(tasks.c.kind.in_(kinds))
    return list(conn.execute(query.order_by(tasks.c.due_on, tasks.c.id)))


def count_open(conn: Connection) -> dict[str, int]:
    """Open tasks by kind."""
    query = select(tasks.c.kind, func.count()).where(tasks.c.closed_at.is_(None))
    return {row[0]: row[1] for row in conn.execute(query.group_by(tasks.c.kind))}
