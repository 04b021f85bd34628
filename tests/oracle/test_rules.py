"""The judge's reading of the page of rules, worked out by hand."""

from __future__ import annotations

from datetime import date, datetime, time
from zoneinfo import ZoneInfo

import pytest

from tests.oracle.case import Row, book, heard, kinds, moment, row, script, term
from tests.oracle.days import Calendar, Hours, on_the_wall
from tests.oracle.life import Event
from tests.oracle.script import admits, read

WEEK = frozenset(range(5))
OFFICE = Hours(time(9), time(17), WEEK, frozenset(), "earlier")
BEGINS = moment("2024-01-01T00:00")


def _plan(anchor: str, when: str, *, country: str = "", hours: Hours = OFFICE) -> list[str | None]:
    due, planned = Calendar("UTC", country, hours).plan(date.fromisoformat(anchor), when)
    return [due.isoformat(), planned.isoformat() if planned else None]


# Dates


def test_months_keep_the_day_or_end_with_the_month() -> None:
    assert _plan("2024-03-31", "1 month before") == ["2024-02-29", "2024-02-29"]
    assert _plan("2025-03-31", "1 month before") == ["2025-02-28", "2025-02-28"]
    assert _plan("2024-01-31", "1 month after") == ["2024-02-29", "2024-02-29"]


def test_business_days_skip_weekends_and_public_holidays() -> None:
    # Back from Thursday 2 May 2024: 30 April, 29 April; the first of May is a holiday in Poland.
    assert _plan("2024-05-02", "1 business day before", country="PL")[0] == "2024-04-30"
    assert _plan("2024-05-02", "3 business days before", country="PL")[0] == "2024-04-26"
    assert _plan("2024-05-02", "1 business day after", country="PL")[0] == "2024-05-06"
    assert _plan("2024-05-02", "1 business day before")[0] == "2024-05-01"


def test_a_shift_never_crosses_the_anchor() -> None:
    later = Hours(time(9), time(17), WEEK, frozenset(), "later")
    # Sunday 16 June 2024: the day before is a Saturday; on or before means Friday.
    assert _plan("2024-06-16", "1 day before", hours=later) == ["2024-06-15", "2024-06-14"]
    assert _plan("2024-06-19", "3 days before", hours=later) == ["2024-06-16", "2024-06-17"]
    assert _plan("2024-06-14", "1 day after") == ["2024-06-15", "2024-06-17"]
    assert _plan("2024-06-14", "1 week after") == ["2024-06-21", "2024-06-21"]


def test_where_nothing_is_open_for_a_month_there_is_no_moment() -> None:
    summer = frozenset(date.fromordinal(day) for day in range(738700, 738800))
    closed = Hours(time(9), time(17), WEEK, summer, "earlier")
    _, planned = Calendar("UTC", "", closed).plan(date.fromordinal(738750), "on the day")
    assert planned is None
    edge, shifted = Calendar("UTC", "", closed).plan(date.fromordinal(738729), "on the day")
    assert shifted is not None
    assert (edge - shifted).days <= 31


def test_a_skipped_wall_clock_time_becomes_the_next_one_and_a_doubled_one_the_first() -> None:
    def wall(day: str, clock: time, zone: str) -> str:
        there = on_the_wall(date.fromisoformat(day), clock, zone).astimezone(ZoneInfo(zone))
        return there.isoformat()

    assert wall("2024-03-31", time(2, 20), "Europe/Warsaw") == "2024-03-31T03:00:00+02:00"
    assert wall("2024-10-27", time(2, 20), "Europe/Warsaw") == "2024-10-27T02:20:00+02:00"
    assert wall("2024-10-06", time(2, 10), "Australia/Lord_Howe") == "2024-10-06T02:30:00+11:00"
    assert wall("2024-04-07", time(1, 40), "Australia/Lord_Howe") == "2024-04-07T01:40:00+11:00"
    assert wall("2018-11-04", time(0, 0), "America/Sao_Paulo") == "2018-11-04T01:00:00-02:00"


