"""A schedule is read as it is written, or every mistake in it is told at its place."""

from __future__ import annotations

from datetime import date, time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.catalogue import records
from worker.kernel.errors import ConfigError
from worker.schedules import conditions
from worker.schedules.kinds.email import EmailKeys
from worker.schedules.kinds.task import TaskKeys
from worker.schedules.loader import SchedulesError, load_folder, load_text, load_with_notes
from worker.schedules.model import (
    CalendarSpec,
    Condition,
    Dormancy,
    Limits,
    Offset,
    Schedule,
    Span,
    Step,
)

TEMPLATES = frozenset({"renewal/heads-up", "renewal/grace"})
HEAD = 'name = "Licence renewal"\ntrigger = "licence-expiry"\nclass = "contractual"\n'
STEP = '[[steps]]\nid = "heads-up"\nwhen = "60 days before"\nemail = "renewal/heads-up"\n'

WHOLE = """\
#:schema schedule.schema.json
name = "Licence renewal"
trigger = "licence-expiry"
class = "commercial"

[[audience]]
"licence.auto_renew" = false
"account.segment" = ["smb", "mid"]
"licence.amount" = { at_least = 100, at_most = 5000.5, not = [200] }

[[audience]]
"account.tags" = "vip"
"licence.product" = { like = "Antivirus*" }
"licence.owner" = { set = true }

[calendar]
timezone = "Europe/Warsaw"
hours = "08:30-16:00"
days = ["mon", "sat"]
holidays = "PL"
extra_holidays = [2027-05-04]
when_closed = "later"

[limits]
late = "all"
valid_for = "2 weeks"

[[steps]]
id = "heads-up"
when = "60 days before"
email = "renewal/heads-up"
to = ["decision-maker", "procurement", "any"]

[[steps]]
id = "call"
when = "1 business day before"
unless = ["clicked", "answered"]
task = "Call about the renewal"
assign_to = "renewal-manager"
due_in = "2 business days"

[[steps]]
id = "grace"
when = "on the day"
only_if = ["delivered"]
email = "renewal/grace"
"""


def read(text: str, name: str = "schedules/renewal.toml") -> Schedule:
    return load_text(text.encode(), name, templates=TEMPLATES)


def complaints(text: str, name: str = "schedules/renewal.toml") -> list[str]:
    with pytest.raises(SchedulesError) as caught:
        read(text, name)
    assert isinstance(caught.value, ConfigError)
    return [str(problem) for problem in caught.value.problems]


def test_a_whole_schedule_is_read_as_it_is_written() -> None:
    assert read(WHOLE) == Schedule(
        stem="renewal",
        name="Licence renewal",
        trigger="licence-expiry",
        mail_class="commercial",
        audience=(
            (
                Condition("licence.amount", at_least=100, at_most=5000.5),
                Condition("licence.amount", none_of=(200,)),
                Condition("licence.auto_renew", any_of=(False,)),
                Condition("account.segment", any_of=("smb", "mid")),
            ),
            (
                Condition("licence.product", like="Antivirus*"),
                Condition("licence.owner", is_set=True),
                Condition("account.tags", any_of=("vip",)),
            ),
        ),
        calendar=CalendarSpec(
            timezone="Europe/Warsaw",
            opens=time(8, 30),
            closes=time(16),
            days=frozenset({0, 5}),
            holidays="PL",
            extra_holidays=frozenset({date(2027, 5, 4)}),
            when_closed="later",
        ),
        limits=Limits(late="all", valid_days=14),
        steps=(
            Step(
                "heads-up",
                Offset(60, "days", "before"),
                "email",
                EmailKeys(email="renewal/heads-up", to=("decision-maker", "procurement", "any")),
            ),
            Step(
                "call",
                Offset(1, "business days", "before"),
                "task",
                TaskKeys(
                    task="Call about the renewal",
                    assign_to="renewal-manager",
                    due_in=Span(2, "business days"),
                ),
                unless=frozenset({"clicked", "answered"}),
            ),
            Step(
                "grace",
                Offset(0, "days", "on"),
                "email",
                EmailKeys(email="renewal/grace"),
                only_if=frozenset({"delivered"}),
            ),
        ),
    )


