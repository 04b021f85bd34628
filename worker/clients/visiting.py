"""Notes that pages were opened: what a second brings goes into one transaction.

A visit is a trace, nothing rests on it; the last second's may be lost with the process.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from worker.clients import store
from worker.kernel.errors import PerennialError

EVERY_SECONDS = 1.0
MOST = 10_000
"""More visits than that in a second are not noted: it is no client who makes them."""

log = structlog.get_logger(__name__)


class Visit(NamedTuple):
    """A page that was opened, by a program of that name; by whom, nobody knows."""

    page: str
    mail_key: str
    agent: str
    at: datetime


class Visits:
    """Takes visits from any thread."""

    def __init__(self, engine: Callable[[], Engine]) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._waiting: list[Visit] = []

    def note(self, visit: Visit) -> None:
        """Keeps a visit until the next transaction; the first of a second sees to one."""
        with self._lock:
            if len(self._waiting) < MOST:
                self._waiting.append(visit)
            first = len(self._waiting) == 1
        if first:
            timer = threading.Timer(EVERY_SECONDS, self._write)
            timer.daemon = True
            timer.start()

    def _write(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, []
        try:
            with self._engine().begin() as conn:
                store.add_visits(conn, waiting)
        except (SQLAlchemyError, PerennialError) as error:  # the pages were shown all the same
            log.warning("visits.lost", visits=len(waiting), error=type(error).__name__)
