"""What the planner is told about one walk: everything it may look at, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache
from typing import NamedTuple

from worker.cadence.triggers import TRIGGERS
from worker.kernel.keys import slot
from worker.schedules.calendar import DAY, SLOTS, Calendar
from worker.schedules.model import Schedule, Step

SURVEYED = "survey-answered"
"""What happened on a walk whose question was answered by all whom it asked: it is over then."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A step on the calendar of one anchor. ``day`` is ``None`` when no day is open for it."""

    place: int
    step: Step
    due_on: date
    day: date | None
    opens_at: datetime  # the opening of ``day``, or of ``due_on`` when there is none
    # Of a step that was put off: its opening before that; of one held by a person: the hold's end.
    first_at: datetime | None = None


class Present(NamedTuple):
    """A moment on a calendar: the client's civil day, and whether a mail may leave now."""

    now: datetime
    today: date
    is_open: bool


class Timeline:
    """A schedule on one calendar. Remembers the steps of each anchor it was asked about, because
    many licences share an expiry date, and the moment, because a batch is judged at one."""

    def __init__(self, schedule: Schedule, calendar: Calendar) -> None:
        self.schedule = schedule
        self.calendar = calendar
        self.asked = frozenset[str]().union(*(s.unless | s.only_if for s in schedule.steps))
        if any(step.kind == "survey" for step in schedule.steps):
            self.asked |= {SURVEYED}
        self.valid_until = lru_cache(maxsize=4096)(self._valid_until)
        self._known: dict[date, tuple[Planned, ...]] = {}
        self._present: Present | None = None

    def of(self, anchor: date) -> tuple[Planned, ...]:
        """Every step on its day, in the order of due dates, then of the file."""
        known = self._known.get(anchor)
        if known is None:
            known = self._known[anchor] = self._work_out(anchor)
        return known

    def _work_out(self, anchor: date) -> tuple[Planned, ...]:
        planned = []
        for place, step in enumerate(self.schedule.steps):
            due = self.calendar.due_on(anchor, step.when)
            day = self.calendar.land(due, self.edge(anchor))
            planned.append(Planned(place, step, due, day, self.calendar.opens_at(day or due)))
        return tuple(sorted(planned, key=lambda item: (item.due_on, item.place)))

    def edge(self, anchor: date) -> date:
        """The last day of the "before" side. Where the anchor is the day on which something was
        seen there is no before: what is due on that very day may come after it."""
        return anchor - DAY if TRIGGERS[self.schedule.trigger].fixed else anchor

    def at(self, now: datetime) -> Present:
        """The day and the window at ``now``."""
        known = self._present
        if known is None or known.now != now:
            calendar = self.calendar
            known = Present(now, calendar.today(now), calendar.is_open_at(now))
            self._present = known
        return known

    def _valid_until(self, start: datetime) -> datetime:
        """Until when a step may be late whose time began at ``start``."""
        return self.calendar.valid_until(start, self.schedule.limits.valid_days)

    def last_moment(self, anchor: date) -> datetime:
        """The close of the last step's day: an expired term first seen after it is history."""
        return self.calendar.closes_at(max(item.day or item.due_on for item in self.of(anchor)))


@dataclass(frozen=True, slots=True)
class Walk:
    """One licence term on one schedule.

    ``done`` maps the steps that have been decided to their decisions. ``left`` says why the walk
    is over (``renewed``, ``cancelled``, ``ended``), ``mailed_on`` the client's civil days on which
    it mailed, ``happened`` what the conditions of steps ask about (``clicked``, ``task-open`` …),
    ``steps_since`` since when each step has been in the schedule, ``put_off`` until when a step
    has to wait and ``waits`` for what, ``held`` which of these wait for a person, ``overtaken_by``
    which steps were decided while one waited. ``stopped`` says why nothing is to be done at present
    (``stopped`` by staff, ``answered`` by the client). The mails of the walk rest until the civil
    day ``rests_until``, as the client asked.
    """

    line: Timeline
    slot: int
    anchor_on: date
    starts_on: date | None
    first_act_at: datetime
    left: str | None = None
    done: Mapping[str, str] = field(default_factory=dict)
    mailed_on: frozenset[date] = frozenset()
    happened: frozenset[str] = frozenset()
    steps_since: Mapping[str, datetime] = field(default_factory=dict)
    put_off: Mapping[str, datetime] = field(default_factory=dict)
    waits: Mapping[str, str] = field(default_factory=dict)
    held: frozenset[str] = frozenset()
    overtaken_by: Mapping[str, frozenset[str]] = field(default_factory=dict)
    stopped: str | None = None
    rests_until: date | None = None

    @property
    def edge(self) -> date:
        """The last day of the "before" side; see ``Timeline.edge``."""
        return self.line.edge(self.anchor_on)


def account_slot(account_key: str) -> int:
    """Which ten minutes of a window's first hour an account's mails leave in, 0 to 5."""
    return slot(account_key, SLOTS)