def test_what_is_left_out_has_a_default() -> None:
    schedule = read(HEAD + STEP)
    assert schedule.calendar == CalendarSpec()
    assert schedule.limits == Limits()
    assert schedule.audience == ()
    assert schedule.steps[0].keys.to == ("any",)


units = st.sampled_from(["days", "business days", "weeks", "months"])


@given(st.integers(1, 120), units, st.sampled_from(["before", "after"]))
def test_every_offset_reads_back_as_it_is_printed(count: int, unit: str, side: str) -> None:
    offset = Offset(count, unit, side)  # type: ignore[arg-type]  # drawn from the right words
    text = HEAD + STEP.replace("60 days before", str(offset))
    assert read(text).steps[0].when == offset


def test_the_schedules_that_come_with_it_have_no_problem() -> None:
    root = Path(__file__).parents[2]
    loaded = load_folder(root / "schedules", root / "templates")
    assert [str(problem) for problem in loaded.problems] == []
    assert loaded.notes == []
    assert set(loaded.schedules) == {
        "renewal",
        "renewal-key-accounts",
        "auto-renewal",
        "renewed",
        "after-renewal",
        "reactivation",
        "relationship",
        "feedback",
        "referral",
    }


def test_an_audience_may_ask_for_what_the_book_knows() -> None:
    """Dates are the trigger's business; ids and marks are ours."""
    ours = {"id", "account_id", "updated_at", "changed", "starts_on", "expires_on", "closed_on"}
    ours |= {"declined_term"}  # a walk that ends on account of it says so by itself
    columns = {
        f"{room}.{column.name}"
        for room, table in (("licence", records.licences), ("account", records.accounts))
        for column in table.columns
        if column.name not in ours
    }
    answers = {"answer.score", "answer.group", "answer.schedule"}
    assert set(conditions.FIELDS) == columns | answers


# --- what is wrong with single values ----------------------------------------------------------


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ("7 daze", "'7 daze' is not an offset; write e.g. '7 days before'"),
        (
            "0 days before",
            "'0 days before' is not an offset of at least one day; write 'on the day'",
        ),
        (
            "-7 days before",
            "'-7 days before' is not an offset; "
            "write e.g. '7 days before' or '7 days after', without a sign",
        ),
        (
            "3651 days before",
            "'3651 days before' is not an offset of at most ten years; at most 3650 days",
        ),
        (
            "99999999 months after",
            "'99999999 months after' is not an offset of at most ten years; at most 120 months",
        ),
        (
            "9999999999 days before",
            "'9999999999 days before' is not an offset; write e.g. '7 days before'",
        ),
        ("7 days", "'7 days' is not an offset; write '7 days before' or '7 days after'"),
        (
            "2 business weeks before",
            "'2 business weeks before' is not an offset; "
            "business days are counted in days, e.g. '5 business days before'",
        ),
        ("1.5 days before", "'1.5 days before' is not an offset; write e.g. '7 days before'"),
        ("", "'' is not an offset; write e.g. '7 days before'"),
    ],
)
def test_an_offset_is_told_from_what_is_none(when: str, said: str) -> None:
    text = HEAD + STEP.replace("60 days before", when)
    assert complaints(text) == [f"schedules/renewal.toml:6:8: steps[0].when: {said}"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            'timezone = "Europe/Warsav"',
            "timezone: 'Europe/Warsav' is not a time zone; did you mean 'Europe/Warsaw'?",
        ),
        (
            'timezone = "CET"',
            "timezone: 'CET' is not a time zone; "
            "write a city's zone such as 'Europe/Warsaw', or 'UTC'",
        ),
        (
            'timezone = "+02:00"',
            "timezone: '+02:00' is not a time zone; "
            "write a city's zone such as 'Europe/Warsaw', or 'UTC'",
        ),
        (
            'hours = "25"',
            "hours: '25' is not a window of hours; "
            "write two times of the clock, e.g. '09:00-17:00'",
        ),
        (
            'hours = "9h"',
            "hours: '9h' is not a window of hours; "
            "write two times of the clock, e.g. '09:00-17:00'",
        ),
        (
            'hours = "09:00-25:00"',
            "hours: '09:00-25:00' is not a window of hours; "
            "write two times of the clock, e.g. '09:00-17:00'",
        ),
        (
            'hours = "09:00-24:00"',
            "hours: '09:00-24:00' is not a window of hours; "
            "write '09:00-23:59' for a window until midnight",
        ),
        (
            'hours = "17:00-09:00"',
            "hours: '17:00-09:00' is not a window that opens before it closes; "
            "write '09:00-17:00'; a window cannot span midnight",
        ),
        (
            'hours = "09:00-09:59"',
            "hours: '09:00-09:59' is not a window of at least one hour; "
            "the first hour of the window is used to spread mails",
        ),
        (
            'hours = "02:00-06:00"',
            "hours: '02:00-06:00' is not a window whose first hour exists on every day; in some "
            "zones the clock skips this hour when summer time begins; open later, "
            "e.g. '09:00-17:00'",
        ),
        ("hours = 9", "hours: 9 is not text; put it in quotes"),
        ("days = []", 'days: an empty list is not a list of days; write e.g. ["mon"]'),
        (
            'days = ["monday"]',
            "days[0]: 'monday' is not one of 'mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'; "
            "did you mean 'mon'?",
        ),
        ('days = ["mon", "mon"]', "days[1]: 'mon' is named twice"),
        (
            'holidays = "XX"',
            "holidays: 'XX' is not a country whose holidays are known; "
            'write an ISO 3166 code such as \'PL\', or "account" or "none"',
        ),
        (
            'holidays = "pl"',
            "holidays: 'pl' is not a country whose holidays are known; write 'PL'",
        ),
        (
            'extra_holidays = ["2027-05-04"]',
            "extra_holidays[0]: '2027-05-04' is not a date; "
            "write it without quotes, e.g. 2027-05-01",
        ),
        (
            'when_close = "later"',
            "when_close: 'when_close' is not a known key; did you mean 'when_closed'?",
        ),
    ],
)
def test_a_calendar_is_checked_line_by_line(line: str, said: str) -> None:
    (found,) = complaints(f"{HEAD}[calendar]\n{line}\n{STEP}")
    place, _, told = found.partition(": calendar.")
    assert told == said
    assert place.startswith("schedules/renewal.toml:5:")


