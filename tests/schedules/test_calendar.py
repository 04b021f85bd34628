"""Civil days and clocks on the wall: against examples that a person can check, and against a slow
oracle that knows zones and nothing else."""

from __future__ import annotations

import calendar as almanac
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from worker.kernel.dates import zone_names
from worker.schedules.calendar import SLOT, SLOTS, Calendar, calendar_for, wall_moment
from worker.schedules.model import CalendarSpec, Limits, Offset, Schedule, Step
from worker.schedules.words import offset

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
CHICAGO = ZoneInfo("America/Chicago")
UTC_ZONE = ZoneInfo("UTC")
EVERY_DAY = frozenset(range(7))


def _calendar(zone: str = "UTC", country: str | None = None, **spec: object) -> Calendar:
    return Calendar(CalendarSpec(**spec), ZoneInfo(zone), country)  # type: ignore[arg-type]


def _day(said: str) -> date:
    """``Wed 2027-03-31``; a wrong weekday is a mistake of the test."""
    name, _, iso = said.rpartition(" ")
    found = date.fromisoformat(iso)
    assert name in ("", f"{found:%a}"), f"{iso} is a {found:%A}"
    return found


# --- clocks on the wall ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "day", "wall", "moment"),
    [
        # Chicago skips 02:00 to 03:00 on 14 March 2027 and has 01:00 to 02:00 twice on 7 November.
        ("America/Chicago", "2027-03-14", "01:59", "2027-03-14T07:59"),
        ("America/Chicago", "2027-03-14", "02:00", "2027-03-14T08:00"),
        ("America/Chicago", "2027-03-14", "02:30", "2027-03-14T08:00"),
        ("America/Chicago", "2027-03-14", "03:00", "2027-03-14T08:00"),
        ("America/Chicago", "2027-11-07", "01:30", "2027-11-07T06:30"),
        ("America/Chicago", "2027-11-07", "02:00", "2027-11-07T08:00"),
        # Lord Howe moves its clocks by half an hour.
        ("Australia/Lord_Howe", "2026-10-04", "02:15", "2026-10-03T15:30"),
        ("Australia/Lord_Howe", "2026-10-04", "02:30", "2026-10-03T15:30"),
        ("Australia/Lord_Howe", "2027-04-04", "01:45", "2027-04-03T14:45"),
        # Samoa had no 30 December 2011 at all.
        ("Pacific/Apia", "2011-12-29", "23:59", "2011-12-30T09:59"),
        ("Pacific/Apia", "2011-12-30", "09:00", "2011-12-30T10:00"),
        ("Pacific/Apia", "2011-12-31", "00:00", "2011-12-30T10:00"),
        # Brazil used to begin summer time at midnight.
        ("America/Sao_Paulo", "2018-11-04", "00:00", "2018-11-04T03:00"),
        ("Asia/Kathmandu", "2027-01-01", "09:00", "2027-01-01T03:15"),
    ],
)
def test_a_skipped_time_becomes_the_next_valid_one_and_of_two_the_first_counts(
    zone: str, day: str, wall: str, moment: str
) -> None:
    found = wall_moment(date.fromisoformat(day), time.fromisoformat(wall), ZoneInfo(zone))
    assert found == datetime.fromisoformat(moment).replace(tzinfo=UTC)
    assert found.tzinfo is UTC


def _by_walking(day: date, wall: time, tz: ZoneInfo) -> datetime:
    """The first minute of time at which the clock shows ``wall`` on ``day``, or later."""
    wanted = datetime.combine(day, wall)
    moment = wanted.replace(tzinfo=UTC) - timedelta(hours=15)
    while moment.astimezone(tz).replace(tzinfo=None) < wanted:
        moment += MINUTE
    return moment


TURNS = [  # zones, and days on which something is odd there
    ("America/Chicago", date(2027, 3, 14)),
    ("America/Chicago", date(2027, 11, 7)),
    ("Australia/Lord_Howe", date(2026, 10, 4)),
    ("Australia/Lord_Howe", date(2027, 4, 4)),
    ("Pacific/Apia", date(2011, 12, 30)),
    ("America/Sao_Paulo", date(2018, 11, 4)),
    ("Europe/Warsaw", date(2027, 3, 28)),
    ("Europe/Moscow", date(2014, 10, 26)),
    ("Africa/Casablanca", date(2026, 2, 15)),
    ("America/Havana", date(2024, 3, 10)),
    ("Asia/Gaza", date(2026, 3, 28)),
    ("Antarctica/Troll", date(2027, 3, 28)),
]


