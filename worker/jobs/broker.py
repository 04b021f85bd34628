"""Brokers and the bells ``plan``, ``send`` and ``call``.

No middleware but the watchdog's. Retries and delays would keep business time in a broker's memory,
where a flush loses it; a time limit cannot interrupt a socket; results have no reader. What must
happen again is due again, as a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

import dramatiq
import redis
import structlog
from dramatiq.brokers.redis import RedisBroker
from dramatiq.brokers.stub import StubBroker
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

from worker.db import heartbeats
from worker.jobs.duties import Duties

BELLS = ("plan", "send", "call")
MOST_WAITING = 16
"""A queue that holds so many bells needs no more of them."""

# A worker is taken for dead after this long without a sign, and its bells ring elsewhere. They may
# then ring twice, which does no harm; with dramatiq's defaults it took up to an hour.
_DEAD_AFTER_MS = 30_000
_MAINTENANCE_PER_MILLION = 100_000
_KEEP_FAILED_MS = 3_600_000
NOTE_EVERY_SECONDS = 15.0

log = structlog.get_logger(__name__)


class _Client(redis.Redis):
    """A client whose timeouts count as lost connections, which dramatiq knows how to survive."""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        try:
            return super().execute_command(*args, **options)  # type: ignore[no-untyped-call]  # redis
        except redis.TimeoutError as error:
            raise redis.ConnectionError(str(error)) from error


class _Broker(RedisBroker):
    """Remembers when each queue was last asked for: a listener that hangs shows in it."""

    def __init__(self, **options: Any) -> None:
        self.asked_at: dict[str, float] = {}
        super().__init__(**options)  # type: ignore[no-untyped-call]  # dramatiq's

    @property
    def consumer_class(self) -> Any:
        usual, asked_at = super().consumer_class, self.asked_at

        class Consumer(usual):  # type: ignore[misc, valid-type]
            def __next__(self) -> Any:
                asked_at[self.queue_name] = monotonic()
                return super().__next__()

        return Consumer


def make_broker(url: str) -> dramatiq.Broker:
    """A broker inside this process for ``memory``, else one on the Redis at ``url``.

    Nothing connects until the first use.
    """
    if url == "memory":
        return StubBroker(middleware=[])
    client = _Client.from_url(
        url,
        health_check_interval=15,
        socket_timeout=5,
        socket_connect_timeout=3,
        retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), 2),
    )
    return _Broker(
        client=client,
        middleware=[],
        namespace="perennial",
        heartbeat_timeout=_DEAD_AFTER_MS,
        maintenance_chance=_MAINTENANCE_PER_MILLION,
        dead_message_ttl=_KEEP_FAILED_MS,
    )


def declare(broker: dramatiq.Broker, duties: Duties) -> None:
    """Hangs up the bells: what a worker on ``broker`` does when one rings."""

    answering = Answering(duties)

    def plan() -> None:
        if answering.answer("plan", duties.plan_batch):
            _ring_again(broker, "plan", "send")

    def send() -> None:
        if answering.answer("send", duties.send_batch):
            _ring_again(broker, "send")

    def call() -> None:
        if answering.answer("call", duties.call_batch):
            _ring_again(broker, "call")

    for bell in (plan, send, call):
        name = bell.__name__
        dramatiq.actor(broker=broker, actor_name=name, queue_name=name)(bell)


class Answering:
    """Does the batches that bells ring for, and notes now and then that somebody does."""

    def __init__(self, duties: Duties) -> None:
        self._duties = duties
        self._noted: dict[str, float] = {}

    def answer(self, name: str, batch: Callable[[], int]) -> int:
        """Does one batch; 0 when there was nothing, or when it could not be done now."""
        if self._duties.stopping.is_set():
            return 0
        handled = 0
        try:
            handled = batch()
            self._note(name)
        except Exception as error:  # the rows stay due; the next beat tries again
            log.error(f"{name}.failed", error=type(error).__name__, exc_info=True)
        if handled:
            log.info(f"{name}.done", rows=handled)
        return handled

    def _note(self, name: str) -> None:
        """Notes a batch that was done, be it an empty one: who watches knows that we are there."""
        now = self._duties.clock.monotonic()
        if now - self._noted.get(name, -NOTE_EVERY_SECONDS) >= NOTE_EVERY_SECONDS:
            self._noted[name] = now
            with self._duties.engine.begin() as conn:
                heartbeats.beat(conn, name, self._duties.clock.now())


def _ring_again(broker: dramatiq.Broker, *names: str) -> None:
    try:
        for name in names:
            ring(broker, name)
    except redis.RedisError as error:
        log.warning("bell.lost", error=type(error).__name__)  # the next beat rings it


def ring(broker: dramatiq.Broker, name: str, times: int = 1) -> int:
    """Rings the bell ``name`` as often as asked or as makes sense; how often it rang.

    Raises ``redis.RedisError`` when the broker does not answer.
    """
    actor = broker.get_actor(name)
    wanted = max(0, min(times, MOST_WAITING - waiting(broker, name)))
    for _ in range(wanted):
        actor.send()
    return wanted


def waiting(broker: dramatiq.Broker, name: str) -> int:
    """How many bells ``name`` have rung that no worker has heard yet."""
    if isinstance(broker, RedisBroker):
        return int(broker.client.llen(f"{broker.namespace}:{name}"))
    return int(broker.queues[name].qsize())


@contextmanager
def brokered(url: str, duties: Duties) -> Iterator[dramatiq.Broker]:
    """The broker at ``url`` with its bells hung up; its connections end with the block."""
    broker = make_broker(url)
    declare(broker, duties)
    try:
        yield broker
    finally:
        if isinstance(broker, RedisBroker):
            broker.client.close()
        broker.close()
