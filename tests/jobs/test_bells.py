"""Bells ring, get lost, ring twice; the rows are done once all the same."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta

import pytest
import redis
from sqlalchemy import Engine
from structlog.testing import capture_logs

from tests.jobs.chores import Chores
from tests.servers import Postgres, Redis
from tests.waiting import until
from worker.db import heartbeats
from worker.db.engine import make_engine, reading
from worker.db.migrate import upgrade
from worker.jobs.broker import BELLS, MOST_WAITING, brokered, ring, waiting
from worker.jobs.scheduler import beat, beating
from worker.jobs.worker import working

SOON = timedelta(seconds=0.3)


@pytest.fixture
def sqlite(sqlite_url: str) -> Iterator[Engine]:
    engine = make_engine(sqlite_url)
    yield engine
    engine.dispose()


@pytest.fixture(params=["memory", "redis"])
def broker_url(request: pytest.FixtureRequest) -> str:
    if request.param == "memory":
        return "memory"
    url: str = request.getfixturevalue("redis_url")
    return url


def test_what_is_due_is_planned_and_then_sent(broker_url: str, sqlite: Engine) -> None:
    chores = Chores(sqlite, walks=95)
    with brokered(broker_url, chores) as broker, working(chores, broker):
        beat(chores, broker)
        until(lambda: len(chores.sent) == 95)
    assert sorted(chores.sent) == list(range(95))


def test_calls_have_a_bell_of_their_own(broker_url: str, sqlite: Engine) -> None:
    chores = Chores(sqlite, calls=25)
    with brokered(broker_url, chores) as broker, working(chores, broker):
        beat(chores, broker)
        until(lambda: len(chores.called) == 25)
    assert sorted(chores.called) == list(range(25))
    assert chores.sent == []


def test_two_schedulers_and_two_workers_do_each_row_once(redis_url: str, engine: Engine) -> None:
    chores = Chores(engine, walks=500)
    with ExitStack() as running:
        for _ in range(2):
            broker = running.enter_context(brokered(redis_url, chores))
            running.enter_context(working(chores, broker))
            running.enter_context(beating(chores, broker, SOON))
        until(lambda: len(chores.sent) == 500)
    assert sorted(chores.sent) == list(range(500))


def test_a_bell_that_nobody_hears_is_not_rung_for_ever(broker_url: str, sqlite: Engine) -> None:
    chores = Chores(sqlite)
    with brokered(broker_url, chores) as broker:
        rung = sum(ring(broker, "plan", 5) for _ in range(20))
        assert rung == waiting(broker, "plan") == MOST_WAITING


def test_nothing_due_rings_no_bell_and_is_still_a_beat(broker_url: str, engine: Engine) -> None:
    chores = Chores(engine)
    with brokered(broker_url, chores) as broker:
        beat(chores, broker)
        assert [waiting(broker, bell) for bell in BELLS] == [0, 0, 0]
    with reading(engine) as conn:
        assert heartbeats.last(conn, "beat") is not None


def test_a_batch_that_fails_is_done_at_the_next_beat(broker_url: str, sqlite: Engine) -> None:
    class Stumbling(Chores):
        stumbles = 2

        def plan_batch(self) -> int:
            if self.stumbles:
                self.stumbles -= 1
                raise RuntimeError("the third time works")
            return super().plan_batch()

    chores = Stumbling(sqlite, walks=20)
    with (
        brokered(broker_url, chores) as broker,
        working(chores, broker),
        beating(chores, broker, SOON),
    ):
        until(lambda: len(chores.sent) == 20)


def test_flushed_bells_ring_again_at_the_next_beat(redis_url: str, sqlite: Engine) -> None:
    chores = Chores(sqlite, walks=100)
    client = redis.Redis.from_url(redis_url)
    with brokered(redis_url, chores) as broker:
        beat(chores, broker)
        assert waiting(broker, "plan") > 0
        client.flushdb()
        client.close()
        with working(chores, broker), beating(chores, broker, SOON):
            until(lambda: len(chores.sent) == 100)


def test_a_redis_that_dies_and_comes_back_delays_work_and_ends_nothing(
    own_redis: Redis, sqlite: Engine
) -> None:
    chores = Chores(sqlite, walks=50)
    with (
        brokered(own_redis.url(), chores) as broker,
        working(chores, broker),
        beating(chores, broker, SOON),
    ):
        until(lambda: len(chores.sent) == 50)
        own_redis.kill()
        chores.add(range(50, 150))
        swept = chores.sweeps
        until(lambda: chores.sweeps > swept + 2, what="the sweep without Redis")
        until(lambda: chores.refreshes > 2, what="the reading of sources")
        assert len(chores.sent) == 50
        own_redis.start()
        until(lambda: len(chores.sent) == 150, 30)


def test_a_redis_that_is_away_for_longer_than_every_timeout_ends_nothing(
    own_redis: Redis, sqlite: Engine
) -> None:
    """A client waits 5 s for an answer and tries three times."""
    chores, broken = Chores(sqlite, walks=400, seconds_a_batch=0.05), threading.Event()
    with (
        brokered(own_redis.url(), chores) as broker,
        working(chores, broker, broken.set),
        beating(chores, broker, SOON, broken.set),
    ):
        until(lambda: chores.sent)
        own_redis.freeze()
        time.sleep(18)  # longer than a connection waits for its answer, tries and all
        own_redis.kill()
        time.sleep(4)
        own_redis.start()
        chores.add(range(400, 500))
        until(lambda: len(chores.sent) == 500, 60)
    assert sorted(chores.sent) == list(range(500))
    assert not broken.is_set()


def test_a_redis_that_is_flushed_again_and_again_under_load_delays_nothing_for_ever(
    redis_url: str, sqlite: Engine
) -> None:
    chores, broken = Chores(sqlite, walks=600, seconds_a_batch=0.05), threading.Event()
    with (
        redis.Redis.from_url(redis_url) as client,
        brokered(redis_url, chores) as broker,
        working(chores, broker, broken.set),
        beating(chores, broker, SOON, broken.set),
    ):
        for _ in range(30):
            client.flushdb()
            client.script_flush()
            time.sleep(0.1)
        until(lambda: len(chores.sent) == 600, 60)
    assert sorted(chores.sent) == list(range(600))
    assert not broken.is_set()


def test_a_worker_stops_in_time_although_redis_is_away(own_redis: Redis, sqlite: Engine) -> None:
    chores = Chores(sqlite, walks=50)
    took = _seconds(lambda: _work_until_redis_dies(own_redis, chores))
    assert took < 10


def test_bells_that_cannot_be_given_back_to_a_dead_redis_are_left(
    own_redis: Redis, sqlite: Engine
) -> None:
    """A worker has fetched more bells than it answers when Redis dies and it must stop."""
    chores = Chores(sqlite, walks=1000, seconds_a_batch=1)
    with capture_logs() as told:
        with brokered(own_redis.url(), chores) as broker, working(chores, broker, crews={BELLS: 1}):
            beat(chores, broker)
            until(lambda: chores.in_hand)
            own_redis.kill()
        until(lambda: "stop" not in {thread.name for thread in threading.enumerate()})
    assert "worker.bells_left" in {line["event"] for line in told}


def _work_until_redis_dies(own_redis: Redis, chores: Chores) -> None:
    with brokered(own_redis.url(), chores) as broker, working(chores, broker):
        beat(chores, broker)
        until(lambda: chores.sent)
        own_redis.kill()


def _seconds(act: Callable[[], None]) -> float:
    from time import monotonic

    began = monotonic()
    act()
    return monotonic() - began


def test_a_stop_ends_the_batch_in_hand_and_begins_no_other(broker_url: str, sqlite: Engine) -> None:
    chores = Chores(sqlite, walks=1000, seconds_a_batch=0.5)
    with brokered(broker_url, chores) as broker, working(chores, broker):
        beat(chores, broker)
        until(lambda: chores.in_hand)
    sent = len(chores.sent)
    assert chores.in_hand == 0
    assert 0 < sent < 1000


def test_a_database_that_dies_and_comes_back_delays_the_beat_and_ends_nothing(
    own_postgres: Postgres,
) -> None:
    engine = make_engine(own_postgres.url())
    upgrade(engine)
    chores = Chores(engine)

    def last() -> object:
        with reading(engine) as conn:
            return heartbeats.last(conn, "beat")

    with brokered("memory", chores) as broker, beating(chores, broker, SOON):
        until(last)
        own_postgres.kill()
        swept = chores.sweeps
        until(lambda: chores.sweeps > swept + 2, what="the sweep without a database")
        own_postgres.start()
        before = last()
        until(lambda: last() != before)
    engine.dispose()