def test_an_hour_that_summer_time_skips_in_the_named_zone_is_refused() -> None:
    warsaw = '[calendar]\ntimezone = "Europe/Warsaw"\nhours = "02:00-03:00"\n'
    assert complaints(HEAD + warsaw + STEP) == [
        "schedules/renewal.toml:6:9: calendar.hours: '02:00-03:00' is not a window whose first "
        "hour exists on every day; in Europe/Warsaw the clock skips this hour on 2026-03-29; "
        "open later, e.g. '09:00-17:00'"
    ]


@pytest.mark.parametrize(
    ("zone", "hours"),
    [("Asia/Tokyo", "02:00-03:00"), ("Europe/Warsaw", "00:00-23:00"), ("UTC", "02:00-04:00")],
)
def test_an_early_hour_is_fine_where_the_clock_does_not_skip_it(zone: str, hours: str) -> None:
    text = f'{HEAD}[calendar]\ntimezone = "{zone}"\nhours = "{hours}"\n{STEP}'
    assert read(text).calendar.timezone == zone


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            'valid_for = "2 business days"',
            "valid_for: '2 business days' is not a number of days; "
            "write e.g. '3 days' or '2 weeks'",
        ),
        (
            'valid_for = "0 days"',
            "valid_for: '0 days' is not between 1 and 365 days long; "
            "write e.g. '3 days' or '2 weeks'",
        ),
        ("valid_for = 3", "valid_for: 3 is not text; put it in quotes"),
        (
            'late = "lates"',
            "late: 'lates' is not one of 'latest', 'skip', 'all'; did you mean 'latest'?",
        ),
        ('gather = "5"', "gather: '5' is not a number of days; write e.g. '3 days' or '2 weeks'"),
        (
            'approve = "first day"',
            "approve: 'first day' is not one of 'never', 'first-day', 'always'; "
            "did you mean 'first-day'?",
        ),
    ],
)
def test_limits_are_checked_line_by_line(line: str, said: str) -> None:
    (found,) = complaints(f"{HEAD}[limits]\n{line}\n{STEP}")
    assert found == f"schedules/renewal.toml:5:{line.index('=') + 3}: limits.{said}"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            '"licence.amout" = 5',
            "5:1: audience[0].licence.amout: 'licence.amout' is not a known key; "
            "did you mean 'licence.amount'?",
        ),
        (
            '"licence.amount" = "100"',
            "5:20: audience[0].licence.amount: '100' is not a number; write it without quotes",
        ),
        (
            '"licence.amount" = { at_leest = 5 }',
            "5:33: audience[0].licence.amount.at_leest: 'at_leest' is not an operator for a "
            "number; did you mean 'at_least'?",
        ),
        (
            '"licence.amount" = { at_least = 5, at_most = 2 }',
            "5:46: audience[0].licence.amount.at_most: 2 is not at least 5: nobody would match",
        ),
        (
            '"account.segment" = { at_least = "a" }',
            "5:34: audience[0].account.segment.at_least: 'at_least' is not an operator for a text; "
            "known here: not, like, set",
        ),
        (
            '"account.segment" = ["smb", 5]',
            "5:29: audience[0].account.segment[1]: 5 is not text; put it in quotes",
        ),
        (
            '"account.segment" = []',
            "5:21: audience[0].account.segment: an empty list is not a list that names something; "
            "it would match nobody",
        ),
        (
            '"licence.auto_renew" = "no"',
            "5:24: audience[0].licence.auto_renew: 'no' is not true or false; "
            "write it without quotes",
        ),
        (
            '"licence.owner" = { set = "yes" }',
            "5:27: audience[0].licence.owner.set: 'yes' is not true or false; "
            "write it without quotes",
        ),
        (
            "",
            "4:1: audience[0]: an empty table would match everybody; "
            "add a condition, or remove all [[audience]] tables",
        ),
    ],
)
def test_an_audience_is_checked_line_by_line(line: str, said: str) -> None:
    assert complaints(f"{HEAD}[[audience]]\n{line}\n{STEP}") == [f"schedules/renewal.toml:{said}"]


