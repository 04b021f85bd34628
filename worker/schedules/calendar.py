"""Open days and hours: where a due date lands, and when a mail may leave.

Pure. A calendar is built once per (schedule's calendar, zone, country) and remembers what it has
worked out, because a book has few zones and countries and many licences.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from zoneinfo import ZoneInfo

import holidays
import pendulum

from worker.kernel.dates import zone
from worker.schedules.model import CalendarSpec, Offset, Schedule, Span

DAY = timedelta(days=1)
SEARCH_DAYS = 31
SLOTS = 6
SLOT = timedelta(minutes=10)


@cache
def _public_holidays(country: str, year: int) -> frozenset[date]:
    try:
        return frozenset(holidays.country_holidays(country, years=year))
    except NotImplementedError:  # a country whose holidays nobody has written down yet
        return frozenset()


class Calendar:
    """The open days and hours of one client under one schedule."""

    def __init__(self, spec: CalendarSpec, tz: ZoneInfo, country: str | None) -> None:
        self.spec = spec
        self.tz = tz
        self.country = country
        self._open: dict[date, bool] = {}
        self._opens_at: dict[date, datetime] = {}
        self._closes_at: dict[date, datetime] = {}
        self._landed: dict[tuple[date, date], date | None] = {}

    def today(self, now: datetime) -> date:
        """The client's civil date at ``now``."""
        return now.astimezone(self.tz).date()

    def is_open(self, day: date) -> bool:
        """Whether mail may go out on this civil day at all."""
        known = self._open.get(day)
        if known is None:
            known = self._open[day] = self._work_out(day)
        return known

    def _work_out(self, day: date) -> bool:
        if day.weekday() not in self.spec.days or day in self.spec.extra_holidays:
            return False
        if self.country and day in _public_holidays(self.country, day.year):
            return False
        # A zone can skip a whole day: Samoa had no 30 December 2011.
        return self.opens_at(day).astimezone(self.tz).date() == day

    def why_closed(self, day: date) -> str:
        """Why ``day`` is not open: its name, its holiday, or that the schedule closes it."""
        if day.weekday() not in self.spec.days:
            return f"a {day:%A}"
        if day in self.spec.extra_holidays:
            return "closed by the schedule"
        if self.country:
            named = holidays.country_holidays(self.country, years=day.year).get(day)
            if named:
                return f"a holiday ({named})"
        return "a day that the zone skipped"

    def opens_at(self, day: date) -> datetime:
        """The moment (UTC) at which the window of ``day`` opens."""
        known = self._opens_at.get(day)
        if known is None:
            known = self._opens_at[day] = wall_moment(day, self.spec.opens, self.tz)
        return known

    def closes_at(self, day: date) -> datetime:
        """The moment (UTC) from which the window of ``day`` is closed."""
        known = self._closes_at.get(day)
        if known is None:
            known = self._closes_at[day] = wall_moment(day, self.spec.closes, self.tz)
        return known

    def is_open_at(self, now: datetime) -> bool:
        """Whether a mail may leave at this moment."""
        day = self.today(now)
        return self.is_open(day) and self.opens_at(day) <= now < self.closes_at(day)

    def next_opening(self, now: datetime, slot: int) -> datetime | None:
        """When ``slot`` of a window opens next, after ``now``; ``None`` when not in 31 days."""
        day = self.today(now)
        for _ in range(SEARCH_DAYS + 1):
            if self.is_open(day) and self.opens_at(day) + slot * SLOT > now:
                return self.opens_at(day) + slot * SLOT
            day += DAY
        return None

    def nth_open_day(self, day: date, count: int, direction: int) -> date:
        """The ``count``-th open day strictly after (``direction`` 1) or before (-1) ``day``.

        Stops at the calendar's end when a client has no open days at all.
        """
        barren = 0
        while count and barren < 400:
            day += direction * DAY
            if self.is_open(day):
                count, barren = count - 1, 0
            else:
                barren += 1
        return day

    def due_on(self, anchor: date, offset: Offset) -> date:
        """The civil date an offset points at, before any shift."""
        if offset.side == "on":
            return anchor
        sign = -1 if offset.side == "before" else 1
        if offset.unit == "business days":
            return self.nth_open_day(anchor, offset.count, sign)
        if offset.unit == "months":
            moved = pendulum.date(anchor.year, anchor.month, anchor.day).add(
                months=sign * offset.count
            )
            return date(moved.year, moved.month, moved.day)
        days = offset.count * (7 if offset.unit == "weeks" else 1)
        return anchor + timedelta(days=sign * days)

    def land(self, due: date, anchor: date) -> date | None:
        """The open day on which a due date lands; ``None`` when nothing is open on its side.

        What is due on or before the anchor stays there, what is due after it stays after it.
        """
        if self.is_open(due):
            return due
        key = (due, anchor)
        if key not in self._landed:
            self._landed[key] = self._search(due, anchor)
        return self._landed[key]

    def _search(self, due: date, anchor: date) -> date | None:
        allowed: Callable[[date], bool] = (
            (lambda day: day <= anchor) if due <= anchor else (lambda day: day > anchor)
        )
        first = -1 if self.spec.when_closed == "earlier" else 1
        for direction in (first, -first):
            day = due
            for _ in range(SEARCH_DAYS):
                day += direction * DAY
                if not allowed(day):
                    break
                if self.is_open(day):
                    return day
        return None

    def valid_until(self, start: datetime, days: int) -> datetime:
        """``days`` open days after ``start``, at the same time of day; closed days do not count.

        A start on a closed day counts from the end of that closed stretch.
        """
        local = start.astimezone(self.tz)
        last = self.nth_open_day(local.date(), days, 1)
        if self.is_open(local.date()):
            return wall_moment(last, local.time(), self.tz)
        return wall_moment(last + DAY, time(0), self.tz)

    def add_span(self, day: date, span: Span) -> date:
        """``day`` plus a number of civil or open days."""
        if span.unit == "business days":
            return self.nth_open_day(day, span.count, 1)
        return day + timedelta(days=span.count)


def wall_moment(day: date, wall: time, tz: ZoneInfo) -> datetime:
    """The moment (UTC) at which a clock on the wall in ``tz`` shows ``wall`` on ``day``.

    A time that does not exist becomes the next valid minute; of two, the first.
    """
    local = datetime.combine(day, wall.replace(tzinfo=None, fold=0))
    for minutes in range(26 * 60):
        wanted = local + timedelta(minutes=minutes)
        moment = wanted.replace(tzinfo=tz).astimezone(UTC)
        if moment.astimezone(tz).replace(tzinfo=None) == wanted:
            return moment
        local = local.replace(second=0, microsecond=0)
    raise ValueError(f"{tz.key} has no valid time within a day of {local.isoformat()}")


@lru_cache(maxsize=4096)
def _calendar(spec: CalendarSpec, tz: str, country: str | None) -> Calendar:
    return Calendar(spec, zone(tz), country)


def calendar_for(schedule: Schedule, account_zone: str, account_country: str | None) -> Calendar:
    """The calendar by which an account is treated under ``schedule``.

    ``account_zone`` and ``account_country`` are the account's own, or the book's defaults.
    """
    spec = schedule.calendar
    tz = account_zone if spec.timezone == "account" else spec.timezone
    country = account_country if spec.holidays == "account" else spec.holidays
    return _calendar(spec, tz, None if country in ("none", "", None) else country)
