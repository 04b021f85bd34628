"""The beat: looks for due rows and rings the bells. Any number of schedulers may run."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

import dramatiq
import structlog
from redis import RedisError
from sqlalchemy.exc import DBAPIError

from worker.db import heartbeats
from worker.jobs import watching
from worker.jobs.broker import ring
from worker.jobs.duties import Duties
from worker.jobs.watching import watched
from worker.kernel.errors import DependencyDownError

_ROWS_PER_BELL = 200
_MOST_BELLS = 8

log = structlog.get_logger(__name__)


def beat(duties: Duties, broker: dramatiq.Broker) -> None:
    """One beat: rings for what is due, notes that it did and lets it be known."""
    due = duties.due()
    for name, rows in (("plan", due.walks), ("send", due.messages), ("call", due.calls)):
        if rows:
            rung = ring(broker, name, min(_MOST_BELLS, 1 + rows // _ROWS_PER_BELL))
            log.info("bell.rung", bell=name, due=rows, times=rung)
    _note(duties, "beat")
    duties.after_beat()


def sweep(duties: Duties) -> None:
    """One round of the slower duties, apart from the beat so that they never hold it up."""
    duties.sweep()
    _note(duties, "sweep")


def refresh(duties: Duties) -> None:
    """Reads the sources whose time has come, apart from both: a slow server holds up nobody."""
    for tried in duties.refresh():
        if tried.error is not None:
            log.error("source.failed", source=tried.source, exc_info=tried.error)
        elif tried.problem is not None:  # it may quote the book, so it stands in the alarm alone
            log.warning("source.failed", source=tried.source)
        else:
            log.info("source.read", source=tried.source)
    _note(duties, "refresh")


def _note(duties: Duties, name: str) -> None:
    with duties.engine.begin() as conn:
        heartbeats.beat(conn, name, duties.clock.now())


@contextmanager
def beating(
    duties: Duties,
    broker: dramatiq.Broker,
    every: timedelta,
    ended: Callable[[], None] = lambda: None,
) -> Iterator[None]:
    """Beat, sweep and refresh, each in a thread of its own, until the block is left; calls
    ``ended`` when one of them died, or the beat hangs."""
    loops = [
        _Loop("beat", lambda: beat(duties, broker), every, duties),
        _Loop("sweep", lambda: sweep(duties), every, duties),
        _Loop("refresh", lambda: refresh(duties), every, duties),
    ]
    try:
        with watched(lambda: _wrong(loops), ended, duties.stopping):
            yield
    finally:
        duties.stopping.set()
        for loop in loops:
            loop.thread.join(1)


class _Loop:
    """A duty done again and again in a thread of its own; ``idle`` while it waits."""

    def __init__(
        self, name: str, duty: Callable[[], None], every: timedelta, duties: Duties
    ) -> None:
        self.name, self._duty, self._every, self._duties = name, duty, every, duties
        self._since: float | None = None
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.thread.start()

    @property
    def seconds(self) -> float:
        """How long the duty in hand has taken so far; 0 between two."""
        since = self._since
        return 0.0 if since is None else self._duties.clock.monotonic() - since

    def _run(self) -> None:
        while not self._duties.stopping.is_set():
            self._since = self._duties.clock.monotonic()
            _try(self.name, self._duty)
            self._since = None
            self._duties.stopping.wait(self._every.total_seconds())


def _wrong(loops: Sequence[_Loop]) -> str | None:
    """What is wrong with the loops. Only the beat is known to be short: a sweep may prove the whole
    book, and a source be as slow as it likes."""
    for loop in loops:
        if not loop.thread.is_alive():
            return f"the thread of the {loop.name} has died"
        if loop.name == "beat" and loop.seconds > watching.HUNG_SECONDS:
            return f"a beat has not ended for {watching.HUNG_SECONDS / 60:.0f} minutes"
    return None


def _try(name: str, duty: Callable[[], None]) -> None:
    """Does the duty; whatever goes wrong is logged and tried again at the next beat."""
    try:
        duty()
    except (DBAPIError, RedisError, DependencyDownError) as error:
        log.warning(f"{name}.missed", error=type(error).__name__, said=str(error).split("\n")[0])
    except Exception:
        log.exception(f"{name}.failed")