# --- steps and the schedule as a whole -----------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            'email = "renewal/heads-pu"',
            "7:9: steps[0].email: 'renewal/heads-pu' is not a mail under templates/; "
            "did you mean 'renewal/heads-up'?",
        ),
        (
            'email = "x"',
            "7:9: steps[0].email: 'x' is not a mail under templates/; "
            "there are: renewal/grace, renewal/heads-up",
        ),
        (
            "",
            "4:1: steps[0]: a step needs one of email, survey, task or webhook; "
            'add e.g. email = "renewal/heads-up" or task = "Call about the renewal"',
        ),
        (
            'email = "renewal/grace"\ntask = "Call"',
            "4:1: steps[0]: a step does one thing; this one has email, task; "
            "make a [[steps]] of its own for each",
        ),
        (
            'webhook = "https://hooks.example.com/x"\nto = ["any"]',
            "8:6: steps[0].to: 'to' belongs to email or survey steps; this step is a webhook; "
            "remove it",
        ),
        (
            'emial = "renewal/grace"\ntask = "Call"',
            "7:1: steps[0].emial: 'emial' is not a known key; did you mean 'email'?",
        ),
        (
            'email = "renewal/grace"\ndue_in = "2 days"',
            "8:10: steps[0].due_in: 'due_in' belongs to task steps; this step is an email; "
            "remove it",
        ),
        (
            'task = "Call"\nto = ["any"]',
            "8:6: steps[0].to: 'to' belongs to email or survey steps; this step is a task; "
            "remove it",
        ),
        (
            'task = "Call"\ndue_in = "soon"',
            "8:10: steps[0].due_in: 'soon' is not a number of days; "
            "write e.g. '2 business days' or '1 week'",
        ),
        (
            'task = "Call"\nassign_to = "boss"',
            "8:13: steps[0].assign_to: 'boss' is not one of 'renewal-manager', "
            "'account-manager', 'owner'",
        ),
        ('task = " "', "7:8: steps[0].task: ' ' is not a text that says something"),
        (
            'email = "renewal/grace"\nto = ["procurment"]',
            "8:7: steps[0].to[0]: 'procurment' is not one of 'decision-maker', 'procurement', "
            "'technical', 'end-user', 'reseller', 'any'; did you mean 'procurement'?",
        ),
        (
            'email = "renewal/grace"\nto = []',
            '8:6: steps[0].to: an empty list is not a list of roles; write e.g. ["decision-maker"]',
        ),
        (
            'task = "Call"\nunless = ["klicked"]',
            "8:11: steps[0].unless[0]: 'klicked' is not one of 'clicked', 'answered', 'replied', "
            "'delivered', 'task-open', 'quote-asked'; did you mean 'clicked'?",
        ),
        (
            'task = "Call"\nunless = ["clicked"]\nonly_if = ["clicked"]',
            "9:11: steps[0].only_if: 'clicked' stands in unless and in only_if: "
            "the step would never be done; remove one of the two",
        ),
    ],
)
def test_a_step_is_checked_line_by_line(lines: str, said: str) -> None:
    text = f'{HEAD}[[steps]]\nid = "a"\nwhen = "on the day"\n{lines}\n'
    assert complaints(text) == [f"schedules/renewal.toml:{said}"]


