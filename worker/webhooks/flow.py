"""One batch of calls: claim, call, record. No transaction is open while somebody is called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from urllib.parse import urlsplit

from sqlalchemy import Connection, Engine

from worker.db.engine import reading
from worker.http.door import Answer, ForbiddenError, NotSentError, UnsureError
from worker.http.rules import retry_after
from worker.kernel.clock import Clock
from worker.kernel.keys import new_attempt_id
from worker.webhooks import endpoints, store
from worker.webhooks.resting import Trouble
from worker.webhooks.rules import (
    ATTEMPTS,
    DONE,
    DUE,
    MOST_ATTEMPTS,
    NO_ANSWER,
    NO_CONNECTION,
    NOT_PUBLIC,
    WORKER_DIED,
    Fate,
    Reply,
    after,
)
from worker.webhooks.signature import content, signed
from worker.webhooks.store import Call

LEASE = timedelta(minutes=5)
BUDGET = timedelta(minutes=2)
"""A batch begins no call later than this: one call, however slow, ends well within the lease."""

SILENT_TIMES = 3


class Poster(Protocol):
    """The part of a ``Door`` that calls use; a rehearsal has one that reaches nobody."""

    def post(self, url: str, content: bytes, headers: Mapping[str, str] | None = None) -> Answer:
        """Raises ``NotSentError``, ``ForbiddenError`` among them, or ``UnsureError``."""
        ...


@dataclass(frozen=True, slots=True)
class Outside:
    """How calls leave the house: through which door each address is called, with which keys calls
    are signed, and whether all of them are held back for now."""

    door: Callable[[str], Poster]
    keys: Sequence[bytes]
    held: Callable[[], bool] = lambda: False


@dataclass(frozen=True, slots=True)
class Failure:
    """A call that will not be made again, for a person to know."""

    key: str
    host: str
    said: str  # what the last attempt brought
    attempts: int


Settle = Callable[[Connection, str, str, str | None], None]
"""Given a call's key, writes the last word (``sent``, ``failed``) on the step that made it, with
its reason; in the same transaction."""

Tell = Callable[[Connection, Failure, datetime], None]
"""Tells staff, in the same transaction."""

Warn = Callable[[Connection, Trouble, datetime], None]
"""Tells staff what is the matter with an endpoint, or that it is over, in the same transaction."""


@dataclass(frozen=True, slots=True)
class Calling:
    """What a batch needs of the outside."""

    engine: Engine
    clock: Clock
    outside: Outside
    settle: Settle
    tell: Tell
    warn: Warn = lambda conn, trouble, now: None
    stop: Callable[[], bool] = lambda: False
    """Whether the process was told to end: calls that have not begun are handed back."""
    pause: Callable[[str], None] = lambda label: None
    """Called at every labelled point of the path; tests end the process here."""


def call_batch(calling: Calling, limit: int = 50) -> int:
    """Claims and makes up to ``limit`` due calls, one after the other; how many were claimed.

    An address that was silent three times in a row is not asked again in the same batch: what
    else is due there fares as the third did, so that a dead system costs three timeouts and not
    one for each call.
    """
    if calling.outside.held() or not _anything_due(calling):
        return 0
    attempt, end = new_attempt_id(), calling.clock.monotonic() + BUDGET.total_seconds()
    now = calling.clock.now()
    with calling.engine.begin() as conn:
        taken = store.claim(conn, now, now + LEASE, attempt, limit)
    calling.pause("claimed")
    silence, resting = _Silence(), dict[str, datetime]()
    for place, call in enumerate(taken):
        if calling.stop() or calling.clock.monotonic() > end:
            _hand_back(calling, attempt, taken[place:], calling.clock.now())
            break
        if call.endpoint in resting:
            _hand_back(calling, attempt, [call], resting[call.endpoint])
            continue
        reply = silence.known(call.url) or silence.heard(call.url, _ask(calling, call))
        calling.pause("called")
        rests = _record(calling, attempt, call, reply)
        if call.endpoint is not None and rests is not None:
            resting[call.endpoint] = rests
        calling.pause("recorded")
    return len(taken)


class _Silence:
    """The addresses that gave no answer lately, each with how often in a row."""

    def __init__(self) -> None:
        self._times: Counter[str] = Counter()
        self._last: dict[str, Reply] = {}

    def heard(self, url: str, reply: Reply) -> Reply:
        """Notes what a call brought, and returns it."""
        if reply.trouble in (NO_CONNECTION, NO_ANSWER):
            self._times[url] += 1
            self._last[url] = reply
        elif reply.status is not None:
            self._times[url] = 0
        return reply

    def known(self, url: str) -> Reply | None:
        """What a call would bring where nobody answers; ``None`` when it must be made."""
        return self._last[url] if self._times[url] >= SILENT_TIMES else None


def _anything_due(calling: Calling) -> bool:
    """A look that takes no lock: most of the time there is nothing."""
    with reading(calling.engine) as conn:
        soonest = store.next_due(conn)
    return soonest is not None and soonest <= calling.clock.now()


def _hand_back(calling: Calling, attempt: str, rest: Sequence[Call], at: datetime) -> None:
    with calling.engine.begin() as conn:
        store.hand_back(conn, [call.id for call in rest], attempt, at)


def _ask(calling: Calling, call: Call) -> Reply:
    """Makes one call; whatever comes of it is a reply."""
    if call.attempts > (ATTEMPTS if call.endpoint is None else MOST_ATTEMPTS):
        return Reply(trouble=WORKER_DIED)  # over and over: the next one might die of it, too
    body = content(call.body)
    headers = signed(call.key, calling.clock.now(), body, calling.outside.keys)
    try:
        answer = calling.outside.door(call.url).post(call.url, body, headers)
    except ForbiddenError:
        return Reply(trouble=NOT_PUBLIC)
    except NotSentError:
        return Reply(trouble=NO_CONNECTION)
    except UnsureError:
        return Reply(trouble=NO_ANSWER)
    wait = retry_after(answer.headers, calling.clock.now())
    return Reply(answer.status, None, wait, answer.headers.get("Location"))


def _record(calling: Calling, attempt: str, call: Call, reply: Reply) -> datetime | None:
    """Writes what came of a call, unless its lease is over and somebody else has it; until when
    its endpoint rests now, if it does."""
    now = calling.clock.now()
    told = call.endpoint is not None
    fate = after(reply, call.attempts, now, now - call.created_at if told else None)
    with calling.engine.begin() as conn:
        if not store.finish(conn, call.id, attempt, _values(fate, reply, now)):
            return None
        if call.endpoint is not None:
            return endpoints.heard(conn, call, reply, fate, calling.warn, now)
        if fate.state == DUE:
            return None
        if fate.state == DONE:
            calling.settle(conn, call.key, "sent", None)
            return None
        calling.settle(conn, call.key, "failed", fate.reason)
        host = urlsplit(call.url).hostname or ""
        calling.tell(conn, Failure(call.key, host, reply.said, call.attempts), now)
        return None


def _values(fate: Fate, reply: Reply, now: datetime) -> dict[str, Any]:
    values: dict[str, Any] = {"state": fate.state, "reason": fate.reason, "next_at": fate.next_at}
    if reply.status is not None:
        values["status"] = reply.status
    if fate.state == DONE:
        values["done_at"] = now
    return values
