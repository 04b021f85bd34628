"""The judge judged: it accepts what is right, and finds every kind of error that is planted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from random import Random

import pytest

from tests.oracle.book import generate, schedules
from tests.oracle.case import YEAR, Row, book, heard, kinds, moment, row, script, term
from tests.oracle.judge import judge, read_decisions
from tests.oracle.scribe import records
from tests.oracle.script import read

# An expiry on Wednesday 12 June 2024; mails at ten past nine.
MONTH = script("30 days before", "7 days before", "3 days after")
JUNE = book(term("2024-06-12"))
HEADS_UP = row("30 days before", "2024-05-13T09:10", "2024-05-13")
WEEK = row("7 days before", "2024-06-05T09:10", "2024-06-05")
GRACE = row("3 days after", "2024-06-14T09:10", "2024-06-15")  # Saturday, so Friday
RIGHT = [HEADS_UP, WEEK, GRACE]


def test_right_mails_are_accepted() -> None:
    assert heard(JUNE, MONTH, RIGHT) == []


def test_a_missing_step_is_found() -> None:
    assert kinds(JUNE, MONTH, [HEADS_UP, GRACE]) == ["missing"]


def test_a_step_done_twice_is_found_even_months_apart() -> None:
    again = {**HEADS_UP, "at": "2024-08-13T09:10:00+00:00"}
    assert "twice" in kinds(JUNE, MONTH, [*RIGHT, again])


def test_a_mail_a_day_late_or_early_is_found() -> None:
    for day in ("04", "06"):
        wrong = row("7 days before", f"2024-06-{day}T09:10", "2024-06-05")
        assert kinds(JUNE, MONTH, [HEADS_UP, wrong, GRACE]) == ["day"]


def test_a_mail_before_or_after_the_open_hours_is_found() -> None:
    for clock in ("08:50", "17:00", "23:59"):
        wrong = row("7 days before", f"2024-06-05T{clock}", "2024-06-05")
        assert "hours" in kinds(JUNE, MONTH, [HEADS_UP, wrong, GRACE])


def test_a_mail_on_a_saturday_is_found() -> None:
    wrong = row("3 days after", "2024-06-15T09:10", "2024-06-15")
    assert "hours" in kinds(JUNE, MONTH, [HEADS_UP, WEEK, wrong])


def test_a_mail_within_hours_but_off_the_slots_is_found() -> None:
    for clock in ("09:05", "10:00", "14:00"):
        wrong = row("7 days before", f"2024-06-05T{clock}", "2024-06-05")
        assert kinds(JUNE, MONTH, [HEADS_UP, wrong, GRACE]) == ["moment"]


def test_an_account_whose_slot_changes_is_found() -> None:
    other = row("7 days before", "2024-06-05T09:20", "2024-06-05")
    assert kinds(JUNE, MONTH, [HEADS_UP, other, GRACE]) == ["slot"]


def test_a_mail_after_the_renewal_was_known_is_found() -> None:
    renewed = book(term("2024-06-12"), term("2025-06-12", "2024-06-12", "2024-06-01"))
    cancelled = [{**mail, "decision": "cancelled", "reason": "renewed"} for mail in (WEEK, GRACE)]
    assert heard(renewed, MONTH, [HEADS_UP, *cancelled]) == []
    assert kinds(renewed, MONTH, [HEADS_UP, WEEK, cancelled[1]]) == ["after-end"]


def test_a_wrong_reason_is_found() -> None:
    steps = script("1 day before", "on the day")
    rows = [
        row("1 day before", "2024-06-14T09:10", "2024-06-15", "superseded", "later-step"),
        row("on the day", "2024-06-14T09:10", "2024-06-16"),
    ]
    assert kinds(book(term("2024-06-16")), steps, rows) == ["reason"]


def test_a_reason_for_a_step_that_was_simply_done_is_found() -> None:
    odd = {**WEEK, "reason": "same-day"}
    assert kinds(JUNE, MONTH, [HEADS_UP, odd, GRACE]) == ["reason"]


def test_a_step_skipped_that_should_go_is_found() -> None:
    odd = {**WEEK, "decision": "skipped", "reason": "too-late"}
    assert kinds(JUNE, MONTH, [HEADS_UP, odd, GRACE]) == ["decision"]


def test_an_inverted_order_is_found() -> None:
    first = {**HEADS_UP, "at": WEEK["at"]}
    second = {**WEEK, "at": HEADS_UP["at"]}
    assert kinds(JUNE, MONTH, [first, second, GRACE]) == ["day", "day", "order"]


def test_two_mails_of_a_walk_on_one_day_are_found() -> None:
    both = {**HEADS_UP, "at": "2024-06-05T09:40:00+00:00"}
    assert "same-day" in kinds(JUNE, MONTH, [both, WEEK, GRACE])


def test_decisions_about_what_does_not_exist_are_found() -> None:
    for more in (
        {"step": "5-days-before"},
        {"cycle": 2},
        {"licence": "X", "subject": "X"},
        {"schedule": "other"},
    ):
        assert kinds(JUNE, MONTH, [*RIGHT, {**WEEK, **more}]) == ["phantom"]


def test_a_wrong_due_date_account_or_kind_is_found() -> None:
    for more, kind in (
        ({"due_on": "2024-06-06"}, "due"),
        ({"account": "B"}, "field"),
        ({"kind": "task"}, "field"),
    ):
        assert kinds(JUNE, MONTH, [HEADS_UP, {**WEEK, **more}, GRACE]) == [kind]


def test_a_step_of_the_warm_up_does_not_belong_into_the_report() -> None:
    days = (date(2024, 6, 1), date(2024, 6, 30))
    assert heard(JUNE, MONTH, [WEEK, GRACE], days) == []
    assert kinds(JUNE, MONTH, RIGHT, days) == ["period"]


def test_a_licence_that_gets_mails_is_not_one_that_gets_nothing() -> None:
    nothing = row(None, "2024-06-05T09:10", "2024-06-05", "nothing", "renewed")
    assert kinds(JUNE, MONTH, [*RIGHT, nothing]) == ["nothing"]


def test_a_licence_outside_the_audience_gets_nothing_for_that_reason() -> None:
    large = script("7 days before", audience='[[audience]]\n"account.segment" = "large"')
    nothing = row(None, "2024-06-05T09:10", "2024-06-05", "nothing", "not-in-audience")
    assert heard(JUNE, large, [nothing]) == []
    assert kinds(JUNE, large, [{**nothing, "reason": "done"}]) == ["reason"]
    assert kinds(JUNE, large, [WEEK]) == ["phantom"]


def test_a_mail_to_the_wrong_rung_is_found() -> None:
    ladder = script("7 days before", step='to = ["decision-maker", "procurement"]')
    people = [
        {"account": "A", "email": None, "role": "decision-maker"},
        {"account": "A", "email": "Buyer@a.example", "role": "procurement"},
        {"account": "A", "email": "user@a.example", "role": "end-user"},
    ]
    with_people = {**JUNE, "contacts": people}
    assert heard(with_people, ladder, [{**WEEK, "to": ["buyer@a.example"]}]) == []
    assert kinds(with_people, ladder, [{**WEEK, "to": ["user@a.example"]}]) == ["address"]
    nobody = {**JUNE, "contacts": people[:1]}
    assert heard(nobody, ladder, [{**WEEK, "decision": "blocked", "reason": "no-contact"}]) == []
    assert kinds(nobody, ladder, [WEEK]) == ["address"]


def test_an_expiry_on_a_sunday_gives_one_mail_on_friday_the_later_step() -> None:
    steps = script("1 day before", "on the day")
    sunday = book(term("2024-06-16"))
    right = [
        row("1 day before", "2024-06-14T09:00", "2024-06-15", "superseded", "same-day"),
        row("on the day", "2024-06-14T09:00", "2024-06-16"),
    ]
    assert heard(sunday, steps, right) == []
    both = [row("1 day before", "2024-06-14T09:00", "2024-06-15"), right[1]]
    assert kinds(sunday, steps, both) == ["decision", "same-day"]
    monday = [right[0], row("on the day", "2024-06-17T09:00", "2024-06-16")]
    assert kinds(sunday, steps, monday) == ["day"]


def test_three_days_after_a_friday_before_a_holiday_monday_is_tuesday() -> None:
    friday = book(term("2024-05-24"), zone="America/Chicago", country="US")  # Memorial Day follows
    steps = script("3 days after")
    assert heard(friday, steps, [row("3 days after", "2024-05-28T09:50-05:00", "2024-05-27")]) == []
    for day in ("23", "24", "29"):
        wrong = row("3 days after", f"2024-05-{day}T09:50-05:00", "2024-05-27")
        assert kinds(friday, steps, [wrong]) == ["day"]


def test_a_licence_imported_13_days_before_gets_the_one_step_that_fits() -> None:
    steps = script("90 days before", "30 days before", "14 days before", "7 days before")
    late = book()
    licence = late["licences"].pop()
    found = {"licence": licence, "terms": [{"licence": "L", "number": 1, **term("2024-06-24")}]}
    events = [(moment("2024-06-11T12:00"), "add", found)]
    begins = moment("2024-01-01T00:00")
    right = [
        row("90 days before", "2024-06-11T12:00", "2024-03-26", "superseded", "later-step"),
        row("30 days before", "2024-06-11T12:00", "2024-05-25", "superseded", "later-step"),
        row("14 days before", "2024-06-11T12:00", "2024-06-11"),  # counted as due today
        row("7 days before", "2024-06-17T09:00", "2024-06-17"),
    ]
    assert kinds(late, steps, right, events=events, begins=begins) == []
    flood = [{**decision, "decision": "sent", "reason": None} for decision in right]
    assert "same-day" in kinds(late, steps, flood, events=events, begins=begins)
    silent = [{**right[2], "decision": "skipped", "reason": "late"}]
    assert "decision" in kinds(late, steps, silent, events=events, begins=begins)
    assert "missing" in kinds(late, steps, right[:2] + right[3:], events=events, begins=begins)


def test_three_days_down_give_one_step_afterwards() -> None:
    steps = script("5 days before", "4 days before", "3 days before", "on the day")
    down = [(moment("2024-06-10T00:00"), "down", {"until": moment("2024-06-13T11:00")})]
    right = [
        row("5 days before", "2024-06-13T11:00", "2024-06-09", "sent"),
        row("4 days before", "2024-06-13T11:00", "2024-06-10", "superseded", "later-step"),
        row("3 days before", "2024-06-13T11:00", "2024-06-13"),
        row("on the day", "2024-06-14T09:00", "2024-06-14"),
    ]
    right[0]["at"] = "2024-06-07T09:00:00+00:00"
    begins = moment("2024-01-01T00:00")
    friday = book(term("2024-06-14"))
    assert kinds(friday, steps, right, events=down, begins=begins) == []
    during = [*right[:1], row("4 days before", "2024-06-10T09:00", "2024-06-10"), *right[2:]]
    assert kinds(friday, steps, during, events=down, begins=begins) == ["decision"]


def test_blank_lines_between_records_do_not_count() -> None:
    assert read_decisions(['{"a": 1}\n', "\n"]) == [{"a": 1}]


def test_a_disagreement_says_whose_it_is_in_plain_words() -> None:
    (found,) = heard(JUNE, MONTH, [HEADS_UP, GRACE])
    assert str(found) == (
        "licence L, term 1, 7-days-before: nothing; "
        "expected sent on Wed 05 Jun 2024 (due 2024-06-05) [missing]"
    )


def _moved(at: str, **by: int) -> str:
    return (datetime.fromisoformat(at) + timedelta(**by)).isoformat()


SMALL = generate(seed=3, licences=120)


@pytest.mark.parametrize("stem", sorted(schedules()))
def test_errors_planted_anywhere_in_a_book_are_all_found(stem: str) -> None:
    schedule = read(schedules()[stem], stem)
    right = records(SMALL, schedule, *YEAR)
    assert judge(SMALL, schedule, right, *YEAR) == []
    wrong, planted = _plant(right, Random(stem))
    found = {(one.licence, one.cycle, one.step) for one in judge(SMALL, schedule, wrong, *YEAR)}
    assert found >= planted
    assert len(planted) > 30


def _plant(right: list[Row], dice: Random) -> tuple[list[Row], set[tuple[str, int, str]]]:
    """Spoils one record of each of many licences; returns all records and the spoilt ones' keys."""
    errors: tuple[Callable[[Row], list[Row]], ...] = (
        lambda old: [],
        lambda old: [old, old],
        lambda old: [{**old, "cycle": old["cycle"] + 9}],
        lambda old: [{**old, "reason": "whim"}],
        lambda old: [{**old, "due_on": _moved(old["due_on"], days=1)[:10]}],
        lambda old: [{**old, "decision": "skipped" if old["decision"] == "sent" else "sent"}],
        lambda old: [{**old, "decision": "sent", "at": _moved(old["at"], days=1)}],
        lambda old: [{**old, "decision": "sent", "at": _moved(old["at"], days=-1)}],
        lambda old: [{**old, "decision": "sent", "at": _moved(old["at"], hours=9)}],
    )
    by_licence: dict[str, list[int]] = {}
    for place, old in enumerate(right):
        by_licence.setdefault(old["licence"], []).append(place)
    wrong, planted = {}, set()
    for places in by_licence.values():
        place = dice.choice(places)
        wrong[place] = dice.choice(errors)(right[place])
        for spoilt in wrong[place] or [right[place]]:
            planted.add((spoilt["licence"], spoilt["cycle"], spoilt["step"]))
    return [one for place, old in enumerate(right) for one in wrong.get(place, [old])], planted
