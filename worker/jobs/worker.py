"""Threads that answer the bells."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dramatiq
import redis
import structlog
from dramatiq import Worker

from worker.jobs.duties import Duties
from worker.jobs.watching import CrewWatch, watched
from worker.kernel.memory import settled

_THREADS = 4
_IDLE_MS = 500
_STOP_SECONDS = 6

log = structlog.get_logger(__name__)


@contextmanager
def working(
    duties: Duties,
    broker: dramatiq.Broker,
    ended: Callable[[], None] = lambda: None,
    threads: int = _THREADS,
) -> Iterator[None]:
    """Answers the bells hung up in ``broker`` until the block is left; calls ``ended`` when a part
    of the crew died or hangs.

    At the end the batches in hand are ended. Leaving takes 6 s at most; what is not done by then
    is left to the leases.
    """
    watch = CrewWatch(duties.clock)
    broker.add_middleware(watch)
    crew = Worker(broker, worker_timeout=_IDLE_MS, worker_threads=threads)
    crew.start()
    log.info("worker.started", threads=threads)
    try:
        with settled(), watched(lambda: watch.wrong(crew), ended, duties.stopping):
            yield
    finally:
        duties.stopping.set()
        _stop(crew)


def _stop(crew: Worker) -> None:
    """Stops the crew, but waits no longer than we may: an absent Redis must not hold us up."""
    done = threading.Thread(target=_put_down, args=(crew,), name="stop", daemon=True)
    done.start()
    done.join(_STOP_SECONDS)
    log.info("worker.stopped", clean=not done.is_alive())


def _put_down(crew: Worker) -> None:
    try:
        crew.stop(timeout=_STOP_SECONDS * 1000)
    except redis.RedisError as error:  # bells in hand cannot be given back; they ring again by rows
        log.warning("worker.bells_left", error=str(error))
