"""Processes may die at any instant: no mail is lost, none is doubled, and the ledger tells no lie.

The evidence is the folder of mails, which is counted without asking the ledger.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from random import Random
from signal import SIGKILL, SIGSTOP, Signals

import pytest
import redis
from sqlalchemy import Engine

from tests.processes import Process, running
from tests.servers import Redis
from tests.stories.instance import Instance, Ledger, account_for, many
from tests.stories.mortal import Fate, Mortal, a_machine, finish, mailing
from tests.waiting import until
from worker.channels.folder import FolderChannel
from worker.db.engine import make_engine
from worker.db.migrate import upgrade
from worker.kernel.clock import SystemClock, VirtualClock

pytestmark = [
    pytest.mark.timeout(900),
    # Newer Pythons warn of forks beside threads; the child only works and dies.
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
]

MAILS = 500
KILLS = 10


def _expected(count: int) -> set[tuple[str, str]]:
    return {(f"L-{number:04}", "heads-up") for number in range(count)}


# --- ten kills at chance moments of a run of 500 mails ---


class Crew:
    """The processes of an instance; one that was killed is started again at once."""

    def __init__(self, stack: ExitStack, root: Path, commands: dict[str, str]) -> None:
        self._stack, self._root, self._commands = stack, root, commands
        self._lives = dict.fromkeys(commands, 0)
        self.running: dict[str, Process] = {}
        for name in commands:
            self._start(name)

    def _start(self, name: str) -> None:
        self._lives[name] += 1
        log = f"{name}-{self._lives[name]}"
        process = running(self._root, self._commands[name], name=log)
        self.running[name] = self._stack.enter_context(process)

    def kill(self, name: str) -> None:
        """kill -9, and a new one in its place."""
        self.running[name].kill()
        self._start(name)

    def up(self, name: str) -> bool:
        """Whether it has begun its work."""
        process = self.running[name]
        return bool(process.logged("worker.started") or process.logged("bell.rung"))

    def stop(self) -> None:
        for process in self.running.values():
            assert process.stop() < 10


def _moments(dice: Random) -> list[int]:
    """After how many mails each kill comes: chance moments, spread over the whole run. A burst of
    mails may leave between a moment and its kill, and two workers have one each at the end."""
    width = (MAILS - 3 * FolderChannel.burst) // KILLS
    return [number * width + dice.randrange(1, width) for number in range(KILLS)]


def _kill_ten_times(crew: Crew, instance: Instance, dice: Random) -> list[tuple[int, str]]:
    """Ten kills, each in the middle of the run; how many mails had left at each, and who died."""
    killed: list[tuple[int, str]] = []
    for moment in _moments(dice):
        until(lambda moment=moment: len(instance.files()) >= moment, 120, what=f"mail {moment}")
        alive = [name for name in sorted(crew.running) if crew.up(name)]
        victim = dice.choice(alive or sorted(crew.running))
        time.sleep(dice.random() * 0.02)
        crew.kill(victim)
        killed.append((len(instance.files()), victim))
    return killed


def _settled(engine: Engine, instance: Instance) -> bool:
    states = Ledger.of(engine).states()
    return states.get("accepted", 0) == MAILS or not set(states) & {"due", "sending", "unknown"}


def _survive(instance: Instance, engine: Engine, commands: dict[str, str], seed: int) -> None:
    instance.load(*many(instance, MAILS))
    with ExitStack() as stack:
        crew = Crew(stack, instance.root, commands)
        killed = _kill_ten_times(crew, instance, Random(seed))
        until(lambda: _settled(engine, instance), 120, what=f"the end after {killed}")
        crew.stop()
    assert len(killed) == KILLS
    assert killed[-1][0] < MAILS, f"the last kill came too late to prove anything: {killed}"
    account_for(engine, instance, _expected(MAILS))


def test_ten_kills_of_a_scheduler_and_two_workers_lose_no_mail_and_double_none(
    root: Path, postgresql_url: str, redis_url: str
) -> None:
    instance = Instance(
        root, database=postgresql_url, broker=redis_url, lease="2 seconds", short_mails=True
    )
    engine = make_engine(postgresql_url)
    commands = {"scheduler": "scheduler", "worker-1": "worker", "worker-2": "worker"}
    _survive(instance, engine, commands, seed=1)
    engine.dispose()


def test_ten_kills_of_the_one_process_that_does_everything_lose_no_mail_and_double_none(
    root: Path,
) -> None:
    instance = Instance(root, lease="2 seconds", short_mails=True)
    engine = make_engine(f"sqlite:///{root}/var/perennial.db")
    upgrade(engine)
    _survive(instance, engine, {"up": "up"}, seed=2)
    engine.dispose()


def test_a_redis_that_forgets_everything_in_mid_run_loses_no_mail(
    root: Path, postgresql_url: str, own_redis: Redis
) -> None:
    count = 150
    instance = Instance(
        root, database=postgresql_url, broker=own_redis.url(), lease="2 seconds", short_mails=True
    )
    engine = make_engine(postgresql_url)
    instance.load(*many(instance, count))
    with ExitStack() as stack:
        crew = Crew(stack, root, {"scheduler": "scheduler", "worker": "worker"})
        client = redis.Redis.from_url(own_redis.url())
        for moment in (1, 60):
            until(lambda moment=moment: len(instance.files()) >= moment, 120)
            client.flushall()
        own_redis.kill()
        own_redis.start()
        until(lambda: Ledger.of(engine).states().get("accepted", 0) == count, 120)
        client.close()
        crew.stop()
    account_for(engine, instance, _expected(count))
    engine.dispose()


# --- one death, or one long sleep, at every labelled point ---

COUNT = 60  # more than the folder takes in one burst
POINTS = [
    ("commit", 2),  # walks are begun
    ("commit", 3),  # steps are decided, messages written
    ("commit", 5),
    ("claimed", 1),
    ("started", 1),
    ("os.link", 7),
    ("os.remove", 7),
    ("sent", 1),
    ("sent", 57),  # in the second burst
    ("recorded", 1),
]


class Scene:
    """A database and a folder with sixty licences to mail, ready for a process to die on."""

    def __init__(self, instance: Instance, url: str) -> None:
        self.instance, self.url = instance, url
        self.engine = make_engine(url)

    def act(self, label: str, number: int, lease: float, sign: Signals = SIGKILL) -> Mortal:
        return Mortal(self.url, mailing(self.instance.folder, lease), Fate(label, number, sign))

    def recover(self, after: timedelta) -> None:
        """What the next process does, some time later."""
        clock = VirtualClock(SystemClock().now() + after)
        finish(a_machine(self.engine, self.instance.folder, clock))

    def check(self) -> None:
        account_for(self.engine, self.instance, _expected(COUNT))


@pytest.fixture
def scene(root: Path, database_url: str) -> Iterator[Scene]:
    instance = Instance(root, database=database_url, short_mails=True)
    made = Scene(instance, database_url)
    instance.load(*many(instance, COUNT))
    yield made
    made.engine.dispose()


@pytest.mark.parametrize(("label", "number"), POINTS)
def test_a_process_that_dies_at_any_point_of_the_way_loses_no_mail_and_doubles_none(
    scene: Scene, label: str, number: int
) -> None:
    process = scene.act(label, number, lease=60)
    assert process.wait() == -SIGKILL, "it came past the point at which it should die"
    scene.recover(timedelta(seconds=61))
    scene.check()


@pytest.mark.parametrize(
    ("label", "number"),
    [("claimed", 1), ("started", 1), ("os.link", 7)],
)
def test_a_process_that_stands_still_beyond_its_lease_and_goes_on_doubles_no_mail(
    scene: Scene, label: str, number: int
) -> None:
    lease = 1.5
    process = scene.act(label, number, lease, SIGSTOP)
    try:
        process.wait_until_it_stands_still()
        time.sleep(2 * lease)
        scene.recover(timedelta(0))
        process.go_on()
        assert process.wait() == 0
    finally:
        process.end()
    scene.recover(timedelta(seconds=61))
    scene.check()


def test_processes_that_die_one_after_the_other_lose_no_mail_and_double_none(scene: Scene) -> None:
    """The second and the third die while they clear up after the first."""
    lease = 4.0  # a slow machine writes nine mails within it
    for label, number in (("started", 1), ("sent", 9), ("commit", 3)):
        process = scene.act(label, number, lease)
        assert process.wait() == -SIGKILL, label
        time.sleep(lease)
    scene.recover(timedelta(seconds=61))
    scene.check()
