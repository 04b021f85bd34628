"""What becomes of a batch of mails when the world misbehaves."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

import pytest

from tests.outbox.world import LEASE, Scripted, World
from worker.channels.contract import Envelope, Mail, Outcome, Result
from worker.channels.folder import FolderChannel
from worker.outbox.rules import MAX_STARTS, Go
from worker.outbox.store import Message


class Death(BaseException):
    """The process ends here; nothing that it had in hand is recorded."""


class Mortal(FolderChannel):
    """A folder whose user dies at the mail to one address, before anything is written."""

    def __init__(self, inner: FolderChannel, address: str) -> None:
        super().__init__(inner.folder)
        self.address = address

    def send(self, envelope: Envelope, mail: Mail | None, now: object) -> Result:
        if envelope.address == self.address:
            raise Death
        return super().send(envelope, mail, now)  # type: ignore[arg-type]  # a datetime


class Alone(FolderChannel):
    """A folder that takes one mail at a time, as where no provider tells what became of it."""

    burst = 1


@pytest.fixture
def decided(world: World) -> World:
    """Three mails that are due."""
    world.book(3)
    world.apply()
    world.decide()
    return world


def test_mails_leave_once_and_the_ledger_knows_what_left(decided: World) -> None:
    decided.run()
    assert decided.addresses() == [f"client{number}@example.com" for number in range(3)]
    decided.files_match_the_ledger()
    for row in decided.ledger():
        assert (row.state, row.attempts, row.language) == ("accepted", 1, "en")
        assert row.accepted_at == decided.clock.now()
        assert row.subject.startswith("Product ")
    decided.later(days=1)
    decided.run()
    assert len(decided.mails()) == 3


def test_a_folder_that_cannot_be_written_to_loses_nothing_and_recovers_by_itself(
    decided: World,
) -> None:
    in_the_way = decided.folder.folder
    in_the_way.write_text("a file where the folder should be")
    decided.run()
    assert {row.state for row in decided.ledger()} == {"due"}
    assert all("mails" in row.reason for row in decided.ledger())
    for _ in range(5):  # as often as it takes: an outage is nobody's death
        decided.later(minutes=15)
        decided.run()
    assert {row.state for row in decided.ledger()} == {"due"}
    in_the_way.unlink()
    decided.later(minutes=15)
    decided.run()
    assert len(decided.mails()) == 3
    assert decided.states() == [("accepted", None)] * 3
    assert decided.tasks() == []


def test_attempts_that_fail_rest_longer_each_time(decided: World) -> None:
    decided.folder.folder.write_text("a file where the folder should be")
    rests = []
    for _ in range(4):
        decided.run()
        (next_at,) = {row.next_at for row in decided.ledger()}
        rests.append((next_at - decided.clock.now()).total_seconds())
        decided.clock.advance_to(next_at)
    assert rests == [10, 20, 40, 80]


def test_a_channel_that_says_when_to_come_back_is_left_alone_until_then(decided: World) -> None:
    later = decided.clock.now() + timedelta(minutes=40)
    busy = Result(Outcome.NOT_SENT, detail="too many", retry_at=later)
    decided.run(decided.machine(channel=Scripted(decided.folder, busy, busy, busy)))
    assert {(row.state, row.next_at) for row in decided.ledger()} == {("due", later)}


def test_a_refused_mail_is_never_tried_again_and_the_others_go(decided: World) -> None:
    results = Result(Outcome.REFUSED, detail="no such person"), *[Result(Outcome.ACCEPTED)] * 2
    decided.run(decided.machine(channel=Scripted(decided.folder, *results)))
    assert decided.states() == [("failed", "no such person")] + [("accepted", None)] * 2
    decided.later(hours=2)
    decided.run()
    assert decided.mails() == []


def test_evidence_turns_a_lost_result_into_a_sent_mail(decided: World) -> None:
    def die(label: str) -> None:
        if label == "sent":
            raise Death

    with pytest.raises(Death):
        decided.machine(pause=die).send_batch()
    assert len(decided.mails()) == 1
    decided.later(seconds=61)
    decided.run()
    assert decided.states() == [("accepted", None)] * 3
    assert len(decided.mails()) == 3
    decided.files_match_the_ledger()


def test_a_mail_over_which_three_workers_died_is_set_aside_and_staff_are_told(
    decided: World,
) -> None:
    deadly = Mortal(decided.folder, "client1@example.com")
    for _ in range(MAX_STARTS):
        machine = decided.machine(channel=deadly)
        with pytest.raises(Death):
            decided.run(machine)
        decided.later(seconds=61)
    decided.run(decided.machine(channel=deadly))
    states = {row.address: (row.state, row.reason) for row in decided.ledger()}
    assert states.pop("client1@example.com") == ("blocked", "quarantined")
    assert set(states.values()) == {("accepted", None)}
    assert decided.tasks() == [
        ("blocked-mail", "A mail was set aside: three workers died while sending it")
    ]
    assert decided.addresses() == ["client0@example.com", "client2@example.com"]

    decided.close_tasks("blocked-mail", "mended")
    decided.run()
    assert decided.states() == [("accepted", None)] * 3
    decided.files_match_the_ledger()


def test_workers_that_die_before_they_start_a_mail_do_not_count_against_it(decided: World) -> None:
    def die(label: str) -> None:
        raise Death

    for _ in range(MAX_STARTS + 2):
        with pytest.raises(Death):
            decided.run(decided.machine(pause=die))
        decided.later(seconds=61)
    with pytest.raises(Death):
        decided.run(decided.machine(pause=lambda label: die(label) if label == "started" else None))
    decided.later(seconds=61)
    decided.run()
    assert decided.states() == [("accepted", None)] * 3


def test_attempts_that_surely_failed_do_not_count_as_deaths(decided: World) -> None:
    refusing = Result(Outcome.NOT_SENT, detail="away")
    channel = Scripted(decided.folder, *[refusing] * 12)
    for _ in range(4):
        decided.run(decided.machine(channel=channel))
        decided.later(minutes=15)

    def die(label: str) -> None:
        if label == "started":
            raise Death

    with pytest.raises(Death):
        decided.run(decided.machine(pause=die))
    decided.later(seconds=61)
    decided.run()
    assert decided.states() == [("accepted", None)] * 3


def test_mails_that_started_beside_a_deadly_one_leave_all_the_same(world: World) -> None:
    world.book(30)
    world.apply()
    world.decide()
    deadly = Mortal(world.folder, "client3@example.com")
    for _ in range(MAX_STARTS):
        with pytest.raises(Death):
            world.run(world.machine(channel=deadly))
        world.later(seconds=61)
    world.run(world.machine(channel=deadly))
    assert [row.state for row in world.ledger()].count("blocked") == 1
    assert len(world.mails()) == 29


def test_a_worker_that_is_told_to_end_hands_back_what_it_had_not_started(world: World) -> None:
    world.book(120)
    world.apply()
    world.decide()
    machine = world.machine()
    told: list[str] = []
    object.__setattr__(machine.sending, "stop", lambda: len(told) > 0)
    object.__setattr__(machine.sending, "pause", told.append)
    assert machine.send_batch() == 120
    assert {row.state for row in world.ledger()} == {"due"}
    world.run()
    assert len(world.mails()) == 120


def test_a_worker_whose_lease_ran_out_while_it_wrote_starts_nothing_more(world: World) -> None:
    world.book(120)
    world.apply()
    world.decide()

    def dawdle(label: str) -> None:
        if label == "recorded":
            world.later(seconds=LEASE.total_seconds())

    world.machine(pause=dawdle).send_batch()
    assert len(world.mails()) == world.folder.burst
    world.run()
    assert len(world.mails()) == 120
    world.files_match_the_ledger()


def test_a_lease_that_ends_between_two_mails_of_a_burst_stops_the_worker(world: World) -> None:
    world.book(10)
    world.apply()
    world.decide()
    sent: list[str] = []

    def dawdle(label: str) -> None:
        if label == "sent":
            sent.append(label)
            if len(sent) == 4:
                world.later(seconds=LEASE.total_seconds())

    world.machine(pause=dawdle).send_batch()
    assert len(world.mails()) == 4
    world.run()
    assert len(world.mails()) == 10
    world.files_match_the_ledger()


def test_writing_that_takes_longer_than_the_lease_still_gets_on(world: World) -> None:
    """A slow machine must not claim the same mails for ever and send none."""
    world.book(150)
    world.apply()
    world.decide()

    for _ in range(6):
        machine = world.machine()
        compose = machine.sending.compose

        def slowly(message, go, now, compose=compose):  # type: ignore[no-untyped-def]  # as given
            world.later(milliseconds=600)
            return compose(message, go, now)

        object.__setattr__(machine.sending, "compose", slowly)
        machine.sweep()
        machine.send_batch()
        world.later(seconds=61)
    assert len(world.mails()) == 150
    world.files_match_the_ledger()


def test_what_came_of_a_burst_is_kept_with_the_start_of_the_next_in_one_transaction(
    world: World,
) -> None:
    world.book(120)
    world.apply()
    world.decide()
    seen: list[dict[tuple[str, bool], int]] = []

    def look(label: str) -> None:
        if label == "recorded":
            rows = world.ledger()
            seen.append(Counter((row.state, row.started_at is not None) for row in rows))

    world.machine(pause=look).send_batch()
    assert seen == [
        {("accepted", True): 50, ("sending", True): 50, ("sending", False): 20},
        {("accepted", True): 100, ("sending", True): 20},
        {("accepted", True): 120},
    ]


def test_without_proof_by_its_provider_a_mail_is_noted_before_the_next_is_written(
    world: World,
) -> None:
    world.book(3)
    world.apply()
    world.decide()
    machine = world.machine(channel=Alone(world.folder.folder))
    compose, seen = machine.sending.compose, list[int]()

    def look(message: Message, go: Go, now: datetime) -> Mail:
        seen.append([row.state for row in world.ledger()].count("accepted"))
        return compose(message, go, now)

    object.__setattr__(machine.sending, "compose", look)
    machine.send_batch()
    assert seen == [0, 1, 2]


def test_what_left_is_noted_even_when_the_next_mails_cannot_be_written_now(world: World) -> None:
    world.book(60)
    world.apply()
    world.decide()
    machine = world.machine()
    compose, written = machine.sending.compose, list[Message]()

    def away(message: Message, go: Go, now: datetime) -> Mail:
        written.append(message)
        if len(written) > world.folder.burst:
            raise OSError("the disk went away")
        return compose(message, go, now)

    object.__setattr__(machine.sending, "compose", away)
    with pytest.raises(OSError, match="went away"):
        machine.send_batch()
    assert Counter(row.state for row in world.ledger()) == {"accepted": 50, "sending": 10}
    world.later(seconds=61)
    world.run()
    assert len(world.mails()) == 60
    world.files_match_the_ledger()


def test_a_template_that_fails_blocks_its_own_mail_and_tells_staff_and_the_others_go(
    world: World,
) -> None:
    world.template("renewal/heads-up", "{{ licence.product }} costs {{ licence.amount | round }}")
    world.book(2)
    world.apply()
    world.licence("L-9", end="2026-11-17")
    world.contact("C-9", licence="L-9", email="late@example.com")
    world.run()
    states = {row.address: (row.state, row.reason) for row in world.ledger()}
    assert states == {
        "client0@example.com": ("blocked", "template"),
        "client1@example.com": ("blocked", "template"),
        "late@example.com": ("accepted", None),
    }
    assert world.addresses() == ["late@example.com"]
    assert [kind for kind, _ in world.tasks()] == ["blocked-mail"] * 2


def test_a_mail_that_cannot_be_written_for_a_reason_nobody_foresaw_blocks_only_itself(
    decided: World,
) -> None:
    machine = decided.machine()
    compose = machine.sending.compose

    def odd(message, go, now):  # type: ignore[no-untyped-def]  # as given
        if message.address == "client1@example.com":
            raise ValueError("expected one line of text")
        return compose(message, go, now)

    object.__setattr__(machine.sending, "compose", odd)
    decided.run(machine)
    states = {row.address: (row.state, row.reason) for row in decided.ledger()}
    assert states.pop("client1@example.com") == ("blocked", "template")
    assert set(states.values()) == {("accepted", None)}
    assert [kind for kind, _ in decided.tasks()] == ["blocked-mail"]
