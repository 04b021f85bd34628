"""From an answer that is not content to the opening of its task, which may be three days later,
nobody advertises to that client, nor asks it anything more.

It is Friday, six in the evening: tasks about answers open from Monday on, mails leave on any day.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, update

from tests.cadence.test_answer_walks import AskedBook
from tests.cadence.test_resting import COMMERCIAL
from worker.cadence.asked_letters import Outcome, Question, Terms, ask
from worker.cadence.heard import answers_changed
from worker.catalogue.records import contacts
from worker.surveys.records import responses
from worker.worklist import store as worklist

SHIPPED = (Path(__file__).parents[2] / "schedules/feedback.toml").read_text(encoding="utf-8")
MAIL = '[[steps]]\nid = "told"\nwhen = "20 days after"\nemail = "renewal/heads-up"\n'
FRIDAY = datetime(2026, 11, 20, 18, tzinfo=UTC)
MONDAY = datetime(2026, 11, 23, 12, tzinfo=UTC)
ACCOUNT = "A-L-1"
ADDRESS = ["c-1@example.com"]


@pytest.fixture
def book(engine: Engine, root: Path) -> AskedBook:
    made = AskedBook(engine, root)
    made.start_at(FRIDAY)
    made.licence()
    made.contact()
    return made


def in_force(book: AskedBook, feedback: str = SHIPPED) -> None:
    book.apply_all({"renewal": COMMERCIAL, "feedback": feedback})


def close(book: AskedBook) -> None:
    with book.engine.begin() as conn:
        assert worklist.close_all(conn, "step:feedback:", "done", book.now) == 1


@pytest.mark.parametrize("seen", [False, True], ids=["just given", "its walk has begun"])
def test_advertising_rests_from_the_answer_on_until_its_task_is_closed(
    book: AskedBook, seen: bool
) -> None:
    in_force(book)
    book.answer(1, 3, ACCOUNT)
    if seen:
        book.run()
    book.live_until("Mon 2026-11-23")
    assert book.open_tasks("feedback") == [], "nobody is in the office"
    assert book.mails() == []
    assert book.decisions()["heads-up"] == ("put-off", "open-feedback")
    assert "Mon 2026-11-23 heads-up put-off open-feedback" in book.story()

    book.live_to(MONDAY)
    assert len(book.open_tasks("feedback")) == 1
    assert book.mails() == []
    close(book)
    book.live_until("Thu 2026-11-26")
    assert book.addresses() == ADDRESS


def test_advertising_that_was_decided_before_the_answer_waits_at_the_last_look(
    book: AskedBook,
) -> None:
    book.start_at(FRIDAY + timedelta(hours=18))
    in_force(book)
    book.decide()
    book.answer(1, 3, ACCOUNT)
    book.machine().send_batch()
    assert book.states() == [("due", "open-feedback")]


def test_nobody_of_the_company_is_asked_anything_meanwhile(book: AskedBook) -> None:
    in_force(book)
    with book.engine.begin() as conn:
        person = conn.execute(select(contacts.c.id)).scalar_one()
    book.answer(1, 3, ACCOUNT)
    with book.engine.begin() as conn:
        found = ask(conn, Question("other", "renewal", person), Terms(), book.now)
    assert found == Outcome(None, "open-feedback", date(2026, 11, 21))


def test_an_answer_that_is_changed_for_the_worse_counts_from_then_on(book: AskedBook) -> None:
    in_force(book)
    book.answer(1, 9, ACCOUNT)
    book.run()
    assert book.account_walks(ACCOUNT) == [(1, "parked", "not-in-audience")]
    with book.engine.begin() as conn:
        conn.execute(update(responses).values(score=2, vote=-1))
        answers_changed(conn, [1], book.now)
    book.live_until("Mon 2026-11-23")
    assert book.mails() == []
    book.live_to(MONDAY)
    assert len(book.open_tasks("feedback")) == 1
    assert book.mails() == []


@pytest.mark.parametrize(
    ("score", "feedback"),
    [
        (7, SHIPPED),
        (4, SHIPPED.replace('"answer.group" = "detractor"', '"answer.score" = { at_most = 3 }')),
        (4, f"{SHIPPED.partition('[[steps]]')[0]}{MAIL}"),
    ],
    ids=["content", "not in the audience", "no task in the schedule"],
)
def test_where_no_task_is_to_come_advertising_goes_on(
    book: AskedBook, score: int, feedback: str
) -> None:
    in_force(book, feedback)
    book.answer(1, score, ACCOUNT)
    book.live_until("Sun 2026-11-22")
    assert book.addresses() == ADDRESS


def test_once_its_step_was_skipped_no_task_is_waited_for(book: AskedBook) -> None:
    in_force(book, SHIPPED.replace('id = "answer"', 'id = "answer"\nonly_if = ["clicked"]'))
    book.answer(1, 3, ACCOUNT)
    book.live_until("Mon 2026-11-23")
    assert book.mails() == []
    book.live_until("Wed 2026-11-25")
    assert book.open_tasks("feedback") == []
    assert book.addresses() == ADDRESS


def test_another_client_hears_of_our_offers_all_the_same(book: AskedBook) -> None:
    in_force(book)
    book.client("A-2")
    book.answer(1, 3, "A-2")
    book.live_until("Sun 2026-11-22")
    assert book.addresses() == ADDRESS
