"""A summary to all who were asked: what was said, and what was done with it.

Who gave an anonymous answer is known to nobody, so nobody can be told alone. All who were asked are
told the same, once for a period.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import Engine
from sqlalchemy.engine import Connection

from worker.access import audit
from worker.access.audit import Actor
from worker.kernel.dates import Period
from worker.kernel.errors import FindingsError
from worker.surveys import telling

LONGEST = 4000
"""Signs of a summary."""


def faults(conn: Connection, schedule: str, period: Period, words: str) -> Iterator[str]:
    """Everything that is wrong with a summary, in sentences."""
    if not words.strip():
        yield "words: expected what was said and what was done with it, got nothing."
    if "\x00" in words:
        yield "words: expected text, got a NUL sign."
    if len(words) > LONGEST:
        yield f"words: expected at most {LONGEST} signs, got {len(words)}."
    before = telling.told_before(conn, schedule, period)
    if before is not None:
        yield (
            f"Those whom {schedule} asked from {period.first} to {period.last} were told on "
            f"{before.made_at:%Y-%m-%d} by {before.made_by}; choose another period."
        )
    elif not telling.to_be_told(conn, schedule, period):
        yield (
            f"{schedule} asked nobody who has an address from {period.first} to {period.last}; "
            "the page Surveys lists the schedules that asked."
        )


def send(
    engine: Engine, schedule: str, period: Period, words: str, now: datetime, by: Actor
) -> int:
    """Writes the letters; how many. Raises ``FindingsError`` with all that is wrong."""
    with engine.begin() as conn:
        wrong = list(faults(conn, schedule, period, words))
        if wrong:
            raise FindingsError("\n".join(wrong))
        count = telling.tell_all(conn, schedule, period, words.strip(), by.name, now)
        detail = {"from": str(period.first), "to": str(period.last), "letters": count}
        audit.note(conn, by, "survey.told", f"schedule {schedule}", now, detail)
    return count
