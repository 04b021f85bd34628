"""What goes wrong, in an order that a seed decides: kills, stops, crashes, edits, imports."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from tests.chaos.town import LEASE, Town
from tests.waiting import until
from worker.kernel.clock import SystemClock

_CLOCK = SystemClock()

Blow = Callable[["Storm"], None]


@dataclass
class Storm:
    """Blows fall until ``kills`` processes were killed; clients join and renew meanwhile."""

    town: Town
    kills: int
    clients: int
    waves: int = 6
    done: Counter[str] = field(default_factory=Counter)
    renewed: dict[str, str] = field(default_factory=dict)  # licence -> when the import was over

    def __post_init__(self) -> None:
        self.dice = Random(f"storm {self.town.seed}")
        self._joined = 0

    def rage(self) -> None:
        """The whole of it; the last of the crew's dead are replaced when it ends."""
        self._join()
        self.town.do("apply", "--yes")
        self.town.start_crew()
        blows = [blow for blow, weight in _BLOWS for _ in range(weight)]
        while self.done["kill"] < self.kills:
            time.sleep(self.dice.uniform(0.05, 0.45))
            self.town.replace_the_dead()
            self.dice.choice(blows)(self)
            if self.done["kill"] >= self._joined / self.clients * self.kills:
                self._join()
        while self._joined < self.clients:
            self._join()
        self.town.replace_the_dead()

    def settle(self, seconds: float = 900) -> float:
        """Waits until nothing is on its way; how long that took."""
        began = _CLOCK.monotonic()

        def still() -> bool:
            self.town.replace_the_dead()
            return self.town.open_rows() == 0

        until(still, seconds, what="the end of all that is open", every=0.5)
        return _CLOCK.monotonic() - began

    def _join(self) -> None:
        count = min(-(-self.clients // self.waves), self.clients - self._joined)
        if count > 0:
            self.town.grow(self._joined, count)
            self._joined += count

    # --- blows ---

    def _kill(self, *names: str) -> None:
        living = self.town.of(*names)
        if living:
            self.dice.choice(living).end()
            self.done["kill"] += 1

    def kill_worker(self) -> None:
        self._kill("worker")

    def kill_scheduler(self) -> None:
        self._kill("scheduler")

    def kill_web(self) -> None:
        self._kill("web")

    def kill_all_workers(self) -> None:
        for life in self.town.of("worker"):
            life.end()
            self.done["kill"] += 1

    def stand_still(self) -> None:
        """A worker stops for twice its lease, then goes on as if nothing had been."""
        living = [life for life in self.town.of("worker") if life.stopped_until is None]
        if living:
            life = self.dice.choice(living)
            life.send(signal.SIGSTOP)
            life.stopped_until = _CLOCK.monotonic() + 2 * LEASE
            self.done["stop"] += 1

    def roll(self) -> None:
        """A rolling restart: each is told to end, and a new one takes its place."""
        for life in self.town.of("worker", "scheduler", "web"):
            if life.stopped_until is None:
                life.end(signal.SIGTERM)
                self.town.replace_the_dead()
        self.done["roll"] += 1

    def flush(self) -> None:
        from redis import Redis

        client = Redis(port=self.town.redis.port)
        client.flushall()
        client.close()
        self.done["flush"] += 1

    def lose_redis(self) -> None:
        """Killed, away for a moment, back with nothing in it."""
        self.town.redis.kill()
        time.sleep(self.dice.uniform(0, 2))
        self.town.redis.start()
        self.done["redis"] += 1

    def crash_database(self) -> None:
        if self.town.postgres is not None:
            self.town.postgres.kill()
            time.sleep(self.dice.uniform(0, 1))
            self.town.postgres.start()
            self.done["database"] += 1

    def edit(self) -> None:
        self.done["edit"] += 1
        self.town.reword(f"({self.done['edit']})")

    def renew(self) -> None:
        """Some clients renew, whether or not they were mailed."""
        left = [key for key in sorted(self.town.book) if key not in self.renewed]
        chosen = self.dice.sample(left, min(3, len(left)))
        self.town.renew(chosen)
        now = _CLOCK.now().isoformat()
        self.renewed |= dict.fromkeys(chosen, now)
        self.done["renew"] += 1


_BLOWS: tuple[tuple[Blow, int], ...] = (
    (Storm.kill_worker, 40),
    (Storm.kill_scheduler, 10),
    (Storm.kill_web, 8),
    (Storm.kill_all_workers, 4),
    (Storm.stand_still, 4),
    (Storm.flush, 3),
    (Storm.lose_redis, 2),
    (Storm.crash_database, 2),
    (Storm.roll, 1),
    (Storm.edit, 2),
    (Storm.renew, 4),
)
