"""Addresses that nobody is written to any more, whatever the class of the mail."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from worker.catalogue.records import suppressions
from worker.db.prepared import Prepared

BOUNCED, COMPLAINED = "bounced", "complained"
"""Why an address is silent: mail to it comes back for good, or its owner called one spam."""


def suppress(
    conn: Connection, address: str, reason: str, detail: str | None, now: datetime
) -> bool:
    """Silences ``address`` for all schedules; whether it was not silent before. A complaint says
    more than a bounce and replaces it; of two alike the earlier one counts, whichever came first.
    """
    dialect = postgresql if conn.dialect.name == "postgresql" else sqlite
    row = {"address": address, "reason": reason, "detail": detail, "at": now}
    fresh = conn.execute(
        dialect.insert(suppressions).on_conflict_do_nothing().returning(suppressions.c.address), row
    ).first()
    if fresh is None:
        before = (suppressions.c.reason == reason) & (suppressions.c.at > now)
        if reason == COMPLAINED:
            before |= suppressions.c.reason == BOUNCED
        better = suppressions.update().where(suppressions.c.address == address, before)
        conn.execute(better.values(reason=reason, detail=detail, at=now))
    return fresh is not None


def lift(conn: Connection, address: str) -> int:
    """Lets mail to ``address`` go again; how many suppressions there were."""
    return conn.execute(delete(suppressions).where(suppressions.c.address == address)).rowcount


_COUNTS = Prepared(
    select(suppressions.c.reason, func.count().label("addresses")).group_by(suppressions.c.reason)
)


def counts(conn: Connection) -> dict[str, int]:
    """Silent addresses by reason."""
    return {row.reason: row.addresses for row in _COUNTS.rows(conn)}
