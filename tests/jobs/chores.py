"""A working stand-in for the application behind the bells: rows in memory, real batches."""

from __future__ import annotations

import threading
import time

from sqlalchemy import Engine

from worker.bootstrap.duties import Due
from worker.catalogue.refresh import Tried
from worker.kernel.clock import Clock, SystemClock

BATCH = 10


class Chores:
    """Walks become mails, mails become sent. Any number of threads may work on them at once."""

    def __init__(
        self, engine: Engine, walks: int = 0, *, calls: int = 0, seconds_a_batch: float = 0
    ) -> None:
        self.clock: Clock = SystemClock()
        self.stopping = threading.Event()
        self.engine = engine
        self.planned: list[int] = []
        self.sent: list[int] = []
        self.called: list[int] = []
        self.beats = 0
        self.sweeps = 0
        self.refreshes = 0
        self.in_hand = 0
        self._walks = list(range(walks))
        self._mails: list[int] = []
        self._calls = list(range(calls))
        self._seconds = seconds_a_batch
        self._lock = threading.Lock()

    def add(self, walks: range) -> None:
        with self._lock:
            self._walks.extend(walks)

    def plan_batch(self) -> int:
        rows = self._take(self._walks)
        with self._lock:
            self._mails.extend(rows)
            self.planned.extend(rows)
        return len(rows)

    def send_batch(self) -> int:
        rows = self._take(self._mails)
        self.in_hand += 1
        time.sleep(self._seconds)
        self.in_hand -= 1
        with self._lock:
            self.sent.extend(rows)
        return len(rows)

    def call_batch(self) -> int:
        rows = self._take(self._calls)
        with self._lock:
            self.called.extend(rows)
        return len(rows)

    def due(self) -> Due:
        return Due(len(self._walks), len(self._mails), len(self._calls))

    def after_beat(self) -> None:
        self.beats += 1

    def sweep(self) -> None:
        self.sweeps += 1

    def refresh(self) -> list[Tried]:
        self.refreshes += 1
        return [Tried("book"), Tried("erp", "it is down"), Tried("old", "?", KeyError())]

    def _take(self, rows: list[int]) -> list[int]:
        with self._lock:
            taken, rows[:] = rows[:BATCH], rows[BATCH:]
        return taken
