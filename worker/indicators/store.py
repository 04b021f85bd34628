"""Queries of the indicators: each counts inside the database.

``lives``, ``clients`` and ``worth`` read the book once (terms and order days): their cost grows
with it. The others read what the period holds. None asks once for each account.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Date,
    Integer,
    Select,
    Text,
    and_,
    case,
    cast,
    func,
    literal,
    literal_column,
    null,
    select,
    union_all,
)
from sqlalchemy.engine import Connection

from worker.catalogue.records import accounts, licences, order_days, terms
from worker.db import bulk
from worker.db.dates import Days, Month
from worker.indicators.rules import Life
from worker.indicators.sales import (
    AGAIN,
    CHANNELS,
    PERSON,
    agreed_on,
    flag,
    group_of,
    in_force,
    is_order,
    net_cents,
    on,
    ordered,
    sales,
    touches,
)
from worker.kernel.dates import Period
from worker.reports.cohort import NO_CURRENCY
from worker.reports.store import yearly_cents
from worker.surveys import rules as promises
from worker.surveys.records import responses

FOLLOWS = 30
"""Days after a contact in which a sale is put beside it."""
WEEKS = 13
"""So many weeks after a sale are told."""

_HELD = terms.join(licences, licences.c.id == terms.c.licence_id)
_SALE, _TOUCH = literal_column("0", Integer), literal_column("1", Integer)


def lives(conn: Connection, days: Sequence[date], by: str | None) -> list[Life]:
    """All accounts that were active on any of the days, those alike counted together; sales after
    the latest of the days are not known yet."""
    last = max(days)
    each = union_all(_lives_of_licences(days, last), _lives_of_orders(days, last)).subquery("each")
    bits: ColumnElement[int] = literal_column("0", Integer)
    for place in range(len(days)):
        bits = bits + func.max(each.c[f"on_{place}"]) * literal_column(str(1 << place), Integer)
    least, most = func.min(each.c.least), func.max(each.c.most)
    one = (
        select(
            each.c.account_id,
            bits.label("mask"),
            flag(most > least).label("again"),
            Month(least).label("since"),
        )
        .group_by(each.c.account_id)
        .subquery("one")
    )
    group = group_of(by).label("grp")
    keys = [one.c.mask, one.c.again, one.c.since]
    query = select(group, *keys, func.count()).select_from(
        one.join(accounts, accounts.c.id == one.c.account_id)
    )
    rows = conn.execute(query.where(one.c.mask > 0).group_by("grp", *keys).order_by("grp", *keys))
    return [Life(row[0], row[1], bool(row[2]), row[3], row[4]) for row in rows]


def _lives_of_licences(days: Sequence[date], last: date) -> Select[Any]:
    """The active days, first and last sale of accounts with licences."""
    flags = [func.max(flag(in_force(day))).label(f"on_{place}") for place, day in enumerate(days)]
    ends = [func.min(agreed_on).label("least"), func.max(agreed_on).label("most")]
    found = select(licences.c.account_id, *flags, *ends).select_from(_HELD)
    return found.where(agreed_on <= on(last)).group_by(licences.c.account_id)


def _lives_of_orders(days: Sequence[date], last: date) -> Select[Any]:
    flags = [func.max(flag(ordered(day))) for day in days]
    found = select(
        order_days.c.account_id, *flags, func.min(order_days.c.day), func.max(order_days.c.day)
    )
    return found.where(is_order, order_days.c.day <= on(last)).group_by(order_days.c.account_id)


def clients(conn: Connection, days: Sequence[date], by: str | None) -> list[Any]:
    """A row for each account that ever bought by the last of the days: its ``grp``,
    ``cost_to_serve``, the day ``since`` which it buys, and for each day n whether a licence is in
    force (``held_n``), how many renewals it has (``renewals_n``), and its last order (``order_n``).
    """
    each = union_all(_states_of_licences(days), _states_of_orders(days)).subquery("each")
    facts: list[ColumnElement[Any]] = []
    for place in range(len(days)):
        facts += [
            func.max(each.c[f"held_{place}"]).label(f"held_{place}"),
            func.sum(each.c[f"renewals_{place}"]).label(f"renewals_{place}"),
            func.max(each.c[f"order_{place}"]).label(f"order_{place}"),
        ]
    one = select(each.c.account_id, func.min(each.c.since).label("since"), *facts)
    found = one.group_by(each.c.account_id).subquery("one")
    query = select(group_of(by).label("grp"), accounts.c.cost_to_serve, found)
    joined = found.join(accounts, accounts.c.id == found.c.account_id)
    return list(conn.execute(query.select_from(joined).order_by(found.c.account_id)))


def _states_of_licences(days: Sequence[date]) -> Select[Any]:
    facts: list[ColumnElement[Any]] = []
    for place, day in enumerate(days):
        came_back = and_(terms.c.origin.in_(AGAIN), agreed_on <= on(day))
        facts += [
            func.max(flag(in_force(day))).label(f"held_{place}"),
            func.sum(flag(came_back)).label(f"renewals_{place}"),
            cast(null(), Date).label(f"order_{place}"),
        ]
    found = select(licences.c.account_id, func.min(agreed_on).label("since"), *facts)
    known = found.select_from(_HELD).where(agreed_on <= on(max(days)))
    return known.group_by(licences.c.account_id)


def _states_of_orders(days: Sequence[date]) -> Select[Any]:
    facts: list[ColumnElement[Any]] = []
    for day in days:
        facts += [
            literal_column("0", Integer),
            literal_column("0", Integer),
            func.max(case((order_days.c.day <= on(day), order_days.c.day))),
        ]
    found = select(order_days.c.account_id, func.min(order_days.c.day), *facts)
    known = found.where(is_order, order_days.c.day <= on(max(days)))
    return known.group_by(order_days.c.account_id)


def worth(conn: Connection, first: date, last: date) -> list[Any]:
    """What accounts buy by the year, in cents, as ``(account_id, currency, then, now)``: licences
    in force on the day, at today's amounts; and orders of the 365 days up to it, less credit
    notes."""
    each = union_all(_worth_of_licences(first, last), _worth_of_orders(first, last)).subquery()
    sums = [cast(func.sum(each.c[name]), BigInteger) for name in ("then", "now")]
    query = select(each.c.account_id, each.c.currency, *sums)
    return list(conn.execute(query.group_by(each.c.account_id, each.c.currency)))


def _worth_of_licences(first: date, last: date) -> Select[Any]:
    """A licence counts once, however many of its terms touch the day."""
    columns = (licences.c.account_id, licences.c.currency, licences.c.id)
    flags = [func.max(flag(in_force(day))) for day in (first, last)]
    held = select(licences.c.id, *[each.label(f"on_{at}") for at, each in enumerate(flags)])
    each = held.select_from(_HELD).where(licences.c.amount.is_not(None))
    found = each.group_by(licences.c.id).subquery("held")
    currency = func.coalesce(columns[1], NO_CURRENCY).label("currency")
    values = [
        (yearly_cents() * found.c[f"on_{at}"]).label(name)
        for at, name in enumerate(("then", "now"))
    ]
    joined = found.join(licences, licences.c.id == found.c.id)
    return select(columns[0], currency, *values).select_from(joined)


def _worth_of_orders(first: date, last: date) -> Select[Any]:
    currency = case((order_days.c.currency == "", NO_CURRENCY), else_=order_days.c.currency)
    values = [func.sum(case((ordered(day), net_cents), else_=0)) for day in (first, last)]
    found = select(order_days.c.account_id, currency, *values)
    return found.group_by(order_days.c.account_id, order_days.c.currency)


# --- who they are, what they said ---


def names(conn: Connection, ids: Sequence[int]) -> dict[int, tuple[str, str]]:
    """Key and name of these accounts."""
    found: dict[int, tuple[str, str]] = {}
    for chunk in bulk.chunks(ids):
        wanted = select(accounts.c.id, accounts.c.key, accounts.c.name)
        for id_, key, name in conn.execute(wanted.where(bulk.among(accounts.c.id, chunk))):
            found[id_] = key, name
    return found


def votes(conn: Connection, period: Period) -> dict[int, tuple[int, int, int]]:
    """Account -> how many named answers it gave, how many promote and how many detract. Protected
    ones are not put beside an account here."""
    up, down = (func.sum(case((responses.c.vote == vote, 1), else_=0)) for vote in (1, -1))
    query = select(responses.c.account_id, func.count(), up, down).where(
        responses.c.account_id.is_not(None),
        responses.c.promise == promises.NAMED,
        responses.c.judged == promises.HUMAN,
        responses.c.answered_on.between(on(period.first), on(period.last)),
    )
    rows = conn.execute(query.group_by(responses.c.account_id))
    return {row[0]: (row[1], int(row[2]), int(row[3])) for row in rows}


# --- contacts ---


def contacts_of(conn: Connection, period: Period) -> dict[int, tuple[int, int, date]]:
    """Account -> mails, tasks closed by people, and the day of the last of them, in the period."""
    found = touches(period).subquery("found")
    people = func.sum(flag(found.c.channel == PERSON))
    query = select(
        found.c.account_id, func.count(), people, func.max(found.c.day, type_=Date)
    ).group_by(found.c.account_id)
    return {row[0]: (row[1] - int(row[2]), int(row[2]), row[3]) for row in conn.execute(query)}


def channels(conn: Connection, period: Period) -> dict[str, tuple[int, int]]:
    """Channel -> contacts, and how many accounts had one."""
    found = touches(period).subquery("found")
    people = func.count(found.c.account_id.distinct())
    query = select(found.c.channel, func.count(), people).group_by(found.c.channel)
    return {row[0]: (row[1], row[2]) for row in conn.execute(query)}


def followed(conn: Connection, period: Period) -> dict[str, int]:
    """Channel -> sales of the period with such a contact in the 30 days before; a sale may be put
    beside several channels. A contact on the very day of a sale comes after it."""
    before = Period(period.first - timedelta(days=FOLLOWS), period.last)
    ways = union_all(*[select(literal(name, Text).label("channel")) for name in CHANNELS])
    ways_ = ways.subquery("ways")
    bought = sales(period).subquery("bought")
    made = select(bought.c.account_id, bought.c.day, ways_.c.channel, _SALE.label("what"))
    found = touches(before).subquery("found")
    touched = select(found.c.account_id, found.c.day, found.c.channel, _TOUCH)
    event = union_all(made.select_from(bought.join(ways_, literal(True))), touched).subquery(
        "event"
    )
    latest = func.max(case((event.c.what == _TOUCH, event.c.day)), type_=Date).over(
        partition_by=(event.c.account_id, event.c.channel),
        order_by=(event.c.day, event.c.what),
        rows=(None, 0),
    )
    seen = select(event.c.channel, event.c.what, event.c.day, latest.label("latest")).subquery()
    near = and_(seen.c.what == _SALE, Days(seen.c.day, seen.c.latest) <= FOLLOWS)
    query = select(seen.c.channel, func.count()).where(near).group_by(seen.c.channel)
    return {row[0]: row[1] for row in conn.execute(query)}


def sale_spans(conn: Connection, period: Period) -> dict[int, int]:
    """Whole weeks from a sale to the next one of the account, or to the end of the period (no more
    than ``WEEKS``) -> sales."""
    bought = sales(period).subquery("bought")
    upcoming = func.lead(bought.c.day, type_=Date).over(
        partition_by=bought.c.account_id, order_by=bought.c.day
    )
    end = on(period.last + timedelta(days=1))
    each = select(bought.c.day, func.coalesce(upcoming, end, type_=Date).label("until")).subquery()
    whole = Days(each.c.until, each.c.day) // 7
    capped = case((whole > WEEKS, WEEKS), else_=whole).label("whole")
    rows = conn.execute(select(capped, func.count()).group_by("whole").order_by("whole"))
    return {row[0]: row[1] for row in rows}


def touched_weeks(conn: Connection, period: Period) -> dict[int, tuple[int, int, int]]:
    """Week after a sale (0 is its own) -> mails, tasks of people, and sales that had any of them;
    of sales that were seen for the whole of that week."""
    bought, found = sales(period).subquery("bought"), touches(period).subquery("found")
    made = select(
        bought.c.account_id, bought.c.day, _SALE.label("what"), literal("", Text).label("channel")
    )
    touched = select(found.c.account_id, found.c.day, _TOUCH, found.c.channel)
    event = union_all(made, touched).subquery("event")
    sold_on = case((event.c.what == _SALE, event.c.day))
    order = (event.c.day, event.c.what)
    window: dict[str, Any] = {"partition_by": event.c.account_id, "order_by": order}
    before = func.max(sold_on, type_=Date).over(**window, rows=(None, 0))
    after = func.min(sold_on, type_=Date).over(**window, rows=(1, None))
    end = on(period.last + timedelta(days=1))
    placed = select(
        *(event.c[name] for name in ("account_id", "day", "what", "channel")),
        before.label("sold"),
        func.coalesce(after, end, type_=Date).label("until"),
    ).subquery("placed")
    week, whole = Days(placed.c.day, placed.c.sold) // 7, Days(placed.c.until, placed.c.sold) // 7
    each = (
        select(
            week.label("week"),
            func.count().label("contacts"),
            func.sum(flag(placed.c.channel == PERSON)).label("people"),
        )
        .where(placed.c.what == _TOUCH, placed.c.sold.is_not(None), week < whole, week < WEEKS)
        .group_by(placed.c.account_id, placed.c.sold, "week")
        .subquery("each")
    )
    sums = [func.sum(each.c[name]) for name in ("contacts", "people")]
    query = select(each.c.week, *sums, func.count()).group_by(each.c.week)
    rows = conn.execute(query.order_by(each.c.week))
    return {row[0]: (int(row[1]) - int(row[2]), int(row[2]), row[3]) for row in rows}
