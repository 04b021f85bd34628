"""How soon clients who are not content are attended to: from the answer to the first contact, and
to what was done.

Counted from the moment of the answer; where only its day is known, from the task. First contact is
what comes first of a person's claim, note or closing, and of a mail about the answer to whoever
gave it; told is when the letter about what was done left. Spans are medians, in hours; of few a
median says little, so the number stands beside it, and each share has Wilson's interval.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from statistics import median
from typing import Any

from sqlalchemy import Row, Select, func, select
from sqlalchemy.engine import Connection

from worker.cadence.picture import counted as counted_of
from worker.cadence.records import ANSWER as OF_ANSWER
from worker.cadence.records import steps, walks
from worker.db import bulk
from worker.kernel.estimates import Estimate, share_of
from worker.outbox.records import messages
from worker.surveys.counting import Asked, counted
from worker.surveys.feedback import answer_of
from worker.surveys.records import responses, telling_letters, tellings
from worker.worklist.kinds import FEEDBACK
from worker.worklist.records import task_history, tasks

_CONTACTS = ("claimed", "noted", "closed")
_AROUND = timedelta(days=1)  # the civil day of an answer may begin so much before that of UTC
_HOUR = timedelta(hours=1)
_DAYS_FROM = 48

Moments = Mapping[int, datetime]
"""By answer."""


@dataclass(frozen=True, slots=True)
class Reached:
    """Of ``size`` answers, those after which it happened, and how long after each."""

    spans: tuple[timedelta, ...]
    size: int

    @property
    def share(self) -> Estimate:
        """The share of the answers, with its interval."""
        return share_of(len(self.spans), self.size)

    @property
    def hours(self) -> float | None:
        """The median, in hours."""
        return median(span / _HOUR for span in self.spans) if self.spans else None

    @property
    def after(self) -> str:
        """The same in words: ``20 minutes``, ``7 hours``, ``3.5 days``; a dash where it never
        happened."""
        hours = self.hours
        if hours is None:
            return "–"
        if hours < 1:
            return f"{hours * 60:.0f} minutes"
        return f"{hours:.0f} hours" if hours < _DAYS_FROM else f"{hours / 24:.1f} days"

    def record(self) -> dict[str, object]:
        """The same for programs."""
        share, hours = self.share, self.hours
        ends = {"share": share.value, "low": share.low, "high": share.high}
        return {
            "answers": len(self.spans),
            **{name: None if end is None else round(end, 4) for name, end in ends.items()},
            "hours": None if hours is None else round(hours, 1),
        }


@dataclass(frozen=True, slots=True)
class Attention:
    """Of the answers of a period that became tasks: how many, how many of them have a task that is
    open, which had a first contact, and of which the client was told what was done."""

    answers: int
    open: int
    contact: Reached
    told: Reached

    def sentence(self) -> str:
        """The same in a sentence."""
        became = "a task" if self.answers == 1 else "tasks"
        parts = [
            f"Of clients who are not content, {counted_of(self.answers, 'answer')} became {became}"
        ]
        if self.contact.spans:
            count = len(self.contact.spans)
            parts.append(f"{count:,} had a first contact, by median {self.contact.after}")
        if self.told.spans:
            count = len(self.told.spans)
            parts.append(f"{count:,} were told what was done, by median {self.told.after}")
        waits = "waits" if self.open == 1 else "wait"
        parts.append(f"{counted_of(self.open, 'answer')} {waits} for somebody")
        return "; ".join(parts)

    def record(self) -> dict[str, object]:
        """The same for programs (``nps --json``)."""
        return {
            "answers": self.answers,
            "open": self.open,
            "first_contact": self.contact.record(),
            "told": self.told.record(),
        }


def read(conn: Connection, asked: Asked) -> Attention:
    """Counts the answers that ``asked`` names and about which there is a task. The cost is that of
    those tasks."""
    by_answer = _tasks(conn, asked)
    begun = _answers(conn, asked, by_answer)
    mine = {answer: by_answer[answer] for answer in begun}
    told = _told(conn, mine)
    seen = _first([_worked_on(conn, mine), told, _mailed(conn, mine)])
    size, waits = len(mine), (any(one.closed_at is None for one in some) for some in mine.values())
    return Attention(size, sum(waits), _reached(begun, seen), _reached(begun, told))


def _reached(begun: Moments, found: Moments) -> Reached:
    return Reached(tuple(found[one] - begun[one] for one in begun if one in found), len(begun))


def _tasks(conn: Connection, asked: Asked) -> dict[int, list[Row[Any]]]:
    """By answer, the tasks that were opened since the period began."""
    columns = (tasks.c[name] for name in ("id", "key", "opened_at", "closed_at"))
    since = datetime.combine(asked.period.first, time.min, UTC) - _AROUND
    found: dict[int, list[Row[Any]]] = {}
    query = select(*columns).where(tasks.c.kind == FEEDBACK, tasks.c.opened_at >= since)
    for row in conn.execute(query):
        answer = answer_of(row.key)
        if answer is not None:
            found.setdefault(answer, []).append(row)
    return found


def _answers(
    conn: Connection, asked: Asked, by_answer: Mapping[int, Sequence[Row[Any]]]
) -> dict[int, datetime]:
    """When each of the answers that are asked for was given."""
    columns = responses.c.id, responses.c.answered_at
    query = select(*columns).where(*counted(asked))
    begun = {}
    for row in _of(conn, query, responses.c.id, by_answer):
        opened = min(one.opened_at for one in by_answer[row.id])
        begun[row.id] = min(row.answered_at or opened, opened)
    return begun


def _worked_on(conn: Connection, mine: Mapping[int, Sequence[Row[Any]]]) -> Moments:
    """When a person first did something about its task."""
    whose = {one.id: answer for answer, some in mine.items() for one in some}
    query = (
        select(task_history.c.task_id, func.min(task_history.c.at))
        .where(task_history.c.what.in_(_CONTACTS), task_history.c.who.is_not(None))
        .group_by(task_history.c.task_id)
    )
    return _first({whose[task]: at} for task, at in _of(conn, query, task_history.c.task_id, whose))


def _told(conn: Connection, mine: Iterable[int]) -> Moments:
    """When the letter about what was done left."""
    query = (
        select(tellings.c.response_id, func.min(messages.c.accepted_at))
        .join(telling_letters, telling_letters.c.telling_id == tellings.c.id)
        .join(messages, messages.c.mail_key == telling_letters.c.mail_key)
        .where(messages.c.accepted_at.is_not(None))
        .group_by(tellings.c.response_id)
    )
    return {row[0]: row[1] for row in _of(conn, query, tellings.c.response_id, mine)}


def _mailed(conn: Connection, mine: Iterable[int]) -> Moments:
    """When the first mail left that a schedule sends about the answer."""
    query = (
        select(walks.c.subject_id, func.min(messages.c.accepted_at))
        .join(steps, steps.c.walk_id == walks.c.id)
        .join(messages, messages.c.mail_key == steps.c.mail_key)
        .where(walks.c.subject == OF_ANSWER, messages.c.accepted_at.is_not(None))
        .group_by(walks.c.subject_id)
    )
    return {row[0]: row[1] for row in _of(conn, query, walks.c.subject_id, mine)}


def _of(conn: Connection, query: Select[Any], column: Any, ids: Iterable[int]) -> Iterable[Any]:
    """The rows of a query about these ids."""
    for some in bulk.chunks(sorted(ids)):
        yield from conn.execute(query.where(bulk.among(column, list(some))))


def _first(moments: Iterable[Moments]) -> dict[int, datetime]:
    found: dict[int, datetime] = {}
    for one in moments:
        for answer, at in one.items():
            found[answer] = min(at, found.get(answer, at))
    return found
