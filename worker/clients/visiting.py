"""Notes of what was only read: what a second brings goes into one transaction.

They are traces, nothing rests on them; the last second's may be lost with the process.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Generic, NamedTuple, TypeVar

import structlog
from sqlalchemy import Engine
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from worker.kernel.errors import PerennialError

EVERY_SECONDS = 1.0
MOST = 10_000
"""More traces than that in a second are not noted: it is no client who leaves them."""

Trace = TypeVar("Trace")

log = structlog.get_logger(__name__)


class Visit(NamedTuple):
    """A page that was opened, by a program of that name; by whom, nobody knows."""

    page: str
    mail_key: str
    agent: str
    at: datetime


class Preselection(NamedTuple):
    """A score that was opened from a mail; ``agent`` names the program."""

    invitation_id: int
    score: int
    agent: str
    at: datetime
    delivered_at: datetime | None
    """When the mail was there, as far as that was known."""


class Traces(Generic[Trace]):
    """Takes traces of one kind from any thread; ``write`` puts them into their table."""

    def __init__(
        self,
        engine: Callable[[], Engine],
        write: Callable[[Connection, Sequence[Trace]], None],
    ) -> None:
        self._engine = engine
        self._write = write
        self._lock = threading.Lock()
        self._waiting: list[Trace] = []

    def note(self, trace: Trace) -> None:
        """Keeps a trace until the next transaction; the first of a second sees to one."""
        with self._lock:
            if len(self._waiting) < MOST:
                self._waiting.append(trace)
            first = len(self._waiting) == 1
        if first:
            timer = threading.Timer(EVERY_SECONDS, self._bring)
            timer.daemon = True
            timer.start()

    def _bring(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, []
        try:
            with self._engine().begin() as conn:
                self._write(conn, waiting)
        except (SQLAlchemyError, PerennialError) as error:  # the pages were shown all the same
            log.warning("traces.lost", traces=len(waiting), error=type(error).__name__)
