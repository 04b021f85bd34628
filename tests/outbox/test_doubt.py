"""Mails of which nobody knows whether they left: the hold, its end, proofs, a person's word."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from tests.outbox.world import SCHEDULE, Scripted, World
from tests.staff import OFFICE
from worker.access.records import audit
from worker.channels.contract import Outcome, Result
from worker.db.engine import reading
from worker.kernel.errors import FindingsError
from worker.outbox import claims, doubts, settling
from worker.outbox.records import messages

CUT = Result(Outcome.UNKNOWN, detail="cut off")
YES = Result(Outcome.ACCEPTED, provider_id="p-1")


@pytest.fixture
def doubt(world: World) -> World:
    """One mail whose first attempt was cut off."""
    return _cut(world, SCHEDULE)


def _cut(world: World, schedule: str) -> World:
    world.book(1)
    world.apply(schedule)
    world.run(world.machine(channel=Scripted(world.folder, CUT)))
    assert world.states() == [("unknown", "cut off")]
    return world


def _of(mail_class: str) -> str:
    return SCHEDULE.replace("contractual", mail_class)


def _later(world: World, channel: Scripted, **span: float) -> None:
    world.later(**span)
    world.run(world.machine(channel=channel))


def _tell(world: World, **said: object) -> None:
    """The provider tells of mails: of all, or of those said."""
    with world.engine.begin() as conn:
        where = [messages.c[name] == value for name, value in said.items()]
        conn.execute(update(messages).where(*where).values(fate="delivered"))


def test_it_is_not_sent_again_while_evidence_may_come(doubt: World) -> None:
    silent = Scripted(doubt.folder)
    for _ in range(5):
        _later(doubt, silent, minutes=5)
        assert doubt.states() == [("unknown", "cut off")]


def test_an_event_of_the_provider_proves_that_it_left(doubt: World) -> None:
    attempted = doubt.clock.now()
    _tell(doubt)
    _later(doubt, Scripted(doubt.folder), minutes=5)
    assert doubt.states() == [("accepted", None)]
    assert doubt.ledger()[0].accepted_at == attempted
    assert doubt.ledger()[0].resends == 0
    assert doubt.tasks() == []


def test_a_contractual_notice_without_proof_goes_out_again_once_the_next_day(doubt: World) -> None:
    _later(doubt, Scripted(doubt.folder), minutes=30)
    assert doubt.states() == [("due", "no-proof")]
    assert [kind for kind, _ in doubt.tasks()] == ["blocked-mail"]
    _later(doubt, Scripted(doubt.folder), hours=23)
    assert doubt.states() == [("due", "no-proof")]
    _later(doubt, Scripted(doubt.folder, YES), hours=1)
    assert doubt.states() == [("accepted", None)]
    assert doubt.ledger()[0].resends == 1


def test_the_second_time_it_is_given_up_and_counts_as_unknown(doubt: World) -> None:
    _later(doubt, Scripted(doubt.folder), minutes=30)
    _later(doubt, Scripted(doubt.folder, CUT), days=1)
    _later(doubt, Scripted(doubt.folder), minutes=30)
    assert doubt.states() == [("given-up", "no-proof")]
    assert doubt.decisions("L-0")["heads-up"] == ("waiting", None)
    _later(doubt, Scripted(doubt.folder), days=9)
    assert len(doubt.ledger()) == 1


def test_a_renewal_meanwhile_means_no_second_copy_and_the_doubt_stays_on_record(
    doubt: World,
) -> None:
    _later(doubt, Scripted(doubt.folder), minutes=30)
    doubt.licence("L-0", start="2026-12-20", end="2027-12-20")
    _later(doubt, Scripted(doubt.folder), days=1)
    assert doubt.states() == [("given-up", "renewed")]
    assert doubt.decisions("L-0")["heads-up"] == ("waiting", None)  # the ledger's word counts


def test_a_step_that_comes_meanwhile_replaces_the_second_copy(world: World) -> None:
    closer = SCHEDULE.replace("3 days after", "27 days before").replace("grace", "reminder")
    doubt = _cut(world, closer)
    _later(doubt, Scripted(doubt.folder), minutes=30)
    _later(doubt, Scripted(doubt.folder, YES), days=3)
    assert sorted(doubt.states()) == [("accepted", None), ("given-up", "later-step")]


@pytest.mark.parametrize("mail_class", ["commercial", "survey"])
def test_an_offer_or_a_question_without_proof_is_given_up(world: World, mail_class: str) -> None:
    doubt = _cut(world, _of(mail_class))
    _later(doubt, Scripted(doubt.folder), minutes=30)
    assert doubt.states() == [("given-up", "no-proof")]


def test_what_the_provider_is_silent_about_while_it_tells_of_the_neighbours_is_due_again(
    world: World,
) -> None:
    world.book(3)
    world.apply(_of("commercial"))
    world.run(world.machine(channel=Scripted(world.folder, YES, CUT, YES)))
    _tell(world, state="accepted")
    _later(world, Scripted(world.folder), minutes=29)
    assert [state for state, _ in world.states()] == ["accepted", "unknown", "accepted"]
    _later(world, Scripted(world.folder, YES), minutes=1)
    assert [state for state, _ in world.states()] == ["accepted"] * 3
    assert [row.resends for row in world.ledger()] == [0, 1, 0]


def test_proof_that_comes_after_the_hold_still_counts(world: World) -> None:
    doubt = _cut(world, _of("commercial"))
    _later(doubt, Scripted(doubt.folder), minutes=30)
    with doubt.engine.begin() as conn:
        assert doubts.prove(conn, [doubt.ledger()[0].id], doubt.clock.now()) == 1
    assert doubt.states() == [("accepted", None)]


def test_proof_takes_a_mail_that_waits_to_be_sent_again_out_of_the_queue(doubt: World) -> None:
    _later(doubt, Scripted(doubt.folder), minutes=30)
    with doubt.engine.begin() as conn:
        assert doubts.prove(conn, [doubt.ledger()[0].id], doubt.clock.now()) == 1
    _later(doubt, Scripted(doubt.folder), days=3)
    assert doubt.states() == [("accepted", None)]


def test_a_copy_never_goes_out_on_another_way_than_the_first(doubt: World) -> None:
    other = Scripted(doubt.folder)
    other.name = "smtp"
    _later(doubt, other, minutes=30)
    assert doubt.states() == [("given-up", "other-way")]
    assert doubt.mails() == []


def test_a_person_says_that_it_was_sent(doubt: World) -> None:
    key = doubt.ledger()[0].mail_key
    now = doubt.clock.now()
    assert settling.settle(doubt.engine, key, None, "sent", now, OFFICE) == ["client0@example.com"]
    assert doubt.states() == [("accepted", None)]
    with pytest.raises(FindingsError, match="those that do: perennial settle"):
        settling.settle(doubt.engine, key, None, "sent", now, OFFICE)


def test_a_person_says_that_it_was_not_sent_and_it_goes_out(doubt: World) -> None:
    key = doubt.ledger()[0].mail_key
    settling.settle(doubt.engine, key, "client0@example.com", "not-sent", doubt.clock.now(), OFFICE)
    doubt.run()
    assert doubt.states() == [("accepted", None)]
    with reading(doubt.engine) as conn:
        noted = conn.execute(select(audit).where(audit.c.what == "mail.settled")).one()
    assert (noted.who, noted.about) == ("office", f"mail {key}")
    assert noted.detail == {"word": "not-sent", "copies": 1}, "no address stays in the log"
    assert doubt.addresses() == ["client0@example.com"]


def test_a_person_gives_it_up(doubt: World) -> None:
    key = doubt.ledger()[0].mail_key
    settling.settle(doubt.engine, key, None, "give-up", doubt.clock.now(), OFFICE)
    _later(doubt, Scripted(doubt.folder), days=3)
    assert doubt.states() == [("given-up", "by-word")]


def test_a_word_on_a_copy_that_went_to_somebody_else_settles_nothing(doubt: World) -> None:
    key = doubt.ledger()[0].mail_key
    with pytest.raises(FindingsError, match=r"to other@example\.com waits for a word"):
        settling.settle(doubt.engine, key, "other@example.com", "sent", doubt.clock.now(), OFFICE)
    assert doubt.states() == [("unknown", "cut off")]


def test_a_worker_that_dies_over_a_mail_leaves_the_moment_of_its_attempt(world: World) -> None:
    world.book(1)
    world.apply()
    world.decide()
    started = world.clock.now()
    with world.engine.begin() as conn:
        (mail,) = claims.claim(conn, started, started + timedelta(seconds=60), "dead", 1)
        claims.mark_started(conn, [mail.id], "dead", "file", started)
    world.later(seconds=61)
    with world.engine.begin() as conn:
        claims.release_dead(conn, world.clock.now())
    (row,) = world.ledger()
    assert (row.state, row.unknown_since, row.channel) == ("unknown", started, "file")


def test_a_second_copy_that_is_refused_settles_nothing_about_the_first(doubt: World) -> None:
    _later(doubt, Scripted(doubt.folder), minutes=30)
    _later(doubt, Scripted(doubt.folder, Result(Outcome.REFUSED, detail="413")), days=1)
    assert doubt.states() == [("given-up", "413")]
    with doubt.engine.begin() as conn:
        assert doubts.prove(conn, [doubt.ledger()[0].id], doubt.clock.now()) == 1


@pytest.mark.parametrize("outcome", [Outcome.NOT_SENT, Outcome.REFUSED, Outcome.UNKNOWN])
def test_an_event_that_comes_while_the_second_copy_is_on_its_way_is_proof_enough(
    doubt: World, outcome: Outcome
) -> None:
    _later(doubt, Scripted(doubt.folder), minutes=30)
    doubt.later(days=1)
    machine = doubt.machine(
        channel=Scripted(doubt.folder, Result(outcome, detail="no")),
        pause=lambda label: _tell(doubt) if label == "started" else None,
    )
    doubt.run(machine)
    assert doubt.states() == [("accepted", None)]


def test_what_the_provider_told_of_is_not_sent_again_by_whoever_claims_it(doubt: World) -> None:
    _later(doubt, Scripted(doubt.folder), minutes=30)
    _tell(doubt)
    _later(doubt, Scripted(doubt.folder), days=1)
    assert doubt.states() == [("accepted", None)]
