"""Letters that are no step of a walk: they share the ledger, its last look and its budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.engine import Connection

from tests.outbox.world import LEASE, NOON, World
from worker.cadence import machine
from worker.cadence.addressed import Addressed
from worker.cadence.letterhead import Letterhead
from worker.cadence.library import Defaults
from worker.cadence.machine import Machine
from worker.catalogue import stops
from worker.catalogue.records import accounts, contacts, preferences, suppressions
from worker.kernel.dates import USUAL_ALLOWANCE, Allowance
from worker.outbox import store
from worker.outbox.records import messages
from worker.outbox.rules import Drop, Verdict
from worker.templating.context import FeedbackView
from worker.templating.current import Current

WORDS = "We have put a second person on your cases."
DAY = NOON.date()


def says(words: str = WORDS) -> Callable[..., Mapping[int, Verdict]]:
    """A judge who lets every letter go, with these words."""

    def judge(conn: Connection, some: Sequence[Addressed], now: datetime) -> Mapping[int, Verdict]:
        return {one.message.id: one.go(feedback=FeedbackView.of(words)) for one in some}

    return judge


class Office:
    """A world whose machine sends letters."""

    def __init__(self, world: World) -> None:
        self.world = world
        world.licence()
        world.contact()

    def machine(self, judge: Any = None, allowance: Allowance = USUAL_ALLOWANCE) -> Machine:
        world = self.world
        return machine.build(
            world.engine,
            world.clock,
            world.folder,
            defaults=Defaults(),
            letterhead=Letterhead("Renewals <renewals@example.com>"),
            lease=LEASE,
            allowance=allowance,
            judges={"told": judge or says()},
            texts=Current(world.root / "templates"),
        )

    def post(self, key: str = "m-1", *, kind: str = "survey", **said: Any) -> None:
        """Puts a letter to the only contact into the ledger."""
        with self.world.engine.begin() as conn:
            person = conn.execute(select(contacts)).one()
            given = {"origin": "told", "template": "feedback/told", "valid_until": NOON + WEEK}
            given |= {"address": person.email, "at": NOON, "day": DAY} | said
            letter = store.Letter(
                mail_key=key, contact_id=person.id, schedule="surveys", step="told", kind=kind,
                **given,
            )  # fmt: skip
            store.add_letters(conn, [letter], self.world.clock.now())

    def send(self, **how: Any) -> list[tuple[str, str | None]]:
        self.world.run(self.machine(**how))
        return self.world.states()


WEEK = timedelta(days=7)


@pytest.fixture
def office(world: World) -> Office:
    return Office(world)


def test_a_letter_without_a_walk_leaves_with_the_words_of_its_judge(office: Office) -> None:
    office.post()
    assert office.send() == [("accepted", None)]
    (mail,) = office.world.mails()
    assert WORDS in mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert "List-Unsubscribe" in mail
    office.world.files_match_the_ledger()


def test_a_letter_is_written_from_the_templates_as_they_lie_there_now(office: Office) -> None:
    machine = office.machine()
    office.post("m-1")
    office.world.run(machine)
    office.world.template("feedback/told", "What we did")
    office.post("m-2")
    office.world.run(machine)
    assert [mail["Subject"] for mail in office.world.mails()][-1] == "What we did"


def test_a_folder_without_the_template_gets_the_one_that_came_with_the_release(
    office: Office,
) -> None:
    for path in sorted((office.world.root / "templates/survey").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    office.post()
    assert office.send() == [("accepted", None)]


def test_a_judge_who_has_no_reason_left_drops_the_letter(office: Office) -> None:
    office.post()
    states = office.send(
        judge=lambda conn, some, now: {one.message.id: Drop("cancelled", "gone") for one in some}
    )
    assert states == [("cancelled", "gone")]
    assert office.world.mails() == []


def test_a_letter_whose_origin_this_process_does_not_know_waits_for_one_that_does(
    office: Office,
) -> None:
    office.post(origin="of a newer release")
    assert office.send() == [("due", "unknown-origin")]


@pytest.mark.parametrize("kind", ["survey", "commercial"])
def test_a_contact_who_wants_no_such_mail_gets_no_letter(office: Office, kind: str) -> None:
    office.post(kind=kind)
    with office.world.engine.begin() as conn:
        person = conn.execute(select(contacts.c.id)).scalar_one()
        values = {"contact_id": person, "no_commercial": True, "no_surveys": True}
        conn.execute(preferences.insert().values(**values, updated_at=NOON))
    assert office.send() == [("suppressed", "opt-out")]


def test_a_dead_address_and_a_stopped_account_get_no_letter(office: Office) -> None:
    office.post("m-1")
    with office.world.engine.begin() as conn:
        stops.put(conn, "account", [conn.execute(select(accounts.c.id)).scalar_one()], "no",
                  None, NOON)  # fmt: skip
    assert office.send() == [("suppressed", "stopped")]
    with office.world.engine.begin() as conn:
        dead = {"address": "c-1@example.com", "reason": "bounced", "at": NOON}
        conn.execute(suppressions.insert().values(**dead))
    office.post("m-2")
    assert office.send()[1] == ("suppressed", "bounced")


def test_a_letter_follows_its_contact_to_a_new_address(office: Office) -> None:
    office.post()
    with office.world.engine.begin() as conn:
        conn.execute(update(contacts).values(email="new@example.com"))
    assert office.send() == [("cancelled", "moved"), ("accepted", None)]
    assert office.world.addresses() == ["new@example.com"]


def test_a_letter_to_somebody_who_was_erased_is_withdrawn(office: Office) -> None:
    office.post()
    with office.world.engine.begin() as conn:
        conn.execute(update(messages).values(contact_id=None))
    assert office.send() == [("cancelled", "withdrawn")]


def test_a_letter_that_is_too_late_is_not_sent(office: Office) -> None:
    office.post()
    office.world.later(days=8)
    assert office.send() == [("skipped", "too-late")]


def test_letters_share_the_budget_and_wait_for_the_morning_that_has_room(office: Office) -> None:
    office.post("m-1")
    office.post("m-2")
    assert office.send(allowance=Allowance(1, 7)) == [("accepted", None), ("due", "budget")]
    (waits,) = [row for row in office.world.ledger() if row.state == "due"]
    assert waits.next_at.date() == date(2026, 11, 27)
    office.world.later(days=8)
    assert office.send(allowance=Allowance(1, 7))[1] == ("accepted", None)


def test_a_letter_takes_the_place_of_a_mail_in_the_budget_of_schedules(office: Office) -> None:
    office.world.apply()
    office.post(kind="commercial")
    assert office.send() == [("accepted", None), ("accepted", None)]
    assert {row.origin for row in office.world.ledger()} == {"told", "step"}
    assert {row.version_id is None for row in office.world.ledger()} == {True, False}


def test_a_letter_whose_template_cannot_be_written_waits_for_a_person(office: Office) -> None:
    office.world.template("feedback/told", "{{ nothing }}")
    office.post()
    assert office.send() == [("blocked", "template")]
    assert [kind for kind, _ in office.world.tasks()] == ["blocked-mail"]
