"""Ways out that turn every mail away, ask for a rest, or have a pace to keep."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from tests.outbox.world import LEASE, Scripted, World
from worker.channels.contract import Outcome, Result
from worker.outbox import ways

SHUT = Result(Outcome.SHUT, detail="401 the key was revoked")
MISS = Result(Outcome.NOT_SENT, detail="nobody answers")
YES = Result(Outcome.ACCEPTED)
ONE, TWO = timedelta(minutes=1), timedelta(minutes=2)


@pytest.fixture
def decided(world: World) -> World:
    """Six mails that are due."""
    world.book(6)
    world.apply()
    world.decide()
    return world


def _channel(world: World, *results: Result) -> Scripted:
    """One mail at a time, as by a provider."""
    channel = Scripted(world.folder, *results)
    channel.burst = 1
    return channel


def _way(world: World) -> ways.Way:
    with world.engine.begin() as conn:
        return ways.of(conn, "file")


def test_a_shut_way_is_tried_with_one_mail_and_staff_are_told_once(decided: World) -> None:
    channel = _channel(decided, SHUT)
    decided.run(decided.machine(channel=channel))
    assert channel.results == []
    assert {row.state for row in decided.ledger()} == {"due"}
    assert decided.tasks() == [("blocked-mail", "No mail gets out by file")]
    decided.run(decided.machine(channel=channel))  # nothing is tried while it is shut
    assert _way(decided).paused_until == decided.clock.now() + ONE


def test_after_the_rest_one_mail_is_let_through_and_opens_the_way_for_all(decided: World) -> None:
    decided.run(decided.machine(channel=_channel(decided, SHUT)))
    decided.later(minutes=1)
    machine = decided.machine(channel=_channel(decided, *[YES] * 6))
    assert machine.send_batch() == 1
    assert decided.tasks() == []
    decided.run(machine)
    assert {row.state for row in decided.ledger()} == {"accepted"}


def test_a_way_that_stays_shut_rests_longer_each_time(decided: World) -> None:
    rests = []
    for _ in range(6):
        decided.run(decided.machine(channel=_channel(decided, SHUT)))
        until = _way(decided).paused_until
        assert until is not None
        rests.append((until - decided.clock.now()).total_seconds() / 60)
        decided.clock.advance_to(until)
    assert rests == [1, 2, 4, 8, 15, 15]
    assert [row.attempts for row in decided.ledger() if row.attempts > 1] == []  # none is burnt
    assert len(decided.tasks()) == 1


def test_a_provider_that_asks_for_a_rest_gets_it_and_nobody_is_alarmed(decided: World) -> None:
    until = decided.clock.now() + timedelta(minutes=7)
    busy = Result(Outcome.NOT_SENT, detail="429", retry_at=until, pause_until=until)
    channel = _channel(decided, YES, busy, *[YES] * 5)
    decided.run(decided.machine(channel=channel))
    assert len(channel.results) == 5
    assert decided.tasks() == []
    decided.later(minutes=6)
    decided.run(decided.machine(channel=channel))
    assert len(channel.results) == 5
    decided.later(minutes=1)
    decided.run(decided.machine(channel=channel))
    assert {row.state for row in decided.ledger()} == {"accepted"}


def test_three_mails_in_a_row_that_did_not_get_out_spare_the_others_the_wait(
    decided: World,
) -> None:
    channel = _channel(decided, MISS, MISS, MISS)
    machine = decided.machine(channel=channel)
    machine.send_batch()
    assert channel.results == []
    assert {row.state for row in decided.ledger()} == {"due"}


def test_a_mail_that_gets_out_between_two_that_did_not_is_no_outage(decided: World) -> None:
    channel = _channel(decided, MISS, MISS, YES, MISS, MISS, YES)
    decided.machine(channel=channel).send_batch()
    assert channel.results == []


# --- pace ---


def _paced(world: World, waited: list[float], **said: object) -> object:
    machine = world.machine(channel=_channel(world, *[YES] * 6))

    def wait(seconds: float) -> None:
        waited.append(round(seconds, 3))
        world.clock.advance(timedelta(seconds=seconds))

    for name, value in {"gap": timedelta(seconds=2), "wait": wait, **said}.items():
        object.__setattr__(machine.sending, name, value)
    return machine


def test_mails_leave_as_far_apart_as_the_pace_says(decided: World) -> None:
    waited: list[float] = []
    decided.run(_paced(decided, waited))  # type: ignore[arg-type]  # a machine
    first = min(row.accepted_at for row in decided.ledger())
    apart = sorted((row.accepted_at - first).total_seconds() for row in decided.ledger())
    assert apart == [0, 2, 4, 6, 8, 10]


def test_two_workers_share_one_pace(decided: World) -> None:
    with decided.engine.begin() as conn:
        start, count = _reserve(decided, conn, 4)
    with decided.engine.begin() as conn:
        second, more = _reserve(decided, conn, 4)
    now = decided.clock.now()
    assert (start, count) == (now, 4)
    assert (second, more) == (now + timedelta(seconds=8), 4)


def test_no_more_is_claimed_than_can_leave_within_half_the_lease(decided: World) -> None:
    with decided.engine.begin() as conn:
        assert _reserve(decided, conn, 100)[1] == 15
        assert _reserve(decided, conn, 100)[1] == 0


def test_places_that_nobody_needed_are_given_back(decided: World) -> None:
    waited: list[float] = []
    machine = _paced(decided, waited)
    decided.run(machine)  # type: ignore[arg-type]  # a machine
    with decided.engine.begin() as conn:
        start, _ = _reserve(decided, conn, 1)
    assert start <= decided.clock.now() + timedelta(seconds=2)


def _reserve(world: World, conn: object, most: int) -> tuple[datetime, int]:
    gap, now = timedelta(seconds=2), world.clock.now()
    return ways.reserve(conn, "file", gap, most, now, LEASE / 2)  # type: ignore[arg-type]  # as given
