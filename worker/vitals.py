"""Whether mails keep moving: what ``/healthz`` tells, and the ping that stops when they do not.

Two signs are looked at: the beat, and whether somebody answers when it rings. Rows that are due are
no bad sign by themselves: a brake, a pace or a long queue keeps them waiting while workers answer.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

import structlog
from sqlalchemy import Engine, select, true
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from worker.cadence.records import walks
from worker.config.settings import Settings
from worker.db import heartbeats
from worker.db.engine import reading
from worker.http.door import Door, DoorError, Transport
from worker.kernel.clock import Clock
from worker.kernel.errors import PerennialError
from worker.outbox.records import messages
from worker.outbox.rules import DUE

STALLED_AFTER = timedelta(minutes=3)
PING_EVERY = timedelta(minutes=1)
PING_TIMEOUT = timedelta(seconds=5)

_LOOK_SECONDS = 2.0

log = structlog.get_logger(__name__)


class Instance(Protocol):
    """The part of the wired application that is looked at."""

    settings: Settings
    clock: Clock

    @property
    def engine(self) -> Engine: ...


@dataclass(frozen=True, slots=True)
class Signs:
    """The last beat, and by bell since when rows are due that no worker has looked for."""

    beat: datetime | None = None
    unheard: Mapping[str, datetime] = field(default_factory=dict)


_WAITING = (
    ("plan", walks.c.next_at, true()),
    ("send", messages.c.next_at, messages.c.state == DUE),
)


def read(conn: Connection, now: datetime) -> Signs:
    """The signs at ``now``. Cheap, whatever the size of the book."""
    unheard = {}
    for bell, moment, waits in _WAITING:
        first = select(moment).where(moment <= now, waits).order_by(moment).limit(1)
        due: datetime | None = conn.execute(first).scalar()
        if due is not None:
            unheard[bell] = max(due, heartbeats.last(conn, bell) or due)
    return Signs(heartbeats.last(conn, "beat"), unheard)


@dataclass(frozen=True, slots=True)
class Health:
    """``age``: how long ago the last known beat was, or the process began when none is known.

    ``stalled`` names what stands still: ``beat``, or a bell that nobody answers although rows are
    due.
    """

    beat: datetime | None
    age: timedelta
    stalled: Sequence[str]


class Pulse:
    """Looks at the signs, and remembers them over times when the database does not answer."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._since = instance.clock.now()
        self._signs = Signs()
        self._looking: threading.Thread | None = None
        self._one_at_a_time = threading.Lock()

    def health(self) -> Health:
        """How it stands now; takes two seconds at most."""
        self._look()
        signs = self._signs
        age = self._age(signs.beat)
        # A worker says that it is there after each batch, and a batch may take a whole lease.
        patience = max(STALLED_AFTER, 2 * self._instance.settings.mail.lease)
        late = [bell for bell, since in signs.unheard.items() if self._age(since) > patience]
        return Health(signs.beat, age, [*(["beat"] if age > STALLED_AFTER else []), *late])

    def _age(self, moment: datetime | None) -> timedelta:
        # What was before this process began says nothing against it: give it its three minutes.
        return self._instance.clock.now() - max(self._since, moment or self._since)

    def _look(self) -> None:
        """Looks in a thread of its own: a database that hangs must not hang who asks."""
        with self._one_at_a_time:
            if self._looking is None or not self._looking.is_alive():
                self._looking = threading.Thread(target=self._note, name="pulse", daemon=True)
                self._looking.start()
            looking = self._looking
        looking.join(_LOOK_SECONDS)

    def _note(self) -> None:
        try:
            with reading(self._instance.engine) as conn:
                found = read(conn, self._instance.clock.now())
        except (SQLAlchemyError, PerennialError):
            return  # an outage of the database shows in the beat's age soon enough
        self._signs = Signs(found.beat or self._signs.beat, found.unheard)


class Ping:
    """The dead man's switch: calls ``url`` after a beat, at most once a minute, while mails move.

    Whoever is called raises the alarm when no call comes. Nothing is said but that we are there.
    """

    def __init__(
        self, url: str, pulse: Pulse, clock: Clock, transport: Transport | None = None
    ) -> None:
        self._url, self._pulse, self._clock = url, pulse, clock
        self._door = Door(PING_TIMEOUT, transport=transport, most_bytes=4096)
        self._last: float | None = None
        self._calling: threading.Thread | None = None

    def after_beat(self) -> None:
        """Calls, in a thread of its own, when it is time and the last call has ended."""
        now = self._clock.monotonic()
        if self._last is not None and now - self._last < PING_EVERY.total_seconds():
            return
        if self._calling is None or not self._calling.is_alive():
            self._last = now
            self._calling = threading.Thread(target=self._call, name="ping", daemon=True)
            self._calling.start()

    def wait(self) -> None:
        """Waits for the call under way; not much longer than it may take."""
        if self._calling is not None:
            self._calling.join(2 * PING_TIMEOUT.total_seconds())

    def close(self) -> None:
        """Ends its connections."""
        self._door.close()

    def _call(self) -> None:
        stalled = self._pulse.health().stalled
        if stalled:
            log.error("ping.withheld", stalled=stalled)
            return
        try:
            answer = self._door.get(self._url)
        except DoorError as error:
            log.warning("ping.missed", said=error.message)
            return
        if not 200 <= answer.status < 300:
            log.warning("ping.refused", status=answer.status)