def test_a_day_that_a_zone_left_out_is_never_open() -> None:
    assert not Calendar("Pacific/Apia", "", OFFICE).is_open(date(2011, 12, 30))
    assert Calendar("Pacific/Apia", "", OFFICE).is_open(date(2011, 12, 29))


def test_valid_for_counts_open_days_only() -> None:
    calendar = Calendar("UTC", "", OFFICE)
    # From Thursday 13 June 2024, 09:10: Friday, Monday, Tuesday.
    assert calendar.valid_until(moment("2024-06-13T09:10"), 3) == moment("2024-06-18T09:10")
    # From a Saturday: counted from the end of Sunday.
    assert calendar.valid_until(moment("2024-06-15T08:00"), 1) == moment("2024-06-18T00:00")


def test_mails_keep_the_wall_clock_through_the_change_of_clocks() -> None:
    steps = script("7 days before", "on the day")
    spring = book(term("2024-04-02"), zone="Europe/Warsaw")
    right = [
        row("7 days before", "2024-03-26T09:30+01:00", "2024-03-26"),
        row("on the day", "2024-04-02T09:30+02:00", "2024-04-02"),
    ]
    assert heard(spring, steps, right) == []
    drifted = [right[0], row("on the day", "2024-04-02T08:30+00:00", "2024-04-02")]
    assert kinds(spring, steps, drifted) == ["moment"]


def test_the_civil_day_is_that_of_the_client() -> None:
    apia = book(term("2024-06-12"), zone="Pacific/Apia")  # 13 hours ahead
    steps = script("on the day")
    assert heard(apia, steps, [row("on the day", "2024-06-11T20:00", "2024-06-12")]) == []
    assert kinds(apia, steps, [row("on the day", "2024-06-12T20:00", "2024-06-12")]) == ["day"]


# Terms


def test_a_step_on_or_before_the_start_of_its_term_is_skipped() -> None:
    steps = script("3 days before", "2 days before", "1 day before")
    short = book(term("2024-06-13", "2024-06-11"))
    right = [
        row("3 days before", "2024-06-10T09:00", "2024-06-10", "skipped", "before-term"),
        row("2 days before", "2024-06-11T09:00", "2024-06-11", "skipped", "before-term"),
        row("1 day before", "2024-06-12T09:00", "2024-06-12"),
    ]
    assert heard(short, steps, right) == []
    wrong = row("2 days before", "2024-06-11T09:00", "2024-06-11")
    assert kinds(short, steps, [right[0], wrong, right[2]]) == ["decision"]


@pytest.mark.parametrize(
    "closed", [{"closed": "2024-06-05"}, {"starts": "2024-06-05"}, {"starts": None}]
)
def test_a_renewal_is_known_from_the_first_moment_of_its_day(closed: dict[str, str | None]) -> None:
    # Closed on 5 June, or begun on it, or without any date: the predecessor's expiry.
    after = term("2025-06-12", **{"starts": "2024-06-12", **closed})
    steps = script("1 week before", "2 days after")
    known = "2024-06-12" if closed == {"starts": None} else "2024-06-05"
    first = (
        row("1 week before", "2024-06-05T09:00", "2024-06-05")
        if known > "2024-06-05"
        else row("1 week before", "2024-06-05T00:00", "2024-06-05", "cancelled", "renewed")
    )
    second = row("2 days after", f"{known}T00:00", "2024-06-14", "cancelled", "renewed")
    assert heard(book(term("2024-06-12"), after), steps, [first, second]) == []


def test_a_term_first_seen_after_its_end_is_history() -> None:
    steps = script("1 day before", "3 days after", "30 days after")
    seen = book(term("2023-06-12"), term("2024-06-12", "2023-06-12", "2024-06-18"))
    right = [
        row("1 day before", "2024-06-18T00:00", "2024-06-11", "skipped", "history", cycle=2),
        row("3 days after", "2024-06-18T00:00", "2024-06-15", "skipped", "history", cycle=2),
        row("30 days after", "2024-07-12T09:00", "2024-07-12", cycle=2),
    ]
    assert heard(seen, steps, right) == []


