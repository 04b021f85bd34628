"""A question goes to the right people, once, not too often; whoever has answered hears no more.

Without other words it is noon on Friday 20 November 2026, offices are open every day, and licence
L-1 of account A-L-1 was renewed a moment ago.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select, update

from tests.cadence.conftest import OPEN, Book
from tests.outbox.world import LEASE, NOTHING
from worker.cadence import machine
from worker.cadence.asked_letters import ASKED, AskedJudge, Outcome, Question, Terms, ask
from worker.cadence.letterhead import Letterhead
from worker.cadence.library import Defaults
from worker.cadence.machine import Guards, Machine
from worker.cadence.quiet import USUAL_QUIET, Quiet, free_on
from worker.cadence.records import invitations, steps, walks
from worker.catalogue.records import accounts, contacts
from worker.channels.contract import Channel
from worker.db.engine import reading
from worker.links.rules import Links, Purpose
from worker.outbox import mending
from worker.outbox.records import messages
from worker.surveys import flow as surveys
from worker.surveys.flow import Given
from worker.surveys.themes import reader_of
from worker.templating.current import Current
from worker.worklist import store as worklist

LINKS = Links("https://renewals.example.com", ["a key of at least thirty-two characters"])
READER = reader_of({})


def asks(
    more: str = "",
    *,
    remind: str = "3 days after",
    limits: str = 'group_by = "contact"\nvalid_for = "5 days"',
) -> str:
    """A schedule that asks on the day after the renewal, and reminds two days later."""
    return (
        'name = "After the renewal"\ntrigger = "licence-renewed"\nclass = "survey"\n'
        f"[calendar]\n{OPEN}\n[limits]\n{limits}\n"
        f'[[steps]]\nid = "ask"\nwhen = "1 day after"\nsurvey = "renewal"\n{more}\n'
        f'[[steps]]\nid = "remind"\nwhen = "{remind}"\nsurvey = "renewal"\nunless = ["answered"]\n'
    )


class Asking(Book):
    """A book whose mails lead to pages."""

    quiet: Quiet = USUAL_QUIET

    def machine(
        self,
        *,
        channel: Channel | None = None,
        pause: Callable[[str], None] = NOTHING,
        guards: Guards | None = None,
    ) -> Machine:
        return machine.build(
            self.engine,
            self.clock,
            channel or self.folder,
            defaults=Defaults(),
            letterhead=Letterhead("Renewals <renewals@example.com>", links=LINKS),
            lease=LEASE,
            allowance=self.allowance,
            quiet=self.quiet,
            judges={ASKED: AskedJudge(self.quiet)},
            texts=Current(self.root / "templates"),
            guards=guards or self.guards,
            pause=pause,
        )

    def renewed(self, key: str = "L-1", account: str = "") -> None:
        """A licence of the book begins its next term."""
        more = {"account": account} if account else {}
        self.licence(key, **more)
        self.run()
        self.licence(key, start="2026-12-21", end="2027-12-21", **more)

    def invited(self) -> list[Any]:
        """Whom questions were asked, in order."""
        with reading(self.engine) as conn:
            query = select(
                invitations, contacts.c.key.label("who"), accounts.c.key.label("account")
            )
            query = query.join(contacts, contacts.c.id == invitations.c.contact_id)
            query = query.join(accounts, accounts.c.id == invitations.c.account_id)
            return list(conn.execute(query.order_by(invitations.c.id)))

    def answers(self, who: str, score: int = 9) -> str:
        """Somebody answers the last question that was asked of them."""
        number = [one.id for one in self.invited() if one.who == who][-1]
        with self.engine.begin() as conn:
            given = Given(score)
            return surveys.record(conn, number, given, self.now, self.now.date(), READER)

    def went(self) -> list[str]:
        """``date step address`` of every mail of a question that left."""
        return [
            f"{row.accepted_at.date()} {row.step} {row.address}"
            for row in self.ledger()
            if row.state == "accepted" and row.kind == "survey"
        ]


@pytest.fixture
def book(engine: Engine, root: Path) -> Asking:
    return Asking(engine, root)


def in_force(book: Asking, text: str) -> None:
    book.apply_all({"after-renewal": text})


def test_a_renewal_is_followed_by_a_question_and_by_one_reminder(book: Asking) -> None:
    in_force(book, asks())
    book.renewed()
    book.contact("C-1")
    book.live_until("2026-12-31")

    assert book.went() == ["2026-11-21 ask c-1@example.com", "2026-11-23 remind c-1@example.com"]
    (one,) = book.invited()
    assert (one.schedule, one.survey, one.promise) == ("after-renewal", "renewal", "named")
    assert (one.who, one.account, one.product) == ("C-1", "A-L-1", "Product L-1")
    assert one.asked_on == date(2026, 11, 21)
    assert one.closes_at == one.asked_at + timedelta(days=30)
    assert one.licence_id is not None
    assert [state for _, state, _ in book.walks()][-1] == "ended"


def test_the_mail_shows_eleven_numbers_and_one_plain_link_to_the_same_page(book: Asking) -> None:
    in_force(book, asks())
    book.renewed()
    book.contact("C-1")
    book.live_until("2026-12-31")
    first, reminder = book.mails()
    (one,) = book.invited()

    for mail in (first, reminder):
        html = mail.get_body(("html",)).get_content()
        text = mail.get_body(("plain",)).get_content()
        pages = [link.partition('"')[0] for link in html.split('href="')]
        pages = [link for link in pages if "/s/" in link]
        assert [link.partition("?")[2] for link in pages] == [
            *(f"score={score}" for score in range(11)),
            "",
        ]
        (page,) = {link.partition("?")[0] for link in pages}
        assert page in text.replace("=\n", "")
        subject = LINKS.read(Purpose.SURVEY, page.rpartition("/")[2], book.now)
        assert (subject.mail_key, subject.contact_id) == (one.mail_key, one.contact_id)
        assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert first["Subject"] == "One question after your renewal"
    assert reminder["Subject"] == "Reminder: One question after your renewal"


def test_whoever_has_answered_is_not_reminded_and_the_walk_is_over(book: Asking) -> None:
    in_force(book, asks())
    book.renewed()
    book.contact("C-1")
    book.live_until("2026-11-22")
    assert book.answers("C-1") == "recorded"
    book.live_until("2026-12-31")

    assert book.went() == ["2026-11-21 ask c-1@example.com"]
    assert book.decisions()["remind"] == ("cancelled", "answered")
    assert book.walks()[-1] == (2, "ended", "answered")


def test_of_several_who_were_asked_only_the_silent_are_reminded(book: Asking) -> None:
    in_force(book, asks("at_most = 2"))
    book.renewed()
    book.contact("C-1")
    book.contact("C-2")
    book.contact("C-3")
    book.live_until("2026-11-22")
    book.answers("C-1")
    book.live_until("2026-12-31")

    assert book.went() == [
        "2026-11-21 ask c-1@example.com",
        "2026-11-21 ask c-2@example.com",
        "2026-11-23 remind c-2@example.com",
    ]
    assert book.walks()[-1] == (2, "ended", "completed")


def test_those_named_first_are_asked_first(book: Asking) -> None:
    in_force(book, asks('to = ["technical", "decision-maker"]\nat_most = 2'))
    book.renewed()
    book.person("A-L-1", "boss@example.com", role="decision-maker")
    book.person("A-L-1", "nobody@example.com", role="end-user")
    book.person("A-L-1", "admin@example.com", role="technical")
    book.live_until("2026-11-22")

    assert [one.who for one in book.invited()] == ["admin@example.com", "boss@example.com"]
    assert [one.role for one in book.invited()] == ["technical", "decision-maker"]


def test_who_opted_out_of_surveys_is_not_asked(book: Asking) -> None:
    in_force(book, asks())
    book.renewed()
    book.person("A-L-1", "boss@example.com", role="decision-maker", opt_out="yes")
    book.live_until("2026-11-22")

    assert book.invited() == []
    assert book.decisions()["ask"] == ("suppressed", "opt-out")


# --- quiet times ---


def test_the_day_on_which_a_quiet_time_ends_is_free() -> None:
    today = date(2026, 11, 20)
    assert free_on(None, 90, today) == today
    assert free_on(date(2026, 8, 22), 90, today) == today
    assert free_on(date(2026, 8, 23), 90, today) == date(2026, 11, 21)


def test_nobody_of_a_company_is_asked_while_it_was_asked_lately(book: Asking) -> None:
    """Two licences of one company are renewed a few days apart."""
    book.quiet = Quiet(90, 4)
    in_force(book, asks(remind="9 days after", limits='group_by = "licence"\nvalid_for = "9 days"'))
    book.renewed("L-1")
    book.person("A-L-1", "one@example.com")
    book.person("A-L-1", "two@example.com")
    book.live_until("2026-11-22")
    book.renewed("L-2", account="A-L-1")
    book.live_until("2026-11-24")
    assert book.decisions("L-2")["ask"] == ("put-off", "quiet-time")

    book.live_until("2026-12-31")
    asked = [line for line in book.went() if " ask " in line]
    assert asked == ["2026-11-21 ask one@example.com", "2026-11-25 ask two@example.com"]


def test_a_question_that_would_have_to_wait_too_long_is_skipped_and_says_so(book: Asking) -> None:
    in_force(book, asks(limits='group_by = "licence"\nvalid_for = "9 days"'))
    book.renewed("L-1")
    book.person("A-L-1", "one@example.com")
    book.live_until("2026-11-22")
    book.renewed("L-2", account="A-L-1")
    book.live_until("2026-12-31")

    assert book.decisions("L-2")["ask"] == ("skipped", "quiet-time")
    assert book.decisions("L-2")["remind"] == ("skipped", "quiet-time")
    assert len(book.invited()) == 1


def test_licences_renewed_together_make_one_question(book: Asking) -> None:
    in_force(book, asks())
    for key in ("L-1", "L-2"):
        book.renewed(key, account="A-L-1")
    book.person("A-L-1", "one@example.com")
    book.live_until("2026-11-24")

    (one,) = book.invited()
    assert one.licence_id is None
    assert len(book.went()) == 2
    book.answers("one@example.com")
    book.live_until("2026-12-31")
    assert {book.walks(key)[-1][2] for key in ("L-1", "L-2")} <= {"answered", "completed"}


def test_a_question_whose_mail_never_left_disturbs_nobody(book: Asking) -> None:
    """The address changes between the decision and the mail: it is asked anew, not put off."""
    in_force(book, asks())
    book.renewed()
    book.contact("C-1")
    book.live_to(datetime(2026, 11, 21, 9, tzinfo=UTC))
    book.clock.advance(timedelta(hours=1))
    book.decide()
    assert [state for state, _ in book.states()][-1] == "due"
    book.contact("C-1", email="new@example.com")
    book.run()

    assert book.went() == ["2026-11-21 ask new@example.com"]
    assert len(book.invited()) == 1


# --- while people deal with an answer ---


def _unhappy(book: Asking) -> None:
    with book.engine.begin() as conn:
        id_ = conn.execute(select(accounts.c.id).where(accounts.c.key == "A-L-1")).scalar_one()
        task = worklist.NewTask("feedback:1", "feedback", "Unhappy", "They said 2.", account_id=id_)
        worklist.open_tasks(conn, [task], book.now)


def _could_not_be_written(book: Asking) -> str | None:
    """The question was blocked; the key of its mail."""
    asked = messages.c.step == "ask"
    with book.engine.begin() as conn:
        values = {"state": "blocked", "reason": "template", "accepted_at": None}
        conn.execute(update(messages).where(asked).values(**values))
        return conn.scalar(select(messages.c.mail_key).where(asked))


def test_a_reminder_of_a_question_that_could_not_be_written_is_the_question_itself(
    book: Asking,
) -> None:
    in_force(book, asks())
    book.renewed()
    book.contact("C-1")
    book.live_until("2026-11-22")
    _could_not_be_written(book)
    book.live_until("2026-12-31")
    assert book.went() == ["2026-11-23 remind c-1@example.com"]
    assert book.mails()[-1]["Subject"] == "One question after your renewal"


def test_a_question_that_is_mended_after_its_reminder_is_not_asked_twice(book: Asking) -> None:
    in_force(book, asks(limits='group_by = "contact"\nvalid_for = "20 days"'))
    book.renewed()
    book.contact("C-1")
    book.live_until("2026-11-22")
    blocked = _could_not_be_written(book)
    book.live_until("2026-11-24")
    assert book.went() == ["2026-11-23 remind c-1@example.com"]
    with book.engine.begin() as conn:
        assert mending.go_on(conn, f"{mending.UNWRITTEN}:{blocked}", book.now) == 1
    book.live_until("2026-12-31")
    assert book.went() == ["2026-11-23 remind c-1@example.com"]
    assert ("superseded", "later-step") in book.states()


def test_no_question_while_people_still_deal_with_an_answer(book: Asking) -> None:
    in_force(book, asks())
    book.renewed()
    book.contact("C-1")
    _unhappy(book)
    book.live_until("2026-11-22")
    assert book.decisions()["ask"] == ("put-off", "open-feedback")

    with book.engine.begin() as conn:
        worklist.close(conn, "feedback:1", "We called", book.now)
    book.live_until("2026-11-23")
    assert book.went() == ["2026-11-22 ask c-1@example.com"]


def test_an_answer_that_comes_between_decision_and_mail_stops_the_question(book: Asking) -> None:
    in_force(book, asks())
    book.renewed()
    book.contact("C-1")
    book.live_to(datetime(2026, 11, 21, 9, tzinfo=UTC))
    book.clock.advance(timedelta(hours=1))
    book.decide()
    _unhappy(book)
    book.run()
    assert book.states()[-1] == ("due", "open-feedback")
    with book.engine.begin() as conn:
        worklist.close(conn, "feedback:1", "We called", book.now)
    book.live_until("2026-11-23")
    assert book.went() == ["2026-11-22 ask c-1@example.com"]


# --- anonymous ---


def test_nothing_tells_when_an_anonymous_answer_came(book: Asking) -> None:
    in_force(book, asks('promise = "anonymous"'))
    book.renewed()
    book.contact("C-1")
    book.live_until("2026-11-22")
    before = _moments(book)
    assert book.answers("C-1") == "recorded"
    assert _moments(book) == before
    book.live_until("2026-12-31")

    assert book.went() == ["2026-11-21 ask c-1@example.com"]
    assert book.decisions()["remind"] == ("cancelled", "answered")


def _moments(book: Asking) -> list[Any]:
    """Everything about walks and steps that could tell an hour."""
    with reading(book.engine) as conn:
        found = list(conn.execute(select(walks.c.next_at, walks.c.state).order_by(walks.c.id)))
        return found + list(conn.execute(select(steps.c.decided_at).order_by(steps.c.id)))


# --- late, erased, foreseen ---


def test_a_machine_that_stood_still_asks_once_and_does_not_remind_of_nothing(book: Asking) -> None:
    in_force(book, asks(limits='group_by = "contact"\nvalid_for = "9 days"'))
    book.renewed()
    book.contact("C-1")
    book.decide()
    book.clock.advance_to(datetime(2026, 11, 24, 12, tzinfo=UTC))
    book.live_until("2026-12-31")

    assert book.decisions()["ask"] == ("superseded", "later-step")
    (mail,) = book.mails()
    assert mail["Subject"] == "One question after your renewal"
    assert len(book.invited()) == 1


def test_a_plan_knows_whom_it_will_ask_and_what_is_put_off(book: Asking) -> None:
    in_force(book, asks())
    book.renewed()
    book.contact("C-1")
    book.decide()
    told = book.explained()
    coming = [(r.step, r.kind, r.decision, r.to) for r in told.records if r.cycle == 2]
    assert coming == [
        ("ask", "survey", "planned", ("c-1@example.com",)),
        ("remind", "survey", "planned", ("c-1@example.com",)),
    ]
    assert book.invited() == []


def test_who_was_erased_is_not_reminded(book: Asking) -> None:
    in_force(book, asks())
    book.renewed()
    book.contact("C-1")
    book.live_until("2026-11-22")
    with book.engine.begin() as conn:
        conn.execute(update(invitations).values(contact_id=None))
        conn.execute(update(messages).values(contact_id=None))
    book.live_until("2026-12-31")
    assert book.went() == ["2026-11-21 ask c-1@example.com"]


# --- asked by other means ---


def _ask(book: Asking, who: str = "C-1") -> Outcome:
    with book.engine.begin() as conn:
        number = conn.execute(select(contacts.c.id).where(contacts.c.key == who)).scalar_one()
        return ask(conn, Question("api", "relationship", number), Terms(book.quiet), book.now)


def test_a_question_may_be_asked_without_a_walk(book: Asking) -> None:
    book.licence()
    book.contact("C-1")
    found = _ask(book)
    book.run()

    (one,) = book.invited()
    assert one.id == found.invitation_id
    assert (one.schedule, one.survey, one.walk_id) == ("api", "relationship", None)
    assert book.went() == ["2026-11-20 ask c-1@example.com"]
    (mail,) = book.mails()
    assert mail["Subject"] == "One question: how do you find working with us?"
    page = LINKS.url(Purpose.SURVEY, one.mail_key, one.contact_id, book.now)
    assert f'{page}?score=10"' in mail.get_body(("html",)).get_content()
    assert book.answers("C-1") == "recorded"


def test_whoever_was_asked_lately_is_not_asked_again_and_that_is_said(book: Asking) -> None:
    book.licence()
    book.contact("C-1")
    book.contact("C-2")
    _ask(book)
    assert _ask(book) == Outcome(None, "quiet-time", date(2027, 2, 18))
    assert _ask(book, "C-2") == Outcome(None, "quiet-time", date(2026, 12, 20))
    _unhappy(book)
    assert _ask(book) == Outcome(None, "open-feedback", date(2026, 11, 21))


def test_a_letter_asks_nobody_who_became_unhappy_before_it_left(book: Asking) -> None:
    book.licence()
    book.contact("C-1")
    _ask(book)
    _unhappy(book)
    book.run()
    assert book.states() == [("due", "open-feedback")]
    with book.engine.begin() as conn:
        worklist.close(conn, "feedback:1", "We called", book.now)
    book.live_until("2026-11-23")
    assert book.went() == ["2026-11-21 ask c-1@example.com"]


def test_a_letter_counts_for_the_quiet_time_of_walks(book: Asking) -> None:
    in_force(book, asks())
    book.renewed()
    book.contact("C-1")
    _ask(book)
    book.live_until("2026-12-31")
    assert book.decisions()["ask"] == ("skipped", "quiet-time")
    assert book.went() == ["2026-11-20 ask c-1@example.com"]


# --- reviews of accounts ---


def test_an_account_is_asked_on_its_anniversary_though_no_licence_is_spoken_of(
    book: Asking,
) -> None:
    text = asks().replace('"renewal"', '"relationship"')
    text = text.replace('trigger = "licence-renewed"', 'trigger = "relationship-review"')
    in_force(book, text.replace('class = "survey"', 'every = "6 months"\nclass = "survey"'))
    book.licence()
    book.contact("C-1")
    book.contact("C-2")
    book.live_until("2026-12-22")
    (one,) = book.invited()
    assert (one.survey, one.licence_id, one.product, one.account) == (
        "relationship",
        None,
        None,
        "A-L-1",
    )
    book.answers("C-1")
    book.live_until("2027-01-31")

    assert book.went() == ["2026-12-21 ask c-1@example.com"]
    with reading(book.engine) as conn:
        first = conn.execute(select(walks.c.state, walks.c.reason).order_by(walks.c.cycle)).first()
    assert first == ("ended", "answered")
