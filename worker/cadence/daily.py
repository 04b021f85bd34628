"""Who gets what on one coming day, some accounts at a time.

The planner says what happens; what is found out here is only about which accounts it has to be
asked, so that the cost is that of a page of clients, whatever the size of the book.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import and_, bindparam, literal, or_, select
from sqlalchemy.engine import Connection

from worker.cadence import ahead, load
from worker.cadence.ahead import Forecasting
from worker.cadence.decisions import Record
from worker.cadence.horizon import end_of, start_of
from worker.cadence.library import InForce, library_of
from worker.cadence.records import of_licence, walks
from worker.catalogue.records import accounts, licences
from worker.db import bulk
from worker.db.prepared import Prepared
from worker.kernel.dates import Period

ACCOUNTS = 25
"""So many accounts are asked about at once."""
_LOOKED_AT, _LOOKS = 500, 20
"""Accounts that are looked at with one query, and queries for one page: where hardly anybody gets
anything, a page may be short and yet not the last."""
_DAY = timedelta(days=1)
_WAIT = timedelta(days=4)
"""Mail that waits for the budget leaves within its validity and as many days as may be closed."""

_NEXT = Prepared(
    select(accounts.c.id)
    .where(accounts.c.id > bindparam("after"))
    .order_by(accounts.c.id)
    .limit(bindparam("most"))
)
_RENEWS = and_(
    licences.c.auto_renew,
    licences.c.status == "active",
    licences.c.expires_on <= bindparam("day"),
)
_ACTING = Prepared(
    select(
        licences.c.account_id,
        licences.c.id.label("licence_id"),
        accounts.c.key.label("account_key"),
        accounts.c.timezone.label("account_timezone"),
        accounts.c.country.label("account_country"),
        walks.c.schedule,
        walks.c.anchor_on,
        walks.c.next_at,
        or_(licences.c.changed, _RENEWS).label("opens"),
    )
    .join(accounts, accounts.c.id == licences.c.account_id)
    .outerjoin(walks, and_(of_licence, walks.c.next_at < bindparam("end")))
    .where(
        bulk.listed(licences.c.account_id),
        or_(walks.c.id.is_not(None), licences.c.changed, _RENEWS),
    )
    .order_by(licences.c.account_id, licences.c.id)
)

_ACTING_THEMSELVES = Prepared(
    select(
        walks.c.account_id,
        literal(0).label("licence_id"),
        accounts.c.key.label("account_key"),
        accounts.c.timezone.label("account_timezone"),
        accounts.c.country.label("account_country"),
        walks.c.schedule,
        walks.c.anchor_on,
        walks.c.next_at,
        literal(0).label("opens"),
    )
    .join(accounts, accounts.c.id == walks.c.account_id)
    .where(bulk.listed(walks.c.account_id), walks.c.next_at < bindparam("end"))
    .order_by(walks.c.account_id, walks.c.id)
)
"""Walks of accounts and of answers, in the same columns."""


@dataclass(frozen=True, slots=True)
class Daily:
    """What some accounts get on a day, in the order of accounts, and the number of the account
    after which the next page begins; ``None``: these were the last."""

    records: Sequence[Record]
    after: int | None


def daily(
    conn: Connection, asked: Forecasting, day: date, stem: str | None = None, after: int = 0
) -> Daily:
    """The mails, tasks and calls of the clients' civil day ``day``, those of schedule ``stem``
    alone if it is given, of ``ACCOUNTS`` accounts whose number comes after ``after``.

    ``day`` is to come or today; what was decided before now is not among them.
    """
    wanted = _Wanted(library_of(conn).active(conn), asked, day, stem)
    found: dict[int, Any] = {}
    last = None
    for more, rows in _looked_at(conn, after, day):
        last = more
        for row in rows:
            if row.account_id not in found and wanted.may_get_it(row):
                found[row.account_id] = row
        if len(found) > ACCOUNTS:
            break
    chosen = [found[account_id] for account_id in sorted(found)[:ACCOUNTS]]
    if len(found) > ACCOUNTS:
        last = chosen[-1].account_id
    records = _told(conn, asked, chosen, day, stem) if chosen else []
    return Daily(records, last)


def _looked_at(
    conn: Connection, after: int, day: date
) -> Iterator[tuple[int | None, Sequence[Any]]]:
    """Licences of the next accounts, query by query, about which something is decided until the
    day is over; with each query the account to go on after, if there may be more."""
    end = end_of(Period(day, day))
    for _ in range(_LOOKS):
        ids = _NEXT.scalars(conn, after=after, most=_LOOKED_AT)
        if not ids:
            return
        after = ids[-1]
        more = after if len(ids) == _LOOKED_AT else None
        own = _ACTING_THEMSELVES.rows(conn, ids=ids, end=end)
        yield more, [*_ACTING.rows(conn, ids=ids, end=end, day=day), *own]
        if more is None:
            return


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Which licences a forecast of the day has to look at."""

    active: Mapping[str, InForce]
    asked: Forecasting
    day: date
    stem: str | None

    def may_get_it(self, row: Any) -> bool:
        """Whether something may be decided about this licence for the day: a term opens by then,
        a step is due on it by the calendar, or something that waits ends about then."""
        if row.opens:
            return True
        inforce = self.active.get(row.schedule)
        if inforce is None or self.stem not in (None, row.schedule):
            return False
        if self.day <= self.asked.now.date() + _DAY:
            return True
        only = Period(self.day, self.day)
        return start_of(only) - _DAY <= row.next_at < end_of(only) or self._is_due(inforce, row)

    def _is_due(self, inforce: InForce, row: Any) -> bool:
        back = timedelta(0)
        if inforce.schedule.mail_class != "contractual":
            back = timedelta(days=inforce.schedule.limits.valid_days) + _WAIT
        steps = load.line_of(inforce, row, self.asked.defaults).of(row.anchor_on)
        return any(item.day and item.day <= self.day <= item.day + back for item in steps)


def _told(
    conn: Connection, asked: Forecasting, rows: Sequence[Any], day: date, stem: str | None
) -> list[Record]:
    """What the planner says of these accounts on that day, in their order."""
    place = {row.account_key: row.account_id for row in rows}
    ids = [row.licence_id for row in rows if row.licence_id]
    coming = ahead.forecast_of(conn, asked, Period(day, day), ids, list(place.values()))
    mine = [
        one
        for one in coming
        if one.account in place
        and one.decision in ("planned", "blocked")
        and (stem is None or one.schedule == stem)
    ]
    return sorted(mine, key=lambda one: place[one.account])
