"""Licences that renew by themselves: whose expiry passes, the next term opens."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple

from sqlalchemy import and_, bindparam, or_, select
from sqlalchemy.engine import Connection

from worker.catalogue import store, telling
from worker.catalogue.records import accounts, licences, terms
from worker.db import bulk
from worker.db.prepared import Prepared
from worker.kernel.dates import zone
from worker.schedules.calendar import wall_moment

_DAY = timedelta(days=1)
_EAST = timedelta(hours=14)
"""No zone's day begins earlier than this before UTC's."""

_AUTO = and_(
    licences.c.auto_renew,
    licences.c.status == "active",
    # A client that said no is nobody's renewal; its task asks staff to see to the contract.
    or_(licences.c.declined_term.is_(None), licences.c.declined_term != licences.c.term),
)
_PASSED = Prepared(
    select(
        licences.c.id,
        licences.c.term,
        licences.c.starts_on,
        licences.c.expires_on,
        accounts.c.timezone,
    )
    .join(accounts, accounts.c.id == licences.c.account_id)
    .where(_AUTO, licences.c.expires_on < bindparam("day"))
    .order_by(licences.c.expires_on, licences.c.id)
    .limit(bindparam("most"))
    .with_for_update(of=licences, skip_locked=True)
)
_FIRST = Prepared(
    select(licences.c.expires_on)
    .where(_AUTO, licences.c.expires_on > bindparam("day"))
    .order_by(licences.c.expires_on)
    .limit(1)
)
_ZONES = Prepared(
    select(licences.c.expires_on, accounts.c.timezone)
    .join(accounts, accounts.c.id == licences.c.account_id)
    .where(_AUTO, licences.c.expires_on.between(bindparam("first"), bindparam("last")))
    .distinct()
)


class Next(NamedTuple):
    """The dates of a term that follows by itself."""

    starts_on: date
    expires_on: date


def next_term(starts_on: date | None, expires_on: date) -> Next:
    """The term after one that ran from ``starts_on`` (``None``: a year) to ``expires_on``.

    It is as long as the one before it: in whole months where that one was, else in days. Where
    terms are written with their last day (1 January to 31 December) the next one is too.
    """
    if starts_on is None:
        return Next(expires_on, _months_later(expires_on, 12))
    for begins in (expires_on, expires_on + _DAY):
        months = (begins.year - starts_on.year) * 12 + begins.month - starts_on.month
        if months > 0 and _months_later(starts_on, months) == begins:
            return Next(begins, _months_later(begins, months) - (begins - expires_on))
    return Next(expires_on, expires_on + (expires_on - starts_on))


def _months_later(day: date, months: int) -> date:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    last = (date(year + month // 11, (month + 1) % 12 + 1, 1) - _DAY).day
    return date(year, month + 1, min(day.day, last))


def renew_automatically(conn: Connection, now: datetime, timezone: str, limit: int) -> int:
    """Opens the next term of up to ``limit`` licences whose last day is over where the client
    lives; how many. ``timezone`` is that of accounts that do not say.

    A licence that was first seen long after its expiry gets every term up to the present one.
    """
    rows = [
        row
        for row in _PASSED.rows(conn, day=(now + _EAST).date(), most=limit)
        if row.expires_on < now.astimezone(zone(row.timezone or timezone)).date()
    ]
    known = _known(conn, [row.id for row in rows])
    opened: list[tuple[Any, ...]] = []
    shown: list[tuple[Any, ...]] = []
    for row in rows:
        today = now.astimezone(zone(row.timezone or timezone)).date()
        number, dates, closed = row.term, Next(row.starts_on, row.expires_on), None
        while dates.expires_on < today:
            number += 1
            there = known.get((row.id, number))
            dates = Next(there.starts_on, there.expires_on) if there else next_term(*dates)
            closed = there.closed_on if there else None
            if not there:
                opened.append((row.id, number, "renewal", *dates, None, now))
        shown.append((row.id, number, *dates, closed, now, True))
    store.insert_terms(conn, opened)
    columns = ("term", "starts_on", "expires_on", "closed_on", "updated_at", "changed")
    bulk.update(conn, licences, columns, shown)
    telling.renewed(conn, [row.id for row in rows], now)
    return len(rows)


def _known(conn: Connection, ids: Sequence[int]) -> dict[tuple[int, int], Any]:
    """Terms by licence and number. In a replay of the past those to come are there already, with
    the dates that they really had; else none is beyond the current one."""
    if not ids:
        return {}
    columns = [terms.c[name] for name in ("licence_id", "number", "starts_on", "expires_on")]
    query = select(*columns, terms.c.closed_on).where(bulk.among(terms.c.licence_id, ids))
    numbered = conn.execute(query.where(terms.c.number.is_not(None)))
    return {(row.licence_id, row.number): row for row in numbered}


def next_renewal(conn: Connection, now: datetime, timezone: str) -> datetime | None:
    """The next moment after ``now`` at which a licence renews by itself."""
    earliest = (now - _DAY - _EAST).date()
    first = next(iter(_FIRST.scalars(conn, day=earliest)), None)
    while first is not None:
        moments = [
            wall_moment(row.expires_on + _DAY, time(0), zone(row.timezone or timezone))
            for row in _ZONES.rows(conn, first=first, last=first + _DAY)
        ]
        coming = [moment.astimezone(UTC) for moment in moments if moment > now]
        if coming:
            return min(coming)
        first = next(iter(_FIRST.scalars(conn, day=first + _DAY)), None)
    return None
