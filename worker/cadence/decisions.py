"""A decision as other programs read it: the record of ``plan``, ``explain`` and ``rehearse``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Row

from worker.outbox.rules import ACCEPTED, GIVEN_UP, OPEN, UNKNOWN


@dataclass(frozen=True, slots=True)
class Record:
    """One decision. ``at`` is in the client's zone; ``due_on`` is the civil date before any shift.

    ``to`` holds addresses, or the assignee of a task; ``message`` is one id for all that travels
    in one mail. For ``nothing``, ``schedule``, ``step`` and ``kind`` are empty.
    """

    at: datetime | None
    due_on: date | None
    schedule: str | None
    step: str | None
    kind: str | None
    subject: str
    licence: str | None
    account: str
    cycle: int
    decision: str
    reason: str | None = None
    to: tuple[str, ...] = ()
    message: str | None = None

    def json(self) -> dict[str, Any]:
        """The record with dates as ISO 8601 text, keys in their documented order."""
        values = asdict(self)
        values["at"] = self.at.isoformat() if self.at else None
        values["due_on"] = self.due_on.isoformat() if self.due_on else None
        values["to"] = list(self.to)
        return values


def called(row: Any) -> str:
    """Whom a walk is about, off a row with licence_ and account_ columns: ``licence L-1``, or
    ``account A-1`` where it has no licence."""
    if row.licence_key is None:
        return f"account {row.account_key}"
    return f"licence {row.licence_key}"


def in_order(records: Iterable[Record]) -> list[Record]:
    """Records by moment, then licence, then step; those without a moment last."""
    return sorted(
        records,
        key=lambda r: (r.at is None, r.at.timestamp() if r.at else 0, r.subject, r.step or ""),
    )


def outcome(decision: str, reason: str | None, mails: Sequence[Row[Any]]) -> tuple[str, str | None]:
    """The decision about a mail, once the ledger has had its say on every copy of it.

    One copy that was accepted makes it sent; else one that is unknown makes it unknown; else one
    that is still open leaves it waiting.
    """
    if decision != "waiting" or not mails:
        return decision, reason
    states = {mail.state: mail.reason for mail in mails}
    if ACCEPTED in states:
        return "sent", None
    for state in (UNKNOWN, GIVEN_UP):
        if state in states:
            return "unknown", states[state]
    for state in OPEN:
        if state in states:
            return "waiting", states[state]
    state, why = next(iter(states.items()))
    return state, why
