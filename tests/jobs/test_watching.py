"""A part that died or hangs is noticed, and the process ends with a message, not in silence."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.jobs.chores import Chores
from tests.processes import running, write_config
from tests.waiting import until
from worker.db.engine import make_engine
from worker.jobs import watching
from worker.jobs.broker import brokered
from worker.jobs.scheduler import beat, beating
from worker.jobs.worker import working

OFTEN = timedelta(seconds=0.2)


@pytest.fixture
def sqlite(sqlite_url: str) -> Iterator[Engine]:
    engine = make_engine(sqlite_url)
    yield engine
    engine.dispose()


@pytest.fixture
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "LOOK_EVERY_SECONDS", 0.1)
    monkeypatch.setattr(watching, "SILENT_SECONDS", 2.0)
    monkeypatch.setattr(watching, "HUNG_SECONDS", 1.0)


class Stuck(Chores):
    """Batches and beats that end only when they are let go."""

    def __init__(self, engine: Engine, *, walks: int = 0, beats: bool = False) -> None:
        super().__init__(engine, walks=walks)
        self.let_go = threading.Event()
        self._beats = beats

    def plan_batch(self) -> int:
        self.let_go.wait(60)
        return 0

    def after_beat(self) -> None:
        if self._beats:
            self.let_go.wait(60)


@pytest.mark.usefixtures("in_a_hurry")
def test_a_batch_that_hangs_is_noticed(redis_url: str, sqlite: Engine) -> None:
    chores, broken = Stuck(sqlite, walks=5), threading.Event()
    with brokered(redis_url, chores) as broker, working(chores, broker, broken.set):
        beat(chores, broker)
        until(broken.is_set, 10, what="the notice")
        chores.let_go.set()


@pytest.mark.usefixtures("in_a_hurry")
def test_a_beat_that_hangs_is_noticed(sqlite: Engine) -> None:
    chores, broken = Stuck(sqlite, beats=True), threading.Event()
    with (
        brokered("memory", chores) as broker,
        beating(chores, broker, OFTEN, broken.set),
    ):
        until(broken.is_set, 10, what="the notice")
        chores.let_go.set()


class End(BaseException):
    """Ends the thread it is raised in; nobody catches it."""


@pytest.mark.usefixtures("in_a_hurry")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_beat_that_died_is_noticed(sqlite: Engine) -> None:
    class Dying(Chores):
        def after_beat(self) -> None:
            raise End

    chores, broken = Dying(sqlite), threading.Event()
    with brokered("memory", chores) as broker, beating(chores, broker, OFTEN, broken.set):
        until(broken.is_set, 10, what="the notice")


@pytest.mark.usefixtures("in_a_hurry")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_listener_that_died_is_noticed(redis_url: str, sqlite: Engine) -> None:
    chores, broken = Chores(sqlite), threading.Event()
    with brokered(redis_url, chores) as broker, working(chores, broker, broken.set):
        _next_fetch(broker, _raising)
        until(broken.is_set, 10, what="the notice")


@pytest.mark.usefixtures("in_a_hurry")
def test_a_listener_that_listens_no_more_is_noticed(redis_url: str, sqlite: Engine) -> None:
    chores, broken, let_go = Chores(sqlite), threading.Event(), threading.Event()
    with brokered(redis_url, chores) as broker, working(chores, broker, broken.set):
        _next_fetch(broker, lambda: let_go.wait(60))
        until(broken.is_set, 10, what="the notice")
        let_go.set()


def _raising() -> None:
    raise End


def _next_fetch(broker: object, act: Callable[[], object]) -> None:
    """What the listeners meet the next time they ask for bells."""

    def fetch(*_given: object) -> list[bytes]:
        act()
        return []

    broker.do_fetch = fetch  # type: ignore[attr-defined]


@pytest.mark.usefixtures("in_a_hurry")
def test_a_crew_that_works_is_left_alone(redis_url: str, sqlite: Engine) -> None:
    chores, broken = Chores(sqlite, walks=300, seconds_a_batch=0.1), threading.Event()
    with brokered(redis_url, chores) as broker, working(chores, broker, broken.set):
        beat(chores, broker)
        until(lambda: len(chores.sent) == 300)
    assert not broken.is_set()


def test_a_process_that_cannot_go_on_says_so_and_ends_with_an_error(
    root: Path, sqlite_url: str, redis_url: str
) -> None:
    write_config(root, database=sqlite_url, broker=redis_url)
    with running(root, "worker", module="tests.jobs.lamed") as worker:
        assert worker.process.wait(60) == 1
        (said,) = worker.logged("process.broken")
    assert said["why"] == "the thread that listens for the bell plan has died"
    assert said["what_to_do"] == "it ends; start it again"