@given(
    st.sampled_from(TURNS),
    st.integers(-1, 1),
    st.times(timezones=st.none()).map(lambda wall: wall.replace(second=0, microsecond=0)),
)
@settings(max_examples=60, deadline=None)
def test_around_every_turn_of_the_clocks_the_wall_agrees_with_a_walk_through_time(
    turn: tuple[str, date], off: int, wall: time
) -> None:
    tz = ZoneInfo(turn[0])
    assert wall_moment(turn[1] + off * DAY, wall, tz) == _by_walking(turn[1] + off * DAY, wall, tz)


@given(st.sampled_from(sorted(zone_names())), st.dates(date(1995, 1, 1), date(2037, 12, 31)))
@settings(max_examples=40, deadline=None)
@example("Pacific/Kiritimati", date(1994, 12, 31))
@example("Pacific/Kwajalein", date(1993, 8, 21))
def test_in_every_zone_the_office_opens_when_the_wall_says_so(zone: str, day: date) -> None:
    tz = ZoneInfo(zone)
    assert wall_moment(day, time(9), tz) == _by_walking(day, time(9), tz)


def test_hours_are_those_of_the_wall_through_the_change_of_clocks() -> None:
    office = _calendar("America/Chicago", days=EVERY_DAY)
    said = [f"{office.opens_at(date(2027, 3, n)):%d %H:%M}" for n in (13, 14, 15)]
    assert said == ["13 15:00", "14 14:00", "15 14:00"]
    night = _calendar("America/Chicago", days=EVERY_DAY, opens=time(1), closes=time(5))
    long, short = date(2027, 11, 7), date(2027, 3, 14)
    assert night.closes_at(long) - night.opens_at(long) == timedelta(hours=5)
    assert night.closes_at(short) - night.opens_at(short) == timedelta(hours=3)


def test_the_window_is_open_from_its_first_minute_until_before_its_last() -> None:
    office = _calendar("Europe/Warsaw")
    opens, closes = (
        office.opens_at(_day("Mon 2027-03-29")),
        office.closes_at(_day("Mon 2027-03-29")),
    )
    assert [office.is_open_at(at) for at in (opens - MINUTE, opens, closes - MINUTE, closes)] == [
        False,
        True,
        True,
        False,
    ]
    assert not office.is_open_at(opens - DAY)


def test_the_civil_day_is_the_clients() -> None:
    late_evening = datetime(2027, 3, 31, 23, tzinfo=UTC)
    assert _calendar("Pacific/Auckland").today(late_evening) == date(2027, 4, 1)
    assert _calendar("America/Chicago").today(late_evening) == date(2027, 3, 31)


# --- open days ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("country", "day", "is_open", "why"),
    [
        ("US", "Thu 2027-11-25", False, "a holiday (Thanksgiving Day)"),
        ("US", "Fri 2027-11-26", True, ""),
        ("US", "Mon 2027-05-31", False, "a holiday (Memorial Day)"),
        ("PL", "Mon 2027-05-03", False, None),
        ("PL", "Thu 2027-05-27", False, None),  # Corpus Christi moves with Easter
        ("PL", "Thu 2027-11-25", True, ""),
        (None, "Mon 2027-05-31", True, ""),
        (None, "Sat 2027-05-29", False, "a Saturday"),
        ("XX", "Mon 2027-05-31", True, ""),  # a country whose holidays nobody knows
    ],
)
def test_weekends_and_the_countrys_holidays_are_closed(
    country: str | None, day: str, is_open: bool, why: str | None
) -> None:
    office = _calendar(country=country)
    assert office.is_open(_day(day)) is is_open
    if not is_open and why:
        assert office.why_closed(_day(day)) == why


def test_days_that_the_schedule_closes_are_closed_and_it_says_so() -> None:
    office = _calendar(extra_holidays=frozenset({_day("Tue 2027-05-04")}))
    assert not office.is_open(_day("Tue 2027-05-04"))
    assert office.why_closed(_day("Tue 2027-05-04")) == "closed by the schedule"


