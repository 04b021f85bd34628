"""A book whose steps call a real server on localhost, and calls without a book."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, select

from tests.cadence.conftest import Book, schedule_text
from tests.http.server import Reply, Server
from tests.outbox.world import LEASE
from worker.cadence import machine
from worker.cadence.kinds.webhook import TYPE
from worker.cadence.letterhead import Letterhead
from worker.cadence.library import Defaults
from worker.cadence.machine import Machine
from worker.channels.contract import Channel
from worker.db.engine import reading
from worker.http.door import Door
from worker.kernel.clock import Clock, VirtualClock
from worker.webhooks import store
from worker.webhooks.flow import Calling, Failure, Outside
from worker.webhooks.records import calls
from worker.webhooks.rules import DUE
from worker.worklist import store as worklist

KEYS = (bytes(range(32)),)
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
QUICK = timedelta(seconds=0.3)
NOTHING: Callable[[str], None] = lambda label: None  # noqa: E731 -- a default for pauses


class Answers:
    """Answers a server's questions one after the other; the last one for ever."""

    def __init__(self, *replies: Reply | None) -> None:
        self._replies = list(replies)

    def __call__(self, _asked: object) -> Reply | None:
        return self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]


def add(engine: Engine, url: str, now: datetime, *keys: str) -> None:
    """Calls that are due now, without a book behind them."""
    body = {"type": TYPE, "timestamp": now.isoformat(), "data": {"licence": "Лицензия"}}
    with engine.begin() as conn:
        store.add(conn, [(key, url, TYPE, body, DUE, now, now) for key in keys])


def schedule(url: str, when: str = "30 days before") -> str:
    """A schedule with one step, ``tell-crm``, that calls ``url``; every day is open."""
    text = schedule_text(f"tell-crm = {when}")
    return text.replace('email = "renewal/heads-up"', f'webhook = "{url}"')


def rows(engine: Engine) -> Sequence[Any]:
    """The calls there are, in order."""
    with reading(engine) as conn:
        return conn.execute(select(calls).order_by(calls.c.id)).all()


@dataclass
class Desk:
    """Those who are told what became of a call: the steps and the staff, kept in lists."""

    settled: list[tuple[str, str, str | None]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    def settle(self, conn: Connection, key: str, decision: str, reason: str | None) -> None:
        self.settled.append((key, decision, reason))

    def tell(self, conn: Connection, failure: Failure, now: datetime) -> None:
        self.failures.append(failure)

    def calling(self, engine: Engine, clock: Clock, outside: Outside, **more: Any) -> Calling:
        return Calling(engine, clock, outside, self.settle, self.tell, **more)


class Caller:
    """A process that makes calls, on a clock of the test's."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.desk = engine, Desk()
        self.clock: Clock = VirtualClock(NOON)
        self.doors: list[Door] = []

    def door(self, **options: object) -> Door:
        self.doors.append(Door(QUICK, **options))  # type: ignore[arg-type]
        return self.doors[-1]

    def calling(self, door: Door | None = None, **more: object) -> Calling:
        used = door or self.door()
        return self.desk.calling(self.engine, self.clock, Outside(lambda _: used, KEYS), **more)

    def add(self, url: str, *keys: str) -> None:
        """Calls that are due now."""
        add(self.engine, url, self.clock.now(), *(keys or ("call_1",)))

    def later(self, span: timedelta) -> None:
        assert isinstance(self.clock, VirtualClock)
        self.clock.advance(span)

    def states(self) -> list[tuple[str, str | None]]:
        return [(row.state, row.reason) for row in rows(self.engine)]

    def wait(self) -> timedelta:
        """How long the only call waits."""
        (row,) = rows(self.engine)
        waits: timedelta = row.next_at - self.clock.now()
        return waits


@contextmanager
def serving(*replies: Reply | None) -> Iterator[Server]:
    with Server(Answers(*replies)).running() as server:
        yield server


def ids(server: Server) -> list[str]:
    return [asked.headers["webhook-id"] for asked in server.asked]


@dataclass
class CallingBook(Book):
    """A book whose machine calls through ``outside``; without one nobody is called."""

    outside: Outside | None = None

    def machine(
        self, *, channel: Channel | None = None, pause: Callable[[str], None] = NOTHING
    ) -> Machine:
        more = {"outside": self.outside} if self.outside else {}
        return machine.build(
            self.engine,
            self.clock,
            channel or self.folder,
            defaults=Defaults(),
            letterhead=Letterhead("Renewals <renewals@example.com>"),
            lease=LEASE,
            pause=pause,
            **more,
        )

    def step(self, url: str, when: str = "30 days before") -> None:
        """Applies a schedule with one step that calls ``url``."""
        self.apply(schedule(url, when))

    def call(self) -> int:
        """Makes one batch of calls; how many were claimed."""
        return self.machine().call_batch()

    def failed_calls(self) -> list[Any]:
        """The open tasks about calls."""
        with reading(self.engine) as conn:
            return worklist.open_ones(conn, ["failed-call"])
