"""How promises to clients are kept. Late is counted, not chosen: a promise that was kept after its
day was kept late."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import bindparam, case, func, select
from sqlalchemy.engine import Connection

from worker.db.prepared import Prepared
from worker.kernel.dates import Period, civil_date
from worker.worklist.kinds import BROKEN, KEPT, PROMISE, WITHDRAWN
from worker.worklist.records import tasks

ON_TIME, LATE, OVERDUE, OPEN = "on-time", "late", "overdue", "open"
FATES = (ON_TIME, LATE, BROKEN, OVERDUE, OPEN, WITHDRAWN)
"""What becomes of a promise."""
_DECIDED = (ON_TIME, LATE, BROKEN, OVERDUE)


@dataclass(slots=True)
class Line:
    """The promises of one person, one month, or all: how many came to each of ``FATES``."""

    name: str
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.counts.values())

    @property
    def kept_on_time(self) -> float | None:
        """The share kept on time of those whose day is past or that are decided, from 0 to 1;
        withdrawn ones and those whose day is still to come left out. ``None`` of none."""
        decided = sum(self.counts[fate] for fate in _DECIDED)
        return self.counts[ON_TIME] / decided if decided else None

    def record(self, by: str) -> dict[str, object]:
        """The line as other programs read it."""
        share = self.kept_on_time
        counts: dict[str, object] = {fate.replace("-", "_"): self.counts[fate] for fate in FATES}
        rounded = None if share is None else round(share, 4)
        return {"by": by, "group": self.name, "promises": self.total, **counts, "share": rounded}


@dataclass(frozen=True, slots=True)
class Register:
    """The promises whose day lies in a period: all of them, by person and by month of the day."""

    period: Period
    whole: Line
    people: Sequence[Line]
    months: Sequence[Line]


def fate(task: Any, today: date, zone: ZoneInfo) -> str:
    """What became of a promise by ``today``, by the clock of ``zone``."""
    if task.closed_at is None:
        return OVERDUE if task.due_on < today else OPEN
    if task.outcome != KEPT:
        return WITHDRAWN if task.outcome == WITHDRAWN else BROKEN
    return ON_TIME if civil_date(task.closed_at, zone) <= task.due_on else LATE


def count(rows: Iterable[Any], period: Period, today: date, zone: ZoneInfo) -> Register:
    """The register of these promises, as ``read`` gives them."""
    whole = Line("all")
    people: dict[str, Line] = {}
    months = {name: Line(name) for name in months_of(period)}
    for row in rows:
        came_to = fate(row, today, zone)
        who = row.assignee or ""
        for line in (whole, people.setdefault(who, Line(who)), months[f"{row.due_on:%Y-%m}"]):
            line.counts[came_to] += row.promises
    return Register(period, whole, [people[key] for key in sorted(people)], list(months.values()))


def months_of(period: Period) -> list[str]:
    """``2027-01``, ``2027-02``, … of a period."""
    first, last = period.first, period.last
    numbers = range(first.year * 12 + first.month - 1, last.year * 12 + last.month)
    return [f"{number // 12:04}-{number % 12 + 1:02}" for number in numbers]


def usual_period(today: date) -> Period:
    """From the first day of the month eleven months ago to the last day of the next month."""
    number = today.year * 12 + today.month - 1
    first, beyond = number - 11, number + 2
    last = date(beyond // 12, beyond % 12 + 1, 1).toordinal() - 1
    return Period(date(first // 12, first % 12 + 1, 1), date.fromordinal(last))


_CLOSED_AT = func.min(tasks.c.closed_at).label("closed_at")
_ALIKE = (
    tasks.c.assignee,
    tasks.c.due_on,
    tasks.c.outcome,
    tasks.c.closed_at.is_(None),
    case((tasks.c.outcome == KEPT, tasks.c.closed_at)),
)
"""What tells promises apart: only of those that were kept it matters when."""
_READ = Prepared(
    select(*_ALIKE[:3], _CLOSED_AT, func.count().label("promises"))
    .where(
        tasks.c.kind == PROMISE,
        tasks.c.due_on >= bindparam("first"),
        tasks.c.due_on <= bindparam("last"),
    )
    .group_by(*_ALIKE)
)


def read(conn: Connection, period: Period) -> Sequence[Any]:
    """The promises that were, or are, to be kept in a period, those that are alike together: how
    many they are is ``promises``."""
    return _READ.rows(conn, first=period.first, last=period.last)
