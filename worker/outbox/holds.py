"""What keeps mails back until a person has looked: brakes on everything, approvals of a version.

A held mail is ``due`` without a moment of its own, and its reason says what it waits for; whoever
answers gives it the moment back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, exists, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from worker.db.prepared import Prepared
from worker.outbox.records import approvals, brakes, mail_days, messages
from worker.outbox.rules import DUE, FAR_MORE, MANY

APPROVAL, STALE = "approval", "stale-source"
"""Reasons of held mails."""

WAITED = frozenset({APPROVAL, STALE, "budget", "quiet-time", "open-feedback"})
"""Reasons for which we made a mail wait: it is not late on account of that."""

FORECAST, IMPORT, CLOCK, COPY = "forecast", "import", "clock", "copy"
"""Kinds of brakes."""

_PULLED = Prepared(select(brakes.c.id).where(brakes.c.released_at.is_(None)).limit(1))


def is_held(conn: Connection) -> bool:
    """Whether any brake is on: then nothing is decided and nothing leaves."""
    return bool(_PULLED.scalars(conn))


def is_held_by(conn: Connection, kind: str) -> bool:
    """Whether a brake of this kind is on."""
    mine = (brakes.c.kind == kind) & brakes.c.released_at.is_(None)
    return bool(conn.execute(select(exists().where(mine))).scalar())


_ON = Prepared(
    select(*[brakes.c[name] for name in ("id", "kind", "about", "detail", "pulled_at")])
    .where(brakes.c.released_at.is_(None))
    .order_by(brakes.c.id)
)


def pulled(conn: Connection) -> list[Any]:
    """The brakes that are on: id, kind, about, detail, pulled_at."""
    return _ON.rows(conn)


def pull(conn: Connection, kind: str, about: str, detail: str, now: datetime) -> None:
    """Puts a brake on; one that is on already stays as it is."""
    dialect = postgresql if conn.dialect.name == "postgresql" else sqlite
    values = {"kind": kind, "about": about, "detail": detail, "pulled_at": now}
    conn.execute(dialect.insert(brakes).on_conflict_do_nothing(), values)


def release(conn: Connection, ids: Sequence[int], note: str, now: datetime) -> None:
    """Takes these brakes off."""
    conn.execute(
        update(brakes)
        .where(brakes.c.id.in_(ids), brakes.c.released_at.is_(None))
        .values(released_at=now, note=note)
    )


def was_released(conn: Connection, kind: str, about: str) -> bool:
    """Whether a person has let this pass before."""
    mine = (brakes.c.kind == kind) & (brakes.c.about == about) & brakes.c.released_at.is_not(None)
    return bool(conn.execute(select(exists().where(mine))).scalar())


# --- a day far above its forecast ---


@dataclass(frozen=True, slots=True)
class Day:
    """What was foreseen for a civil day (``None``: nobody looked), and what was decided on."""

    day: date
    foreseen: int | None
    decided: int

    @property
    def is_far_above(self) -> bool:
        """Three times the forecast, and more than a handful above it."""
        if self.foreseen is None:
            return False
        return self.decided > FAR_MORE * self.foreseen and self.decided - self.foreseen >= MANY


def foresee(conn: Connection, counts: dict[date, int], today: date, now: datetime) -> None:
    """Notes how many mails are expected on each of these days. A number never shrinks: what was
    expected once is no surprise. ``today`` had to be foreseen before; its number only grows."""
    for day, count in sorted(counts.items()):
        known = mail_days.c.foreseen < count
        if day > today:
            known |= mail_days.c.foreseen.is_(None)
            _note(conn, day)
        conn.execute(
            update(mail_days)
            .where(mail_days.c.day == day, known)
            .values(foreseen=count, foreseen_at=now)
        )


def count(conn: Connection, counts: dict[date, int]) -> list[Day]:
    """Adds mails that were decided on to their days; the days as they stand then."""
    found = []
    for day, more in sorted(counts.items()):
        _note(conn, day)
        row = conn.execute(
            update(mail_days)
            .where(mail_days.c.day == day)
            .values(decided=mail_days.c.decided + more)
            .returning(mail_days.c.foreseen, mail_days.c.decided)
        ).one()
        found.append(Day(day, row.foreseen, row.decided))
    return found


def _note(conn: Connection, day: date) -> None:
    dialect = postgresql if conn.dialect.name == "postgresql" else sqlite
    conn.execute(dialect.insert(mail_days).on_conflict_do_nothing(), {"day": day})


# --- approvals ---


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person said of a version's mails; ``asked`` is true when this was the question."""

    approved: bool
    asked: bool = False


