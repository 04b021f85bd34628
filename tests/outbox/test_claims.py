"""Who may write to a row of the ledger, and until when."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from sqlalchemy import Engine, Row

from tests.outbox.world import LEASE, World
from worker.outbox import claims
from worker.outbox.store import Message


@pytest.fixture
def decided(world: World) -> World:
    """Sixty mails that are due."""
    world.book(60)
    world.apply()
    world.decide()
    return world


def _claim(world: World, attempt: str, limit: int = 10) -> list[Message]:
    now = world.clock.now()
    with world.engine.begin() as conn:
        return claims.claim(conn, now, now + LEASE, attempt, limit)


def _row(world: World, message: Message) -> Row[tuple[object, ...]]:
    return next(row for row in world.ledger() if row.id == message.id)


def test_workers_that_claim_at_the_same_moment_never_share_a_mail(decided: World) -> None:
    together = Barrier(6)

    def work(number: int) -> list[int]:
        together.wait()
        taken: list[int] = []
        while got := _claim(decided, f"attempt-{number}", 7):
            taken += [message.id for message in got]
        return taken

    with ThreadPoolExecutor(6) as pool:
        shares = list(pool.map(work, range(6)))
    counted = Counter(id_ for share in shares for id_ in share)
    assert len(counted) == 60
    assert set(counted.values()) == {1}


@pytest.mark.parametrize("backend", ["postgresql"], indirect=True)  # SQLite has one writer
def test_a_worker_that_is_still_claiming_keeps_its_mails_from_others_without_holding_them_up(
    decided: World,
) -> None:
    world = decided
    now = world.clock.now()
    with world.engine.begin() as conn:
        mine = claims.claim(conn, now, now + LEASE, "mine", 40)
        others = _claim(world, "other", 60)
    assert len(mine) == 40
    assert len(others) == 20
    assert not {message.id for message in mine} & {message.id for message in others}


def test_what_was_claimed_is_not_claimed_again_before_its_lease_ends(decided: World) -> None:
    assert len(_claim(decided, "first", 100)) == 60
    decided.later(seconds=LEASE.total_seconds() - 1)
    assert decided.machine().sweep() == 0
    assert _claim(decided, "second", 100) == []


def test_a_dead_lease_returns_what_had_not_started_and_makes_the_rest_unknown(
    decided: World,
) -> None:
    first, second = _claim(decided, "dead", 2)
    with decided.engine.begin() as conn:
        now = decided.clock.now()
        assert claims.mark_started(conn, [first.id], "dead", "file", now) == {first.id}
    decided.later(seconds=61)
    with decided.engine.begin() as conn:
        assert claims.release_dead(conn, decided.clock.now()) == 2
    assert _row(decided, first).state == "unknown"
    assert _row(decided, first).reason == "worker-died"
    assert _row(decided, second).state == "due"


def test_a_worker_whose_lease_has_passed_to_another_cannot_start_or_record_anything(
    decided: World,
) -> None:
    (mail,) = _claim(decided, "slow", 1)
    decided.later(seconds=61)
    with decided.engine.begin() as conn:
        claims.release_dead(conn, decided.clock.now())
    taken = {message.id for message in _claim(decided, "quick", 60)}
    assert mail.id in taken
    before = _row(decided, mail)
    with decided.engine.begin() as conn:
        assert claims.mark_started(conn, [mail.id], "slow", "file", decided.clock.now()) == set()
        assert claims.finish(conn, [mail.id], "slow", {"state": "accepted"}) == 0
    assert _row(decided, mail) == before


def test_a_result_that_comes_after_the_lease_does_not_hide_that_the_outcome_is_unknown(
    decided: World,
) -> None:
    (mail,) = _claim(decided, "slow", 1)
    with decided.engine.begin() as conn:
        claims.mark_started(conn, [mail.id], "slow", "file", decided.clock.now())
    decided.later(seconds=61)
    with decided.engine.begin() as conn:
        claims.release_dead(conn, decided.clock.now())
        assert claims.finish(conn, [mail.id], "slow", {"state": "due"}) == 0
    assert _row(decided, mail).state == "unknown"


def test_a_mail_that_is_not_due_yet_is_not_claimed(decided: World) -> None:
    mails = _claim(decided, "first", 60)
    soon = {"state": "due", "next_at": decided.clock.now() + timedelta(minutes=5)}
    with decided.engine.begin() as conn:
        claims.finish(conn, [mail.id for mail in mails], "first", soon)
    assert _claim(decided, "second", 60) == []
    decided.later(minutes=5)
    assert len(_claim(decided, "third", 100)) == 60


def test_several_machines_at_once_send_each_mail_once(decided: World, engine: Engine) -> None:
    together = Barrier(4)

    def work(_: int) -> None:
        machine = decided.machine()
        together.wait()
        while machine.send_batch(7):
            pass

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert decided.addresses() == sorted(f"client{number}@example.com" for number in range(60))
    decided.files_match_the_ledger()
