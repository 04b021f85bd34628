"""A person holds one planned mail, writes into it, takes it over or gives it back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import date

import pytest
from sqlalchemy import select

from tests.cadence.conftest import Book, schedule_text
from worker.access.audit import Actor
from worker.access.records import audit
from worker.cadence import aiming, interventions
from worker.cadence.aiming import NotYoursError, Person, Place
from worker.cadence.interventions import Wish
from worker.cadence.library import Defaults
from worker.cadence.standing import EDIT, HOLD, TAKE_OVER
from worker.db.engine import reading
from worker.kernel.errors import FindingsError
from worker.templating.own import NOTHING_OWN, Own, own_of
from worker.worklist.records import tasks

# The book begins on Friday 20 November 2026; the licence expires on 20 December.
ANN = Person(Actor("ann", "page"))
STEPS = ("28 days before", "7 days before", "3 days after")
HEADS_UP, LAST_CALL, GRACE = (step.replace(" ", "-") for step in STEPS)


def place(book: Book, step: str = HEADS_UP, key: str = "L-1") -> Place:
    with reading(book.engine) as conn:
        return aiming.find(conn, key, step, None)


def do(
    book: Book,
    kind: str,
    step: str = HEADS_UP,
    key: str = "L-1",
    *,
    until: date | None = None,
    own: Own = NOTHING_OWN,
    person: Person = ANN,
) -> str:
    wish = Wish(kind, "I phone them first", until, own)
    return interventions.intervene(
        book.engine, place(book, step, key), wish, person, Defaults(), book.now
    )


def give_back(book: Book, step: str = HEADS_UP, key: str = "L-1", *kinds: str) -> str:
    given = kinds or (HOLD, TAKE_OVER)
    return interventions.lift(book.engine, place(book, step, key), ANN, Defaults(), book.now, given)


def begin(book: Book, *more: str, limits: str = "") -> None:
    """One client with the licences L-1 and ``more``, looked at for the first time."""
    for key in ("L-1", *more):
        book.licence(key, account="A-1", name="Maple")
    book.person("A-1", "ann@maple.example")
    book.apply(schedule_text(*STEPS, limits=limits))
    book.decide()


def test_a_held_mail_waits_and_goes_when_the_hold_is_lifted(book: Book) -> None:
    begin(book)
    assert do(book, HOLD) == f"renewal/{HEADS_UP} of licence L-1 is held until the hold is lifted."
    book.live_until("2026-12-05")
    assert book.sent() == []
    assert book.decisions() == {HEADS_UP: ("put-off", "held-by-person")}
    book.later(hours=12)
    give_back(book)
    book.run()
    assert book.sent() == [f"2026-12-05 {HEADS_UP}"], "valid from the end of the hold"
    assert "held-mail" not in [kind for kind, _ in book.tasks()]


def test_a_hold_with_a_last_day_ends_by_itself_at_the_next_opening(book: Book) -> None:
    begin(book)
    do(book, HOLD, until=date(2026, 12, 1))
    assert book.pending()[0] == f"Wed 2026-12-02 {HEADS_UP} planned", "the plan knows"
    book.live_until("2026-12-10")
    assert book.sent() == [f"2026-12-02 {HEADS_UP}"]
    assert "held-mail" not in [kind for kind, _ in book.tasks()]


def test_a_hold_that_ends_before_the_mails_own_day_changes_nothing(book: Book) -> None:
    begin(book)
    do(book, HOLD, LAST_CALL, until=date(2026, 12, 1))
    book.live_until("2026-12-20")
    assert book.sent() == [f"2026-11-22 {HEADS_UP}", f"2026-12-13 {LAST_CALL}"]


def test_a_hold_lifted_before_the_mails_own_day_leaves_no_trace_in_its_story(book: Book) -> None:
    begin(book)
    before = book.story()
    do(book, HOLD, LAST_CALL)
    give_back(book, LAST_CALL)
    assert book.story() == before


def test_a_mail_held_beyond_the_expiry_says_so_and_tells_who_held_it(book: Book) -> None:
    begin(book)
    do(book, HOLD, LAST_CALL)
    book.live_until("2026-12-22")
    assert book.decisions()[LAST_CALL] == ("skipped", "held-by-person")
    assert ("held-mail", "A mail that was held did not go") in book.tasks()


def test_a_mail_that_a_later_one_overtook_does_not_come_after_it(book: Book) -> None:
    begin(book)
    do(book, HOLD)
    book.live_until("2026-12-15")
    assert book.sent() == [f"2026-12-13 {LAST_CALL}"]
    give_back(book)
    book.live_until("2026-12-17")
    assert book.decisions()[HEADS_UP] == ("superseded", "later-step")
    assert ("held-mail", "A mail that was held did not go") in book.tasks()


def test_a_renewal_ends_a_hold_without_a_word_about_a_lost_mail(book: Book) -> None:
    begin(book)
    do(book, HOLD)
    book.licence(account="A-1", name="Maple", start="2026-12-20", end="2027-12-20")
    book.decide()
    assert book.decisions()[HEADS_UP] == ("cancelled", "renewed")
    assert [kind for kind, _ in book.tasks()] == []


def test_a_mail_that_was_decided_is_held_until_it_is_claimed(book: Book) -> None:
    begin(book)
    book.live_until("2026-11-22")
    book.later(hours=12)
    book.decide()
    assert book.states() == [("due", None)]
    do(book, HOLD)
    book.run()
    assert book.states() == [("cancelled", "held-by-person")]
    give_back(book)
    book.run()
    assert book.sent() == [f"2026-11-22 {HEADS_UP}"]


def test_nothing_can_be_done_about_a_mail_that_is_leaving_or_has_left(book: Book) -> None:
    begin(book)
    book.live_until("2026-11-22")
    book.later(hours=12)
    book.decide()
    found: list[str] = []

    def look(label: str) -> None:
        if label == "claimed":
            for kind in (HOLD, TAKE_OVER, EDIT):
                with pytest.raises(FindingsError) as refused:
                    do(book, kind, own=Own("Hello", None))
                found.append(str(refused.value))

    book.machine(pause=look).send_batch()
    assert [text.partition(": ")[2] for text in found] == [
        "the mail is leaving at this moment. Nothing was changed."
    ] * 3
    with pytest.raises(FindingsError, match="the mail has left"):
        do(book, HOLD)
    assert book.sent() == [f"2026-11-22 {HEADS_UP}"]


def test_holding_and_sending_side_by_side_leave_every_mail_either_held_or_sent(
    book: Book,
) -> None:
    keys = [f"L-{number}" for number in range(12)]
    book.book(len(keys))
    book.apply(schedule_text("30 days before"))
    book.decide()
    places = {key: place(book, "30-days-before", key) for key in keys}
    held: set[str] = set()
    errors: list[BaseException] = []

    def send() -> None:
        works = book.machine()
        while works.send_batch(2):
            pass

    def hold() -> None:
        for key in reversed(keys):
            try:
                given = Wish(HOLD, "why"), ANN, Defaults(), book.now
                interventions.intervene(book.engine, places[key], *given)
                held.add(key)
            except FindingsError:
                continue

    def run(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 -- told below
            errors.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in (send, hold, send)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert errors == []
    sent = {key for key in keys if book.decisions(key)["30-days-before"][0] == "waiting"}
    assert (sent & held, sent | held) == (set(), set(keys))
    assert len(book.mails()) == len(sent)


def test_a_held_licence_leaves_the_table_of_the_others(book: Book) -> None:
    begin(book, "L-2", "L-3", limits='group_by = "contact"')
    book.live_until("2026-11-22")
    book.later(hours=12)
    book.decide()
    do(book, HOLD, key="L-2")
    do(book, TAKE_OVER, key="L-3")
    book.run()
    assert book.speaks_of() == [1]
    give_back(book, key="L-2")
    book.run()
    assert book.speaks_of() == [1, 1]


def test_a_mail_taken_over_is_never_sent_and_opens_a_task_for_its_day(book: Book) -> None:
    begin(book)
    do(book, TAKE_OVER, LAST_CALL)
    with reading(book.engine) as conn:
        task = conn.execute(select(tasks).where(tasks.c.kind == "taken-over")).one()
    assert (task.due_on, task.title) == (date(2026, 12, 13), f"Write yourself: {LAST_CALL} of L-1")
    book.live_until("2026-12-22")
    assert book.sent() == [f"2026-11-22 {HEADS_UP}"]
    assert book.decisions()[LAST_CALL] == ("suppressed", "taken-over")


def test_a_mail_given_back_goes_on_its_day_or_at_once_when_that_is_past(book: Book) -> None:
    begin(book)
    do(book, TAKE_OVER, LAST_CALL)
    do(book, TAKE_OVER, GRACE)
    give_back(book, LAST_CALL)
    book.live_until("2026-12-24")
    book.later(hours=10)
    give_back(book, GRACE)
    book.run()
    assert book.sent() == [
        f"2026-11-22 {HEADS_UP}",
        f"2026-12-13 {LAST_CALL}",
        f"2026-12-24 {GRACE}",
    ]
    assert [kind for kind, _ in book.tasks()] == []


def test_own_words_stand_above_the_text_and_are_no_markup(book: Book) -> None:
    begin(book)
    do(book, EDIT, own=own_of("Your <licence>", "Dear Ann,\n\n<b>thank you</b> & goodbye"))
    book.live_until("2026-11-23")
    (mail,) = book.mails()
    parts = (mail.get_body((kind,)) for kind in ("plain", "html"))
    text, html = (part.get_content().replace("\r\n", "\n") for part in parts if part)
    assert mail["Subject"] == "Your <licence>"
    assert text.startswith("Dear Ann,\n\n<b>thank you</b> & goodbye\n\n")
    assert "&lt;b&gt;thank you&lt;/b&gt; &amp; goodbye" in html
    assert "Product L-1" in html, "all else stays"


def test_an_edit_is_for_the_whole_mail_and_the_latest_wins(book: Book) -> None:
    begin(book, "L-2", limits='group_by = "contact"')
    do(book, EDIT, key="L-1", own=Own("First", None))
    do(book, EDIT, key="L-2", own=Own("Second", None))
    book.live_until("2026-11-22")
    book.later(hours=12)
    book.decide()
    do(book, EDIT, key="L-1", own=Own("Third", None))
    book.run()
    (mail,) = book.mails()
    assert mail["Subject"] == "Third"


def test_an_edit_outlasts_a_hold(book: Book) -> None:
    begin(book)
    do(book, EDIT, own=Own("Ours", None))
    do(book, HOLD)
    book.live_until("2026-12-01")
    book.later(hours=12)
    give_back(book)
    book.run()
    assert [mail["Subject"] for mail in book.mails()] == ["Ours"]


def test_an_edit_can_be_taken_out_again(book: Book) -> None:
    begin(book)
    do(book, EDIT, own=Own("Ours", None))
    give_back(book, HEADS_UP, "L-1", EDIT)
    book.live_until("2026-11-23")
    assert [mail["Subject"] for mail in book.mails()] != ["Ours"]


def test_sales_touch_the_mails_of_their_own_accounts_only(book: Book) -> None:
    begin(book)
    book.accounts([{"account": "A-1", "name": "Maple", "account_manager": "ben"}])
    book.decide()
    mine = Person(Actor("ben", "page"), "ben", everywhere=False)
    other = Person(Actor("cleo", "page"), "cleo", everywhere=False)
    nobody = Person(Actor("dan", "page"), None, everywhere=False)
    for person in (other, nobody):
        with pytest.raises(NotYoursError, match="in the care of others"):
            do(book, HOLD, person=person)
    assert "is held" in do(book, HOLD, person=mine)


def test_faults_are_told_all_at_once_and_nothing_is_changed(book: Book) -> None:
    begin(book)
    wish = Wish(HOLD, " ", date(2026, 11, 1))
    with pytest.raises(FindingsError, match=r"reason .* is missing.*2026-11-01, is past"):
        interventions.intervene(book.engine, place(book), wish, ANN, Defaults(), book.now)
    with pytest.raises(FindingsError, match=r"line break.*2,000 are the most"):
        do(book, EDIT, own=Own("a\nb", "x" * 2001))
    assert book.decisions() == {}


def test_the_audit_log_has_no_word_of_what_was_written(book: Book) -> None:
    begin(book)
    do(book, EDIT, own=Own("Secret", "words"))
    do(book, HOLD, until=date(2026, 12, 1))
    give_back(book)
    with reading(book.engine) as conn:
        rows = conn.execute(select(audit).where(audit.c.what.like("mail.%"))).all()
    assert [row.what for row in rows] == ["mail.edited", "mail.held", "mail.lifted"]
    assert {row.about for row in rows} == {"licence L-1"}
    assert "phone" not in str(rows)
    assert "Secret" not in str(rows)


def test_explain_names_who_holds_it_and_why(book: Book) -> None:
    begin(book)
    do(book, HOLD)
    found = book.explained()
    assert [(one.kind, one.step, one.who, one.reason) for one in found.interventions] == [
        (HOLD, HEADS_UP, "ann", "I phone them first")
    ]
    assert f"{HEADS_UP} put-off held-by-person" in book.story()