def ask(conn: Connection, version_id: int, day: date, now: datetime, *, each_day: bool) -> Answer:
    """Whether the mails of a version may go on ``day``; asks when nobody was asked yet.

    ``each_day`` asks for every day of its own; else one answer holds for the version.
    """
    query = select(approvals.c.approved_at).where(approvals.c.version_id == version_id)
    if each_day:
        query = query.where(approvals.c.day == day)
    row = conn.execute(query.order_by(approvals.c.id).limit(1)).first()
    if row is not None:
        return Answer(row.approved_at is not None)
    dialect = postgresql if conn.dialect.name == "postgresql" else sqlite
    asking = dialect.insert(approvals).on_conflict_do_nothing().returning(approvals.c.id)
    question = {"version_id": version_id, "day": day, "asked_at": now}
    return Answer(approved=False, asked=conn.execute(asking, question).first() is not None)


def approve(conn: Connection, schedule_versions: Sequence[int], now: datetime) -> int:
    """Approves what was asked about these versions; how many questions were open."""
    return conn.execute(
        update(approvals)
        .where(approvals.c.version_id.in_(schedule_versions), approvals.c.approved_at.is_(None))
        .values(approved_at=now)
    ).rowcount


# --- held mails ---

_HELD = (messages.c.state == DUE) & messages.c.next_at.is_(None)


def wake(conn: Connection, reason: str, now: datetime, *, schedule: str | None = None) -> int:
    """Gives held mails their moment back; how many there were. The reason stays: it says that
    they waited."""
    mine = _HELD & (messages.c.reason == reason)
    if schedule is not None:
        mine &= messages.c.schedule == schedule
    return conn.execute(update(messages).where(mine).values(next_at=now)).rowcount


def awaiting(conn: Connection, schedules: Sequence[str]) -> list[Any]:
    """Mails that wait for an approval, of these schedules or of all: schedule, step, mails."""
    mine = _HELD & (messages.c.reason == APPROVAL)
    if schedules:
        mine &= messages.c.schedule.in_(schedules)
    count = func.count(messages.c.mail_key.distinct()).label("mails")
    grouped = select(messages.c.schedule, messages.c.step, count).where(mine)
    grouped = grouped.group_by(messages.c.schedule, messages.c.step)
    return list(conn.execute(grouped.order_by(messages.c.schedule, messages.c.step)))


def of_step(schedule: str, step: str) -> ColumnElement[bool]:
    """The mails of one step that wait for an approval."""
    mine = (messages.c.schedule == schedule) & (messages.c.step == step)
    return _HELD & (messages.c.reason == APPROVAL) & mine


_GROUPS = Prepared(
    select(
        messages.c.reason,
        messages.c.schedule,
        func.count().label("mails"),
        func.min(messages.c.day).label("first"),
        func.max(messages.c.day).label("last"),
    )
    .where(_HELD)
    .group_by(messages.c.reason, messages.c.schedule)
    .order_by(messages.c.reason, messages.c.schedule)
)


def held(conn: Connection) -> list[Any]:
    """Held mails by reason and schedule: reason, schedule, mails, first (a day), last."""
    return _GROUPS.rows(conn)