def test_two_steps_with_one_id_are_refused() -> None:
    other = STEP.replace("60", "30")
    assert complaints(HEAD + STEP + other) == [
        "schedules/renewal.toml:9:6: steps[1].id: steps[0] is called 'heads-up' too; "
        "give each step an id of its own"
    ]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ('email = "renewal/grace"', 'email = "renewal/heads-up"'),
        (
            'email = "renewal/grace"\nto = ["procurement"]',
            'email = "renewal/heads-up"\nto = ["technical", "procurement"]',
        ),
        ('email = "renewal/grace"\nto = ["procurement"]', 'email = "renewal/heads-up"'),
        ('task = "Call"\nassign_to = "owner"', 'task = "Write"\nassign_to = "owner"'),
    ],
)
def test_two_steps_at_one_moment_for_one_role_are_refused(first: str, second: str) -> None:
    one = f'[[steps]]\nid = "a"\nwhen = "14 days before"\n{first}\n'
    two = f'[[steps]]\nid = "b"\nwhen = "2 weeks before"\n{second}\n'
    (found,) = complaints(HEAD + one + two)
    assert found.endswith(
        ": steps[1].when: steps[0] goes to the same people at the same moment; "
        "move one of them, or give them different roles"
    )


def test_a_mail_and_a_task_may_share_a_moment() -> None:
    task = '[[steps]]\nid = "call"\nwhen = "60 days before"\ntask = "Call"\n'
    assert len(read(HEAD + STEP + task).steps) == 2


AFTER = STEP.replace("60 days before", "3 days after")


def about(trigger: str) -> str:
    """The head of a schedule with another trigger, whose mails need not speak of a licence."""
    return HEAD.replace("licence-expiry", trigger).replace("contractual", "commercial")


@pytest.mark.parametrize("trigger", ["account-dormant", "survey-answered", "licence-renewed"])
def test_where_the_day_is_not_known_before_it_is_there_no_step_comes_before_it(
    trigger: str,
) -> None:
    (said,) = complaints(about(trigger) + STEP)
    assert f"a step of {trigger!r} comes on the day or after it" in said


def test_a_review_says_how_often_it_comes() -> None:
    review = about("relationship-review")
    assert complaints(review + STEP) == [
        "schedules/renewal.toml:2:11: trigger: a 'relationship-review' says how often; add e.g. "
        'every = "6 months"'
    ]
    assert read(f'every = "1 year"\n{review}{STEP}').every_months == 12
    assert complaints(f'every = "6 weeks"\n{review}{STEP}') == [
        "schedules/renewal.toml:1:9: every: '6 weeks' is not a number of months; write e.g. "
        "'6 months' or '1 year'"
    ]


def test_a_schedule_of_silent_clients_says_whom_it_takes_and_how_many() -> None:
    silent = about("account-dormant")
    said = (
        'at_least_score = 0.7\nat_least_stake = 500\nlanes = ["gone-quiet"]\nper_week = 5\n'
        'pause = "30 days"\n'
    )
    assert read(said + silent + AFTER).dormancy == Dormancy(0.7, 500, ("gone-quiet",), 5, 30)
    assert read(silent + AFTER).dormancy == Dormancy()


