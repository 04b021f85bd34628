"""While a client who is not content waits for an answer, advertising to it rests; notices go on."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from tests.cadence.conftest import Book
from tests.outbox.world import SCHEDULE
from worker.catalogue.records import accounts
from worker.worklist import store as worklist
from worker.worklist.store import NewTask

KEY = "feedback:1"
COMMERCIAL = (
    SCHEDULE.replace('"contractual"', '"commercial"')
    .replace('email = "renewal/heads-up"', 'email = "commercial/early-renewal"')
    .replace('valid_for = "3 days"', 'valid_for = "10 days"')
)


@pytest.fixture
def book(engine: Engine, root: Path) -> Book:
    made = Book(engine, root)
    made.licence()
    made.contact()
    return made


def complain(book: Book, kind: str = "feedback") -> None:
    with book.engine.begin() as conn:
        account = conn.execute(select(accounts.c.id)).scalar_one()
        task = NewTask(KEY, kind, "Client is not content", account_id=account)
        worklist.open_tasks(conn, [task], book.now)


def settle(book: Book) -> None:
    with book.engine.begin() as conn:
        worklist.close(conn, KEY, "done", book.now)


def test_advertising_is_put_off_while_the_task_is_open_and_goes_out_after_it(book: Book) -> None:
    book.apply(COMMERCIAL)
    complain(book)
    book.run()
    assert book.decisions()["heads-up"] == ("put-off", "open-feedback")
    book.live_until("Tue 2026-11-24")
    assert book.mails() == []
    assert book.decisions()["heads-up"] == ("put-off", "open-feedback")
    settle(book)
    book.live_until("Thu 2026-11-26")
    assert book.addresses() == ["c-1@example.com"]


def test_advertising_that_was_decided_before_waits_at_the_last_look(book: Book) -> None:
    book.apply(COMMERCIAL)
    book.decide()
    complain(book)
    book.run()
    assert book.states() == [("due", "open-feedback")]
    settle(book)
    book.live_to(datetime(2026, 11, 23, 0, tzinfo=UTC))
    assert book.addresses() == ["c-1@example.com"]


def test_advertising_that_would_be_too_late_is_skipped_and_says_why(book: Book) -> None:
    book.apply(COMMERCIAL.replace('"10 days"', '"3 days"'))
    complain(book)
    book.live_until("Tue 2026-12-01")
    assert book.mails() == []
    assert book.decisions()["heads-up"] == ("skipped", "open-feedback")


def test_a_notice_about_a_contract_goes_on(book: Book) -> None:
    book.apply()
    complain(book)
    book.run()
    assert book.addresses() == ["c-1@example.com"]


def test_another_task_of_the_account_lets_advertising_go(book: Book) -> None:
    book.apply(COMMERCIAL)
    complain(book, "todo")
    book.run()
    assert book.addresses() == ["c-1@example.com"]
