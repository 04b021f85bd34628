"""Which outcomes fit, who may do what, when a task is due."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

import worker
from tests.worklist.conftest import hand, on
from worker.access.rules import Role
from worker.worklist import rules
from worker.worklist.kinds import KINDS, OTHER, kind_of


@dataclass(frozen=True)
class Task:
    kind: str = "step"
    assignee: str | None = None
    pool: str | None = None


def opened_kinds() -> Iterator[str]:
    """Every kind that some room opens: the words that stand where tasks are made."""
    for path in Path(worker.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and getattr(node.func, "id", getattr(node.func, "attr", "")) == "NewTask"
            ):
                named = [word.value for word in node.keywords if word.arg == "kind"]
                for value in named or node.args[1:2]:
                    if isinstance(value, ast.Constant):
                        yield str(value.value)


def test_every_kind_that_some_room_opens_has_a_name_a_pool_and_outcomes() -> None:
    found = set(opened_kinds())
    assert len(found) >= 6
    own = {
        "answer",
        "blocked-mail",
        "no-contact",
        "dormant",
        "failed-call",
        "feedback",
        "hand-over",
    }
    own |= {"promise", "referral", "step", "todo"}
    assert found | own == set(KINDS)
    for kind in (*KINDS.values(), OTHER):
        assert kind.name
        assert kind.pool in rules.POOLS
        assert bool(kind.outcomes) != bool(kind.answer), "closed by hand, or answered elsewhere"


def test_a_kind_that_this_release_does_not_know_can_be_closed() -> None:
    assert kind_of("of-tomorrow") is OTHER
    assert rules.against_closing("of-tomorrow", "done") is None


def test_an_outcome_has_to_fit_the_kind() -> None:
    assert rules.against_closing("promise", "kept") is None
    said = rules.against_closing("promise", "kep")
    assert said is not None
    assert "kept, broken, withdrawn" in said
    assert "did you mean 'kept'?" in said


@pytest.mark.parametrize(
    ("kind", "command"), [("brake", "perennial release"), ("approval", "perennial approve")]
)
def test_a_brake_and_an_approval_say_which_command_answers(kind: str, command: str) -> None:
    for outcome in ("done", "", "mended"):
        assert command in (rules.against_closing(kind, outcome) or "")


@pytest.mark.parametrize(
    ("role", "task", "may"),
    [
        (Role.VIEWER, Task(), False),
        (Role.SALES, Task(), True),
        (Role.SALES, Task("answer"), False),
        (Role.SALES, Task("answer", "SARA"), True),
        (Role.SALES, Task("step", "TOM"), False),
        (Role.SALES, Task("answer", pool="sales"), True),
        (Role.RENEWALS, Task("answer"), True),
        (Role.RENEWALS, Task("step", "TOM"), True),
        (Role.RENEWALS, Task("alarm"), False),
        (Role.ADMIN, Task("alarm", "TOM"), True),
    ],
)
def test_who_may_work_on_a_task(role: Role, task: Task, may: bool) -> None:
    assert rules.may_work(hand("SARA", role), task) is may
    assert (rules.against_work(hand("SARA", role), task) is None) is may


def test_who_is_no_member_of_staff_claims_nothing_and_is_nobodys_colleague() -> None:
    nobody = hand("SARA", Role.ADMIN, None)
    assert "no member of staff" in (rules.against_claim(nobody, Task(), 0, 25) or "")
    assert not rules.may_work(hand("SARA", Role.SALES, None), Task("answer"))


def test_a_full_hand_is_refused_with_a_sentence_that_says_what_to_do() -> None:
    assert rules.against_claim(hand(), Task(), 24, 25) is None
    said = rules.against_claim(hand(), Task(), 25, 25) or ""
    assert "25 open tasks" in said
    assert "give one back" in said


def test_due_dates_count_working_days_and_leave_holidays_out() -> None:
    warsaw = rules.calendar_of("Europe/Warsaw", "PL")
    assert rules.due_on("answer", date(2026, 11, 20), warsaw) == on(23)  # a Friday: Monday
    assert rules.due_on("step", date(2026, 11, 10), warsaw) == on(13)  # the 11th is a holiday
    assert rules.due_on("step", date(2026, 11, 10), rules.calendar_of("UTC", "")) == on(12)


@pytest.mark.parametrize("until", [date(2026, 11, 24), date(2026, 11, 1), date(2028, 1, 1)])
def test_a_task_rests_until_a_day_to_come_within_a_year(until: date) -> None:
    assert "until: expected a day after today" in (rules.against_snoozing(until, on(24)) or "")
    assert rules.against_snoozing(on(25), on(24)) is None


def test_all_that_is_wrong_with_a_new_task_is_said_at_once() -> None:
    found = rules.faults_of_new("brake", " ", "x" * 5000, date(2020, 1, 1), None, on(24))
    assert [fault.partition(":")[0] for fault in found] == ["kind", "title", "detail", "due"]
    promise = rules.faults_of_new("promise", "Call", "", None, None, on(24))
    assert [fault.partition(":")[0] for fault in promise] == ["due", "assignee"]
    assert rules.faults_of_new("todo", "Call", "", None, None, on(24)) == []
