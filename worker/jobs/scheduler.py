"""The beat: looks for due rows and rings the bells. Any number of schedulers may run."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import dramatiq
import structlog
from redis import RedisError
from sqlalchemy.exc import DBAPIError

from worker.db import heartbeats
from worker.jobs.broker import ring
from worker.jobs.duties import Duties
from worker.kernel.errors import DependencyDownError

_ROWS_PER_BELL = 200
_MOST_BELLS = 8

log = structlog.get_logger(__name__)


def beat(duties: Duties, broker: dramatiq.Broker) -> None:
    """One beat: rings for what is due and notes that it did."""
    due = duties.due()
    for name, rows in (("plan", due.walks), ("send", due.messages), ("call", due.calls)):
        if rows:
            rung = ring(broker, name, min(_MOST_BELLS, 1 + rows // _ROWS_PER_BELL))
            log.info("bell.rung", bell=name, due=rows, times=rung)
    _note(duties, "beat")


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
def beating(duties: Duties, broker: dramatiq.Broker, every: timedelta) -> Iterator[None]:
    """Beat, sweep and refresh, each in a thread of its own, until the block is left."""
    loops = [
        _loop("beat", lambda: beat(duties, broker), every, duties.stopping),
        _loop("sweep", lambda: sweep(duties), every, duties.stopping),
        _loop("refresh", lambda: refresh(duties), every, duties.stopping),
    ]
    try:
        yield
    finally:
        duties.stopping.set()
        for loop in loops:
            loop.join(1)


def _loop(
    name: str, duty: Callable[[], None], every: timedelta, stopping: threading.Event
) -> threading.Thread:
    def run() -> None:
        while not stopping.is_set():
            _try(name, duty)
            stopping.wait(every.total_seconds())

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    return thread


def _try(name: str, duty: Callable[[], None]) -> None:
    """Does the duty; whatever goes wrong is logged and tried again at the next beat."""
    try:
        duty()
    except (DBAPIError, RedisError, DependencyDownError) as error:
        log.warning(f"{name}.missed", error=type(error).__name__, said=str(error).split("\n")[0])
    except Exception:
        log.exception(f"{name}.failed")