def test_a_day_that_a_zone_skipped_is_closed_and_its_neighbours_are_not() -> None:
    apia = _calendar("Pacific/Apia")
    days = [_day("Thu 2011-12-29"), _day("Fri 2011-12-30"), _day("Mon 2012-01-02")]
    assert [apia.is_open(day) for day in days] == [True, False, True]
    assert apia.why_closed(_day("Fri 2011-12-30")) == "a day that the zone skipped"
    assert apia.land(_day("Fri 2011-12-30"), _day("Fri 2011-12-30")) == _day("Thu 2011-12-29")


@pytest.mark.parametrize(
    ("schedules_zone", "schedules_country", "expected"),
    [
        ("account", "account", ("Europe/Warsaw", "PL")),
        ("America/Chicago", "account", ("America/Chicago", "PL")),
        ("account", "US", ("Europe/Warsaw", "US")),
        ("account", "none", ("Europe/Warsaw", None)),
    ],
)
def test_a_calendar_is_the_accounts_unless_the_schedule_names_another(
    schedules_zone: str, schedules_country: str, expected: tuple[str, str | None]
) -> None:
    spec = CalendarSpec(timezone=schedules_zone, holidays=schedules_country)
    step = Step("a", Offset(0, "days", "on"), "task")
    schedule = Schedule("s", "S", "licence-expiry", "contractual", (), spec, Limits(), (step,))
    found = calendar_for(schedule, "Europe/Warsaw", "PL")
    assert (found.tz.key, found.country) == expected
    assert calendar_for(schedule, "Europe/Warsaw", None).country in (None, "US")


# --- due dates ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("anchor", "when", "due"),
    [
        ("Wed 2027-03-31", "on the day", "Wed 2027-03-31"),
        ("Wed 2027-03-31", "1 day before", "Tue 2027-03-30"),
        ("Wed 2027-03-31", "60 days before", "Sat 2027-01-30"),
        ("Wed 2027-03-31", "3 weeks after", "Wed 2027-04-21"),
        ("Wed 2027-03-31", "1 month before", "Sun 2027-02-28"),
        ("Fri 2028-03-31", "1 month before", "Tue 2028-02-29"),
        ("Tue 2028-02-29", "12 months after", "Wed 2029-02-28"),
        ("Tue 2028-02-29", "12 months before", "Sun 2027-02-28"),
        ("Sun 2027-10-31", "6 months before", "Fri 2027-04-30"),
        ("Fri 2027-12-31", "2 months after", "Tue 2028-02-29"),
        ("Wed 2028-03-01", "1 day before", "Tue 2028-02-29"),
        ("Mon 2027-05-31", "1 business day before", "Fri 2027-05-28"),
        ("Fri 2027-05-28", "1 business day after", "Mon 2027-05-31"),
        ("Sun 2027-05-30", "1 business day after", "Mon 2027-05-31"),
        ("Sun 2027-05-30", "2 business days before", "Thu 2027-05-27"),
        ("Wed 2027-06-16", "10 business days before", "Wed 2027-06-02"),
    ],
)
def test_an_offset_points_at_a_civil_date(anchor: str, when: str, due: str) -> None:
    assert _calendar().due_on(_day(anchor), offset(when)) == _day(due)


DATES = st.dates(date(2023, 1, 1), date(2029, 12, 31))


@st.composite
def _offices(draw: st.DrawFn) -> Calendar:
    """Offices with any open weekdays, and now and then a long closure."""
    first, length = draw(DATES), draw(st.sampled_from([0, 0, 1, 5, 40]))
    return _calendar(
        days=draw(st.frozensets(st.integers(0, 6), min_size=1)),
        extra_holidays=frozenset(first + n * DAY for n in range(length)),
        when_closed=draw(st.sampled_from(["earlier", "later"])),
    )


def _open(office: Calendar, day: date) -> bool:
    spec = office.spec
    return day.isoweekday() - 1 in spec.days and day not in spec.extra_holidays