def test_an_inactive_licence_gets_no_mail() -> None:
    steps = script("7 days before")
    for status in ("cancelled", "ended"):
        over = book(term("2024-06-12"), status=status)
        assert heard(over, steps, []) == []
        told = row("7 days before", "2024-01-01T00:00", "2024-06-05", "cancelled", status)
        assert heard(over, steps, [told]) == []
        mail = row("7 days before", "2024-06-05T09:00", "2024-06-05")
        assert kinds(over, steps, [mail]) == ["after-end"]


def test_an_auto_renewing_licence_opens_its_next_term_by_itself() -> None:
    steps = script("on the day", "3 days after")
    own = book(term("2023-03-01", "2022-03-01"), auto_renew=True)
    # 1 March 2024 in months; 366 days of a leap year make it 29 February.
    for expiry, mailed in (("2024-03-01", "2024-03-01"), ("2024-02-29", "2024-02-29")):
        right = [
            row("on the day", f"{mailed}T09:00", expiry, cycle=2),
            row("3 days after", f"{mailed}T23:59", "2024-03-04", "cancelled", "renewed", cycle=2),
        ]
        if expiry == "2024-02-29":
            right[1]["due_on"] = "2024-03-03"
        assert heard(own, steps, right, (date(2024, 1, 1), date(2024, 6, 30))) == []


# Late


def _imported(at: str, *terms: Row) -> tuple[Row, list[Event]]:
    base = book()
    licence = base["licences"].pop()
    rows = [{"licence": "L", "number": n, **one} for n, one in enumerate(terms, 1)]
    return base, [(moment(at), "add", {"licence": licence, "terms": rows})]


def test_a_late_step_gives_way_to_one_that_falls_on_its_day() -> None:
    steps = script("10 days before", "7 days before")
    base, events = _imported("2024-06-05T05:00", term("2024-06-12"))
    right = [
        row("10 days before", "2024-06-05T05:00", "2024-06-02", "superseded", "later-step"),
        row("7 days before", "2024-06-05T09:00", "2024-06-05"),
    ]
    assert kinds(base, steps, right, events=events, begins=BEGINS) == []


def test_a_step_whose_day_is_not_over_is_not_late() -> None:
    steps = script("7 days before", limits='late = "skip"')
    base, events = _imported("2024-06-05T14:00", term("2024-06-12"))
    right = [row("7 days before", "2024-06-05T14:00", "2024-06-05")]
    assert kinds(base, steps, right, events=events, begins=BEGINS) == []
    base, events = _imported("2024-06-05T18:00", term("2024-06-12"))
    over = [row("7 days before", "2024-06-06T00:00", "2024-06-05", "skipped", "late")]
    assert kinds(base, steps, over, events=events, begins=BEGINS) == []


def test_with_all_of_several_late_mails_the_last_goes_and_the_others_are_superseded() -> None:
    steps = script("12 days before", "10 days before", "8 days before", limits='late = "all"')
    base, events = _imported("2024-06-05T18:00", term("2024-06-12"))
    right = [
        row("8 days before", "2024-06-06T09:00", "2024-06-04"),
        row("10 days before", "2024-06-06T09:00", "2024-06-02", "superseded", "same-day"),
        row("12 days before", "2024-06-06T09:00", "2024-05-31", "superseded", "same-day"),
    ]
    assert kinds(base, steps, right, events=events, begins=BEGINS) == []
    right[1] = row("10 days before", "2024-06-07T09:00", "2024-06-02")
    assert kinds(base, steps, right, events=events, begins=BEGINS) == ["decision"]


def test_a_late_notice_never_goes_out_after_the_expiry() -> None:
    steps = script("1 day before", "on the day", "30 days after")
    base, events = _imported("2024-06-14T18:00", term("2024-06-14"))
    right = [
        row("1 day before", "2024-06-17T09:00", "2024-06-13", "superseded", "later-step"),
        row("on the day", "2024-06-17T09:00", "2024-06-14", "skipped", "no-open-moment"),
        row("30 days after", "2024-07-12T09:00", "2024-07-14"),
    ]
    assert kinds(base, steps, right, events=events, begins=BEGINS) == []
    sent = [right[0], row("on the day", "2024-06-17T09:00", "2024-06-14"), right[2]]
    assert kinds(base, steps, sent, events=events, begins=BEGINS) == ["decision"]


