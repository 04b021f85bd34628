"""Small books of orders for tests, written as days back from the cut-off."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

from worker.reactivation.history import Book, Client, Row
from worker.reactivation.house import House

CUT = date(2026, 6, 10).toordinal()
HOUSE = House(CUT, gap=60.0)


def rows_of(
    account: int,
    back: Iterable[int],
    *,
    amount: float = 100.0,
    line: str = "",
    currency: str = "EUR",
) -> list[Row]:
    """An order of ``amount`` on each of the days so many ``back`` from the cut-off."""
    return [(account, CUT - days, line, currency, amount, 1) for days in sorted(back)[::-1]]


def credit(account: int, back: int, amount: float, line: str = "", currency: str = "EUR") -> Row:
    """A credit note alone on its day."""
    return (account, CUT - back, line, currency, -amount, 0)


def book_of(*rows: Sequence[Row]) -> Book:
    """A book of these rows, in the order of the table."""
    return Book.of(sorted(row for some in rows for row in some))


def client_of(*rows: Sequence[Row], cut: int = CUT) -> Client:
    """The only client of these rows."""
    (client,) = book_of(*rows).clients(cut)
    return client
