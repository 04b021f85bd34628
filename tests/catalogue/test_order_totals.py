"""Imported, corrected, moved, removed: the days add up to their lines, to the cent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select

from tests.catalogue.conftest import Book
from worker.catalogue.flow import Options
from worker.catalogue.records import accounts, order_days, orders

HEADER = "key,account,line,day,amount,currency\n"
LOAD = {
    "entity": "order",
    "key": "{key}",
    "account": "{account}",
    "product_line": "{line}",
    "ordered_on": "{day}",
    "amount": "{amount}",
    "currency": "{currency}",
}
FIRST = date(2026, 1, 1)


class Row(NamedTuple):
    """An order as the file says it; a line that is blank is left as it was, or cleared."""

    key: str
    account: str
    line: str
    day: date
    amount: Decimal
    currency: str


class File(NamedTuple):
    """Rows, and how they are read."""

    rows: Sequence[Row]
    clears: bool = False
    full_sync: bool = False


ROWS = st.builds(
    Row,
    key=st.sampled_from([f"o{n}" for n in range(6)]),
    account=st.sampled_from(["a1", "a2"]),
    line=st.sampled_from(["", "", "backup", "mail"]),
    day=st.integers(0, 3).map(lambda days: FIRST + timedelta(days)),
    amount=st.one_of(
        st.sampled_from(["0.00", "0.10", "0.20", "-0.30", "10.00", "-10.00", "999999999999.99"]),
        st.integers(-(10**6), 10**6).map(lambda cents: f"{cents // 100}.{cents % 100:02}"),
    ).map(Decimal),
    currency=st.sampled_from(["", "EUR"]),
)
FILES = st.builds(File, st.lists(ROWS, min_size=1, max_size=8), st.booleans(), st.booleans())


def expected(book: Mapping[str, Row], file: File) -> dict[str, Row]:
    """The orders after the file, said in the plainest way."""
    told: dict[str, set[Row]] = {}
    for row in file.rows:
        told.setdefault(row.key, set()).add(row)
    sound = {key: one for key, (one, *others) in told.items() if not others}
    after = dict(book)
    for key, row in sound.items():
        line = row.line or ("" if file.clears or key not in book else book[key].line)
        currency = row.currency or (book[key].currency if key in book else "")
        after[key] = row._replace(line=line, currency=currency)
    if file.full_sync and sound:
        first = min(row.day for row in sound.values())
        gone = [key for key, row in book.items() if key not in told and row.day >= first]
        for key in gone:
            del after[key]
    return after


def sums(rows: Sequence[Row]) -> dict[tuple[str, date, str, str], tuple[Decimal, Decimal, int]]:
    """Net, sold and number of orders of each day; days of zeros alone are none."""
    found: dict[tuple[str, date, str, str], list[Decimal]] = {}
    for row in rows:
        if row.amount:
            found.setdefault((row.account, row.day, row.line, row.currency), []).append(row.amount)
    return {
        group: (
            sum(amounts, Decimal()),
            sum(up := [a for a in amounts if a > 0], Decimal()),
            len(up),
        )
        for group, amounts in found.items()
    }


def load(book: Book, file: File) -> None:
    text = "".join(f"{','.join(map(str, row))}\n" for row in file.rows)
    order: dict[str, Any] = {**LOAD, "clear": ["product_line"]} if file.clears else LOAD
    options = Options(accept_endings=True)
    book.load(HEADER + text, [order], full_sync=file.full_sync, options=options)


def lines(book: Book) -> dict[str, Row]:
    c, key = orders.c, accounts.c.key.label("account")
    wanted = select(c.key, key, c.product_line, c.ordered_on, c.amount, c.currency)
    with book.engine.begin() as conn:
        rows = conn.execute(wanted.join(accounts, accounts.c.id == c.account_id)).all()
    return {r[0]: Row(r[0], r[1], r[2] or "", r[3], r[4], r[5] or "") for r in rows}


def days(book: Book) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    c = order_days.c
    wanted = select(accounts.c.key, c.day, c.product_line, c.currency, c.net, c.sold, c.orders)
    with book.engine.begin() as conn:
        rows = conn.execute(wanted.join(accounts, accounts.c.id == c.account_id)).all()
    return {tuple(row[:4]): tuple(row[4:]) for row in rows}


def empty(book: Book) -> None:
    with book.engine.begin() as conn:
        conn.execute(delete(order_days))
        conn.execute(delete(orders))
    book.load("account\na1\na2\n", [{"entity": "account", "key": "{account}"}])


def row(key: str, amount: str, line: str = "", day: int = 0, account: str = "a1") -> Row:
    return Row(key, account, line, FIRST + timedelta(day), Decimal(amount), "EUR")


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(FILES, min_size=1, max_size=5))
@example([File([row("o1", "0.10"), row("o2", "0.20")]), File([row("o1", "-0.20")])])
@example([File([row("o1", "5", "mail")]), File([row("o1", "5")], clears=True)])
@example([File([row("o1", "5"), row("o2", "7", day=1)]), File([row("o1", "5")], full_sync=True)])
@example([File([row("o1", "5")]), File([row("o1", "5", account="a2", day=1)])])
def test_days_add_up_to_their_lines_after_any_imports(book: Book, files: list[File]) -> None:
    empty(book)
    known: dict[str, Row] = {}
    for file in files:
        load(book, file)
        known = expected(known, file)
        assert lines(book) == known
        assert days(book) == sums(list(known.values()))
    before = days(book)
    load(book, File(list(known.values()) or [row("o1", "0")]))
    assert days(book) == before
