"""The lists of the worklist, a page at a time: each is read along an index, whatever its length.

What is due first comes first, what has no day comes last. A page ends with a place, from which
the next one goes on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, false, func, or_, select
from sqlalchemy.engine import Connection

from worker.catalogue.records import accounts
from worker.db.types import Moment
from worker.worklist.kinds import PROMISE
from worker.worklist.records import tasks

PAGE = 50
COUNTED = 1000
"""Tabs count so far; more is "999+" to anybody."""

_OPEN = tasks.c.closed_at.is_(None)
_UNDATED = "-"


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose worklist, and what of it: empty filters let everything through.

    ``today`` is the civil day of the book; ``since`` is from when on closed tasks are told.
    """

    staff: str | None
    pools: Sequence[str]
    today: date
    since: datetime
    kind: str = ""
    account: str = ""
    assignee: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of a list, and the place after which the next page begins; empty on the last one."""

    rows: Sequence[Any]
    after: str = ""


class _List(NamedTuple):
    where: Sequence[ColumnElement[bool]]
    by: ColumnElement[Any]
    newest_first: bool = False


def _awake(today: date) -> ColumnElement[bool]:
    return or_(tasks.c.snoozed_until.is_(None), tasks.c.snoozed_until <= today)


def _mine(asked: Asked) -> _List:
    his = false() if asked.staff is None else tasks.c.assignee == asked.staff
    return _List((_OPEN, his, _awake(asked.today)), tasks.c.due_on)


def _pools(asked: Asked) -> _List:
    free = tasks.c.assignee.is_(None) & tasks.c.pool.in_(asked.pools)
    return _List((_OPEN, free, _awake(asked.today)), tasks.c.due_on)


def _all(asked: Asked) -> _List:
    return _List((_OPEN, _awake(asked.today)), tasks.c.due_on)


def _snoozed(asked: Asked) -> _List:
    return _List((_OPEN, tasks.c.snoozed_until > asked.today), tasks.c.snoozed_until)


def _promises(asked: Asked) -> _List:
    return _List((_OPEN, tasks.c.kind == PROMISE), tasks.c.due_on)


def _closed(asked: Asked) -> _List:
    return _List((tasks.c.closed_at >= asked.since,), tasks.c.closed_at, newest_first=True)


_LISTS = {
    "mine": _mine,
    "pools": _pools,
    "all": _all,
    "snoozed": _snoozed,
    "promises": _promises,
    "closed": _closed,
}

TABS: Mapping[str, str] = {
    "mine": "Mine",
    "pools": "My pools",
    "all": "Everybody's",
    "snoozed": "Snoozed",
    "promises": "Promises",
    "closed": "Closed lately",
}
"""The lists, and what people call them."""


def page(conn: Connection, tab: str, asked: Asked, after: str = "", most: int = PAGE) -> Page:
    """The rows of a list that come ``after`` a place: tasks with ``account_key`` and
    ``account_name``. A place that is none of ours begins at the beginning."""
    rows = conn.execute(statement(tab, asked, after, most + 1)).all()
    if len(rows) <= most:
        return Page(rows)
    last = rows[most - 1]
    return Page(rows[:most], _place(last, _LISTS[tab](asked).by.name))


def statement(tab: str, asked: Asked, after: str, most: int) -> Select[Any]:
    """What ``page`` asks the database."""
    where, by, newest_first = _LISTS[tab](asked)
    query = (
        select(tasks)
        .add_columns(accounts.c.key.label("account_key"), accounts.c.name.label("account_name"))
        .outerjoin(accounts, accounts.c.id == tasks.c.account_id)
        .where(*where, *_filters(asked))
    )
    order = [by.desc(), tasks.c.id.desc()] if newest_first else [by.nulls_last(), tasks.c.id]
    beyond = _beyond(by, after, newest_first)
    return (query if beyond is None else query.where(beyond)).order_by(*order).limit(most)


def counts(conn: Connection, asked: Asked) -> dict[str, int]:
    """How many tasks each list holds, up to ``COUNTED``; filters count."""
    each = []
    for tab, list_ in _LISTS.items():
        where = (*list_(asked).where, *_filters(asked))
        some = select(tasks.c.id).where(*where).limit(COUNTED).subquery()
        each.append(select(func.count()).select_from(some).scalar_subquery().label(tab))
    return dict(conn.execute(select(*each)).one()._mapping)


def _filters(asked: Asked) -> list[ColumnElement[bool]]:
    found = []
    if asked.kind:
        found.append(tasks.c.kind == asked.kind)
    if asked.assignee:
        found.append(tasks.c.assignee == asked.assignee)
    if asked.account:
        mine = select(accounts.c.id).where(accounts.c.key == asked.account)
        found.append(tasks.c.account_id.in_(mine))
    return found


# --- places ---


def _place(row: Any, by: str) -> str:
    value = row._mapping[by]
    return f"{_UNDATED if value is None else value.isoformat()}_{row.id}"


def _read(after: str, by: ColumnElement[Any]) -> tuple[date | datetime | None, int] | None:
    value, _, number = after.rpartition("_")
    if not number.isascii() or not number.isdigit() or len(number) > 18:
        return None
    if value == _UNDATED:
        return None, int(number)
    try:
        if isinstance(by.type, Moment):
            moment = datetime.fromisoformat(value)
            return (moment, int(number)) if moment.tzinfo is not None else None
        return date.fromisoformat(value), int(number)
    except ValueError:
        return None


def _beyond(by: ColumnElement[Any], after: str, newest_first: bool) -> ColumnElement[bool] | None:
    """What comes after a place, in the order of the list."""
    place = _read(after, by) if after else None
    if place is None:
        return None
    value, number = place
    if newest_first:
        return None if value is None else or_(by < value, and_(by == value, tasks.c.id < number))
    if value is None:
        return and_(by.is_(None), tasks.c.id > number)
    return or_(by > value, and_(by == value, tasks.c.id > number), by.is_(None))
