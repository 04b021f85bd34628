"""Clients that fell silent walk a schedule of their own: who enters, what is done, what ends it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from tests.cadence.conftest import DAY, HOUR
from tests.cadence.dormant import SilentBook, dormant
from worker.cadence import explain_account
from worker.db.engine import reading
from worker.kernel.errors import FindingsError
from worker.reactivation.records import episodes

CALL = "call = task on the day"
MAIL = 'miss-you = 3 days after | unless = ["task-open"]'


@pytest.fixture
def book(engine: Engine, root: Path) -> SilentBook:
    """A book on a fresh database; it is Friday, 20 November 2026."""
    return SilentBook(engine, root)


def test_a_flagged_client_gets_a_task_the_same_day(book: SilentBook) -> None:
    book.client()
    book.apply_all({"silent": dormant(CALL)})
    book.flag()
    book.run()
    (task,) = book.open_tasks("dormant")
    assert task.title == "Call"
    assert task.detail == "Client A-1: orders less than usual, flagged on 2026-11-20"
    assert (task.account_id, task.licence_id) == (book.id_of("A-1"), None)


def test_its_walk_begins_once_however_often_the_engine_looks(book: SilentBook) -> None:
    book.client()
    book.apply_all({"silent": dormant(CALL, MAIL)})
    book.flag()
    for _ in range(3):
        book.run()
        book.clock.advance_to(book.now + HOUR)
    assert book.account_walks() == [(1, "active", None)]
    with reading(book.engine) as conn:
        assert conn.execute(select(episodes.c.entered)).scalars().all() == [True]


def test_a_client_without_a_licence_is_mailed_when_nobody_took_the_call(book: SilentBook) -> None:
    book.client()
    book.apply_all({"silent": dormant("miss-you = 3 days after")})
    book.flag()
    book.live_until("Wed 2026-11-25")
    assert book.sent() == ["2026-11-23 miss-you"]
    (mail,) = book.mails()
    assert mail["Subject"] == "We miss you, Client A-1"
    assert book.account_walks() == [(1, "ended", "completed")]


def test_while_the_task_is_open_no_mail_goes(book: SilentBook) -> None:
    book.client()
    book.apply_all({"silent": dormant(CALL, MAIL)})
    book.flag()
    book.live_until("Wed 2026-11-25")
    assert book.sent() == []


@pytest.mark.parametrize("why", ["ordered", "closed"])
def test_an_episode_that_ends_takes_what_was_to_come_with_it(book: SilentBook, why: str) -> None:
    book.client()
    book.apply_all({"silent": dormant("miss-you = 3 days after")})
    book.flag()
    book.run()
    book.clock.advance_to(book.now + DAY)
    book.end(why)
    book.run()
    assert book.account_walks() == [(1, "ended", why)]
    book.live_until("Wed 2026-11-25")
    assert book.sent() == []


def test_an_order_between_decision_and_sending_stops_the_mail(book: SilentBook) -> None:
    book.client()
    book.apply_all({"silent": dormant("miss-you = on the day")})
    book.flag()
    book.machine().plan_batch()
    book.machine().plan_batch()
    assert [mail.state for mail in book.ledger()] == ["due"]
    book.end("ordered")
    book.run()
    assert [(mail.state, mail.reason) for mail in book.ledger()] == [("cancelled", "ordered")]


def test_an_episode_that_is_over_before_anybody_looked_begins_no_walk(book: SilentBook) -> None:
    book.client()
    book.apply_all({"silent": dormant(CALL)})
    book.flag()
    book.end("ordered")
    book.run()
    assert book.account_walks() == []


def test_the_next_episode_is_a_walk_of_its_own(book: SilentBook) -> None:
    book.client()
    book.apply_all({"silent": dormant("miss-you = on the day")})
    for _ in range(2):
        book.flag()
        book.run()
        book.end("closed")
        book.clock.advance_to(book.now + timedelta(days=100))
    assert book.sent() == ["2026-11-20 miss-you", "2027-02-28 miss-you"]
    assert [walk[0] for walk in book.account_walks()] == [1, 2]


def test_a_client_outside_the_audience_waits_until_it_belongs_there(book: SilentBook) -> None:
    audience = '[[audience]]\n"account.segment" = "key"\n'
    book.client(segment="smb")
    book.apply_all({"silent": dormant("miss-you = 2 days after", audience=audience)})
    book.flag()
    book.run()
    assert book.account_walks() == [(1, "parked", "not-in-audience")]
    book.client(segment="key")
    book.live_until("Wed 2026-11-25")
    assert book.sent() == ["2026-11-22 miss-you"]


def test_a_licence_and_an_account_of_one_number_walk_side_by_side(book: SilentBook) -> None:
    book.licence(account="A-1", name="Client A-1")
    book.contact(licence="1")
    book.apply_all({"silent": dormant(CALL)})
    book.flag()
    book.run()
    assert book.account_walks() == [(1, "ended", "completed")]
    assert book.walks() == []


def test_a_schedule_that_is_gone_ends_its_walks(book: SilentBook) -> None:
    book.client()
    book.apply_all({"silent": dormant("miss-you = 3 days after")})
    book.flag()
    book.run()
    (book.root / "schedules/silent.toml").unlink()
    book.apply_all({})
    book.run()
    assert book.account_walks() == [(1, "ended", "schedule-removed")]
    book.apply_all({"silent": dormant("miss-you = 3 days after")})
    book.live_until("Wed 2026-11-25")
    assert book.sent() == ["2026-11-23 miss-you"]


def test_what_is_to_come_for_a_silent_client_is_foretold(book: SilentBook) -> None:
    book.client()
    book.apply_all({"silent": dormant(CALL, "miss-you = 3 days after")})
    book.flag()
    book.run()
    with reading(book.engine) as conn:
        told = explain_account.explain(conn, book.asked(), "A-1")
    assert [(r.step, r.decision, r.subject, r.licence, r.cycle) for r in told.records] == [
        ("call", "sent", "A-1", None, 1),
        ("miss-you", "planned", "A-1", None, 1),
    ]
    assert told.records[1].at is not None
    assert told.records[1].at.date().isoformat() == "2026-11-23"


def test_an_account_that_is_not_in_the_book_cannot_be_explained(book: SilentBook) -> None:
    book.client()
    with reading(book.engine) as conn, pytest.raises(FindingsError, match="No account 'A-2'"):
        explain_account.explain(conn, book.asked(), "A-2")


@pytest.mark.parametrize("late", [timedelta(0), timedelta(days=3)], ids=["tomorrow", "outage"])
def test_a_client_is_called_where_the_day_of_the_flag_is_over_already(
    book: SilentBook, late: timedelta
) -> None:
    """20 November, 20:00 in London: in Auckland the 21st has begun."""
    book.client(timezone="Pacific/Auckland")
    text = dormant(CALL).replace('timezone = "UTC"', 'timezone = "account"')
    book.apply_all({"silent": text})
    book.clock.advance_to(datetime(2026, 11, 20, 20, 0, tzinfo=UTC))
    book.flag()
    book.clock.advance_to(book.now + late)
    book.live_until("Fri 2026-11-27")
    assert len(book.open_tasks("dormant")) == 1
