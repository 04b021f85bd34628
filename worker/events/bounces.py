"""Reads the mailbox that bounces come to, and minds the alarm about it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import structlog
from sqlalchemy import Engine

from worker.channels.told import Kind
from worker.db import heartbeats
from worker.events import dsn, flow
from worker.events.mailbox import Box, opened
from worker.kernel.clock import Clock
from worker.kernel.errors import DependencyDownError
from worker.worklist import store as worklist
from worker.worklist.store import NewTask

EVERY = timedelta(minutes=5)
"""How often it is looked into."""

CHANNEL = "smtp"
DUTY = "bounces"

_ALARM = "bounces"
_AT_ONCE = 500

log = structlog.get_logger(__name__)


def read(engine: Engine, clock: Clock, place: str, password: str | None, root: Path) -> int:
    """Takes what unread mails report; how many there were. A mailbox that cannot be read is an
    alarm, which closes by itself."""
    try:
        with opened(place, password, root) as box:
            mails = _read(engine, clock, box)
    except DependencyDownError as error:
        log.warning("bounces.failed", why=str(error))
        _raise_alarm(engine, clock, str(error))
        return 0
    with engine.begin() as conn:
        worklist.close(conn, _ALARM, "the mailbox was read", clock.now())
        heartbeats.beat(conn, DUTY, clock.now())
    return mails


def _read(engine: Engine, clock: Clock, box: Box) -> int:
    mails = 0
    for name, raw in box.unread(_AT_ONCE):
        told = dsn.read(raw, clock.now())
        if told:
            with engine.begin() as conn:
                taken = flow.take(conn, CHANNEL, told, clock.now())
            log.info("bounces.taken", told=len(told), **taken._asdict())
        # Only now: what is read twice is known by its key, what is not read is lost.
        box.done(name, report=any(one.kind is not Kind.REPLIED for one in told))
        mails += 1
    return mails


def _raise_alarm(engine: Engine, clock: Clock, why: str) -> None:
    alarm = NewTask(_ALARM, "alarm", "The mailbox of bounces cannot be read", why)
    with engine.begin() as conn:
        worklist.open_tasks(conn, [alarm], clock.now())
