"""Terms that ended and were not renewed: seen once, on the day after, where the client lives."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

from sqlalchemy import and_, select
from sqlalchemy.engine import Connection

from worker.catalogue import telling
from worker.catalogue.records import accounts, licences
from worker.db import notices
from worker.kernel.dates import zone
from worker.schedules.calendar import wall_moment

_DAY = timedelta(days=1)
_ASKED_BACK = timedelta(days=366)
"""After a longer pause of everything, what lapsed earlier is no news."""

_BY_ITSELF = and_(
    licences.c.auto_renew,
    (licences.c.declined_term.is_(None)) | (licences.c.declined_term != licences.c.term),
)


def note(conn: Connection, since: datetime, now: datetime, timezone: str) -> int:
    """Notes the terms whose last day ended after ``since`` and by ``now``, if anybody listens; how
    many. ``timezone`` is that of accounts that do not say.

    Only licences that are active and do not renew by themselves; the days in question are found by
    the index on the expiry.
    """
    if not notices.is_heard(conn):
        return 0
    first = (max(since, now - _ASKED_BACK) - 2 * _DAY).date()
    rows = conn.execute(
        select(licences.c.id, licences.c.expires_on, accounts.c.timezone)
        .join(accounts, accounts.c.id == licences.c.account_id)
        .where(
            licences.c.expires_on.between(first, (now + _DAY).date()),
            licences.c.status == "active",
            ~_BY_ITSELF,
        )
        .order_by(licences.c.expires_on, licences.c.id)
    )
    over = []
    for row in rows:
        end = wall_moment(row.expires_on + _DAY, time(0), zone(row.timezone or timezone))
        if since < end.astimezone(UTC) <= now:
            over.append(row.id)
    telling.lapsed(conn, over, now)
    return len(over)
