"""Notices a part of this process that died or hangs, and ends the process with a clear message.

Whatever is merely away (Redis, the database) is waited for and no reason to end. What is watched
here does not mend itself; a fresh process does, and nothing is lost by it: work is in rows.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import dramatiq
import structlog
from dramatiq import Worker
from dramatiq.broker import MessageProxy
from dramatiq.middleware import Middleware

from worker.kernel.clock import Clock

LOOK_EVERY_SECONDS = 5.0
SILENT_SECONDS = 90.0
"""A listener asks Redis about once a second, and at least every 20 s when it does not answer."""
HUNG_SECONDS = 900.0
"""A batch takes a lease at most, and a statement of the database 5 minutes."""

log = structlog.get_logger(__name__)


@contextmanager
def watched(
    wrong: Callable[[], str | None], ended: Callable[[], None], stopping: threading.Event
) -> Iterator[None]:
    """Asks ``wrong`` every few seconds until the block is left or the process is told to stop;
    calls ``ended`` once it says what is wrong."""
    over = threading.Event()

    def look() -> None:
        before: str | None = None
        while not over.wait(LOOK_EVERY_SECONDS) and not stopping.is_set():
            why = wrong()
            # Twice, or a process that was stopped and continued would seem to hang.
            if why is not None and why == before:
                log.critical("process.broken", why=why, what_to_do="it ends; start it again")
                ended()
                return
            before = why

    threading.Thread(target=look, name="watchdog", daemon=True).start()
    try:
        yield
    finally:
        over.set()


class CrewWatch(Middleware):
    """Knows since when each thread of a crew has had its bell in hand, and asks how they are."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began = clock.monotonic()
        self._in_hand: dict[int, tuple[str, float]] = {}

    def before_process_message(self, broker: dramatiq.Broker, message: MessageProxy) -> None:
        self._in_hand[threading.get_ident()] = message.actor_name, self._clock.monotonic()

    def after_process_message(
        self, broker: dramatiq.Broker, *_more: object, **_said: object
    ) -> None:
        self._in_hand.pop(threading.get_ident(), None)

    def wrong(self, crews: Iterable[Worker]) -> str | None:
        """What is wrong with the crews, if anything is."""
        return next(filter(None, map(self._wrong, crews)), None) or self._hanging()

    def _hanging(self) -> str | None:
        now = self._clock.monotonic()
        for bell, since in list(self._in_hand.values()):
            if now - since > HUNG_SECONDS:
                return (
                    f"a batch of the bell {bell} has not ended for {HUNG_SECONDS / 60:.0f} minutes"
                )
        return None

    def _wrong(self, crew: Worker) -> str | None:
        now = self._clock.monotonic()
        if not all(thread.is_alive() for thread in crew.workers):
            return "a thread that answers bells has died"
        for queue, listener in list(crew.consumers.items()):
            if not listener.is_alive():
                return f"the thread that listens for the bell {queue} has died"
            heard: dict[str, float] = getattr(crew.broker, "asked_at", {})
            if now - heard.get(queue, self._began) > SILENT_SECONDS and heard:
                return f"nobody has listened for the bell {queue} for {SILENT_SECONDS:.0f} s"
        return None
