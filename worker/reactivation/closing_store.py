"""Queries that end episodes. Nothing here commits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Float, case, cast, func, select, update
from sqlalchemy.engine import Connection

from worker.catalogue.records import accounts, order_days
from worker.db import bulk
from worker.reactivation.flagging import QUARTER
from worker.reactivation.records import episodes
from worker.worklist.kinds import DORMANT
from worker.worklist.records import tasks

if TYPE_CHECKING:
    from worker.reactivation.closing import Named

_TOLD = ("id", "schedule", "account_id", "number", "flagged_on", "lane", "at_stake", "outcome")


def end(conn: Connection, about: Named, values: Mapping[str, Any]) -> bool:
    """Ends an episode that goes on; whether there was one."""
    c = episodes.c
    mine = (c.schedule == about.schedule, c.account_id == about.account_id)
    ending = update(episodes).where(*mine, c.number == about.number, c.ended_on.is_(None))
    return bool(conn.execute(ending.values(dict(values))).rowcount)


def bring_back(conn: Connection, id_: int, back_on: date, today: date, why: str) -> bool:
    """Notes the order with which a client came back, once; it ends an episode that goes on."""
    c = episodes.c
    goes_on = c.ended_on.is_(None)
    values = {
        "back_on": back_on,
        "ended_why": case((goes_on, why), else_=c.ended_why),
        "ended_on": case((goes_on, today), else_=c.ended_on),
    }
    noted = update(episodes).where(c.id == id_, c.back_on.is_(None)).values(values)
    return bool(conn.execute(noted).rowcount)


def ordered(conn: Connection, today: date, since: date) -> list[Any]:
    """Episodes whose client ordered after the last day that their score knew, of those that go on
    and of those that ended ``since`` then: with ``orders`` (days), the ``first`` and ``last`` of
    them, and ``net``, the money of the last 90 days."""
    c = episodes.c
    found = list(conn.execute(_ordered(c.ended_on.is_(None), today)))
    return found + list(conn.execute(_ordered(c.ended_on >= since, today)))


def _ordered(which: ColumnElement[bool], today: date) -> Any:
    c, d = episodes.c, order_days.c
    lately = (d.day > today - QUARTER, d.currency == c.currency)
    sold = d.orders > 0
    return (
        select(
            *(c[name] for name in _TOLD),
            accounts.c.key.label("account_key"),
            func.count(d.day.distinct()).filter(sold).label("orders"),
            func.min(d.day).filter(sold).label("first"),
            func.max(d.day).filter(sold).label("last"),
            func.coalesce(func.sum(cast(d.net, Float)).filter(*lately), 0.0).label("net"),
        )
        .join(order_days, (d.account_id == c.account_id) & (d.day > c.as_of) & (d.day <= today))
        .join(accounts, accounts.c.id == c.account_id)
        .where(which, c.back_on.is_(None))
        .group_by(c.id, accounts.c.key)
        .order_by(c.id)
    )


def open_task_keys(conn: Connection, account_ids: Sequence[int]) -> list[str]:
    """The keys of the open tasks about these silent clients."""
    found: list[str] = []
    for some in bulk.chunks(account_ids):
        mine = (tasks.c.kind == DORMANT, tasks.c.closed_at.is_(None))
        wanted = select(tasks.c.key).where(*mine, bulk.among(tasks.c.account_id, some))
        found += conn.scalars(wanted)
    return found
