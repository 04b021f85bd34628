"""What the lines of a day add up to: tallied while orders are written, laid on in bulk.

Sums are exact: differences are added to what stands there, in decimals on both databases. What is
taken away in one place and added in another cancels out before anything is written.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy.engine import Connection

from worker.catalogue.records import order_days
from worker.db import bulk
from worker.db.prepared import driving

_GROUP = ("account_id", "day", "product_line", "currency")
_SUMS = ("net", "sold", "orders")
_MOST = 100_000  # groups that are held in memory
_NOTHING = Decimal("0.00")

Line = tuple[int, str | None, date, Decimal | None, Decimal, str | None]
"""An order as it adds up: account id, product line, day, quantity, amount, currency."""


class Tally:
    """Adds up lines that are written, and those that are no more, by account, day, product line
    and currency."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self._groups: dict[tuple[Any, ...], list[Any]] = {}
        self._lessened = False

    def add(self, line: Line) -> None:
        """Counts a line."""
        account_id, product_line, day, _, amount, currency = line
        group = (account_id, day, product_line or "", currency or "")
        sums = self._groups.get(group)
        if sums is None:
            sold = amount > 0
            self._groups[group] = [amount, amount if sold else _NOTHING, 1 if sold else 0]
            return
        sums[0] += amount
        if amount > 0:
            sums[1] += amount
            sums[2] += 1

    def take(self, line: Line) -> None:
        """Counts a line no more."""
        account_id, product_line, day, _, amount, currency = line
        group = (account_id, day, product_line or "", currency or "")
        sums = self._groups.setdefault(group, [_NOTHING, _NOTHING, 0])
        sums[0] -= amount
        if amount > 0:
            sums[1] -= amount
            sums[2] -= 1
        self._lessened = True

    def settle(self, *, most: int = 0) -> None:
        """Lays what was counted on the totals of the book; not yet, while it is ``most`` groups or
        fewer."""
        if len(self._groups) <= most:
            return
        rows = [(*group, *sums) for group, sums in self._groups.items() if any(sums)]
        if rows:
            lay = _lay_postgresql if self._conn.dialect.name == "postgresql" else _lay_sqlite
            lay(self._conn, rows, lessened=self._lessened)
        self._groups.clear()
        self._lessened = False

    def forget(self) -> None:
        """Drops what was counted."""
        self._groups.clear()

    def settle_if_many(self) -> None:
        """Keeps the memory within bounds."""
        self.settle(most=_MOST)


_LISTED = ", ".join((*_GROUP, *_SUMS))
_KEY = ", ".join(_GROUP)


def _lay_postgresql(conn: Connection, rows: list[tuple[Any, ...]], *, lessened: bool) -> None:
    staged = bulk.stage(conn, order_days, (*_GROUP, *_SUMS), rows)
    added = ", ".join(f"{name} = d.{name} + excluded.{name}" for name in _SUMS)
    conn.exec_driver_sql(
        f"INSERT INTO order_days AS d ({_LISTED}) SELECT {_LISTED} FROM {staged} "  # noqa: S608
        f"ON CONFLICT ({_KEY}) DO UPDATE SET {added}"
    )
    if lessened:
        same = " AND ".join(f"d.{name} = s.{name}" for name in _GROUP)
        conn.exec_driver_sql(
            f"DELETE FROM order_days d USING {staged} s "  # noqa: S608
            f"WHERE {same} AND d.orders = 0 AND d.net = 0"
        )
    conn.exec_driver_sql(f"DROP TABLE {staged}")


def _lay_sqlite(conn: Connection, rows: list[tuple[Any, ...]], *, lessened: bool) -> None:
    """SQLite keeps money as text and would add it as floating-point numbers: Python adds."""
    marks = ", ".join("?" * len((*_GROUP, *_SUMS)))
    added = "net = exact_sum(net, excluded.net), sold = exact_sum(sold, excluded.sold)"
    same = " AND ".join(f"{name} = ?" for name in _GROUP)
    with driving(conn) as cursor:
        cursor.connection.create_function("exact_sum", 2, _exact_sum, deterministic=True)
        cursor.executemany(
            f"INSERT INTO order_days ({_LISTED}) VALUES ({marks}) "  # noqa: S608
            f"ON CONFLICT ({_KEY}) DO UPDATE SET {added}, orders = orders + excluded.orders",
            _plain(rows),
        )
        if lessened:
            cursor.executemany(
                f"DELETE FROM order_days WHERE {same} AND orders = 0 AND net = '0.00'",  # noqa: S608
                (row[: len(_GROUP)] for row in _plain(rows)),
            )


def _plain(rows: list[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    for account_id, day, product_line, currency, net, sold, orders in rows:
        yield account_id, day.isoformat(), product_line, currency, str(net), str(sold), orders


def _exact_sum(one: str, other: str) -> str:
    return str(Decimal(one) + Decimal(other))
