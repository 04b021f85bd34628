"""How long mails took from the decision to the provider."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import bindparam, case, func, select
from sqlalchemy.engine import Connection

from worker.db.dates import Seconds
from worker.db.prepared import Prepared
from worker.outbox.records import messages
from worker.telemetry.metrics import LATENESS, Lateness

_SECONDS = Seconds(messages.c.accepted_at, messages.c.created_at)
_WITHIN = [
    func.sum(case((end >= _SECONDS, 1), else_=0)).label(f"within_{number}")
    for number, end in enumerate(LATENESS)
]
_TOOK = Prepared(
    select(*_WITHIN, func.count().label("mails"), func.sum(_SECONDS).label("seconds")).where(
        messages.c.accepted_at >= bindparam("since")
    )
)


def read(conn: Connection, since: datetime) -> Lateness:
    """The lateness of the mails that left since then; the cost is that of these."""
    ((*counts, seconds),) = _TOOK.rows(conn, since=since)
    return Lateness(tuple(int(count or 0) for count in counts), float(seconds or 0))
