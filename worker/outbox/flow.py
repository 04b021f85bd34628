"""One batch of mails: claim, re-check, render, mark as started, send, record.

The transactions are short and none is open while a mail is rendered or sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from worker.channels.contract import Channel, Mail, Outcome, Result
from worker.kernel.clock import Clock
from worker.kernel.keys import new_attempt_id
from worker.outbox import store
from worker.outbox.rules import (
    ACCEPTED,
    BLOCKED,
    DUE,
    UNKNOWN,
    Drop,
    Go,
    Trouble,
    Verdict,
    Wait,
    after,
    after_evidence,
)
from worker.outbox.store import Message

Recheck = Callable[[Connection, Sequence[Message], datetime], Mapping[int, Verdict]]
"""Asked inside the claim's transaction: what each claimed message may do now."""


Tell = Callable[[Connection, Trouble, datetime], None]
"""Tells staff, in the same transaction."""


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
    lease: timedelta
    held: Callable[[Connection, datetime], bool] = lambda conn, now: False
    """Whether nothing may leave at all; asked in the claim's transaction."""
    stop: Callable[[], bool] = lambda: False
    """Whether the process was told to end: mails that have not started are handed back."""
    pause: Callable[[str], None] = lambda label: None
    """Called at every labelled point of the path; tests crash the process here."""


@dataclass(frozen=True, slots=True)
class _Ready:
    message: Message
    mail: Mail | None


def send_batch(sending: Sending, limit: int = 100) -> int:
    """Claims and sends up to ``limit`` due mails; returns how many were claimed."""
    attempt = new_attempt_id()
    deadline = sending.clock.monotonic() + sending.lease.total_seconds()
    going = _claim(sending, attempt, limit)
    if going is None:
        return 0
    claimed, allowed = going
    sending.pause("claimed")
    bursts = list(_bursts(allowed, sending.channel.burst))
    for number, burst in enumerate(bursts):
        if sending.stop():
            _hand_back(sending, attempt, [one for rest in bursts[number:] for one, _ in rest])
            break
        # Written burst by burst: a batch that took longer than its lease would never get on.
        _send_burst(sending, attempt, deadline, list(_render(sending, attempt, burst)))
    return claimed


_Allowed = tuple[Message, Go]


def _bursts(allowed: Sequence[_Allowed], size: int) -> Iterator[Sequence[_Allowed]]:
    """Mails that start together. One over which a worker died goes last and alone, so that its
    neighbours do not die with it."""
    sound = [one for one in allowed if not one[0].deaths]
    for start in range(0, len(sound), size):
        yield sound[start : start + size]
    for one in allowed:
        if one[0].deaths:
            yield [one]


def _hand_back(sending: Sending, attempt: str, messages: Sequence[Message]) -> None:
    """Gives up claims that have not started, so that the next worker need not wait."""
    back = {"state": DUE, "next_at": sending.clock.now(), "attempt_id": None, "lease_until": None}
    with sending.engine.begin() as conn:
        store.finish(conn, [message.id for message in messages], attempt, back)


def _claim(
    sending: Sending, attempt: str, limit: int
) -> tuple[int, list[tuple[Message, Go]]] | None:
    """The claim and, in the same transaction, the re-check of everything it took."""
    now = sending.clock.now()
    with sending.engine.begin() as conn:
        if sending.held(conn, now):
            return None
        taken = store.claim(conn, now, now + sending.lease, attempt, limit)
        if not taken:
            return None
        verdicts = sending.recheck(conn, taken, now)
        allowed: list[tuple[Message, Go]] = []
        for message in taken:
            verdict = verdicts[message.id]
            if isinstance(verdict, Go):
                allowed.append((message, verdict))
            else:
                store.finish(conn, [message.id], attempt, _stopped(verdict))
    return len(taken), allowed


def _stopped(verdict: Wait | Drop) -> dict[str, Any]:
    idle = {"attempt_id": None, "lease_until": None}
    if isinstance(verdict, Wait):
        return idle | {"state": DUE, "next_at": verdict.until, "reason": verdict.reason}
    return idle | {"state": verdict.state, "next_at": None, "reason": verdict.reason}


def _render(
    sending: Sending, attempt: str, allowed: Sequence[tuple[Message, Go]]
) -> Iterator[_Ready]:
    now = sending.clock.now()
    for message, go in allowed:
        if not sending.channel.wants_text(message.envelope):
            yield _Ready(message, None)
            continue
        try:
            mail = sending.compose(message, go, now)
        except (SQLAlchemyError, OSError):
            raise  # not the mail's fault: it stays claimed until its lease ends
        except Exception as error:  # noqa: BLE001 -- an odd mail must not hold up the others
            _block(sending, attempt, message, str(error), now)
            continue
        yield _Ready(message, mail)


