"""Reads, for the probes, how the work stands."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from worker.bootstrap import App
from worker.cadence.records import walks
from worker.db import heartbeats
from worker.db.engine import reading
from worker.db.records import heartbeats as beats
from worker.kernel.errors import PerennialError
from worker.outbox.records import messages
from worker.telemetry.metrics import Figures
from worker.worklist.records import tasks


class Pulse:
    """When the last beat was, remembered over times when the database does not answer."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._since = app.clock.now()
        self.seen: datetime | None = None

    def age(self) -> timedelta:
        """How long ago the last known beat was, or this process began when none is known."""
        try:
            with reading(self._app.engine) as conn:
                self.seen = heartbeats.last(conn, "beat") or self.seen
        except (SQLAlchemyError, PerennialError):
            pass  # an outage of the database shows in its age soon enough
        # A beat from before this process began says nothing against it: give it its three minutes.
        return self._app.clock.now() - max(self._since, self.seen or self._since)


def read_figures(app: App) -> Figures | None:
    """How the work stands now; ``None`` when the database does not answer or is not ready."""
    try:
        due, now = app.due(), app.clock.now()
        with reading(app.engine) as conn:
            return Figures(
                due_walks=due.walks,
                due_messages=due.messages,
                oldest_due_age=_oldest_due_age(conn, now),
                messages_by_state=_messages_by_state(conn),
                beats={row.name: row.at for row in conn.execute(select(beats))},
                open_alarms=_open_alarms(conn),
            )
    except (SQLAlchemyError, PerennialError):
        return None


def _oldest_due_age(conn: Connection, now: datetime) -> float:
    ages = [0.0]
    for column in (walks.c.next_at, messages.c.next_at):
        oldest: datetime | None = conn.execute(select(func.min(column))).scalar_one_or_none()
        if oldest is not None:
            ages.append((now - oldest).total_seconds())
    return max(ages)


def _messages_by_state(conn: Connection) -> dict[str, int]:
    rows = conn.execute(select(messages.c.state, func.count()).group_by(messages.c.state))
    return {row[0]: row[1] for row in rows}


def _open_alarms(conn: Connection) -> int:
    alarms = select(func.count()).where(tasks.c.kind == "alarm", tasks.c.closed_at.is_(None))
    return int(conn.scalar(alarms.select_from(tasks)) or 0)