@pytest.mark.parametrize("trigger", ["account-dormant", "survey-answered"])
def test_a_contractual_mail_speaks_of_a_licence(trigger: str) -> None:
    head = HEAD.replace("licence-expiry", trigger)
    assert complaints(head + AFTER) == [
        "schedules/renewal.toml:3:9: class: a contractual mail speaks of a licence, and "
        f'{trigger!r} is about none; write class = "commercial"'
    ]
    work = '[[steps]]\nid = "call"\nwhen = "on the day"\ntask = "Call"\nassign_to = "owner"\n'
    assert read(head + work).mail_class == "contractual"


def test_numbers_out_of_reach_are_told_at_once() -> None:
    silent = about("account-dormant")
    said = 'at_least_score = 50\nper_week = 0\nlanes = ["gone"]\n'
    assert [one.split(": ")[1] for one in complaints(said + silent + AFTER)] == [
        "at_least_score",
        "per_week",
        "lanes[0]",
    ]


@pytest.mark.parametrize("key", ['every = "1 year"', "per_week = 3", 'pause = "5 days"'])
def test_a_key_of_another_trigger_is_no_key_here(key: str) -> None:
    (said,) = complaints(f"{key}\n{HEAD}{STEP}")
    assert "belongs to the trigger" in said


def test_an_audience_asks_for_what_the_trigger_has() -> None:
    asked = '[[audience]]\n"licence.amount" = 3\n"answer.score" = 3\n'
    silent = about("account-dormant")
    assert len(complaints(silent + asked + AFTER)) == 2
    answered = about("survey-answered")
    assert len(complaints(answered + asked + AFTER)) == 1


def test_a_trigger_that_never_was_is_corrected() -> None:
    assert complaints(HEAD.replace("licence-expiry", "licence-expirey") + STEP) == [
        "schedules/renewal.toml:2:11: trigger: 'licence-expirey' is not one of 'licence-expiry', "
        "'notice-deadline', 'licence-renewed', 'account-dormant', 'relationship-review', "
        "'survey-answered'; did you mean 'licence-expiry'?"
    ]


def test_what_is_missing_is_named_with_all_the_rest() -> None:
    assert complaints('clas = "contractual"\nname = ""\nsteps = 5\naudience = {}\n') == [
        "schedules/renewal.toml:1:1: trigger: missing; "
        'expected what brings a client into this schedule, e.g. "licence-expiry"',
        "schedules/renewal.toml:1:1: class: missing; "
        'expected the class of its mails: "contractual", "commercial" or "survey"',
        "schedules/renewal.toml:1:1: clas: 'clas' is not a known key; did you mean 'class'?",
        "schedules/renewal.toml:2:8: name: '' is not a text that says something",
        "schedules/renewal.toml:3:9: steps: 5 is not a list; write [[steps]] with double brackets",
        "schedules/renewal.toml:4:12: audience: a table is not a list; "
        "write [[audience]] with double brackets",
    ]


def test_a_schedule_without_steps_is_refused() -> None:
    assert complaints(HEAD) == [
        "schedules/renewal.toml:1:1: steps: missing; expected at least one [[steps]] table"
    ]
    assert complaints(HEAD + "steps = []") == [
        "schedules/renewal.toml:4:9: steps: a schedule has at least one step; add [[steps]]"
    ]


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (
            b"\xef\xbb\xbfname = 1",
            ":1:1: the file begins with a byte order mark (BOM); "
            "save it as 'UTF-8' (without BOM) in your editor",
        ),
        (
            "name = 1".encode("utf-16"),
            ":1:1: the file is UTF-16, not UTF-8; save it as 'UTF-8' (without BOM) in your editor",
        ),
        (
            b"name = Renewal",
            ":1:8: not valid TOML: Invalid value; "
            'text stands in quotes, e.g. name = "Licence renewal"',
        ),
    ],
)
def test_a_file_that_is_no_toml_is_told(raw: bytes, said: str) -> None:
    with pytest.raises(SchedulesError) as caught:
        load_text(raw, "schedules/renewal.toml", templates=None)
    assert [str(problem) for problem in caught.value.problems] == [f"schedules/renewal.toml{said}"]


