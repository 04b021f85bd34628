"""What a batch of mails needs of the outside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import sleep
from typing import Protocol

from sqlalchemy import Connection, Engine

from worker.channels.contract import Channel, Mail, Result
from worker.kernel.clock import Clock
from worker.outbox.rules import Go, Trouble, Verdict
from worker.outbox.store import Message

Recheck = Callable[[Connection, Sequence[Message], datetime], Mapping[int, Verdict]]
"""Asked inside the claim's transaction: what each claimed message may do now."""


Tell = Callable[[Connection, Trouble, datetime], None]
"""Tells staff, in the same transaction."""


Calm = Callable[[Connection, str, datetime], None]
"""Takes back what staff were told under this key: it is over."""


Refused = Callable[[Connection, Message, Result, datetime], None]
"""Hears of a mail that was refused for good, in the transaction that records it."""


class Compose(Protocol):
    """Renders a message; raises when it must not leave as it is."""

    def __call__(self, message: Message, go: Go, now: datetime) -> Mail: ...


@dataclass(frozen=True, slots=True)
class Sending:
    """What a batch needs of the outside."""

    engine: Engine
    clock: Clock
    channel: Channel
    recheck: Recheck
    compose: Compose
    tell: Tell
    calm: Calm
    lease: timedelta
    hold: timedelta
    gap: timedelta = timedelta(0)
    """How far apart mails leave at least, all workers together."""
    refused: Refused = lambda conn, message, result, now: None
    held: Callable[[Connection, datetime], bool] = lambda conn, now: False
    """Whether nothing may leave at all; asked in the claim's transaction."""
    unread: bool = False
    """Whether nobody is reached and nobody reads what is sent: then a batch is claimed, looked at
    and recorded as accepted, in one transaction."""
    stop: Callable[[], bool] = lambda: False
    """Whether the process was told to end: mails that have not started are handed back."""
    wait: Callable[[float], object] = sleep
    """Waits for so many seconds, or less when the process was told to end."""
    pause: Callable[[str], None] = lambda label: None
    """Called at every labelled point of the path; tests crash the process here."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A mail that may leave; without a text where the channel wants none."""

    message: Message
    mail: Mail | None
