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
from worker.db.engine import settle_in
from worker.reactivation.history import Book, Packed, Row
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
_ACCOUNTS_AT_ONCE = 5_000
_CENT = Decimal("0.01")

# Ordinals and floats are made by the database: a date and a Decimal for each row would cost more
# than the whole scoring. Amounts are only compared and added up here, never booked. PostgreSQL
# packs the columns of many accounts into bytes, too: an object for each cell would cost as much.
_PACKED = ", ".join(
    f"string_agg({one}, '{between}'::bytea)"
    for one, between in (
        ("int8send(account_id)", ""),
        ("int4send(day - DATE '0001-01-01' + 1)", ""),
        ("convert_to(product_line, 'UTF8')", "\\x00"),
        ("convert_to(currency, 'UTF8')", "\\x00"),
        ("float8send(net::float8)", ""),
        ("int4send(orders)", ""),
    )
)
_OF_SOME = (
    "SELECT * FROM order_days WHERE account_id BETWEEN %s AND %s AND day <= %s "
    "ORDER BY account_id, day, product_line, currency"
)
_POSTGRESQL = f"SELECT {_PACKED} FROM ({_OF_SOME}) AS in_order"  # noqa: S608
_RANGES = (
    "SELECT min(id), max(id) FROM "
    "(SELECT id, (row_number() OVER (ORDER BY id) - 1) / %s AS part FROM accounts) AS numbered "
    "GROUP BY part ORDER BY part"
)
_SQLITE = (
    "SELECT account_id, CAST(julianday(day) - 1721424.5 AS INTEGER), product_line, currency, "
    "CAST(net AS REAL), orders FROM order_days WHERE day <= ? "
    "ORDER BY account_id, day, product_line, currency"
)


def book_until(conn: Connection, until: date, at_once: int = _ACCOUNTS_AT_ONCE) -> Book:
    """The order days up to ``until``; nothing later is read. PostgreSQL is asked for so many
    accounts at a time."""
    if conn.dialect.name == "postgresql":
        return Book.of_packed(_packed(conn, until, at_once))
    return Book.of(_fetched(conn.connection.cursor(), until.isoformat()))


def _packed(conn: Connection, until: date, at_once: int) -> Iterator[Packed]:
    settle_in(conn)
    # Workers would each add up rows of their own: their order must stay that of the subquery.
    conn.exec_driver_sql("SET LOCAL max_parallel_workers_per_gather = 0")
    cursor = conn.connection.cursor(binary=True)
    try:
        for first, last in cursor.execute(_RANGES, (at_once,)).fetchall():
            found = cursor.execute(_POSTGRESQL, (first, last, until)).fetchone()
            if found[0]:  # of accounts without any order there is nothing
                yield found
    finally:
        cursor.close()


def _fetched(cursor: Any, until: str) -> Iterator[Row]:
    try:
        cursor.execute(_SQLITE, (until,))
        while rows := cursor.fetchmany(_AT_ONCE):
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
