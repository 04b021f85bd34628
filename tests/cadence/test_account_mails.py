"""People step into mails of accounts' own walks as into those about licences, and are told them."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from tests.cadence.conftest import schedule_text
from tests.cadence.dormant import dormant
from tests.cadence.test_answer_walks import AskedBook, feedback
from tests.cadence.typed import Type, typing_in
from worker.access.audit import at_the_terminal
from worker.access.records import audit
from worker.cadence import aiming, interventions
from worker.cadence.aiming import Person, Place
from worker.cadence.interventions import Wish
from worker.cadence.library import Defaults
from worker.cadence.records import walks
from worker.cadence.standing import HOLD, TAKE_OVER
from worker.db.engine import reading
from worker.kernel.clock import SystemClock

ANYBODY = Person(at_the_terminal())
MISS_YOU = dormant("miss-you = 3 days after")


@pytest.fixture
def book(engine: Engine, root: Path) -> AskedBook:
    """A book on a fresh database, with one client; it is Friday, 20 November 2026."""
    made = AskedBook(engine, root)
    made.client()
    return made


def find(book: AskedBook, step: str, *, back: bool = False) -> Place:
    with reading(book.engine) as conn:
        return aiming.find(conn, "A-1", step, None, back=back)


def intervene(book: AskedBook, wish: Wish, step: str = "miss-you") -> str:
    place = find(book, step)
    return interventions.intervene(book.engine, place, wish, ANYBODY, Defaults(), book.now)


def test_a_mail_to_a_silent_client_is_held_and_goes_when_the_hold_is_over(book: AskedBook) -> None:
    book.apply_all({"silent": MISS_YOU})
    book.flag()
    book.run()
    said = intervene(book, Wish(HOLD, "They moved house", date(2026, 11, 25)))
    assert said == "silent/miss-you of account A-1 is held until the end of 2026-11-25."
    (task,) = book.open_tasks("held-mail")
    assert task.title == "A mail is held: miss-you of A-1"
    with reading(book.engine) as conn:
        assert "account A-1" in conn.scalars(select(audit.c.about)).all()
    book.live_until("Sun 2026-11-29")
    assert book.sent() == ["2026-11-26 miss-you"]
    assert book.open_tasks("held-mail") == []


def test_a_mail_to_a_silent_client_that_is_taken_over_never_goes(book: AskedBook) -> None:
    book.apply_all({"silent": MISS_YOU})
    book.flag()
    book.run()
    intervene(book, Wish(TAKE_OVER, "I know them"))
    (task,) = book.open_tasks("taken-over")
    assert task.title == "Write yourself: miss-you of A-1"
    assert task.detail == (
        "Client A-1: orders less than usual, flagged on 2026-11-20. The machine does not send this "
        "mail. I know them"
    )
    book.live_until("Sun 2026-11-29")
    assert book.sent() == []


def test_a_hold_that_ends_in_vain_is_told_by_the_accounts_key(book: AskedBook) -> None:
    later = dormant("miss-you = 3 days after", "again = 6 days after")
    book.apply_all({"silent": later})
    book.flag()
    book.run()
    intervene(book, Wish(HOLD, "Wait", date(2026, 12, 1)))
    book.live_until("Sat 2026-12-05")
    (task,) = book.open_tasks("held-mail")
    assert "silent/miss-you of account A-1" in task.detail
    assert task.detail.endswith("Why: perennial explain A-1")


def test_of_several_answers_the_mail_that_comes_first_is_meant(book: AskedBook) -> None:
    book.apply_all({"feedback": feedback("sorry = 3 days after")})
    for number in (700, 300):
        book.answer(number, 3)
        book.run()
        book.live_to(book.now + timedelta(days=1))
    with reading(book.engine) as conn:
        by_answer = {row.subject_id: row.id for row in conn.execute(select(walks))}
    assert find(book, "sorry") == Place(by_answer[700], "sorry")
    book.live_until("Tue 2026-11-24")
    assert book.sent() == ["2026-11-23 sorry"]
    assert find(book, "sorry") == Place(by_answer[300], "sorry")
    book.live_until("Thu 2026-11-26")
    assert find(book, "sorry").walk_id == by_answer[300], "the last, when there is none to come"


def test_what_was_taken_over_is_given_back_though_the_client_fell_silent_again(
    book: AskedBook,
) -> None:
    book.apply_all({"silent": MISS_YOU})
    book.flag()
    book.run()
    first = find(book, "miss-you")
    intervene(book, Wish(TAKE_OVER, "I know them"))
    book.end("closed")
    book.run()
    book.flag()
    book.run()
    assert find(book, "miss-you") != first
    assert find(book, "miss-you", back=True) == first


# --- as people type it ---


@pytest.fixture
def type_(book: AskedBook, database_url: str, capsys: pytest.CaptureFixture[str]) -> Type:
    """Types a command; the client fell silent today, and one of its licences bears its key."""
    book.start_at(SystemClock().now())
    start, end = (book.now.date() + timedelta(days=days) for days in (-300, 45))
    book.licence("A-1", account="A-1", name="Client A-1", start=str(start), end=str(end))
    renewal = schedule_text("miss-you = 30 days before", "10 days before")
    book.apply_all({"silent": MISS_YOU, "renewal": renewal})
    book.flag()
    book.decide()
    return typing_in(book.root, database_url, capsys)


def test_the_schedule_tells_a_licence_from_an_account_of_its_key(type_: Type) -> None:
    code, _, err = type_("mail", "hold", "A-1", "miss-you", "--reason", "x")
    assert (code, err) == (2, "A-1 walks renewal, silent; say which: --schedule NAME\n")
    why = ("--reason", "They moved house")
    code, out, _ = type_("mail", "hold", "A-1", "miss-you", *why, "--schedule", "silent")
    assert (code, out) == (
        0,
        "silent/miss-you of account A-1 is held until the hold is lifted.\n",
    )
    code, out, _ = type_("mail", "take-over", "A-1", "10-days-before", *why)
    assert (code, out.partition(" is ")[0]) == (0, "renewal/10-days-before of licence A-1")
    code, out, _ = type_("mail", "lift", "A-1", "miss-you", "--schedule", "silent")
    assert (code, out) == (0, "silent/miss-you of account A-1 is the machine's again.\n")


def test_a_key_of_a_licence_and_an_account_has_both_explained(type_: Type) -> None:
    code, out, err = type_("explain", "A-1")
    assert code == 0
    assert err == "A-1 is a licence and an account; this is what is known of both.\n"
    assert "A-1 · Client A-1 (A-1) · active\n" in out
    assert "silent/miss-you (cycle 1): planned" in out
    records = [json.loads(line) for line in type_("explain", "A-1", "--json")[1].splitlines()]
    assert {record["licence"] for record in records} == {"A-1", None}
    alone = type_("explain", "--account", "A-1", "--json")[1].splitlines()
    assert [json.loads(line)["licence"] for line in alone] == [None]


def test_an_accounts_key_is_explained_with_what_people_did(type_: Type, book: AskedBook) -> None:
    book.client("A-2")
    book.flag("A-2")
    book.run()
    type_("mail", "hold", "A-2", "miss-you", "--reason", "On leave")
    code, out, err = type_("explain", "A-2")
    assert (code, err) == (0, "")
    assert out.startswith("A-2 · Client A-2\n  silent, account 1, from ")
    assert "  miss-you: held by " in out
    assert "silent/miss-you (cycle 1): put-off" in out
    assert type_("explain", "A-3")[0] == 1


def test_an_account_without_walks_leads_to_its_licences(type_: Type, book: AskedBook) -> None:
    book.licence("L-7", account="A-7")
    code, out, _ = type_("explain", "A-7")
    assert code == 0
    assert "Of the account itself nothing was decided and nothing is to come.\n" in out
    assert out.endswith("\nMails about its licences: perennial explain L-7\n")
