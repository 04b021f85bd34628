"""Civil days as one client lives them: which are open, and what a clock on the wall means."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import holidays
from dateutil.relativedelta import relativedelta  # type: ignore[import-untyped]  # has no types

ONE = timedelta(days=1)
MINUTE = timedelta(minutes=1)
REACH = 31  # how far a shift may search, in days


@dataclass(frozen=True)
class Hours:
    """What a schedule says of its calendar: window, weekdays (Monday is 0), days off."""

    opens: time
    closes: time
    weekdays: frozenset[int]
    extra: frozenset[date]
    when_closed: str


@lru_cache(maxsize=1 << 17)
def on_the_wall(day: date, clock: time, zone: str) -> datetime:
    """The moment (UTC) when the wall in ``zone`` shows ``clock`` on ``day``.

    A time that the zone skips becomes the next minute that exists; of two, the first.
    """
    naive = datetime.combine(day, clock)
    while True:
        moment = naive.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
        if moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == naive:
            return moment
        naive += MINUTE


def months_on(day: date, count: int) -> date:
    """The same day of another month, or its last one."""
    moved: date = day + relativedelta(months=count)
    return moved


def civil(moment: datetime, zone: str) -> date:
    """The date on the wall in ``zone``."""
    return moment.astimezone(ZoneInfo(zone)).date()


@lru_cache(maxsize=1024)
def public_holidays(country: str, year: int) -> frozenset[date]:
    """The nationwide public holidays of one year, observed days included."""
    return frozenset(holidays.country_holidays(country, years=year).keys())


class Calendar:
    """The days of all clients who share a zone, a country and a schedule."""

    def __init__(self, zone: str, country: str, hours: Hours) -> None:
        self.zone, self.country, self.hours = zone, country, hours
        self._open: dict[date, bool] = {}
        self._plans: dict[tuple[date, str], tuple[date, date | None]] = {}
        self._moments: dict[tuple[date, int], datetime] = {}

    def is_open(self, day: date) -> bool:
        """Whether mail may go out on ``day`` at all."""
        if day not in self._open:
            self._open[day] = self._judge_day(day)
        return self._open[day]

    def _judge_day(self, day: date) -> bool:
        if day.weekday() not in self.hours.weekdays or day in self.hours.extra:
            return False
        if self.country and day in public_holidays(self.country, day.year):
            return False
        # A day that the zone left out (Apia, 30 December 2011) never dawns.
        return civil(on_the_wall(day, time(12), self.zone), self.zone) == day

    def plan(self, anchor: date, when: str) -> tuple[date, date | None]:
        """Due date and planned day (``None``: nothing open in reach) of an offset."""
        key = (anchor, when)
        if key not in self._plans:
            due = self._due(anchor, when)
            self._plans[key] = (due, self._shift(due, anchor))
        return self._plans[key]

    def _due(self, anchor: date, when: str) -> date:
        if when == "on the day":
            return anchor
        words = when.split()
        count, unit, sign = int(words[0]), words[-2].rstrip("s"), -1 if words[-1] == "before" else 1
        if words[1] == "business":
            return self._business(anchor, count, sign)
        if unit == "month":
            return months_on(anchor, sign * count)
        return anchor + sign * timedelta(days=count * (7 if unit == "week" else 1))

    def _business(self, day: date, count: int, sign: int) -> date:
        while count:
            day += sign * ONE
            count -= self.is_open(day)
        return day

    def _shift(self, due: date, anchor: date) -> date | None:
        first = -1 if self.hours.when_closed == "earlier" else 1
        for sign in (first, -first):
            for far in range(REACH + 1):
                day = due + sign * far * ONE
                if (day <= anchor) != (due <= anchor):
                    break
                if self.is_open(day):
                    return day
        return None

    def moment(self, day: date, slot: int) -> datetime:
        """The moment of a planned day; ``slot`` is 0 to 5, ten minutes each."""
        if (day, slot) not in self._moments:
            minutes = self.hours.opens.hour * 60 + self.hours.opens.minute + 10 * slot
            clock = time(minutes // 60 % 24, minutes % 60)
            self._moments[day, slot] = on_the_wall(day, clock, self.zone)
        return self._moments[day, slot]

    def window(self, day: date) -> tuple[datetime, datetime]:
        """First and last moment of the open window; the last one is already closed."""
        return self.moment(day, 0), on_the_wall(day, self.hours.closes, self.zone)

    def valid_until(self, start: datetime, days: int) -> datetime:
        """The end of ``days`` open days from ``start``, at its own time of day.

        A start on a closed day counts from the end of the closed stretch, so that its last day
        ends with a midnight.
        """
        wall = start.astimezone(ZoneInfo(self.zone))
        day, clock = wall.date(), wall.time()
        at_midnight = not self.is_open(day)
        if at_midnight:
            while not self.is_open(day + ONE):
                day += ONE
        day = self._business(day, days, 1)
        return (
            on_the_wall(day + ONE, time(0), self.zone)
            if at_midnight
            else on_the_wall(day, clock, self.zone)
        )
