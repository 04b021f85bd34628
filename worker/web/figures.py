"""Reads, for the probes, how the work stands."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, func, literal_column, select
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from worker.bootstrap import App
from worker.bootstrap.duties import MOST_DUE
from worker.cadence.records import walks
from worker.db.engine import reading
from worker.db.records import heartbeats as beats
from worker.events import store as events
from worker.kernel.errors import PerennialError
from worker.outbox.records import brakes, messages
from worker.outbox.rules import ACCEPTED, DUE, OPEN
from worker.reports import lateness
from worker.telemetry.metrics import OVERDUE, WINDOW, Figures
from worker.worklist.store import count_open


def read_figures(app: App) -> Figures | None:
    """How the work stands now; ``None`` when the database does not answer or is not ready.

    Every query finds its rows by an index that holds only what is open, or by the last day's end
    of one: the cost of a visit does not grow with the history.
    """
    try:
        due, now = app.due(), app.clock.now()
        with reading(app.engine) as conn:
            return Figures(
                due_walks=due.walks,
                due_messages=due.messages,
                overdue_messages=_overdue(conn, now),
                limit=MOST_DUE,
                oldest_due_age=max(
                    _age(conn, walks.c.next_at, now), _age(conn, messages.c.next_at, now)
                ),
                oldest_mail_age=_age(conn, messages.c.next_at, now, messages.c.state == DUE),
                open_messages=_open_messages(conn),
                held_messages=_held_messages(conn),
                ended_messages=_ended_messages(conn, now - WINDOW),
                lateness=lateness.read(conn, now - WINDOW),
                events=events.counts(conn, now - WINDOW),
                brakes=_counts(conn, brakes.c.kind, brakes.c.released_at.is_(None)),
                beats={row.name: row.at for row in conn.execute(select(beats))},
                open_tasks=count_open(conn),
            )
    except (SQLAlchemyError, PerennialError):
        return None


def _age(
    conn: Connection, column: Column[datetime], now: datetime, *only: ColumnElement[bool]
) -> float:
    """How long ago the earliest of these moments was; 0 when none has come."""
    first = select(column).where(column <= now, *only).order_by(column).limit(1)
    oldest: datetime | None = conn.execute(first).scalar_one_or_none()
    return (now - oldest).total_seconds() if oldest is not None else 0.0


def _overdue(conn: Connection, now: datetime) -> int:
    late = select(messages.c.id).where(messages.c.next_at < now - OVERDUE, messages.c.state == DUE)
    return conn.scalar(select(func.count()).select_from(late.limit(MOST_DUE).subquery())) or 0


def _counts(
    conn: Connection, column: ColumnElement[Any], *only: ColumnElement[bool]
) -> dict[str, int]:
    """How many rows there are of each word in ``column``."""
    rows = conn.execute(select(column, func.count()).where(*only).group_by(column))
    return {row[0]: row[1] for row in rows}


def _open_messages(conn: Connection) -> dict[str, int]:
    """Open mails by state. A GROUP BY over all states would read the whole ledger each time."""
    moving = _counts(conn, messages.c.state, messages.c.next_at.is_not(None))
    held = sum(_held_messages(conn).values())
    return {state: moving.get(state, 0) + (held if state == DUE else 0) for state in OPEN}


def _held_messages(conn: Connection) -> dict[str, int]:
    held = (messages.c.state == literal_column(f"'{DUE}'"), messages.c.next_at.is_(None))
    found = _counts(conn, messages.c.reason, *held)
    return {reason or "unknown": count for reason, count in found.items()}


def _ended_messages(conn: Connection, since: datetime) -> dict[str, int]:
    """Accepted since then, and what was decided since then and came to another end."""
    unsent = (messages.c.accepted_at.is_(None), messages.c.created_at >= since)
    found = _counts(conn, messages.c.state, *unsent)
    sent = select(func.count()).where(messages.c.accepted_at >= since)
    ended = {state: count for state, count in found.items() if state not in OPEN}
    return ended | {ACCEPTED: conn.scalar(sent) or 0}
