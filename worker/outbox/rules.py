"""States of a message and how it moves through them. Pure.

    due -> sending -> accepted
            |  \\-> due          surely not sent: try again, later each time
            |  \\-> failed       refused for good
            |  \\-> unknown      it may be on its way
            \\-> unknown -> accepted | due     by evidence
    side exits: superseded, skipped, blocked, cancelled

A worker sends because its claim on the row succeeded, never because a job arrived.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from worker.channels.contract import Outcome
from worker.templating.context import MailContext

DUE = "due"
SENDING = "sending"
ACCEPTED = "accepted"
UNKNOWN = "unknown"
FAILED = "failed"
BLOCKED = "blocked"
CANCELLED = "cancelled"

OPEN = (DUE, SENDING, UNKNOWN)
"""States in which something may still happen to a message."""

MAX_STARTS = 3
"""Attempts that died after they had started, before a message is set aside for a person."""


FAR_MORE, MANY = 3, 50
"""A day is far above its forecast at three times as many mails, and fifty more."""


@dataclass(frozen=True, slots=True)
class Go:
    """The re-check found nothing against it: send, in the first of ``languages`` there is."""

    context: Callable[[], MailContext]
    languages: tuple[str, ...]
    version_id: int
    """The version that runs now, whose ``template`` is sent: never the text of an older one."""
    template: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Not now: look again at ``until``; ``None``: when whoever is waited for has answered."""

    until: datetime | None
    reason: str


@dataclass(frozen=True, slots=True)
class Drop:
    """Never: the message ends in ``state`` because of ``reason``."""

    state: str
    reason: str


Verdict = Go | Wait | Drop


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something about a mail that a person must know; told once per ``key``."""

    key: str
    title: str
    detail: str


def backoff(attempts: int) -> timedelta:
    """How long a message rests after ``attempts`` that surely did not go out: 10 s to 15 min."""
    return min(timedelta(seconds=10 * 2 ** max(0, attempts - 1)), timedelta(minutes=15))


def after(outcome: Outcome, attempts: int, now: datetime) -> tuple[str, datetime | None]:
    """The state that follows an attempt, and when to look at the message again."""
    if outcome is Outcome.ACCEPTED:
        return ACCEPTED, None
    if outcome is Outcome.REFUSED:
        return FAILED, None
    if outcome is Outcome.UNKNOWN:
        return UNKNOWN, now
    return DUE, now + backoff(attempts)


def after_evidence(
    found: Outcome | None, deaths: int, now: datetime
) -> tuple[str, str | None, datetime | None]:
    """State, reason and next look for an unknown message, given what could be proved.

    ``deaths`` counts the workers that died over it, not attempts: an outage is nobody's death.
    """
    if found is Outcome.ACCEPTED:
        return ACCEPTED, None, None
    if found is Outcome.NOT_SENT and deaths >= MAX_STARTS:
        return BLOCKED, "quarantined", None
    if found is Outcome.NOT_SENT:
        return DUE, None, now
    return UNKNOWN, None, now + timedelta(minutes=1)
