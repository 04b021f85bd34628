"""What came of a few mails, written down in one transaction: their rows, and how the way fares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.engine import Connection

from worker.channels.contract import Outcome, Result
from worker.outbox import claims, doubts, ways
from worker.outbox.rules import ACCEPTED, DUE, FAILED, GIVEN_UP, UNKNOWN, Trouble, after
from worker.outbox.sending import Ready, Sending
from worker.outbox.ways import Way

Came = tuple[Ready, Result]
"""A mail, and what its attempt came to."""


@dataclass(slots=True)
class Results:
    """What came of an attempt's mails and is not written down yet; ``unsent`` had started and were
    not tried. ``way``: how the way out stood when the mails were claimed."""

    sending: Sending
    attempt: str
    way: Way
    came: list[Came] = field(default_factory=list)
    unsent: list[int] = field(default_factory=list)

    def write(self, conn: Connection) -> None:
        """Writes them down, in the transaction of ``conn``."""
        if self.came or self.unsent:
            _record(conn, self, self.sending.clock.now())

    def written(self) -> None:
        """Forgets them: the transaction is kept."""
        if self.came or self.unsent:
            self.came, self.unsent = [], []
            self.sending.pause("recorded")

    def flush(self) -> None:
        """Writes them down in a transaction of their own."""
        if self.came or self.unsent:
            with self.sending.engine.begin() as conn:
                self.write(conn)
            self.written()


def _record(conn: Connection, results: Results, now: datetime) -> None:
    sending, attempt, came = results.sending, results.attempt, results.came
    if results.unsent:
        back = {"state": DUE, "next_at": now, "attempt_id": None, "started_at": None}
        claims.finish(conn, results.unsent, attempt, back)
    plain = [ready.message.id for ready, result in came if _is_plain(ready, result)]
    if plain:
        claims.finish(conn, plain, attempt, _idle(ACCEPTED) | {"accepted_at": now})
    gone = [one for one in came if one[1].outcome is Outcome.ACCEPTED and not _is_plain(*one)]
    if gone:
        claims.accept(conn, [_left(*one) for one in gone], attempt, now)
    others = [one for one in came if one[1].outcome is not Outcome.ACCEPTED]
    refused = []
    for ready, result in others:
        values = _values(sending, ready, result, now)
        ours = claims.finish(conn, [ready.message.id], attempt, values)
        if ours and result.outcome is Outcome.REFUSED:
            refused.append((ready.message, result))
    missed = [ready.message.id for ready, _ in others]
    if missed:  # of an earlier attempt the provider may have told meanwhile
        doubts.prove_told(conn, missed, now)
    for message, result in refused:  # afterwards: a refusal says nothing of an earlier attempt
        sending.refused(conn, message, result, now)
    _mind_the_way(conn, sending, results.way, [result for _, result in came], now)


def _is_plain(ready: Ready, result: Result) -> bool:
    """Accepted without a text or a provider's id to remember: one statement serves many."""
    return result.outcome is Outcome.ACCEPTED and ready.mail is None and not result.provider_id


def _left(ready: Ready, result: Result) -> claims.Left:
    mail = ready.mail
    said = (mail.subject, mail.language) if mail is not None else (None, None)
    return claims.Left(ready.message.id, result.provider_id, *said)


def _idle(state: str) -> dict[str, Any]:
    idle = dict.fromkeys(("next_at", "reason", "attempt_id", "lease_until"))
    return idle | {"state": state}


def _values(sending: Sending, ready: Ready, result: Result, now: datetime) -> dict[str, Any]:
    message, mail = ready.message, ready.mail
    state, next_at = after(result.outcome, message.attempts, sending.lease, now)
    if result.retry_at and state == DUE:
        next_at = max(result.retry_at, now)
    if state == FAILED and message.in_doubt:
        state = GIVEN_UP  # this copy was refused; of an earlier one nobody knows
    values = _idle(state) | {"next_at": next_at, "reason": result.detail or None}
    if result.outcome is Outcome.SHUT:
        values |= {"attempts": message.attempts - 1}
    if state == UNKNOWN:
        values |= {"unknown_since": now}
    if mail is not None:
        values |= {"subject": mail.subject, "language": mail.language}
    return values


def _mind_the_way(
    conn: Connection, sending: Sending, way: Way, results: Sequence[Result], now: datetime
) -> None:
    """Shuts the way out, lets it rest or opens it again, after what the last mail met."""
    if not results:
        return
    channel, last = sending.channel.name, results[-1]
    if last.outcome is Outcome.SHUT:
        until = ways.shut(conn, channel, last.detail, sending.lease, now)
        sending.tell(conn, _shut(channel, last.detail, until), now)
    elif last.pause_until:
        ways.pause(conn, channel, last.pause_until, last.detail)
    elif last.outcome is not Outcome.NOT_SENT and way.failures:
        ways.reopen(conn, channel)
        sending.calm(conn, f"way-shut:{channel}", now)


def _shut(channel: str, why: str, until: datetime) -> Trouble:
    return Trouble(
        key=f"way-shut:{channel}",
        title=f"No mail gets out by {channel}",
        detail=f"{why}. All mails wait and none is lost. It is tried again by itself, first at "
        f"{until:%Y-%m-%d %H:%M} UTC; what is wrong: perennial doctor",
    )
