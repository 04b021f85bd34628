"""How long mails took from the decision to the provider."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import case, func, select
from sqlalchemy.engine import Connection

from worker.db.dates import Seconds
from worker.outbox.records import messages
from worker.telemetry.metrics import LATENESS, Lateness


def read(conn: Connection, since: datetime) -> Lateness:
    """The lateness of the mails that left since then; the cost is that of these."""
    took = Seconds(messages.c.accepted_at, messages.c.created_at)
    within = [func.sum(case((took <= end, 1), else_=0)) for end in LATENESS]
    query = select(*within, func.count(), func.sum(took)).where(messages.c.accepted_at >= since)
    *counts, seconds = conn.execute(query).one()
    return Lateness(tuple(int(count or 0) for count in counts), float(seconds or 0))
