"""Mails that the way out refuses on the spot."""

from __future__ import annotations

from functools import partial

import pytest

from tests.events.world import EventWorld
from tests.outbox.world import Scripted
from worker.cadence.ahead import Forecasting
from worker.cadence.explain import explain
from worker.cadence.library import Defaults
from worker.channels.contract import Outcome, Result
from worker.channels.told import Kind, Told, copy_mark
from worker.db.engine import reading
from worker.events import refusals

NO_SUCH = Result(Outcome.REFUSED, detail="RCPT: 550 5.1.1 no such user", bad_address=True)
TOO_LARGE = Result(Outcome.REFUSED, detail="552 5.3.4 too large")
YES = Result(Outcome.ACCEPTED)


@pytest.fixture
def ready(world: EventWorld) -> EventWorld:
    """A heads-up is due: to the decision-maker, else to procurement."""
    world.licence()
    world.person("anna")
    world.person("piotr", "procurement")
    world.apply_ladder()
    return world


def _run(world: EventWorld, *results: Result) -> Scripted:
    channel = Scripted(world.folder, *results)
    machine = world.machine(channel=channel)
    object.__setattr__(machine.sending, "refused", partial(_hear, "smtp"))
    world.run(machine)
    assert channel.results == []
    return channel


def _hear(channel, conn, message, result, now):  # type: ignore[no-untyped-def]  # as the ledger calls
    refusals.hear(conn, channel, message, result, now)


def test_an_address_that_the_server_does_not_know_is_as_good_as_a_bounce(
    ready: EventWorld,
) -> None:
    _run(ready, NO_SUCH, YES)
    assert [(row.address, row.state) for row in ready.ledger()] == [
        ("anna@example.com", "failed"),
        ("piotr@example.com", "accepted"),
    ]
    assert ready.silent() == {"anna@example.com": "bounced"}
    assert ready.tasks() == []
    ready.later(days=10)
    _run(ready, YES)  # the next step goes to procurement at once
    assert ready.ledger()[-1].address == "piotr@example.com"


def test_what_was_refused_on_the_spot_is_never_told_as_sent(ready: EventWorld) -> None:
    _run(ready, NO_SUCH, YES)
    asked = Forecasting(Defaults(), ready.clock.now())
    with reading(ready.engine) as conn:
        told = explain(conn, asked, "L-1").records
    mails = [(one.decision, one.reason, one.to) for one in told if one.step == "heads-up"]
    assert sorted(mails) == [
        ("failed", NO_SUCH.detail, ("anna@example.com",)),
        ("sent", None, ("piotr@example.com",)),
    ]


def test_when_nobody_else_is_known_somebody_has_to_find_a_contact(world: EventWorld) -> None:
    world.licence()
    world.person("anna")
    world.apply_ladder()
    _run(world, NO_SUCH)
    assert world.tasks() == [("no-contact", "No reachable contact")]


def test_a_mail_that_is_refused_for_another_reason_is_told_and_the_address_stays(
    ready: EventWorld,
) -> None:
    _run(ready, TOO_LARGE)
    assert ready.silent() == {}
    assert ready.tasks() == [("blocked-mail", "A mail was refused by smtp")]
    assert [row.state for row in ready.ledger()] == ["failed"]


def test_a_refusal_proves_nothing_of_an_attempt_before_and_the_provider_still_may(
    ready: EventWorld,
) -> None:
    _run(ready, Result(Outcome.UNKNOWN, detail="cut off"))
    ready.later(minutes=31)
    _run(ready)
    assert ready.states() == [("due", "no-proof")]
    ready.later(days=3)
    _run(ready, NO_SUCH, YES)
    assert [(row.address, row.state) for row in ready.ledger()] == [
        ("anna@example.com", "given-up"),
        ("piotr@example.com", "accepted"),
    ]
    first = ready.ledger()[0]
    said = Told("e-1", Kind.DELIVERED, ready.clock.now(), first.mail_key, copy_mark(first.address))
    ready.tell(said)
    assert ready.ledger()[0].state == "accepted"
