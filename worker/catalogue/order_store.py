"""Queries on orders. Nothing here commits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

from sqlalchemy import delete as deleting
from sqlalchemy import select
from sqlalchemy.engine import Connection

from worker.catalogue.records import orders
from worker.catalogue.totals import Line
from worker.db import bulk


def any_there(conn: Connection) -> bool:
    """Whether the book has any order."""
    return conn.execute(select(orders.c.id).limit(1)).first() is not None


def there(conn: Connection, keys: Sequence[str]) -> set[str]:
    """Which of these keys are those of orders."""
    found: set[str] = set()
    for chunk in bulk.chunks(keys):
        found.update(conn.scalars(select(orders.c.key).where(bulk.among(orders.c.key, chunk))))
    return found


def since(conn: Connection, source: str, first: date) -> Iterator[tuple[str, int, Line]]:
    """Key, id and line of each order of ``source`` from the day ``first`` on."""
    c = orders.c
    wanted = select(
        c.key, c.id, c.account_id, c.product_line, c.ordered_on, c.quantity, c.amount, c.currency
    ).where(c.source == source, c.ordered_on >= first)
    streamed = conn.execution_options(yield_per=5000).execute(wanted)
    for key, order_id, *line in streamed:
        yield key, order_id, tuple(line)


def delete(conn: Connection, ids: Sequence[int]) -> None:
    """Deletes orders; their totals are the caller's to mend."""
    for chunk in bulk.chunks(ids):
        conn.execute(deleting(orders).where(bulk.among(orders.c.id, chunk)))
