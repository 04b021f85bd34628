"""What becomes of mails whose outcome nobody knows: evidence, the hold's end, a person's word."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Engine
from sqlalchemy.engine import Connection

from worker.access import audit
from worker.access.audit import Actor
from worker.channels.contract import Outcome
from worker.kernel.errors import FindingsError
from worker.outbox import claims, doubts, mending, store
from worker.outbox.rules import (
    ACCEPTED,
    BLOCKED,
    DUE,
    GIVEN_UP,
    UNKNOWN,
    Doubt,
    Next,
    Trouble,
    after_evidence,
)
from worker.outbox.sending import Sending
from worker.outbox.store import Message


def sweep(sending: Sending, limit: int = 500) -> int:
    """Ends dead leases and looks for evidence of unknown mails; returns how many were moved."""
    now = sending.clock.now()
    with sending.engine.begin() as conn:
        moved = claims.release_dead(conn, now)
        for message in doubts.unknown(conn, now, limit):
            moved += _settle(conn, sending, message, now)
    sending.pause("swept")
    return moved


def _settle(conn: Connection, sending: Sending, message: Message, now: datetime) -> bool:
    """Moves one mail on, or notes when to look again; whether it moved."""
    found = _evidence(sending, message)
    then = after_evidence(found, _doubt(conn, sending, message, now), sending.hold, now)
    values: dict[str, Any] = {"state": then.state, "next_at": then.next_at}
    if then.state != UNKNOWN:
        values |= {"reason": then.reason, "lease_until": None}
    if then.state == ACCEPTED:
        values |= {"accepted_at": message.unknown_since or now}
    if found is Outcome.NOT_SENT:
        values |= {"unknown_since": None}
    if then.again:
        values |= {"resends": message.resends + 1}
    doubts.settle(conn, message.id, values)
    trouble = _trouble(sending, message, found, then, now)
    if trouble is not None:
        sending.tell(conn, trouble, now)
    return then.state != UNKNOWN


def _evidence(sending: Sending, message: Message) -> Outcome | None:
    """What can be proved: the provider told of it, or the channel that it was tried on knows."""
    if message.fate is not None:
        return Outcome.ACCEPTED
    if message.channel not in (None, sending.channel.name):
        return None
    return sending.channel.evidence(message.envelope)


def _doubt(conn: Connection, sending: Sending, message: Message, now: datetime) -> Doubt:
    since = message.unknown_since or now
    is_over = now >= since + sending.hold
    return Doubt(
        kind=message.kind,
        since=since,
        valid_until=message.valid_until,
        deaths=message.deaths,
        resends=message.resends,
        others_told=is_over and doubts.others_told(conn, message),
        other_way=message.channel not in (None, sending.channel.name),
    )


def _trouble(
    sending: Sending, message: Message, found: Outcome | None, then: Next, now: datetime
) -> Trouble | None:
    """What staff must know: a mail that is set aside, or the day's mails of unknown fate."""
    if then.state == BLOCKED:
        return Trouble(
            key=f"{mending.QUARANTINED}:{message.mail_key}",
            title="A mail was set aside: three workers died while sending it",
            detail=f"To {message.named}, step {message.step}, mail {message.mail_key}",
            contact_id=message.seen_contact,
        )
    if found is not None or then.state == UNKNOWN:
        return None
    return Trouble(
        key=f"unknown-mails:{now.date()}",
        title="Nobody knows whether some mails left",
        detail=f"{sending.channel.name} gave no clear answer, and no proof came within the hold. "
        "Which they are, and what became of each: perennial settle",
    )


Word = Literal["sent", "not-sent", "give-up"]


def settle(
    engine: Engine, mail_key: str, address: str | None, word: Word, now: datetime, by: Actor
) -> list[str]:
    """A person's word on a mail of unknown fate; the addresses of the copies that it settled.

    ``not-sent`` makes it due again: it is looked at once more before it leaves. Raises
    ``FindingsError`` when there is no such mail in doubt.
    """
    with engine.begin() as conn:
        mine = [row for row in store.whole(conn, mail_key) if _is_open(row)]
        mine = [row for row in mine if address in (None, row.address)]
        if not mine:
            to = f" to {address}" if address else ""
            raise FindingsError(
                f"No mail {mail_key}{to} waits for a word; those that do: perennial settle"
            )
        if word == "sent":
            doubts.prove(conn, [row.id for row in mine], now)
        else:
            store.set_aside(conn, [row.id for row in mine], _after(word, now))
        detail = {"word": word, "copies": len(mine)}
        audit.note(conn, by, "mail.settled", f"mail {mail_key}", now, detail)
    return [row.address for row in mine]


def _is_open(row: Any) -> bool:
    return row.state in (UNKNOWN, GIVEN_UP) or (row.state == DUE and row.unknown_since is not None)


def _after(word: Word, now: datetime) -> dict[str, Any]:
    if word == "give-up":
        return {"state": GIVEN_UP, "reason": "by-word", "next_at": None}
    return {"state": DUE, "reason": "by-word", "next_at": now, "unknown_since": None}
