"""Writes the records that a faultless engine would leave, from the judge's own expectations.

For planting errors in: what it writes proves nothing about any rule by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any
from zlib import crc32
from zoneinfo import ZoneInfo

from tests.oracle.judge import Court
from tests.oracle.life import Event, index
from tests.oracle.script import Script
from tests.oracle.walk import Outcome, Walk


def records(
    book: Mapping[str, Any],
    script: Script,
    first: date,
    last: date,
    events: Sequence[Event] = (),
    *,
    begins: datetime | None = None,
) -> list[dict[str, Any]]:
    """Decisions in a stable order; each account has a slot of its own."""
    court = Court(index(book, events), first, last, sorted(events, key=lambda e: e[0]), begins)
    slots = {key: crc32(key.encode()) % 6 for key in court.book.accounts}
    found = []
    for key in court.book.licences:
        case = court.case(script, key, (), slots, months=True)
        for walk in case.walks:
            for outcome in walk.outcomes.values():
                if outcome.verdict and not outcome.optional and _within(outcome, first, last):
                    row = _record(script, walk, outcome, slots[case.account["key"]])
                    row |= {"subject": key, "licence": key, "account": case.account["key"]}
                    row["to"] = sorted(court.comparison.addressees(case, outcome.line))
                    found.append(row)
    return found


def _within(outcome: Outcome, first: date, last: date) -> bool:
    days = {outcome.day} if outcome.day else {outcome.due, outcome.planned or outcome.due}
    return all(first <= day <= last for day in days)


def _record(script: Script, walk: Walk, outcome: Outcome, slot: int) -> dict[str, Any]:
    assert outcome.verdict
    calendar = walk.calendar
    at = calendar.moment(outcome.day or outcome.planned or outcome.due, slot)
    if outcome.done and not outcome.on_time:
        assert outcome.earliest
        at = max(at, outcome.earliest)
    return {
        "at": at.astimezone(ZoneInfo(calendar.zone)).isoformat(),
        "due_on": outcome.due.isoformat(),
        "schedule": script.stem,
        "step": outcome.line.id,
        "kind": outcome.line.kind,
        "cycle": walk.number,
        "decision": outcome.verdict[0],
        "reason": outcome.verdict[1],
        "message": None,
    }
