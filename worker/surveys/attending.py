"""How soon clients who are not content are attended to: from the answer to the first contact, and
to what was done.

Counted from the moment that the task was opened, which is that of the answer. First contact is the
first claim, note or closing; told is when the letter about what was done left. Spans are medians,
in hours; of the few of a group a median says little, so the number stands beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from statistics import median

from sqlalchemy import func, select
from sqlalchemy.engine import Connection

from worker.kernel.dates import Period, zone
from worker.outbox.records import messages
from worker.surveys.feedback import answer_of
from worker.surveys.records import telling_letters, tellings
from worker.worklist.kinds import FEEDBACK
from worker.worklist.records import task_history, tasks

_DAY = timedelta(days=1)
_CONTACTS = ("claimed", "noted", "closed")


@dataclass(frozen=True, slots=True)
class Attention:
    """Of the tasks that were opened in a period: how many, how many of them are open, have had a
    first contact, and were told of to the client; and the medians."""

    tasks: int
    open: int
    contacts: tuple[timedelta, ...]
    told_after: tuple[timedelta, ...]

    def told(self) -> str:
        """The same in a sentence."""
        parts = [f"{self.tasks:,} answers of clients who are not content became tasks"]
        if self.contacts:
            parts.append(f"{len(self.contacts):,} had a first contact, by median {self.first}")
        if self.told_after:
            parts.append(f"{len(self.told_after):,} were told what was done, by median {self.end}")
        parts.append(f"{self.open:,} are open")
        return "; ".join(parts)

    @property
    def first(self) -> str:
        """The median time to the first contact."""
        return _span(self.contacts)

    @property
    def end(self) -> str:
        """The median time until the client was told."""
        return _span(self.told_after)


def read(conn: Connection, period: Period, timezone: str) -> Attention:
    """Counts the tasks that were opened on days of ``period``, in the zone of the book."""
    start, end = (_start(day, timezone) for day in (period.first, period.last + _DAY))
    rows = conn.execute(
        select(tasks.c.id, tasks.c.key, tasks.c.opened_at, tasks.c.closed_at).where(
            tasks.c.kind == FEEDBACK, tasks.c.opened_at >= start, tasks.c.opened_at < end
        )
    ).all()
    if not rows:
        return Attention(0, 0, (), ())
    seen, told = _first_contacts(conn, start, end), _told(conn, start)
    return Attention(
        len(rows),
        sum(row.closed_at is None for row in rows),
        tuple(seen[row.id] - row.opened_at for row in rows if row.id in seen),
        tuple(
            told[number] - row.opened_at
            for row in rows
            if (number := answer_of(row.key)) in told and number is not None
        ),
    )


def _start(day: date, timezone: str) -> datetime:
    return datetime.combine(day, time.min, zone(timezone)).astimezone(UTC)


def _first_contacts(conn: Connection, start: datetime, end: datetime) -> dict[int, datetime]:
    mine = select(tasks.c.id).where(
        tasks.c.kind == FEEDBACK, tasks.c.opened_at >= start, tasks.c.opened_at < end
    )
    query = (
        select(task_history.c.task_id, func.min(task_history.c.at).label("at"))
        .where(task_history.c.task_id.in_(mine), task_history.c.what.in_(_CONTACTS))
        .group_by(task_history.c.task_id)
    )
    return {row.task_id: row.at for row in conn.execute(query)}


def _told(conn: Connection, start: datetime) -> dict[int, datetime]:
    """By answer, when the letter about it left."""
    query = (
        select(tellings.c.response_id, func.min(messages.c.accepted_at).label("at"))
        .join(telling_letters, telling_letters.c.telling_id == tellings.c.id)
        .join(messages, messages.c.mail_key == telling_letters.c.mail_key)
        .where(tellings.c.response_id.is_not(None), tellings.c.made_at >= start)
        .where(messages.c.accepted_at.is_not(None))
        .group_by(tellings.c.response_id)
    )
    return {row.response_id: row.at for row in conn.execute(query)}


def _span(spans: tuple[timedelta, ...]) -> str:
    hours = median(span.total_seconds() for span in spans) / 3600 if spans else 0
    return f"{hours:.0f} hours" if hours < 48 else f"{hours / 24:.1f} days"