def test_a_long_outage_makes_steps_too_late() -> None:
    steps = script("20 days before", "1 day before", limits='valid_for = "2 days"')
    down = [(moment("2024-05-20T00:00"), "down", {"until": moment("2024-05-27T08:00")})]
    right = [
        row("20 days before", "2024-05-27T09:00", "2024-05-23", "skipped", "too-late"),
        row("1 day before", "2024-06-11T09:00", "2024-06-11"),
    ]
    # Due on Thursday 23 May: two open days later is Monday 27 May at nine, just in time.
    assert "decision" in kinds(book(term("2024-06-12")), steps, right, events=down, begins=BEGINS)
    down = [(moment("2024-05-20T00:00"), "down", {"until": moment("2024-05-27T09:10")})]
    assert kinds(book(term("2024-06-12")), steps, right, events=down, begins=BEGINS) == []


# What changes on the way


def test_a_correction_moves_what_is_undone_and_repeats_nothing() -> None:
    steps = script("30 days before", "7 days before")
    moved = [(moment("2024-06-03T03:00"), "correct", {"licence": "L", "expires_on": "2024-07-17"})]
    right = [
        row("30 days before", "2024-05-13T09:00", "2024-05-13"),
        row("7 days before", "2024-07-10T09:00", "2024-07-10"),
    ]
    june = book(term("2024-06-12"))
    assert kinds(june, steps, right, events=moved, begins=BEGINS) == []
    twice = [*right, row("30 days before", "2024-06-17T09:00", "2024-06-17")]
    assert "twice" in kinds(june, steps, twice, events=moved, begins=BEGINS)
    stuck = [right[0], row("7 days before", "2024-06-05T09:00", "2024-06-05")]
    assert kinds(june, steps, stuck, events=moved, begins=BEGINS) == ["day", "due"]


def test_a_correction_to_an_earlier_date_makes_a_step_late() -> None:
    steps = script("30 days before", "7 days before")
    moved = [(moment("2024-06-13T03:00"), "correct", {"licence": "L", "expires_on": "2024-06-19"})]
    right = [
        row("30 days before", "2024-05-20T09:00", "2024-05-20"),
        row("7 days before", "2024-06-13T09:00", "2024-06-12"),
    ]
    right[0] = row("30 days before", "2024-05-27T09:00", "2024-05-27")
    assert kinds(book(term("2024-06-26")), steps, right, events=moved, begins=BEGINS) == []


def test_a_second_mail_waits_for_the_next_open_day() -> None:
    steps = script("8 days before", "4 days before")
    moved = [(moment("2024-06-13T12:00"), "correct", {"licence": "L", "expires_on": "2024-06-17"})]
    right = [
        row("8 days before", "2024-06-13T09:00", "2024-06-13"),
        row("4 days before", "2024-06-14T09:00", "2024-06-13"),
    ]
    june = book(term("2024-06-21"))
    assert kinds(june, steps, right, events=moved, begins=BEGINS) == []
    at_once = [right[0], row("4 days before", "2024-06-13T12:00", "2024-06-13")]
    assert kinds(june, steps, at_once, events=moved, begins=BEGINS) == ["day", "same-day"]


def test_a_cancelled_licence_ends_its_walk() -> None:
    steps = script("30 days before", "7 days before")
    end = [(moment("2024-06-04T03:00"), "cancel", {"licence": "L"})]
    right = [
        row("30 days before", "2024-05-13T09:00", "2024-05-13"),
        row("7 days before", "2024-06-04T03:00", "2024-06-05", "cancelled", "cancelled"),
    ]
    assert kinds(book(term("2024-06-12")), steps, right, events=end, begins=BEGINS) == []
    right[1]["reason"] = "renewed"
    assert kinds(book(term("2024-06-12")), steps, right, events=end, begins=BEGINS) == ["reason"]


