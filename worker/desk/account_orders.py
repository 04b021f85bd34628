"""What an account ordered, month by month, read from the totals of its days."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.engine import Connection

from worker.catalogue.records import order_days

MONTHS = 12
"""So many months the page of an account shows, the one that runs among them."""


@dataclass(slots=True)
class Month:
    """A month: how many days had an order, and what it came to by currency, credit notes off."""

    first: date
    days: set[date] = field(default_factory=set)
    net: dict[str, Decimal] = field(default_factory=dict)


class Ordered(NamedTuple):
    """The latest months first; those without an order are among them. ``last``: the last day with
    an order, whenever it was; ``None``: there never was one."""

    last: date | None
    months: list[Month]


def ordered(conn: Connection, account_id: int, today: date) -> Ordered:
    """What an account ordered in the last ``MONTHS`` months."""
    c = order_days.c
    sold = select(func.max(c.day)).where(c.account_id == account_id, c.orders > 0)
    last = conn.execute(sold.where(c.day <= today)).scalar_one()
    months = {first: Month(first) for first in _firsts(today)}
    wanted = select(c.day, c.currency, c.net, c.orders).where(
        c.account_id == account_id, c.day.between(min(months), today)
    )
    for day, currency, net, orders in conn.execute(wanted):
        month = months[day.replace(day=1)]
        month.net[currency] = month.net.get(currency, Decimal()) + net
        if orders:
            month.days.add(day)
    return Ordered(last, list(months.values()))


def _firsts(today: date) -> Iterator[date]:
    first = today.replace(day=1)
    for _ in range(MONTHS):
        yield first
        year, month = divmod(first.year * 12 + first.month - 2, 12)
        first = date(year, month + 1, 1)
