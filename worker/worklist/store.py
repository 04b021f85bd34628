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
from worker.db import bulk
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
    conn.execute(dialect.insert(tasks).on_conflict_do_nothing(), rows)


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


def close_keys(conn: Connection, keys: Sequence[str], outcome: str, now: datetime) -> int:
    """Closes the open tasks of these keys; how many there were."""
    return len(_close(conn, bulk.among(tasks.c.key, list(keys)), outcome, now)) if keys else 0


def _close(
    conn: Connection, which: ColumnElement[bool], outcome: str, now: datetime
) -> Sequence[Row[Any]]:
    closed = conn.execute(
        update(tasks)
        .where(which, tasks.c.closed_at.is_(None))
        .values(closed_at=now, outcome=outcome)
        .returning(tasks.c.key, tasks.c.title)
    ).all()
    stops.lift_for(conn, [row.key for row in closed], now)
    return closed


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
