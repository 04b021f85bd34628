"""Queries of the pages of schedules. What grows with the book was counted beside them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, select
from sqlalchemy.engine import Connection

from worker.access.records import audit
from worker.db.prepared import Prepared
from worker.outbox.records import messages

_LAST = Prepared(
    select(func.max(messages.c.accepted_at).label("last")).where(
        messages.c.schedule == bindparam("stem"), messages.c.accepted_at.is_not(None)
    )
)


def last_sent(conn: Connection, stems: Iterable[str]) -> dict[str, datetime]:
    """When a mail of each schedule left last; one look at the end of an index for each."""
    found = {stem: _LAST.scalars(conn, stem=stem)[0] for stem in stems}
    return {stem: moment for stem, moment in found.items() if moment is not None}


def appliers(conn: Connection, stem: str, history: Sequence[Any]) -> dict[int, str]:
    """Who applied each version of ``history``, by its number, as far as the audit log knows."""
    query = select(audit.c.at, audit.c.who).where(
        audit.c.about == f"schedule {stem}", audit.c.what == "schedule.applied"
    )
    who = {row.at: row.who for row in conn.execute(query)}
    return {row.number: who[row.applied_at] for row in history if row.applied_at in who}
