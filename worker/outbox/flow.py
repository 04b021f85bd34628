"""One batch of mails: claim, re-check, render, mark as started, send, record.

The transactions are short and none is open while a mail is rendered or sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from worker.channels.contract import Outcome, Result
from worker.kernel.keys import new_attempt_id
from worker.outbox import claims, mending, ways
from worker.outbox.recording import Results
from worker.outbox.rules import ACCEPTED, BLOCKED, DUE, GIVEN_UP, Drop, Go, Trouble, Wait
from worker.outbox.sending import Ready, Sending
from worker.outbox.store import Message
from worker.outbox.ways import Way


def send_batch(sending: Sending, limit: int = 100) -> int:
    """Claims and sends up to ``limit`` due mails; returns how many were claimed."""
    attempt = new_attempt_id()
    if sending.unread:
        return _record_unread(sending, attempt, limit)
    deadline = sending.clock.monotonic() + sending.lease.total_seconds()
    claim = _claim(sending, attempt, limit)
    if claim is None:
        return 0
    sending.pause("claimed")
    size = 1 if sending.gap else sending.channel.burst
    bursts = list(_bursts(claim.allowed, size))
    turn, misses = sending.clock.monotonic() + claim.waits, 0
    results = Results(sending, attempt, claim.way)
    for number, burst in enumerate(bursts):
        if sending.gap:
            sending.wait(max(0.0, turn - sending.clock.monotonic()))
        if sending.stop() or misses >= ways.IN_A_ROW:
            _hand_back(sending, attempt, [one for rest in bursts[number:] for one, _ in rest])
            break
        # Written burst by burst: a batch that took longer than its lease would never get on.
        ready = _rendered(results, burst)
        came = _send_burst(results, deadline, ready)
        misses = _misses(misses, came)
        turn += sending.gap.total_seconds()
        if size == 1:  # where a provider cannot prove much, nothing waits for the next mail
            results.flush()
    results.flush()
    return claim.taken


def _misses(before: int, results: Sequence[Result]) -> int:
    """How many mails in a row surely did not go out; all that may come where the way is shut."""
    for result in results:
        if result.outcome is Outcome.SHUT or result.pause_until:
            return ways.IN_A_ROW
        before = before + 1 if result.outcome is Outcome.NOT_SENT else 0
    return before


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
        claims.finish(conn, [message.id for message in messages], attempt, back)


@dataclass(frozen=True, slots=True)
class _Claim:
    """What an attempt took; the first of the ``allowed`` may leave after ``waits`` seconds, by the
    ``way`` as it stood."""

    taken: int
    allowed: Sequence[_Allowed]
    way: Way
    waits: float = 0.0


def _claim(sending: Sending, attempt: str, limit: int) -> _Claim | None:
    """The claim and, in the same transaction, the re-check of everything it took."""
    now = sending.clock.now()
    with sending.engine.begin() as conn:
        if sending.held(conn, now):
            return None
        way = ways.of(conn, sending.channel.name)
        if not way.is_open(now):
            return None
        start, most = _turn(conn, sending, 1 if way.failures else limit, now)
        taken = claims.claim(conn, now, now + sending.lease, attempt, most) if most else []
        if not taken:
            _give_back(conn, sending, start, 0, most)
            return None
        allowed = _looked_at(conn, sending, attempt, taken, now)
        _give_back(conn, sending, start, len(allowed), most)
    return _Claim(len(taken), allowed, way, (start - now).total_seconds())


def _looked_at(
    conn: Connection, sending: Sending, attempt: str, taken: Sequence[Message], now: datetime
) -> list[_Allowed]:
    """Those of the claimed that may leave; what becomes of the others is written down."""
    verdicts = sending.recheck(conn, taken, now)
    allowed: list[_Allowed] = []
    for message in taken:
        verdict = verdicts[message.id]
        if message.fate is not None:  # the provider has it: an earlier attempt got through
            claims.finish(conn, [message.id], attempt, _proved(message, now))
        elif isinstance(verdict, Go):
            allowed.append((message, verdict))
        else:
            claims.finish(conn, [message.id], attempt, _stopped(message, verdict))
    return allowed


def _record_unread(sending: Sending, attempt: str, limit: int) -> int:
    """The same where nobody can die on the way, because there is none."""
    now = sending.clock.now()
    with sending.engine.begin() as conn:
        taken = claims.claim(conn, now, now + sending.lease, attempt, limit)
        allowed = _looked_at(conn, sending, attempt, taken, now) if taken else []
        if allowed:
            left = {"started_at": now, "channel": sending.channel.name, "accepted_at": now}
            idle = dict.fromkeys(("next_at", "reason", "attempt_id", "lease_until"))
            gone = idle | left | {"state": ACCEPTED}
            claims.finish(conn, [message.id for message, _ in allowed], attempt, gone)
    return len(taken)


def _turn(conn: Connection, sending: Sending, limit: int, now: datetime) -> tuple[datetime, int]:
    """When the first mail may leave, and how many may be claimed: no more than leave in half a
    lease where a pace is kept."""
    if not sending.gap:
        return now, limit
    within = sending.lease / 2
    return ways.reserve(conn, sending.channel.name, sending.gap, limit, now, within)


def _give_back(
    conn: Connection, sending: Sending, start: datetime, used: int, reserved: int
) -> None:
    if sending.gap and used < reserved:
        ways.give_back(conn, sending.channel.name, start, sending.gap, used)


def _proved(message: Message, now: datetime) -> dict[str, Any]:
    idle = {"attempt_id": None, "lease_until": None, "next_at": None, "reason": None}
    return idle | {"state": ACCEPTED, "accepted_at": message.unknown_since or now}


def _stopped(message: Message, verdict: Wait | Drop) -> dict[str, Any]:
    idle = {"attempt_id": None, "lease_until": None}
    if isinstance(verdict, Wait):
        return idle | {"state": DUE, "next_at": verdict.until, "reason": verdict.reason}
    # One that may have left already is not undone by a reason that came later.
    state = GIVEN_UP if message.in_doubt else verdict.state
    return idle | {"state": state, "next_at": None, "reason": verdict.reason}


def _rendered(results: Results, burst: Sequence[_Allowed]) -> list[Ready]:
    try:
        return list(_render(results.sending, results.attempt, burst))
    except (SQLAlchemyError, OSError):
        results.flush()  # of the burst before
        raise


def _render(
    sending: Sending, attempt: str, allowed: Sequence[tuple[Message, Go]]
) -> Iterator[Ready]:
    now = sending.clock.now()
    for message, go in allowed:
        if not sending.channel.wants_text(message.envelope):
            yield Ready(message, None)
            continue
        try:
            mail = sending.compose(message, go, now)
        except (SQLAlchemyError, OSError):
            raise  # not the mail's fault: it stays claimed until its lease ends
        except Exception as error:  # noqa: BLE001 -- an odd mail must not hold up the others
            _block(sending, attempt, message, str(error), now)
            continue
        yield Ready(message, mail)


def _block(sending: Sending, attempt: str, message: Message, why: str, now: datetime) -> None:
    """A mail that cannot be rendered waits for a person, and no other mail waits for it."""
    values = {"state": BLOCKED, "reason": "template", "next_at": None, "attempt_id": None}
    with sending.engine.begin() as conn:
        if claims.finish(conn, [message.id], attempt, values):
            trouble = Trouble(
                key=f"{mending.UNWRITTEN}:{message.mail_key}",
                title=f"A mail could not be written: {message.template}",
                detail=f"To {message.named}, step {message.step}: {why}",
                contact_id=message.seen_contact,
            )
            sending.tell(conn, trouble, now)


def _send_burst(results: Results, deadline: float, burst: Sequence[Ready]) -> list[Result]:
    """Marks a few mails as started, with the results of those before in the same transaction, and
    sends them; what came of them is added to ``results``."""
    sending, came = results.sending, list[Result]()
    started_at = sending.clock.now()
    if not burst or sending.clock.monotonic() >= deadline:
        return came  # the lease is over: the rows are somebody else's, or soon will be
    with sending.engine.begin() as conn:
        results.write(conn)
        ids = [ready.message.id for ready in burst]
        ours = claims.mark_started(conn, ids, results.attempt, sending.channel.name, started_at)
    results.written()
    sending.pause("started")
    for ready in burst:
        if ready.message.id not in ours:
            continue
        if sending.clock.monotonic() >= deadline or _is_over(came):
            results.unsent.append(ready.message.id)
            continue
        result = sending.channel.send(ready.message.envelope, ready.mail, sending.clock.now())
        sending.pause("sent")
        came.append(result)
        results.came.append((ready, result))
    return came


def _is_over(came: Sequence[Result]) -> bool:
    """Whether the way was found shut, or asked for a rest, by the last mail."""
    return bool(came) and _misses(0, came[-1:]) >= ways.IN_A_ROW