def test_a_licence_that_enters_the_audience_acts_from_then_on() -> None:
    steps = script(
        "30 days before",
        "14 days before",
        audience='[[audience]]\n"licence.amount" = { at_least = 100 }',
    )
    grows = [
        (moment("2024-05-30T12:00"), "change", {"licence": "L", "fields": {"amount": "150.00"}})
    ]
    right = [
        row("30 days before", "2024-05-30T12:00", "2024-05-13", "superseded", "later-step"),
        row("14 days before", "2024-05-30T12:00", "2024-05-29"),
    ]
    small = book(term("2024-06-12"), amount="99.99")
    assert kinds(small, steps, right, events=grows, begins=BEGINS) == []
    assert kinds(small, steps, right, begins=BEGINS) == ["phantom", "phantom"]


def test_a_schedule_applied_late_counts_from_then_on() -> None:
    steps = script("30 days before", "14 days before")
    applied: list[Event] = [(moment("2024-06-03T12:00"), "apply", {})]
    right = [
        row("30 days before", "2024-06-03T12:00", "2024-05-13", "superseded", "later-step"),
        row("14 days before", "2024-06-03T12:00", "2024-05-29"),
    ]
    assert kinds(book(term("2024-06-12")), steps, right, events=applied, begins=BEGINS) == []


def test_tasks_keep_their_day_beside_a_mail() -> None:
    steps = script("task:1 day before", "on the day")
    right = [
        row("1 day before", "2024-06-14T09:00", "2024-06-15", kind="task"),
        row("on the day", "2024-06-14T09:00", "2024-06-16"),
    ]
    assert heard(book(term("2024-06-16")), steps, right) == []


def test_an_answer_stops_a_step_that_asked_for_silence() -> None:
    steps = script("7 days before", step='unless = ["answered"]')
    facts = [(moment("2024-06-01T12:00"), "fact", {"licence": "L", "fact": "answered"})]
    skipped = [row("7 days before", "2024-06-05T09:00", "2024-06-05", "skipped", "condition")]
    june = book(term("2024-06-12"))
    assert kinds(june, steps, skipped, events=facts, begins=BEGINS) == []
    assert kinds(june, steps, skipped, begins=BEGINS) == ["decision"]


# Audience


@pytest.mark.parametrize(
    ("line", "holds"),
    [
        ('"licence.amount" = { at_least = 100 }', True),
        ('"licence.amount" = { at_least = 100.01 }', False),
        ('"licence.amount" = { at_most = 100 }', True),
        ('"licence.auto_renew" = false', True),
        ('"licence.auto_renew" = true', False),
        ('"licence.product" = { like = "Back*" }', True),
        ('"licence.product" = { like = "?ack" }', False),
        ('"account.segment" = ["smb", "mid"]', True),
        ('"account.segment" = { not = "smb" }', False),
        ('"account.segment" = { not = ["mid", "big"] }', True),
        ('"account.country" = { set = true }', False),
        ('"account.country" = { set = false }', True),
        ('"account.tags" = "key"', True),
        ('"licence.quantity" = 5', True),
        ('"licence.quantity" = "5"', False),
        ('"account.segment" = "smb"\n"licence.quantity" = 6', False),
        ('"account.segment" = "big"\n[[audience]]\n"licence.quantity" = 5', True),
    ],
)
def test_an_audience_line_holds_as_written(line: str, holds: bool) -> None:
    text = f'[[audience]]\n{line}\n[[steps]]\nid = "a"\nwhen = "on the day"\nemail = "x"'
    licence = {"amount": "100.00", "auto_renew": False, "product": "Backup", "quantity": 5}
    account = {"segment": "smb", "country": None, "tags": ["key", "north"]}
    assert admits(read(text, "s"), licence, account) is holds


def test_moments_are_compared_as_moments_whatever_their_offset() -> None:
    assert datetime.fromisoformat("2024-06-05T09:00:00+02:00") == moment("2024-06-05T07:00")
