"""What people do with one planned mail: a hold, its end, and what may go no more after it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from tests.oracle.days import ONE, Calendar, civil
from tests.oracle.script import Line, Script

if TYPE_CHECKING:
    from tests.oracle.walk import Walk

NEVER = datetime(9999, 1, 1, tzinfo=UTC)
Item = tuple[Line, date, date]
Verdict = tuple[str, str | None]


@dataclass(frozen=True)
class Hold:
    """A mail kept back until ``end``: the moment from which it may go."""

    end: datetime

    @classmethod
    def until(cls, last: date | None, calendar: Calendar, slot: int) -> Hold:
        """Until the end of a day: over at the first opening after it."""
        return cls(NEVER) if last is None else cls(_opening(last + ONE, calendar, slot))

    @classmethod
    def lifted(cls, moment: datetime, calendar: Calendar, slot: int) -> Hold:
        """Over at once, or at the next opening."""
        day = civil(moment, calendar.zone)
        opens, closes = calendar.window(day)
        if calendar.is_open(day) and opens <= moment < closes:
            return cls(moment)
        before = calendar.is_open(day) and moment < calendar.moment(day, slot)
        return cls(_opening(day if before else day + ONE, calendar, slot))


def _opening(day: date, calendar: Calendar, slot: int) -> datetime:
    while not calendar.is_open(day):
        day += ONE
    return calendar.moment(day, slot)


@dataclass(frozen=True)
class Waiting:
    """The holds of one walk at one look."""

    holds: Mapping[int, Hold]
    calendar: Calendar
    slot: int
    anchor: date

    def keeps(self, item: Item) -> bool:
        """Whether a hold has a say about this step at all: one that ends before its day has not."""
        line, _, planned = item
        hold = self.holds.get(line.place)
        return hold is not None and hold.end >= self.calendar.moment(planned, self.slot)

    def over(self, items: Sequence[Item], moment: datetime) -> list[Line]:
        """The steps whose hold is over, and which come back."""
        return [
            item[0]
            for item in items
            if self.keeps(item) and self.holds[item[0].place].end <= moment
        ]

    def hopeless(
        self, walk: Walk, items: Sequence[Item], day: date, moment: datetime, script: Script
    ) -> Iterator[tuple[Line, Verdict]]:
        """The steps that will not go any more, and why."""
        for item in items:
            line, due, _ = item
            if not self.keeps(item):
                continue
            end = self.holds[line.place].end
            beyond = due <= self.anchor < day
            if not beyond and end > moment:
                continue
            if line.kind == "email" and self._overtaken(walk, line, due):
                yield line, ("superseded", "later-step")
            elif beyond or moment > self.calendar.valid_until(end, script.valid_days):
                yield line, ("skipped", "held-by-person")

    def _overtaken(self, walk: Walk, line: Line, due: date) -> bool:
        return any(
            other.done
            and other.line.kind == "email"
            and (other.due, other.line.place) > (due, line.place)
            for other in walk.outcomes.values()
        )
