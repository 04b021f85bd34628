"""What had to wait for a person goes on once the cause is gone, and only what still makes sense."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import select, update

from tests.cadence.conftest import Book, schedule_text
from tests.outbox.world import SCHEDULE, Scripted
from worker.catalogue.records import accounts
from worker.channels.contract import Outcome, Result
from worker.db.engine import reading
from worker.events import refusals
from worker.outbox.records import QUIETLY, messages
from worker.outbox.store import SEEN, Message
from worker.worklist import store as worklist

BAD = "{{ licence.product }} costs {{ licence.amount | round }}"
GOOD = "{{ licence.product }} runs out"
TOO_LARGE = Result(Outcome.REFUSED, detail="552 5.3.4 too large")


@pytest.fixture
def blocked(book: Book) -> Book:
    """A heads-up that could not be written."""
    book.template("renewal/heads-up", BAD)
    book.licence()
    book.contact()
    book.apply(SCHEDULE)
    book.run()
    assert book.states() == [("blocked", "template")]
    return book


def _mend(book: Book) -> None:
    book.template("renewal/heads-up", GOOD)
    book.apply(SCHEDULE)
    book.run()
    assert book.states() == [("blocked", "template")]


# --- mails that could not be written --------------------------------------------------------------


def test_a_mended_mail_leaves_in_its_new_words(blocked: Book) -> None:
    _mend(blocked)
    assert blocked.close_tasks("blocked-mail", "mended") == 1
    blocked.run()
    assert blocked.sent() == ["2026-11-20 heads-up"]
    (mail,) = blocked.mails()
    assert mail["Subject"] == "Product L-1 runs out"
    assert blocked.tasks() == []


def test_its_task_is_about_the_client_and_waits_for_whoever_mends_it(blocked: Book) -> None:
    with reading(blocked.engine) as conn:
        (task,) = worklist.open_ones(conn, ["blocked-mail"])
        mine = select(accounts.c.key).where(accounts.c.id == task.account_id)
        assert conn.scalar(mine) == "A-L-1"
    assert (task.assignee, task.pool) == (None, "renewals")
    assert task.detail.lower().startswith("to c-1@example.com, step heads-up: ")


def test_one_that_was_not_mended_is_set_aside_again_and_asks_again(blocked: Book) -> None:
    for _ in range(2):
        assert blocked.close_tasks("blocked-mail", "mended") == 1
        blocked.run()
        assert blocked.states() == [("blocked", "template")]


@pytest.mark.parametrize("outcome", ["told", "not-needed"])
def test_any_other_outcome_leaves_it_where_it_is(blocked: Book, outcome: str) -> None:
    _mend(blocked)
    blocked.close_tasks("blocked-mail", outcome)
    blocked.run()
    assert blocked.states() == [("blocked", "template")]


def test_a_mail_that_is_mended_too_late_does_not_go(blocked: Book) -> None:
    blocked.later(days=5)
    _mend(blocked)
    blocked.close_tasks("blocked-mail", "mended")
    blocked.run()
    assert blocked.states() == [("skipped", "too-late")]
    assert blocked.decisions()["heads-up"] == ("skipped", "too-late")


def test_a_mail_about_a_licence_that_was_renewed_meanwhile_does_not_go(blocked: Book) -> None:
    _mend(blocked)
    blocked.licence(start="2026-12-21", end="2027-12-20")
    blocked.run()
    blocked.close_tasks("blocked-mail", "mended")
    blocked.run()
    assert blocked.states() == [("cancelled", "renewed")]


def test_a_mail_does_not_come_after_the_one_that_follows_it(book: Book) -> None:
    text = schedule_text("30 days before", "20 days before", limits='valid_for = "30 days"')
    book.template("renewal/heads-up", BAD)
    book.licence()
    book.contact()
    book.apply(text)
    book.run()
    book.template("renewal/heads-up", GOOD)
    book.apply(text)
    book.live_until("2026-12-01")
    book.close_tasks("blocked-mail", "mended")  # at night: nothing leaves before the morning
    book.live_until("2026-12-02")
    assert book.sent() == ["2026-11-30 20-days-before"]
    assert book.states()[0] == ("superseded", "later-step")


def test_a_mail_that_is_mended_at_night_leaves_in_the_morning(blocked: Book) -> None:
    _mend(blocked)
    blocked.live_to(datetime(2026, 11, 21, 3, tzinfo=UTC))
    blocked.close_tasks("blocked-mail", "mended")
    blocked.run()
    assert blocked.states() == [("due", "mended")]
    blocked.live_until("2026-11-22")
    assert blocked.sent() == ["2026-11-21 heads-up"]
    assert len(blocked.ledger()) == 1


# --- mails that were refused, or that workers died over -------------------------------------------


def _hear(conn, message, result, now):  # type: ignore[no-untyped-def]  # as the ledger calls
    refusals.hear(conn, "smtp", message, result, now)


def _refuse(book: Book, *results: Result) -> None:
    machine = book.machine(channel=Scripted(book.folder, *results))
    object.__setattr__(machine.sending, "refused", _hear)
    book.run(machine)


def test_only_the_copy_that_was_refused_is_tried_again(book: Book) -> None:
    book.licence()
    book.contact("C-1")
    book.contact("C-2")
    book.apply(SCHEDULE)
    _refuse(book, Result(Outcome.ACCEPTED), TOO_LARGE)
    assert [state for state, _ in book.states()] == ["accepted", "failed"]
    assert book.close_tasks("blocked-mail", "mended") == 1
    book.run()
    assert [state for state, _ in book.states()] == ["accepted", "accepted"]
    assert [address.lower() for address in book.addresses()] == ["c-2@example.com"]


def test_a_refusal_does_not_tell_who_was_promised_to_stay_unseen(book: Book) -> None:
    book.licence()
    book.contact()
    book.apply(SCHEDULE)
    book.decide()
    with book.engine.begin() as conn:
        message = Message(*conn.execute(select(*SEEN)).one())._replace(origin=QUIETLY)
        refusals.hear(conn, "smtp", message, TOO_LARGE, book.now)
        (task,) = worklist.open_ones(conn, ["blocked-mail"])
    assert "@" not in task.detail
    assert task.account_id is None


@pytest.mark.parametrize(("since", "then"), [(None, "accepted"), (1, "unknown")])
def test_one_that_may_have_left_is_in_doubt_again(book: Book, since: int | None, then: str) -> None:
    book.licence()
    book.contact()
    book.apply(SCHEDULE)
    _refuse(book, TOO_LARGE)
    unknown = book.now if since else None
    with book.engine.begin() as conn:
        conn.execute(update(messages).values(unknown_since=unknown, channel="smtp"))
    book.close_tasks("blocked-mail", "mended")
    book.run()
    assert [state for state, _ in book.states()] == [then]


# --- nobody to write to ---------------------------------------------------------------------------


@pytest.fixture
def alone(book: Book) -> Book:
    """A client without any contact, whose first step has come."""
    book.licence()
    book.apply(schedule_text("30 days before", "14 days before", "3 days after"))
    book.run()
    assert book.decisions() == {"30-days-before": ("blocked", "no-reachable-contact")}
    return book


def test_whoever_is_found_gets_what_was_blocked(alone: Book) -> None:
    alone.contact()
    assert alone.close_tasks("no-contact", "found") == 1
    alone.run()
    assert alone.sent() == ["2026-11-20 30-days-before"]
    alone.live_until("2026-12-10")
    assert alone.sent() == ["2026-11-20 30-days-before", "2026-12-06 14-days-before"]


def test_of_several_that_were_blocked_the_latest_goes(alone: Book) -> None:
    alone.live_to(datetime(2026, 12, 7, 12, tzinfo=UTC))
    assert alone.decisions()["14-days-before"] == ("blocked", "no-reachable-contact")
    alone.contact()
    alone.close_tasks("no-contact", "found")
    alone.run()
    assert alone.sent() == ["2026-12-07 14-days-before"]
    assert alone.decisions()["30-days-before"] == ("superseded", "later-step")


def test_where_still_nobody_is_known_somebody_is_asked_again(alone: Book) -> None:
    alone.close_tasks("no-contact", "found")
    alone.run()
    assert alone.decisions() == {"30-days-before": ("blocked", "no-reachable-contact")}
    assert [kind for kind, _ in alone.tasks()] == ["no-contact"]


def test_a_term_that_is_over_stays_as_it_was(alone: Book) -> None:
    alone.licence(start="2026-12-21", end="2027-12-20")
    alone.run()
    alone.contact()
    alone.close_tasks("no-contact", "found")
    alone.run()
    assert alone.sent() == []
    assert alone.decisions()["30-days-before"] == ("blocked", "no-reachable-contact")


def test_nothing_of_another_client_is_decided_anew(alone: Book) -> None:
    alone.licence("L-2")
    alone.run()
    assert alone.close_tasks("no-contact", "told") == 2
    before = alone.decisions("L-2")
    alone.licence("L-3")
    alone.run()
    assert alone.close_tasks("no-contact", "found") == 1
    alone.run()
    assert alone.decisions("L-2") == before
