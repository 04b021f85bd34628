"""States of a call, and how it moves through them. Pure.

    due -> calling -> done         the other side answered 2xx
            |  \\-> due             anything else: again, later each time
            |  \\-> failed          refused for good, not a public address, or given up
            \\-> due                the worker died: again at once, under the same id

At least once: a call is made again whenever it is not known to have arrived, and its id tells the
other side so.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple
from urllib.parse import urlsplit

from worker.http.addresses import is_public

DUE = "due"
CALLING = "calling"
DONE = "done"
FAILED = "failed"

REFUSED = "refused"
NOT_PUBLIC = "not-public"
NO_CONNECTION = "no-connection"
NO_ANSWER = "no-answer"
WORKER_DIED = "worker-died"
GAVE_UP = "gave-up"

WAITS = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=10),
)
"""How long a call rests after each attempt, as Standard Webhooks recommends ("Deliverability and
reliability"); after one more attempt it is given up."""
ATTEMPTS = len(WAITS) + 1
TOLD_FOR = timedelta(days=5)
"""A call that tells an endpoint what happened is made again for so long; the step of a schedule
cannot wait, but what happened stays true."""
MOST_ATTEMPTS = 30
"""More than fit into that time: beyond, each attempt ended our own process."""
MOST_PATIENCE = timedelta(days=1)
"""The longest wait that the other side may ask for."""

_GONE = 410
_BUSY = (429, 503)


class Reply(NamedTuple):
    """What an attempt brought: the ``status`` of an answer, or the ``trouble`` that kept one from
    coming. ``retry_after`` and ``location`` are what an answer says in these headers."""

    status: int | None = None
    trouble: str | None = None
    retry_after: timedelta | None = None
    location: str | None = None

    @property
    def said(self) -> str:
        """It in words, for a person."""
        return f"answered {self.status}" if self.status else _IN_WORDS[self.trouble or NO_ANSWER]


_IN_WORDS = {
    NOT_PUBLIC: "is not a public address",
    NO_CONNECTION: "could not be connected to",
    NO_ANSWER: "gave no answer in time",
    WORKER_DIED: "was being called when our process ended",
}


class Fate(NamedTuple):
    """Where a call stands after an attempt: ``next_at`` says when to look again, if ever."""

    state: str
    reason: str | None
    next_at: datetime | None


def after(reply: Reply, attempts: int, now: datetime, age: timedelta | None = None) -> Fate:
    """What follows from the ``attempts``-th attempt, which ended at ``now`` with ``reply``; ``age``
    is that of a call to an endpoint, which has more patience."""
    if reply.status is not None and 200 <= reply.status < 300:
        return Fate(DONE, None, None)
    if reply.status == _GONE:
        return Fate(FAILED, REFUSED, None)
    if age is None and (reply.trouble == NOT_PUBLIC or leads_inside(reply)):
        return Fate(FAILED, NOT_PUBLIC, None)
    if attempts >= ATTEMPTS if age is None else age >= TOLD_FOR or reply.trouble == WORKER_DIED:
        return Fate(FAILED, GAVE_UP, None)
    return Fate(DUE, reply.trouble or f"http-{reply.status}", now + _wait(reply, attempts))


def _wait(reply: Reply, attempts: int) -> timedelta:
    wait = WAITS[min(max(attempts, 1), len(WAITS)) - 1]
    if reply.status in _BUSY and reply.retry_after is not None:
        return max(wait, min(reply.retry_after, MOST_PATIENCE))
    return wait


def leads_inside(reply: Reply) -> bool:
    """Whether an answer sends us to an address inside the house. No redirect is followed; this one
    is no accident that passes, so nobody calls there again."""
    if reply.status is None or not 300 <= reply.status < 400:
        return False
    try:
        host = urlsplit(reply.location or "").hostname or ""
    except ValueError:
        return False
    is_literal = ":" in host or host.replace(".", "").isdigit()
    return host == "localhost" or (is_literal and not is_public(host))