def test_the_name_of_the_file_is_the_identity_of_the_schedule() -> None:
    assert complaints(HEAD + STEP, "schedules/Renewal Two.toml") == [
        "schedules/Renewal Two.toml: 'Renewal Two' is not a file name of lower-case letters, "
        "digits and dashes; rename it, e.g. renewal.toml"
    ]


def test_gathering_without_grouping_is_accepted_with_a_note() -> None:
    text = f'{HEAD}[limits]\ngather = "5 days"\n{STEP}'
    schedule, notes = load_with_notes(text.encode(), "schedules/r.toml", templates=TEMPLATES)
    assert schedule.limits == Limits(group_by="licence", gather_days=5)
    assert [str(note) for note in notes] == [
        "schedules/r.toml:5:10: limits.gather: licences are gathered only where group_by is "
        "'contact'",
    ]


def test_after_a_renewal_there_is_no_before() -> None:
    assert complaints(about("licence-renewed") + STEP) == [
        "schedules/renewal.toml:6:8: steps[0].when: a step of 'licence-renewed' comes on the day "
        "or after it; write e.g. '3 business days after'"
    ]


def test_templates_are_left_unchecked_when_nobody_says_which_there_are() -> None:
    text = HEAD + STEP.replace("heads-up", "elsewhere")
    assert load_text(text.encode(), "s/r.toml", templates=None).steps[0].template


# --- a folder ------------------------------------------------------------------------------------


def test_a_folder_gives_the_good_ones_and_the_problems_of_all_others(tmp_path: Path) -> None:
    schedules, templates = tmp_path / "schedules", tmp_path / "templates"
    mail = templates / "renewal" / "heads-up" / "en"
    for folder in (schedules, mail):
        folder.mkdir(parents=True)
    (mail / "subject.txt").write_text("x")
    (schedules / "good.toml").write_text(HEAD + STEP)
    (schedules / "bad.toml").write_text(HEAD + STEP.replace("60 days", "60 daze"))
    (schedules / "worse.toml").write_text("name = ")
    (schedules / ".#good.toml").write_text("a lock of an editor")
    (schedules / "notes.txt").write_text("not a schedule")
    loaded = load_folder(schedules, templates)
    assert list(loaded.schedules) == ["good"]
    assert loaded.texts == {"good": HEAD + STEP}
    assert [str(problem) for problem in loaded.problems] == [
        "schedules/bad.toml:6:8: steps[0].when: '60 daze before' is not an offset; "
        "write e.g. '7 days before'",
        "schedules/worse.toml:1:8: not valid TOML: Invalid value; "
        "the file ends too early: a bracket or a quote is not closed",
    ]
    with pytest.raises(SchedulesError, match="2 problems in the schedules"):
        loaded.or_raise()


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    loaded = load_folder(tmp_path / "schedules", tmp_path / "templates")
    assert [str(problem) for problem in loaded.problems] == [
        "schedules/: the folder of schedules is not there; "
        "make it, or start in another folder with --root"
    ]


def test_a_problem_is_a_record_with_stable_keys() -> None:
    with pytest.raises(SchedulesError) as caught:
        read(HEAD + STEP.replace("60 days before", "7 daze"))
    assert caught.value.problems[0].record() == {
        "file": "schedules/renewal.toml",
        "line": 6,
        "column": 8,
        "path": "steps[0].when",
        "code": "offset",
        "expected": "an offset",
        "got": "'7 daze'",
        "hint": "write e.g. '7 days before'",
    }


tables = st.recursive(
    st.one_of(st.none().map(lambda _: 0), st.booleans(), st.floats(), st.text(), st.dates()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(max_size=5), inner)),
    max_leaves=5,
)
KEYS = ["name", "trigger", "class", "audience", "calendar", "limits", "steps", "every"]


@given(st.dictionaries(st.sampled_from(KEYS), tables, min_size=1))
def test_no_nonsense_breaks_the_checks(data: dict[str, object]) -> None:
    with pytest.raises(SchedulesError) as caught:
        read("\n".join(f"{key} = {_toml(value)}" for key, value in data.items()))
    assert caught.value.problems


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_toml(key)} = {_toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(sign):08x}" for sign in value) + '"'
    return str(value).lower() if isinstance(value, bool | float) else str(value)
