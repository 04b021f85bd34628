"""Queries of reactivation. Nothing here commits."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import delete, func, insert, select
from sqlalchemy.engine import Connection

from worker.catalogue.records import accounts, imports, licences, order_days
from worker.db import bulk
from worker.reactivation.history import Columns, by_account
from worker.reactivation.records import score_runs, scores
from worker.reactivation.rules import Verdict

COLUMNS = (
    "as_of",
    "account_id",
    "place",
    "score",
    "at_stake",
    "currency",
    "lane",
    "last_order_on",
    "usual_gap_days",
    "drop_share",
    "product_lines",
    "reasons",
    "evidence",
)
_AT_ONCE = 20_000
_ACCOUNTS_AT_ONCE = 2_000
_CENT = Decimal("0.01")

# Ordinals and floats are made by the database: a date and a Decimal for each row would cost more
# than the whole scoring. Amounts are only compared and added up here, never booked. PostgreSQL puts
# the rows of an account together, too: so many tuples would cost as much again.
_LISTED = ", ".join(
    f"array_agg({one} ORDER BY day, product_line, currency)"
    for one in (
        *("day - DATE '0001-01-01' + 1", "product_line", "currency"),
        *("net::float8", "orders"),
    )
)
_POSTGRESQL = f"SELECT account_id, {_LISTED} FROM order_days WHERE day <= %s"  # noqa: S608
_BY_ACCOUNT = " GROUP BY account_id ORDER BY account_id"
_SQLITE = (
    "SELECT account_id, CAST(julianday(day) - 1721424.5 AS INTEGER), product_line, currency, "
    "CAST(net AS REAL), orders FROM order_days WHERE day <= ? "
    "ORDER BY account_id, day, product_line, currency"
)


def order_days_until(conn: Connection, until: date) -> Iterator[Columns]:
    """The order days up to ``until``, account by account; nothing later is read."""
    if conn.dialect.name != "postgresql":
        return by_account(_fetched(conn.connection.cursor(), _SQLITE, until.isoformat(), _AT_ONCE))
    cursor = conn.connection.cursor(name="order_days", binary=True)
    return _fetched(cursor, _POSTGRESQL + _BY_ACCOUNT, until, _ACCOUNTS_AT_ONCE)


def _fetched(cursor: Any, sql: str, until: object, at_once: int) -> Iterator[Any]:
    try:
        cursor.execute(sql, (until,))
        while rows := cursor.fetchmany(at_once):
            yield from rows
    finally:
        cursor.close()


def newest_day(conn: Connection, until: date) -> date | None:
    """The last day up to ``until`` on which anybody ordered."""
    wanted = select(func.max(order_days.c.day)).where(order_days.c.day <= until)
    found: date | None = conn.execute(wanted).scalar()
    return found


def last_import(conn: Connection, sources: Collection[str]) -> tuple[datetime, datetime] | None:
    """When the latest import from any of these sources began and ended; ``None`` of none."""
    if not sources:
        return None
    wanted = select(imports.c.started_at, imports.c.finished_at)
    mine = wanted.where(imports.c.source.in_(sorted(sources)))
    row = conn.execute(mine.order_by(imports.c.finished_at.desc()).limit(1)).first()
    return (row[0], row[1]) if row else None


def licensed(conn: Connection) -> frozenset[int]:
    """The accounts that have or had a licence."""
    return frozenset(conn.scalars(select(licences.c.account_id).distinct()))


def account_keys(conn: Connection, ids: Sequence[int]) -> dict[int, tuple[str, str]]:
    """Key and name of these accounts."""
    found: dict[int, tuple[str, str]] = {}
    for chunk in bulk.chunks(ids):
        wanted = select(accounts.c.id, accounts.c.key, accounts.c.name)
        rows = conn.execute(wanted.where(bulk.among(accounts.c.id, chunk)))
        found.update((row[0], (row[1], row[2])) for row in rows)
    return found


def replace(conn: Connection, run: dict[str, Any], queue: Sequence[Verdict]) -> None:
    """Writes the scores of a day in the place of those that were there."""
    day = run["as_of"]
    forget(conn, [day])
    conn.execute(insert(score_runs).values(run))
    for start in range(0, len(queue), _AT_ONCE):
        some = queue[start : start + _AT_ONCE]
        rows = [_row(day, place, one) for place, one in enumerate(some, start=start + 1)]
        bulk.insert(conn, scores, COLUMNS, rows)


def _row(day: date, place: int, one: Verdict) -> tuple[Any, ...]:
    return (
        day,
        one.account,
        place,
        one.score,
        Decimal(one.at_stake).quantize(_CENT),
        one.currency,
        one.lane,
        date.fromordinal(one.last_order),
        one.usual_gap,
        one.drop,
        list(one.product_lines),
        list(one.reasons),
        list(one.evidence) if one.evidence else None,
    )


def forget(conn: Connection, days: Sequence[date]) -> None:
    """Deletes the scores of these days."""
    if days:
        conn.execute(delete(scores).where(scores.c.as_of.in_(days)))
        conn.execute(delete(score_runs).where(score_runs.c.as_of.in_(days)))


def scored_days(conn: Connection) -> list[date]:
    """The days on which the book was scored, the latest first."""
    return list(conn.scalars(select(score_runs.c.as_of).order_by(score_runs.c.as_of.desc())))
