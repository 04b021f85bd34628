"""When a client hears from us: the page of rules, line by line, and what must hold whatever the
schedule."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from tests.cadence.conftest import (
    DAY,
    WEEKDAYS,
    day,
    foresee,
    lived,
    moment,
    schedule_of,
    schedule_text,
    timeline,
)
from tests.cadence.test_examples import EXAMPLES
from worker.cadence.facts import Planned, Walk
from worker.cadence.rules import Decision, advanced, decide
from worker.cadence.triggers import TRIGGERS
from worker.schedules.calendar import SLOT
from worker.schedules.model import CalendarSpec, Limits, Offset, Schedule, Step

RULES = Path(__file__).parents[2] / "docs/rules.md"
OFFICE = f'hours = "09:00-17:00"\n{WEEKDAYS}'
MARCH = "Wed 2027-03-31"
EARLY = "Fri 2027-01-01 08:00"


@dataclass(frozen=True)
class Case:
    """One client. ``seen`` is the walk's first act; the engine looks from ``now`` on (else from
    then). ``gets`` is what becomes of each step: its moment, the step, and how it ends."""

    sentence: str
    steps: tuple[str, ...]
    gets: tuple[str, ...]
    expiry: str = MARCH
    starts: str | None = None
    seen: str = EARLY
    now: str | None = None
    calendar: str = 'holidays = "none"'
    limits: str = ""
    zone: str = "UTC"
    country: str | None = None
    slot: int = 0
    left: str | None = None
    done: tuple[str, ...] = ()
    mailed: str | None = None
    happened: tuple[str, ...] = ()
    added: str | None = None  # when every step was added to the schedule


def closed(first: str, last: str) -> str:
    """A calendar whose office is closed from ``first`` to ``last``."""
    days = (day(last) - day(first)).days + 1
    listed = ", ".join((day(first) + n * DAY).isoformat() for n in range(days))
    return f'holidays = "none"\nextra_holidays = [{listed}]'


BEFORE = ("60 days before", "30 days before", "14 days before", "on the day")

CASES = [
    # --- dates and shifts ---
    Case(
        "a term seen in good time has every step on its own day, weekends moved to Friday",
        ("60 days before", "30 days before", "task 14 days before", "3 days after"),
        (
            "Fri 2027-01-29 09:00 60-days-before: done",
            "Mon 2027-03-01 09:00 30-days-before: done",
            "Wed 2027-03-17 09:00 14-days-before: done",
            "Fri 2027-04-02 09:00 3-days-after: done",
        ),
    ),
    Case(
        "with `later` a weekend moves to Monday",
        ("60 days before",),
        ("Mon 2027-02-01 09:00 60-days-before: done",),
        calendar='holidays = "none"\nwhen_closed = "later"',
    ),
    Case(
        "an expiry on a Sunday: the day before and the day itself are one mail, on Friday",
        ("1 day before", "on the day"),
        (
            "Fri 2027-02-26 09:00 1-day-before: superseded same-day",
            "Fri 2027-02-26 09:00 on-the-day: done",
        ),
        expiry="Sun 2027-02-28",
    ),
    Case(
        "a before-step never moves beyond the expiry, even when `later` would have it so",
        ("1 day before",),
        ("Fri 2027-02-26 09:00 1-day-before: done",),
        expiry="Sun 2027-02-28",
        calendar='holidays = "none"\nwhen_closed = "later"',
    ),
    Case(
        "an expiry on the Friday before a holiday Monday: three days after is Tuesday",
        ("3 days after",),
        ("Tue 2027-06-01 09:00 3-days-after: done",),
        expiry="Fri 2027-05-28",
        calendar='holidays = "US"',
    ),
    Case(
        "an after-step moves earlier as long as it stays after the expiry",
        ("2 days after", "3 days after"),
        (
            "Fri 2027-05-21 09:00 2-days-after: superseded same-day",
            "Fri 2027-05-21 09:00 3-days-after: done",
        ),
        expiry="Thu 2027-05-20",
    ),
    Case(
        "holidays are those of the client's own country",
        ("on the day",),
        ("Fri 2027-04-30 09:00 on-the-day: done",),  # 1 and 3 May are holidays in Poland
        expiry="Mon 2027-05-03",
        calendar="",
        country="PL",
    ),
    Case(
        "a client without a country has no holidays",
        ("on the day",),
        ("Mon 2027-05-03 09:00 on-the-day: done",),
        expiry="Mon 2027-05-03",
        calendar="",
    ),
    Case(
        "a day that the schedule closes is closed",
        ("on the day",),
        ("Tue 2027-03-30 09:00 on-the-day: done",),
        calendar=closed(MARCH, MARCH),
    ),
    Case(
        "where nothing is open for 31 days on its side, a step is given up at once",
        ("on the day", "5 days after"),
        (
            "Wed 2027-03-31 09:00 on-the-day: skipped no-open-moment",
            "Mon 2027-04-05 09:00 5-days-after: skipped no-open-moment",
        ),
        calendar=closed("Sat 2027-02-20", "Mon 2027-05-10"),
    ),
    Case(
        "one month before the 31st of March is the last of February, in a leap year the 29th",
        ("1 month before",),
        ("Tue 2028-02-29 09:00 1-month-before: done",),
        expiry="Fri 2028-03-31",
        seen="Sat 2028-01-01 08:00",
    ),
    Case(
        "business days are counted over open days only",
        ("2 business days before", "1 business day after"),
        (
            "Wed 2027-05-26 09:00 2-business-days-before: done",
            "Tue 2027-06-01 09:00 1-business-day-after: done",
        ),
        expiry="Fri 2027-05-28",
        calendar='holidays = "US"',
    ),
    Case(
        "weeks are seven days",
        ("2 weeks before",),
        ("Wed 2027-03-17 09:00 2-weeks-before: done",),
    ),
    Case(
        "mails are spread over the first hour, always the same for one account",
        ("14 days before",),
        ("Wed 2027-03-17 09:50 14-days-before: done",),
        slot=5,
    ),
    Case(
        "the day and the hour are those of the client",
        ("14 days before",),
        ("Wed 2027-03-17 09:00 14-days-before: done",),
        zone="Pacific/Auckland",
    ),
    Case(
        "a step on or before the start of its own term is skipped",
        ("30 days before", "8 days before", "7 days before"),
        (
            "Mon 2027-03-01 09:00 30-days-before: skipped before-term",
            "Tue 2027-03-23 09:00 8-days-before: skipped before-term",
            "Wed 2027-03-24 09:00 7-days-before: done",
        ),
        starts="Tue 2027-03-23",
        seen="Mon 2027-03-01 08:00",
    ),
    # --- several at once ---
    Case(
        "of two mails with one due date the later in the file goes",
        ("31 days before", "1 month before"),
        (
            "Fri 2027-02-26 09:00 31-days-before: superseded same-day",
            "Fri 2027-02-26 09:00 1-month-before: done",
        ),
    ),
    Case(
        "of two mails with one due date the later in the file goes, however it is written",
        ("1 month before", "31 days before"),
        (
            "Fri 2027-02-26 09:00 1-month-before: superseded same-day",
            "Fri 2027-02-26 09:00 31-days-before: done",
        ),
    ),
    Case(
        "a task and a mail of one day both come",
        ("task 1 day before", "on the day"),
        (
            "Fri 2027-02-26 09:00 1-day-before: done",
            "Fri 2027-02-26 09:00 on-the-day: done",
        ),
        expiry="Sun 2027-02-28",
    ),
    Case(
        "a mail waits for the next open day when one went out today",
        ("14 days before",),
        ("Thu 2027-03-18 09:00 14-days-before: done",),
        now="Wed 2027-03-17 10:00",
        mailed="Wed 2027-03-17",
    ),
    Case(
        "a task does not wait when a mail went out today",
        ("task 14 days before",),
        ("Wed 2027-03-17 10:00 14-days-before: done",),
        now="Wed 2027-03-17 10:00",
        mailed="Wed 2027-03-17",
    ),
    Case(
        "a mail on the day of expiry cannot wait until the day after",
        ("on the day",),
        ("Wed 2027-03-31 09:00 on-the-day: skipped no-open-moment",),
        now="Wed 2027-03-31 10:00",
        mailed="Wed 2027-03-31",
    ),
    # --- late ---
    Case(
        "a licence imported 13 days before expiry gets the one step that fits today",
        BEFORE,
        (
            "Fri 2027-01-29 09:00 60-days-before: superseded later-step",
            "Mon 2027-03-01 09:00 30-days-before: superseded later-step",
            "Thu 2027-03-18 10:00 14-days-before: done",
            "Wed 2027-03-31 09:00 on-the-day: done",
        ),
        seen="Thu 2027-03-18 10:00",
    ),
    Case(
        "a worker back from three days down does the one step that fits, at the next opening",
        ("7 days before", "5 days before", "on the day"),
        (
            "Wed 2027-03-24 09:00 7-days-before: superseded later-step",
            "Mon 2027-03-29 09:00 5-days-before: done",
            "Wed 2027-03-31 09:00 on-the-day: done",
        ),
        now="Sat 2027-03-27 12:00",
    ),
    Case(
        "a step that falls on this very day takes the place of all late ones",
        BEFORE,
        (
            "Fri 2027-01-29 09:00 60-days-before: superseded later-step",
            "Mon 2027-03-01 09:00 30-days-before: superseded later-step",
            "Wed 2027-03-17 10:00 14-days-before: done",
            "Wed 2027-03-31 09:00 on-the-day: done",
        ),
        seen="Wed 2027-03-17 10:00",
    ),
    Case(
        "late ones give way to a step whose minute is still to come today",
        ("30 days before", "14 days before"),
        (
            "Mon 2027-03-01 09:50 30-days-before: superseded later-step",
            "Wed 2027-03-17 09:50 14-days-before: done",
        ),
        seen="Wed 2027-03-17 09:20",
        slot=5,
    ),
    Case(
        "a late mail gives way to a task that falls on this day",
        ("30 days before", "task 14 days before"),
        (
            "Mon 2027-03-01 09:00 30-days-before: superseded later-step",
            "Wed 2027-03-17 10:00 14-days-before: done",
        ),
        seen="Wed 2027-03-17 10:00",
    ),
    Case(
        "a step whose hour has passed on its own day goes out at once",
        ("14 days before",),
        ("Wed 2027-03-17 16:59 14-days-before: done",),
        now="Wed 2027-03-17 16:59",
    ),
    Case(
        "a step whose window has closed on its own day goes out at the next opening",
        ("14 days before",),
        ("Thu 2027-03-18 09:00 14-days-before: done",),
        now="Wed 2027-03-17 17:00",
    ),
    Case(
        "a licence imported at the weekend hears from us on Monday",
        ("14 days before",),
        ("Mon 2027-03-22 09:20 14-days-before: done",),
        seen="Sat 2027-03-20 08:00",
        slot=2,
    ),
    Case(
        "a before-step that could only come after the expiry is given up",
        ("on the day",),
        ("Wed 2027-03-31 09:00 on-the-day: skipped no-open-moment",),
        seen="Wed 2027-03-31 17:30",
    ),
    Case(
        "a late after-step is done after the expiry",
        ("3 days after",),
        ("Mon 2027-04-05 10:00 3-days-after: done",),
        now="Mon 2027-04-05 10:00",
    ),
    Case(
        "with `skip` a late step is skipped and the next comes in its time",
        BEFORE,
        (
            "Fri 2027-01-29 09:00 60-days-before: skipped late",
            "Mon 2027-03-01 09:00 30-days-before: skipped late",
            "Wed 2027-03-17 09:00 14-days-before: skipped late",
            "Wed 2027-03-31 09:00 on-the-day: done",
        ),
        seen="Thu 2027-03-18 10:00",
        limits='late = "skip"',
    ),
    Case(
        "with `all` every late step is done, but only the last of the mails",
        ("task 60 days before", "30 days before", "14 days before"),
        (
            "Mon 2027-03-01 09:00 30-days-before: superseded same-day",
            "Thu 2027-03-18 10:00 60-days-before: done",
            "Thu 2027-03-18 10:00 14-days-before: done",
        ),
        seen="Thu 2027-03-18 10:00",
        limits='late = "all"',
    ),
    Case(
        "with `all` a late mail gives way to the mail of the day and a late task does not",
        ("task 60 days before", "30 days before", "14 days before"),
        (
            "Mon 2027-03-01 09:00 30-days-before: superseded same-day",
            "Wed 2027-03-17 10:00 60-days-before: done",
            "Wed 2027-03-17 10:00 14-days-before: done",
        ),
        seen="Wed 2027-03-17 10:00",
        limits='late = "all"',
    ),
    # --- how long a late step is worth sending ---
    Case(
        "a step is still sent at the end of its third open day",
        ("30 days before",),
        ("Thu 2027-03-04 09:00 30-days-before: done",),
        now="Thu 2027-03-04 09:00",
    ),
    Case(
        "a minute later it is too late",
        ("30 days before",),
        ("Mon 2027-03-01 09:00 30-days-before: skipped too-late",),
        now="Thu 2027-03-04 09:01",
    ),
    Case(
        "closed days do not use up the time in which a step is worth sending",
        ("26 days before",),
        ("Wed 2027-03-10 09:00 26-days-before: done",),
        now="Wed 2027-03-10 09:00",
    ),
    Case(
        "three open days after a Friday end on Wednesday",
        ("26 days before",),
        ("Fri 2027-03-05 09:00 26-days-before: skipped too-late",),
        now="Wed 2027-03-10 09:01",
    ),
    Case(
        "seen on a Saturday, a late step is worth sending until Wednesday night",
        ("30 days before",),
        ("Wed 2027-03-17 16:59 30-days-before: done",),
        seen="Sat 2027-03-13 12:00",
        now="Wed 2027-03-17 16:59",
    ),
    Case(
        "seen on a Saturday, a late step is too late on Thursday",
        ("30 days before",),
        ("Mon 2027-03-01 09:00 30-days-before: skipped too-late",),
        seen="Sat 2027-03-13 12:00",
        now="Thu 2027-03-18 09:00",
    ),
    Case(
        "`valid_for` says how long a late step is worth sending",
        ("30 days before",),
        ("Mon 2027-03-15 09:00 30-days-before: done",),
        now="Mon 2027-03-15 09:00",
        limits='valid_for = "10 days"',
    ),
    # --- the past ---
    Case(
        "a term first seen after its end mails nobody about the past",
        ("7 days before", "3 days after", "30 days after"),
        (
            "Wed 2027-03-24 09:00 7-days-before: skipped history",
            "Fri 2027-04-02 09:00 3-days-after: skipped history",
            "Fri 2027-04-30 09:00 30-days-after: done",
        ),
        seen="Wed 2027-04-07 08:00",
    ),
    Case(
        "a step that falls on the day on which an expired term is first seen is not past",
        ("7 days before", "3 days after"),
        (
            "Wed 2027-03-24 09:00 7-days-before: skipped history",
            "Fri 2027-04-02 12:00 3-days-after: done",
        ),
        seen="Fri 2027-04-02 12:00",
    ),
    Case(
        "a term first seen on its last day is not history",
        ("7 days before", "on the day"),
        (
            "Wed 2027-03-24 09:00 7-days-before: superseded later-step",
            "Wed 2027-03-31 12:00 on-the-day: done",
        ),
        seen="Wed 2027-03-31 12:00",
    ),
    # --- edits ---
    Case(
        "a step added after its moment is superseded, one added before it is done",
        ("30 days before", "7 days before"),
        (
            "Mon 2027-03-01 09:00 30-days-before: superseded new-step",
            "Wed 2027-03-24 09:00 7-days-before: done",
        ),
        now="Mon 2027-03-15 10:00",
        added="Mon 2027-03-15 10:00",
    ),
    Case(
        "a step added an hour after its moment of today is superseded",
        ("30 days before",),
        ("Mon 2027-03-01 09:00 30-days-before: superseded new-step",),
        now="Mon 2027-03-01 10:00",
        added="Mon 2027-03-01 10:00",
    ),
    Case(
        "a step added in the morning of its day is done",
        ("30 days before",),
        ("Mon 2027-03-01 09:00 30-days-before: done",),
        now="Mon 2027-03-01 08:00",
        added="Mon 2027-03-01 08:00",
    ),
    Case(
        "for a client who comes after the edit the step is not new but late",
        ("60 days before", "30 days before"),
        (
            "Fri 2027-01-29 09:00 60-days-before: skipped before-term",
            "Thu 2027-03-18 10:00 30-days-before: done",
        ),
        starts="Mon 2027-02-15",
        seen="Thu 2027-03-18 10:00",
        added="Mon 2027-03-15 10:00",
    ),
    # --- conditions ---
    Case(
        "who has answered is left in peace",
        ('14 days before | unless = ["clicked", "answered"]',),
        ("Wed 2027-03-17 09:00 14-days-before: skipped condition",),
        happened=("answered",),
    ),
    Case(
        "who has not answered is not",
        ('14 days before | unless = ["clicked", "answered"]',),
        ("Wed 2027-03-17 09:00 14-days-before: done",),
        happened=("delivered",),
    ),
    Case(
        "`only_if` wants one of its words",
        ('14 days before | only_if = ["delivered", "clicked"]',),
        ("Wed 2027-03-17 09:00 14-days-before: done",),
        happened=("clicked",),
    ),
    Case(
        "`only_if` without any of its words skips the step",
        ('14 days before | only_if = ["delivered", "clicked"]',),
        ("Wed 2027-03-17 09:00 14-days-before: skipped condition",),
    ),
    Case(
        "while somebody works on a task, a step may be told to keep quiet",
        ('14 days before | unless = ["task-open"]',),
        ("Wed 2027-03-17 09:00 14-days-before: skipped condition",),
        happened=("task-open",),
    ),
    # --- the end ---
    Case(
        "a renewal cancels what is still to come and leaves alone what was done",
        BEFORE,
        (
            "Wed 2027-03-17 09:00 14-days-before: cancelled renewed",
            "Wed 2027-03-31 09:00 on-the-day: cancelled renewed",
        ),
        now="Mon 2027-03-08 12:00",
        done=("60-days-before", "30-days-before"),
        left="renewed",
    ),
    Case(
        "a cancelled licence gets nothing more",
        ("14 days before",),
        ("Wed 2027-03-17 09:00 14-days-before: cancelled cancelled",),
        left="cancelled",
    ),
    Case(
        "a licence that has ended gets nothing more",
        ("3 days after",),
        ("Fri 2027-04-02 09:00 3-days-after: cancelled ended",),
        left="ended",
    ),
    Case(
        "a step that was done is never done again",
        ("14 days before", "on the day"),
        ("Wed 2027-03-31 09:00 on-the-day: done",),
        now="Wed 2027-03-17 09:00",
        done=("14-days-before",),
    ),
]


def _walk(case: Case) -> tuple[Walk, datetime]:
    text = schedule_text(
        *case.steps, calendar=f"{OFFICE}\n{case.calendar}", limits=f"{case.limits}"
    )
    line = timeline(schedule_of(text), case.zone, case.country)
    calendar = line.calendar
    since = moment(case.added, calendar) if case.added else None
    first = moment(case.seen, calendar)
    walk = Walk(
        line=line,
        slot=case.slot,
        anchor_on=day(case.expiry),
        starts_on=day(case.starts) if case.starts else None,
        first_act_at=first,
        left=case.left,
        done=dict.fromkeys(case.done, "planned"),
        mailed_on=frozenset([day(case.mailed)] if case.mailed else []),
        happened=frozenset(case.happened),
        steps_since={step.id: since for step in line.schedule.steps} if since else {},
    )
    return walk, moment(case.now, calendar) if case.now else first


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.sentence)
def test_what_a_client_gets(case: Case) -> None:
    walk, now = _walk(case)
    tz = walk.line.calendar.tz
    told = []
    for decision in foresee(walk, now, now + timedelta(days=800)):
        ends = "done" if decision.decision == "planned" else f"{decision.decision}"
        ends += f" {decision.reason}" if decision.reason else ""
        at = decision.at.astimezone(tz)
        told.append((decision.at, f"{at:%a %Y-%m-%d %H:%M} {decision.step.id}: {ends}"))
    assert tuple(line for _, line in sorted(told, key=lambda one: one[0])) == case.gets


def test_every_reason_of_the_page_of_rules_is_in_the_table() -> None:
    of_rows = {"not-in-audience", "no-notice-deadline", "deadline-past"}  # of walks, not of steps
    page = RULES.read_text(encoding="utf-8")
    words = "late|history|renewed|ended|budget|stopped|answered|declined|paused"
    documented = set(re.findall(rf"`([a-z]+(?:-[a-z]+)+|{words})`", page))
    documented |= {"cancelled", "condition"}
    documented -= {*TRIGGERS, "task-open", "first-day"} | of_rows
    # Those of surveys, of advertising and of walks without a licence have tests of their own.
    documented -= {"quiet-time", "open-feedback", "schedule-removed"}
    shown = {line.rpartition(" ")[2] for case in CASES for line in case.gets} - {"done"}
    shown |= {
        line.rpartition(" ")[2]
        for example in EXAMPLES
        for line in example.gets
        if re.search(": .* (skipped|superseded|suppressed|cancelled|blocked) ", line)
    }
    assert shown == documented


def test_a_late_step_is_counted_as_due_today() -> None:
    case = next(case for case in CASES if "imported 13 days" in case.sentence)
    walk, now = _walk(case)
    due = {d.step.id: d.due_on for d in decide(walk, now).decisions}
    assert due == {
        "60-days-before": day("Sat 2027-01-30"),
        "30-days-before": day("Mon 2027-03-01"),
        "14-days-before": day("Thu 2027-03-18"),
    }


def test_a_mail_carries_the_moment_until_which_it_is_worth_sending() -> None:
    walk, now = _walk(Case("", ("30 days before",), ()))
    (decision,) = foresee(walk, now, now + 100 * DAY)
    assert decision.valid_until == datetime(2027, 3, 4, 9, tzinfo=UTC)


# --- whatever the schedule ------------------------------------------------------------------------

ZONES = ("UTC", "Europe/Warsaw", "America/Chicago", "Pacific/Auckland", "Australia/Lord_Howe")
WORDS = ("clicked", "answered", "task-open")


@st.composite
def _offsets(draw: st.DrawFn) -> Offset:
    side = draw(st.sampled_from(["before", "after", "on"]))
    if side == "on":
        return Offset(0, "days", "on")
    unit = draw(st.sampled_from(["days", "days", "business days", "weeks", "months"]))
    most = {"days": 40, "business days": 15, "weeks": 6, "months": 3}[unit]
    return Offset(draw(st.integers(1, most)), unit, side)  # type: ignore[arg-type]


@st.composite
def _schedules(draw: st.DrawFn, conditions: bool) -> Schedule:
    words = st.frozensets(st.sampled_from(WORDS), max_size=1 if conditions else 0)
    steps = []
    for number, when in enumerate(draw(st.lists(_offsets(), min_size=1, max_size=6))):
        kind = draw(st.sampled_from(["email", "email", "email", "task"]))
        unless, only_if = draw(words), draw(st.one_of(st.just(frozenset[str]()), words))
        steps.append(Step(f"s{number}", when, kind, unless=unless, only_if=only_if))
    spec = CalendarSpec(
        timezone="account",
        opens=draw(st.sampled_from([time(9), time(13, 30)])),
        closes=draw(st.sampled_from([time(17), time(14, 30), time(23, 59)])),
        days=frozenset(draw(st.sets(st.integers(0, 6), min_size=1, max_size=7))),
        holidays=draw(st.sampled_from(["none", "PL", "US"])),
        extra_holidays=draw(_closures()),
        when_closed=draw(st.sampled_from(["earlier", "later"])),
    )
    limits = Limits(
        late=draw(st.sampled_from(["latest", "latest", "skip", "all"])),
        valid_days=draw(st.integers(1, 6)),
    )
    name = "renewal"
    return Schedule(name, name, "licence-expiry", "contractual", (), spec, limits, tuple(steps))


@st.composite
def _closures(draw: st.DrawFn) -> frozenset[date]:
    """Now and then an office that closes for weeks around the expiries."""
    if draw(st.integers(0, 5)):
        return frozenset()
    first = date(2024, 2, 1) + draw(st.integers(0, 60)) * DAY
    return frozenset(first + n * DAY for n in range(draw(st.integers(1, 80))))


@st.composite
def _walks(draw: st.DrawFn, conditions: bool = True) -> Walk:
    line = timeline(draw(_schedules(conditions)), draw(st.sampled_from(ZONES)))
    anchor = date(2024, 1, 20) + draw(st.integers(0, 90)) * DAY
    minutes = st.integers(-70 * 24 * 60, 50 * 24 * 60)
    noon = datetime.combine(anchor, time(12), UTC)
    first = noon + timedelta(minutes=draw(minutes))
    since = {}
    for step in line.schedule.steps:
        if draw(st.integers(0, 3)) == 0:
            since[step.id] = noon + timedelta(minutes=draw(minutes))
    start = draw(st.one_of(st.none(), st.integers(1, 60)))
    return Walk(
        line=line,
        slot=draw(st.integers(0, 5)),
        anchor_on=anchor,
        starts_on=anchor - start * DAY if start else None,
        first_act_at=first,
        happened=frozenset(draw(st.sets(st.sampled_from(WORDS), max_size=1))),
        steps_since=since,
    )


def _from(walk: Walk, wait: int) -> datetime:
    """The engine may look for the first time long after the walk could act."""
    return walk.first_act_at + timedelta(minutes=wait)


WAITS = st.one_of(st.just(0), st.integers(0, 20 * 24 * 60))
END = datetime(2030, 1, 1, tzinfo=UTC)


def _places(walk: Walk) -> dict[str, Planned]:
    return {item.step.id: item for item in walk.line.of(walk.anchor_on)}


def _today(walk: Walk, at: datetime) -> date:
    return walk.line.calendar.today(at)


@given(_walks(), WAITS)
@settings(max_examples=150, deadline=None)
def test_nobody_is_forgotten_and_no_step_is_decided_twice(walk: Walk, wait: int) -> None:
    found = [decision.step.id for _, decision in lived(walk, _from(walk, wait))]
    assert sorted(found) == sorted(step.id for step in walk.line.schedule.steps)


@given(_walks(), WAITS)
@settings(max_examples=150, deadline=None)
def test_mails_go_in_order_one_a_day_in_open_hours_and_on_their_side_of_the_expiry(
    walk: Walk, wait: int
) -> None:
    places, calendar = _places(walk), walk.line.calendar
    mailed: list[tuple[date, Planned]] = []
    called: list[datetime] = []
    for at, decision in lived(walk, _from(walk, wait)):
        if decision.decision != "planned":
            assert decision.reason
            continue
        item = places[decision.step.id]
        event(f"{decision.step.kind} {'late' if decision.due_on != item.due_on else 'in time'}")
        assert at == decision.at
        assert calendar.is_open_at(at)
        assert (_today(walk, at) <= walk.anchor_on) == (item.due_on <= walk.anchor_on)
        assert at >= item.opens_at + walk.slot * SLOT
        happened = walk.happened | ({"task-open"} if called and called[0] < at else set())
        assert not item.step.only_if or item.step.only_if & happened
        assert not item.step.unless & happened
        if decision.step.kind == "email":
            mailed.append((_today(walk, at), item))
        else:
            called.append(at)
    days = [on for on, _ in mailed]
    assert len(set(days)) == len(days)
    order = [(item.due_on, item.place) for _, item in mailed]
    assert order == sorted(order)


Told = list[tuple[str, str, str | None, date]]


def _told(walk: Walk, decisions: list[Decision]) -> Told:
    return sorted((d.step.id, d.decision, d.reason, _today(walk, d.at)) for d in decisions)


@given(_walks(), WAITS, st.data())
@settings(max_examples=150, deadline=None)
def test_what_plan_announces_at_any_moment_is_what_goes_out(
    walk: Walk, wait: int, data: st.DataObject
) -> None:
    begin = _from(walk, wait)
    acted = lived(walk, begin)
    moments = sorted({at for at, _ in acted})
    asked = begin + timedelta(minutes=data.draw(st.integers(0, 90 * 24 * 60)))
    if data.draw(st.booleans()):
        asked = data.draw(st.sampled_from(moments))
    past = [(at, decision) for at, decision in acted if at <= asked]
    for at in sorted({at for at, _ in past}):
        walk = advanced(walk, [decision for when, decision in past if when == at], at)
    coming = [decision for at, decision in acted if at > asked]
    assert _told(walk, foresee(walk, asked, END)) == _told(walk, coming)


# Without conditions: they are read at a step's own minute, so an earlier look knows less.
@given(_walks(conditions=False), WAITS, st.integers(45, 60 * 24 * 60))
@settings(max_examples=80, deadline=None)
def test_looking_more_often_than_announced_changes_nothing(
    walk: Walk, wait: int, every: int
) -> None:
    begin = _from(walk, wait)
    expected = _told(walk, [decision for _, decision in lived(walk, begin)])
    found: list[Decision] = []
    looking, announced = walk, begin
    curious = begin
    while True:
        now = min(announced, curious)
        verdict = decide(looking, now)
        found += verdict.decisions
        looking = advanced(looking, verdict.decisions, now)
        if verdict.next_at is None:
            break
        announced, curious = verdict.next_at, now + timedelta(minutes=every)
    assert _told(walk, found) == expected


@given(_walks(), WAITS, st.sampled_from(["renewed", "cancelled", "ended"]), st.integers(0, 90))
@settings(max_examples=100, deadline=None)
def test_a_walk_that_is_over_never_acts_again(walk: Walk, wait: int, why: str, days: int) -> None:
    begin = _from(walk, wait)
    for at, decision in lived(walk, begin):
        if at < begin + days * DAY:
            walk = advanced(walk, [decision], at)
    verdict = decide(replace(walk, left=why), begin + days * DAY)
    assert {(d.decision, d.reason) for d in verdict.decisions} <= {("cancelled", why)}
    assert len(verdict.decisions) + len(walk.done) == len(walk.line.schedule.steps)
    assert verdict.next_at is None


@given(_walks(), WAITS, st.integers(1, 30))
@settings(max_examples=100, deadline=None)
def test_after_any_outage_at_most_one_late_mail_goes_out(walk: Walk, wait: int, down: int) -> None:
    begin = _from(walk, wait)
    back = begin + down * DAY
    for at, decision in lived(walk, begin):
        if at < begin + DAY:
            walk = advanced(walk, [decision], at)
    places = _places(walk)
    late = [
        decision
        for _, decision in lived(walk, max(back, walk.first_act_at))
        if decision.decision == "planned"
        and decision.step.kind == "email"
        and decision.due_on != places[decision.step.id].due_on
    ]
    assert len(late) <= 1
