"""Each part that can stand still is frozen: health turns red, and the ping stops.

The processes are real, only their minutes are seconds.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine

from tests.http.server import Asked, Reply, Server
from tests.processes import Process, running, write_config
from tests.servers import Postgres, Redis
from tests.waiting import until
from worker.cadence.records import walks
from worker.db.engine import make_engine
from worker.db.migrate import upgrade
from worker.kernel.clock import SystemClock

pytestmark = pytest.mark.timeout(240)

SECONDS = 4
"""As long as three minutes are otherwise."""


@dataclass
class Watched:
    """An instance with a scheduler and a worker, and the one who waits for its pings."""

    root: Path
    port: int
    pings: Server
    parts: dict[str, Process] = field(default_factory=dict)

    def health(self) -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{self.port}/healthz", timeout=10)

    def is_well(self) -> bool:
        return self.health().status_code == 200 and bool(self.pings.asked)

    def stalled(self) -> list[str]:
        """What stands still, as health says; nothing while it is green."""
        found: list[str] = self.health().json()["stalled"]
        return found

    def pinged(self) -> int:
        return len(self.pings.asked)

    def goes_silent(self) -> None:
        """Waits until no ping has come for as long as twice the usual time between two."""
        last = [self.pinged(), SystemClock().monotonic()]

        def silent() -> bool:
            if self.pinged() != last[0]:
                last[:] = self.pinged(), SystemClock().monotonic()
            return SystemClock().monotonic() - last[1] > 2 * SECONDS / 3

        until(silent, 10 * SECONDS, what="the end of the pings")


@pytest.fixture
def pings() -> Iterator[Server]:
    with Server(lambda _asked: Reply()).running() as server:
        yield server


def _configured(root: Path, pings: Server, database: str, broker: str) -> int:
    port = write_config(root, database=database, broker=broker)
    config = root / "config.toml"
    mail = '[mail]\nlease = "2 seconds"\ntimeout = "1 second"\n'
    ping = f'{mail}[beat]\nping_url = "{pings.url}/ping/1"\n'
    config.write_text(config.read_text().replace("[beat]\n", ping))
    return port


@contextmanager
def watched(
    root: Path, pings: Server, database: str, broker: str, *names: str
) -> Iterator[Watched]:
    """The instance with these processes and the web, all of them well."""
    it = Watched(root, _configured(root, pings, database, broker), pings)
    with _started(it, ["web", *names]):
        it.parts["web"].wait_for("web.started")
        until(it.is_well, 60, what="health and a ping")
        yield it


@contextmanager
def _started(it: Watched, names: list[str]) -> Iterator[None]:
    if not names:
        yield
        return
    with running(it.root, names[0], module="tests.jobs.hurried", first=str(SECONDS)) as part:
        it.parts[names[0]] = part
        with _started(it, names[1:]):
            yield


def _due_walk(engine: Engine) -> None:
    """A walk that the planner has to look at: the one thing that there is to do."""
    now = SystemClock().now()
    walk = {"schedule": "gone", "subject_id": 1, "cycle": 1, "anchor_on": date(2027, 1, 1)}
    walk |= {"first_act_at": now, "next_at": now - timedelta(days=1), "state": "active"}
    with engine.begin() as conn:
        conn.execute(walks.insert().values(walk))


def test_all_is_well_while_every_part_works(
    root: Path, pings: Server, postgresql_url: str, redis_url: str
) -> None:
    engine = make_engine(postgresql_url)
    with watched(root, pings, postgresql_url, redis_url, "scheduler", "worker") as it:
        _due_walk(engine)
        before, began = it.pinged(), SystemClock().monotonic()
        until(lambda: SystemClock().monotonic() - began > 2 * SECONDS)
        assert it.stalled() == []
        assert it.pinged() > before + 2
    engine.dispose()


def test_a_ping_says_nothing_but_that_we_are_there(
    root: Path, pings: Server, sqlite_url: str, redis_url: str
) -> None:
    with watched(root, pings, sqlite_url, redis_url, "scheduler"):
        asked = pings.asked[0]
    assert (asked.method, asked.path, asked.body) == ("GET", "/ping/1", b"")
    sent = {name.lower() for name in asked.headers}
    assert sent <= {"host", "accept", "accept-encoding", "connection", "user-agent"}


def test_a_frozen_scheduler_turns_health_red_and_pings_no_more(
    root: Path, pings: Server, postgresql_url: str, redis_url: str
) -> None:
    with watched(root, pings, postgresql_url, redis_url, "scheduler", "worker") as it:
        scheduler = it.parts["scheduler"].process
        scheduler.send_signal(signal.SIGSTOP)
        it.goes_silent()
        until(lambda: it.stalled() == ["beat"], what="a red health")
        scheduler.send_signal(signal.SIGCONT)
        before = it.pinged()
        until(lambda: not it.stalled() and it.pinged() > before, what="health and a ping")


def test_work_that_no_worker_does_turns_health_red_although_the_beat_goes_on(
    root: Path, pings: Server, postgresql_url: str, redis_url: str
) -> None:
    engine = make_engine(postgresql_url)
    with watched(root, pings, postgresql_url, redis_url, "scheduler", "worker") as it:
        worker = it.parts["worker"].process
        worker.send_signal(signal.SIGSTOP)
        _due_walk(engine)
        until(lambda: it.stalled() == ["plan"], what="a red health")
        it.goes_silent()
        assert it.health().status_code == 503
        worker.send_signal(signal.SIGCONT)
        before = it.pinged()
        until(lambda: not it.stalled() and it.pinged() > before, what="health and a ping")
    engine.dispose()


def test_without_work_an_absent_worker_is_no_stall(
    root: Path, pings: Server, sqlite_url: str, redis_url: str
) -> None:
    with watched(root, pings, sqlite_url, redis_url, "scheduler") as it:
        began = SystemClock().monotonic()
        until(lambda: SystemClock().monotonic() - began > 2 * SECONDS)
        assert it.stalled() == []


@pytest.mark.parametrize("how", ["killed", "frozen"])
def test_an_absent_database_turns_health_red_and_the_pings_stop(
    root: Path, pings: Server, own_postgres: Postgres, redis_url: str, how: str
) -> None:
    engine = make_engine(own_postgres.url())
    upgrade(engine)
    engine.dispose()
    with watched(root, pings, own_postgres.url(), redis_url, "scheduler", "worker") as it:
        freeze: Callable[[], None]
        freeze = own_postgres.kill if how == "killed" else own_postgres.freeze
        freeze()
        it.goes_silent()
        until(lambda: it.stalled() == ["beat"], what="a red health")
        own_postgres.start() if how == "killed" else own_postgres.thaw()
        before = it.pinged()
        until(lambda: not it.stalled() and it.pinged() > before, 60, what="health and a ping")


def test_a_redis_that_is_away_while_work_waits_turns_health_red(
    root: Path, pings: Server, postgresql_url: str, own_redis: Redis
) -> None:
    engine = make_engine(postgresql_url)
    with watched(root, pings, postgresql_url, own_redis.url(), "scheduler", "worker") as it:
        own_redis.kill()
        _due_walk(engine)
        it.goes_silent()
        until(lambda: "plan" in it.stalled(), what="a red health")
        own_redis.start()
        before = it.pinged()
        until(lambda: not it.stalled() and it.pinged() > before, 60, what="health and a ping")
    engine.dispose()


def test_a_slow_or_absent_listener_never_holds_up_the_beat(
    root: Path, pings: Server, sqlite_url: str
) -> None:
    def slow(_asked: Asked) -> Reply:
        return Reply(wait=60)

    pings.answering = slow
    port = _configured(root, pings, sqlite_url, "memory")
    with running(root, "up", module="tests.jobs.hurried", first=str(SECONDS)) as up:
        up.wait_for("web.started")
        until(lambda: pings.asked, what="a ping")
        beats: set[str] = set()
        url = f"http://127.0.0.1:{port}/healthz"
        until(lambda: beats.add(httpx.get(url).json()["last_beat"]) or len(beats) > 3)
        until(lambda: up.logged("ping.missed"), what="the end of the ping's patience")
        assert up.stop() < 10


def test_one_tick_pings_once_it_is_done(root: Path, pings: Server, sqlite_url: str) -> None:
    _configured(root, pings, sqlite_url, "memory")
    with running(root, "tick") as tick:
        assert tick.process.wait(60) == 0
    assert len(pings.asked) == 1