@given(DATES, st.integers(1, 30), st.sampled_from(["before", "after"]))
def test_months_keep_the_day_or_end_with_the_month(anchor: date, count: int, side: str) -> None:
    months = anchor.year * 12 + anchor.month - 1 + (count if side == "after" else -count)
    year, month = divmod(months, 12)
    last = almanac.monthrange(year, month + 1)[1]
    expected = date(year, month + 1, min(anchor.day, last))
    assert _calendar().due_on(anchor, Offset(count, "months", side)) == expected  # type: ignore[arg-type]


@given(_offices(), DATES, st.integers(1, 25), st.sampled_from(["before", "after"]))
@settings(deadline=None)
def test_business_days_are_counted_one_open_day_after_the_other(
    office: Calendar, anchor: date, count: int, side: str
) -> None:
    found = office.due_on(anchor, Offset(count, "business days", side))  # type: ignore[arg-type]
    low, high = sorted((anchor, found))
    between = [low + n * DAY for n in range((high - low).days + 1)]
    opened = [day for day in between if day != anchor and _open(office, day)]
    assert len(opened) == count
    assert _open(office, found)
    assert (found < anchor) == (side == "before")


@given(_offices(), DATES, st.integers(-60, 60))
@settings(deadline=None)
def test_a_due_date_lands_on_the_nearest_open_day_of_its_side_of_the_anchor(
    office: Calendar, anchor: date, off: int
) -> None:
    due = anchor + off * DAY
    earlier = [due - n * DAY for n in range(32)]
    later = [due + n * DAY for n in range(32)]
    ways = [earlier, later] if office.spec.when_closed == "earlier" else [later, earlier]
    expected = None
    for way in ways:
        fit = [d for d in way if _open(office, d) and (d <= anchor) == (due <= anchor)]
        expected = expected or (fit[0] if fit else None)
    assert office.land(due, anchor) == expected


# --- spans, openings, validity --------------------------------------------------------------------


@given(_offices(), DATES, st.integers(0, 24 * 60 - 1), st.integers(0, 5))
@settings(deadline=None)
def test_the_next_opening_is_the_first_slot_of_an_open_day_still_to_come(
    office: Calendar, day: date, minutes: int, slot: int
) -> None:
    now = datetime.combine(day, time(0), UTC) + minutes * MINUTE
    slots = [
        datetime.combine(now.date() + n * DAY, time(9), UTC) + slot * SLOT
        for n in range(32)
        if _open(office, now.date() + n * DAY)
    ]
    expected = next((at for at in slots if at > now), None)
    assert office.next_opening(now, slot) == expected


@pytest.mark.parametrize(
    ("start", "days", "end"),
    [
        ("Thu 2027-03-25T09:20", 3, "Tue 2027-03-30T09:20"),
        ("Fri 2027-03-26T09:00", 1, "Mon 2027-03-29T09:00"),
        ("Sat 2027-03-27T08:00", 1, "Tue 2027-03-30T00:00"),  # the end of Monday
        ("Sun 2027-03-28T23:00", 3, "Thu 2027-04-01T00:00"),
    ],
)
def test_a_step_is_valid_for_a_number_of_open_days(start: str, days: int, end: str) -> None:
    def at(said: str) -> datetime:
        on, _, clock = said.rpartition("T")
        return datetime.combine(_day(on), time.fromisoformat(clock), UTC)

    assert _calendar().valid_until(at(start), days) == at(end)


def test_validity_keeps_the_clock_on_the_wall_through_the_change_of_clocks() -> None:
    office = _calendar("America/Chicago")
    start = office.opens_at(_day("Fri 2027-03-12"))
    assert office.valid_until(start, 1).astimezone(CHICAGO).isoformat() == (
        "2027-03-15T09:00:00-05:00"
    )


def test_the_slots_of_a_window_lie_in_its_first_hour() -> None:
    last = (SLOTS - 1) * SLOT
    assert last < timedelta(hours=1)


def test_an_office_that_never_opens_is_found_out_and_not_searched_for_ever() -> None:
    shut = _calendar(days=frozenset())
    now = datetime(2027, 3, 29, 12, tzinfo=UTC)
    assert shut.next_opening(now, 0) is None
    assert shut.land(now.date(), now.date()) is None
    assert shut.nth_open_day(now.date(), 3, 1) > now.date()
