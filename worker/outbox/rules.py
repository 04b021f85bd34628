"""States of a message and how it moves through them. Pure.

    due -> sending -> accepted
            |  \\-> due          surely not sent: try again, later each time
            |  \\-> failed       refused for good
            |  \\-> unknown      it may be on its way
            \\-> unknown -> accepted | due | given-up     by evidence, or at the end of the hold
    side exits: superseded, skipped, blocked, cancelled

A worker sends because its claim on the row succeeded, never because a job arrived.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from worker.channels.contract import Outcome
from worker.templating.context import MailContext
from worker.templating.own import NOTHING_OWN, Own

DUE = "due"
SENDING = "sending"
ACCEPTED = "accepted"
UNKNOWN = "unknown"
FAILED = "failed"
BLOCKED = "blocked"
CANCELLED = "cancelled"
GIVEN_UP = "given-up"

STATES = (DUE, SENDING, ACCEPTED, UNKNOWN, FAILED, BLOCKED, CANCELLED, GIVEN_UP)
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
    version_id: int | None
    """The version that runs now, whose ``template`` is sent: never the text of an older one.
    Without one, the text as it lies in the folder of templates."""
    template: str
    own: Own = NOTHING_OWN
    """What a person wrote for this one mail."""


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
    """Something about a mail that a person must know; told once per ``key``. ``contact_id``: whose
    mail it is."""

    key: str
    title: str
    detail: str
    contact_id: int | None = None


def backoff(attempts: int, lease: timedelta) -> timedelta:
    """How long a message rests after ``attempts`` that surely did not go out: a sixth of a lease,
    twice as long each time, 15 leases at most. With the usual lease: 10 s to 15 min."""
    doublings: int = 2 ** max(0, min(attempts, 12) - 1)
    return min(lease / 6 * doublings, lease * 15)


def after(
    outcome: Outcome, attempts: int, lease: timedelta, now: datetime
) -> tuple[str, datetime | None]:
    """The state that follows an attempt, and when to look at the message again."""
    if outcome is Outcome.ACCEPTED:
        return ACCEPTED, None
    if outcome is Outcome.REFUSED:
        return FAILED, None
    if outcome is Outcome.UNKNOWN:
        return UNKNOWN, now
    if outcome is Outcome.SHUT:
        return DUE, now  # nothing is burnt: the way is shut, and the mail waits for it
    return DUE, now + backoff(attempts, lease)


@dataclass(frozen=True, slots=True)
class Doubt:
    """What is known about a mail whose outcome is not.

    ``deaths`` counts the workers that died over it, not attempts: an outage is nobody's death.
    ``resends`` counts the times that it was sent again in doubt. ``others_told``: the provider told
    of mails that left around the same time, and not of this one. ``other_way``: it was tried on a
    way out that is not in use any more.
    """

    kind: str
    since: datetime
    valid_until: datetime
    deaths: int = 0
    resends: int = 0
    others_told: bool = False
    other_way: bool = False


class Next(NamedTuple):
    """State, reason and next look of a message; ``again``: a second copy is possible."""

    state: str
    reason: str | None
    next_at: datetime | None
    again: bool = False


def after_evidence(found: Outcome | None, doubt: Doubt, hold: timedelta, now: datetime) -> Next:
    """Where an unknown message stands, given what could be proved, or at the end of its hold.

    Without a proof it waits for ``hold`` since the attempt. Then what the provider does not tell of
    while it tells of others was not sent. Else the class decides: a contractual mail is sent again
    once, after a day, or at once where a day would be too late; the others are not worth a second
    copy. A copy never goes out on another way than the first.
    """
    if found is Outcome.ACCEPTED:
        return Next(ACCEPTED, None, None)
    if found is Outcome.NOT_SENT:
        return _not_sent(doubt, now)
    end = doubt.since + hold
    if now < end:
        return Next(UNKNOWN, None, min(end, now + max(hold / 10, _LOOK)))
    if doubt.others_told and not doubt.other_way:
        return _not_sent(doubt, now)._replace(again=True)
    return _without_proof(doubt, now)


def _without_proof(doubt: Doubt, now: datetime) -> Next:
    if doubt.other_way:
        return Next(GIVEN_UP, "other-way", None)
    if doubt.kind != "contractual" or doubt.resends:
        return Next(GIVEN_UP, "no-proof", None)
    if doubt.deaths >= MAX_STARTS:
        return Next(BLOCKED, "quarantined", None)
    tomorrow = doubt.since + timedelta(days=1)
    return Next(DUE, "no-proof", now if tomorrow >= doubt.valid_until else tomorrow, again=True)


_LOOK = timedelta(seconds=5)


def _not_sent(doubt: Doubt, now: datetime) -> Next:
    if doubt.deaths >= MAX_STARTS:
        return Next(BLOCKED, "quarantined", None)
    return Next(DUE, None, now)
