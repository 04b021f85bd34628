"""How soon clients who are not content hear from us: the first contact, and what was done."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from tests.surveys.conftest import NOW, YEAR, Town
from tests.surveys.test_feedback import HAND, answered, close, open_tasks, posted
from worker.db.engine import reading
from worker.kernel.dates import Period
from worker.surveys import attending, rules
from worker.surveys.attending import Attention, Reached
from worker.surveys.counting import Asked
from worker.surveys.records import responses
from worker.worklist import flow as worklist
from worker.worklist import store as tasks_store
from worker.worklist.records import tasks

HOUR = timedelta(hours=1)


def attention(town: Town, period: Period = YEAR, **more: Any) -> Attention:
    with reading(town.engine) as conn:
        return attending.read(conn, Asked(period, **more))


def noted(town: Town, hours: float) -> None:
    (task,) = open_tasks(town)
    worklist.note(town.engine, HAND, task.id, task.version, "Called.", NOW + hours * HOUR)


@pytest.mark.parametrize("promise", [rules.NAMED, rules.CONFIDENTIAL])
def test_a_note_is_the_first_contact_and_the_letter_tells_what_was_done(
    town: Town, tmp_path: Path, promise: str
) -> None:
    answered(town, 3, promise)
    with town.engine.begin() as conn:
        conn.execute(update(responses).values(answered_at=NOW - 4 * HOUR))
    noted(town, -3)
    noted(town, -1)
    close(town, open_tasks(town)[0])
    posted(town, tmp_path)  # an hour from now
    found = attention(town)
    assert (found.answers, found.open) == (1, 0)
    assert (found.contact, found.told) == (Reached((HOUR,), 1), Reached((5 * HOUR,), 1))


def test_the_span_begins_with_the_answer_and_not_with_its_task(town: Town) -> None:
    answered(town, 3)
    with town.engine.begin() as conn:
        conn.execute(update(responses).values(answered_at=NOW - 13 * HOUR))  # in the evening
    noted(town, 2)
    assert attention(town).contact == Reached((15 * HOUR,), 1)


def test_where_only_the_day_of_the_answer_is_known_it_begins_with_the_task(town: Town) -> None:
    answered(town, 3)
    with town.engine.begin() as conn:
        conn.execute(update(responses).values(answered_at=None))
    noted(town, 2)
    assert attention(town).contact == Reached((2 * HOUR,), 1)


def test_what_the_machine_does_about_a_task_is_no_contact(town: Town) -> None:
    answered(town, 3)
    with town.engine.begin() as conn:
        tasks_store.close_all(conn, "feedback:", "done", NOW + HOUR)
    found = attention(town)
    assert (found.answers, found.open, found.contact.spans) == (1, 0, ())


def test_answers_of_another_time_or_schedule_or_without_a_task_are_not_counted(town: Town) -> None:
    answered(town, 3)
    town.said(2, "A-2")  # from a file: nobody was asked to do anything
    town.answer(town.asked("C-3", "A-3"), 9)
    assert attention(town).answers == 1
    assert attention(town, schedule="surveys").answers == 1
    assert attention(town, schedule="relationship").answers == 0
    assert attention(town, Period(date(2026, 1, 1), date(2026, 11, 25))).answers == 0


def test_an_answer_with_two_tasks_is_one_and_open_while_either_is(town: Town) -> None:
    (task,) = answered(town, 3)
    second = f"step:feedback:escalate:answer-{town.rows(responses)[0].id}:1"
    with town.engine.begin() as conn:
        tasks_store.open_tasks(conn, [tasks_store.NewTask(second, "feedback", "More")], NOW)
    close(town, task)
    assert len(town.rows(tasks)) == 2
    found = attention(town)
    assert (found.answers, found.open, len(found.contact.spans)) == (1, 1, 1)


def test_the_median_and_the_share_stand_beside_how_many_there_were() -> None:
    found = Reached((HOUR, 5 * HOUR, 90 * HOUR), 4)
    assert (found.hours, found.after, found.share.value) == (5.0, "5 hours", 0.75)
    assert Reached((72 * HOUR,), 1).after == "3.0 days"
    assert (Reached((), 0).after, Reached((), 0).record()["share"]) == ("–", None)