def _block(sending: Sending, attempt: str, message: Message, why: str, now: datetime) -> None:
    """A mail that cannot be rendered waits for a person, and no other mail waits for it."""
    values = {"state": BLOCKED, "reason": "template", "next_at": None, "attempt_id": None}
    with sending.engine.begin() as conn:
        if store.finish(conn, [message.id], attempt, values):
            trouble = Trouble(
                key=f"blocked-mail:{message.mail_key}",
                title=f"A mail could not be written: {message.template}",
                detail=f"To {message.address}, step {message.step}: {why}",
            )
            sending.tell(conn, trouble, now)


def _send_burst(sending: Sending, attempt: str, deadline: float, burst: Sequence[_Ready]) -> None:
    """Marks a few mails as started, sends them, and records what came of them."""
    started_at = sending.clock.now()
    if not burst or sending.clock.monotonic() >= deadline:
        return  # the lease is over: the rows are somebody else's, or soon will be
    with sending.engine.begin() as conn:
        ids = [ready.message.id for ready in burst]
        ours = store.mark_started(conn, ids, attempt, started_at)
    sending.pause("started")
    results: list[tuple[_Ready, Result]] = []
    unsent: list[int] = []
    for ready in burst:
        if ready.message.id not in ours:
            continue
        if sending.clock.monotonic() >= deadline:
            unsent.append(ready.message.id)
            continue
        result = sending.channel.send(ready.message.envelope, ready.mail, sending.clock.now())
        sending.pause("sent")
        results.append((ready, result))
    _record(sending, attempt, results, unsent)
    sending.pause("recorded")


def _record(
    sending: Sending,
    attempt: str,
    results: Sequence[tuple[_Ready, Result]],
    unsent: Sequence[int],
) -> None:
    now = sending.clock.now()
    with sending.engine.begin() as conn:
        if unsent:
            back = {"state": DUE, "next_at": now, "attempt_id": None, "started_at": None}
            store.finish(conn, unsent, attempt, back)
        plain = [ready for ready, result in results if _is_plain(ready, result)]
        if plain:
            accepted = _values(Result(Outcome.ACCEPTED), None, 0, now)
            store.finish(conn, [ready.message.id for ready in plain], attempt, accepted)
        for ready, result in results:
            if not _is_plain(ready, result):
                values = _values(result, ready.mail, ready.message.attempts, now)
                store.finish(conn, [ready.message.id], attempt, values)


def _is_plain(ready: _Ready, result: Result) -> bool:
    """Accepted without a text or a provider's id to remember: one statement serves many."""
    return result.outcome is Outcome.ACCEPTED and ready.mail is None and not result.provider_id


def _values(result: Result, mail: Mail | None, attempts: int, now: datetime) -> dict[str, Any]:
    state, next_at = after(result.outcome, attempts, now)
    if result.retry_at and state == DUE:
        next_at = max(result.retry_at, now)
    values: dict[str, Any] = {
        "state": state,
        "next_at": next_at,
        "reason": result.detail or None,
        "attempt_id": None,
        "lease_until": None,
    }
    if state == ACCEPTED:
        values |= {"accepted_at": now, "reason": None, "provider_id": result.provider_id}
    if mail is not None:
        values |= {"subject": mail.subject, "language": mail.language}
    return values


def sweep(sending: Sending, limit: int = 500) -> int:
    """Ends dead leases and looks for evidence of unknown mails; returns how many were moved."""
    now = sending.clock.now()
    with sending.engine.begin() as conn:
        moved = store.release_dead(conn, now)
        for message in store.unknown(conn, now, limit):
            found = sending.channel.evidence(message.envelope)
            state, reason, next_at = after_evidence(found, message.deaths, now)
            values: dict[str, Any] = {"state": state, "next_at": next_at}
            if state != UNKNOWN:
                values |= {"reason": reason, "lease_until": None}
                moved += 1
            if state == ACCEPTED:
                values |= {"accepted_at": now}
            store.settle(conn, message.id, values)
            if state == BLOCKED:
                sending.tell(conn, _quarantined(message), now)
    return moved


def _quarantined(message: Message) -> Trouble:
    return Trouble(
        key=f"quarantined:{message.mail_key}",
        title="A mail was set aside: three workers died while sending it",
        detail=f"To {message.address}, step {message.step}, mail {message.mail_key}",
    )
