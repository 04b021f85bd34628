"""Threads that answer the bells."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import monotonic

import dramatiq
import redis
import structlog
from dramatiq import Worker

from worker.jobs.duties import Duties
from worker.jobs.watching import CrewWatch, watched
from worker.kernel.memory import settled

CREWS = {("send",): 2, ("plan", "call"): 2}
"""Threads by the bells they answer: a provider that answers slowly keeps no plan waiting, and a
system that does keeps no mail. More threads that write mails get in each other's way: a process
runs one piece of Python at a time."""
_IDLE_MS = 500
_STOP_SECONDS = 6

log = structlog.get_logger(__name__)


@contextmanager
def working(
    duties: Duties,
    broker: dramatiq.Broker,
    ended: Callable[[], None] = lambda: None,
    crews: Mapping[tuple[str, ...], int] = CREWS,
) -> Iterator[None]:
    """Answers the bells hung up in ``broker`` until the block is left; calls ``ended`` when a part
    of a crew died or hangs.

    At the end the batches in hand are ended. Leaving takes 6 s at most; what is not done by then
    is left to the leases.
    """
    watch = CrewWatch(duties.clock)
    broker.add_middleware(watch)
    made = [_started(broker, bells, threads) for bells, threads in crews.items()]
    log.info("worker.started", threads=sum(crews.values()))
    try:
        with settled(), watched(lambda: watch.wrong(made), ended, duties.stopping):
            yield
    finally:
        duties.stopping.set()
        _stop(made)


def _started(broker: dramatiq.Broker, bells: Collection[str], threads: int) -> Worker:
    crew = Worker(broker, queues={*bells}, worker_timeout=_IDLE_MS, worker_threads=threads)
    known = list(broker.middleware)
    crew.start()
    broker.middleware = known  # it would wait for queues to come, of which there are none
    return crew


def _stop(crews: Sequence[Worker]) -> None:
    """Stops the crews, but waits no longer than we may: an absent Redis must not hold us up."""
    parts = [
        threading.Thread(target=_put_down, args=(crew,), name="stop", daemon=True) for crew in crews
    ]
    for part in parts:
        part.start()
    last = monotonic() + _STOP_SECONDS
    for part in parts:
        part.join(max(0.0, last - monotonic()))
    log.info("worker.stopped", clean=not any(part.is_alive() for part in parts))


def _put_down(crew: Worker) -> None:
    try:
        crew.stop(timeout=_STOP_SECONDS * 1000)
    except redis.RedisError as error:  # bells in hand cannot be given back; they ring again by rows
        log.warning("worker.bells_left", error=str(error))
