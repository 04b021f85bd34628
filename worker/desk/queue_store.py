"""Queries of the list of silent clients; a page is read along the index of its order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Date,
    Float,
    Integer,
    Select,
    Text,
    and_,
    bindparam,
    cast,
    false,
    func,
    literal,
    or_,
    select,
    text,
)
from sqlalchemy.engine import Connection

from worker.catalogue.records import accounts, contacts, order_days, suppressions
from worker.db import bulk
from worker.db.prepared import Prepared
from worker.reactivation.closing import Named
from worker.reactivation.records import episode_lines, episodes
from worker.worklist.kinds import DORMANT
from worker.worklist.records import tasks

BUCKET, BUCKETS = 28, 26
"""Orders are drawn in steps of so many days, so many of them: two years."""
STAKE, URGENCY = "stake", "urgency"
ORDERS: Mapping[str, ColumnElement[float]] = {
    STAKE: episodes.c.relative_stake,
    URGENCY: episodes.c.urgency,
}
NOBODY = "-"
"""In the filter: whoever has no owner."""
MOST_CONTACTS = 6

_EPISODE = (
    *("schedule", "account_id", "number", "flagged_on", "as_of", "lane", "score", "at_stake"),
    *("currency", "reasons", "facts", "relative_stake", "urgency"),
)
_TASK = (
    *("kind", "title", "detail", "assignee", "pool", "due_on", "snoozed_until", "claimed_at"),
    *("closed_at", "version"),
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries: empty filters let everything through. ``today`` is the civil day of the book;
    ``resting``: those that are snoozed instead of the others."""

    today: date
    by: str = STAKE
    owner: str = ""
    lane: str = ""
    segment: str = ""
    line: str = ""
    resting: bool = False


class Sold(NamedTuple):
    """What an account bought in steps of ``BUCKET`` days, the oldest first, in one currency."""

    nets: Sequence[float]

    @property
    def most(self) -> float:
        return max(self.nets, default=0.0)


def entries(
    conn: Connection, wanted: Wanted, after: tuple[float, int] | None, most: int | None
) -> list[Any]:
    """Open tasks about silent clients with their episodes and accounts, the largest first.
    ``after`` is the (measure, task's id) of the last one seen."""
    return list(conn.execute(statement(wanted, after, most)))


@lru_cache(maxsize=32)
def statement(wanted: Wanted, after: tuple[float, int] | None, most: int | None) -> Select[Any]:
    """What ``entries`` asks the database."""
    by = ORDERS[wanted.by]
    query = (
        select(tasks.c.id, *(tasks.c[name] for name in _TASK))
        .add_columns(*(episodes.c[name] for name in _EPISODE))
        .add_columns(accounts.c.key.label("account_key"), accounts.c.name.label("account_name"))
        .add_columns(accounts.c.segment, accounts.c.account_manager)
        .select_from(episodes)
        .join(tasks, _is_about())
        .join(accounts, accounts.c.id == episodes.c.account_id)
        .where(episodes.c.ended_on.is_(None), *_filters(wanted))
        .order_by(by.desc(), tasks.c.id.desc())
    )
    if after is not None:
        value, number = after
        place = or_(by < value, and_(by == value, tasks.c.id < number))
        query = query.where(by <= value, place)  # an index begins at the former, not at the latter
    return query if most is None else query.limit(most)


def _is_about() -> ColumnElement[bool]:
    """The open task is about this episode: ``step:SCHEDULE:STEP:account-ID:NUMBER``.

    Its name is looked at inside ``coalesce``, which PostgreSQL does not look into: it would think
    that hardly any fits, and sort them all instead of reading the first along their index.
    """
    begins = literal("step:", Text) + episodes.c.schedule + ":"
    ends = ":account-" + cast(episodes.c.account_id, Text) + ":" + cast(episodes.c.number, Text)
    named = and_(
        func.substr(tasks.c.key, 1, func.length(begins)) == begins, tasks.c.key.like("%" + ends)
    )
    return and_(
        tasks.c.account_id == episodes.c.account_id,
        tasks.c.kind == DORMANT,
        tasks.c.closed_at.is_(None),
        func.coalesce(named, false()),
    )


def _filters(wanted: Wanted) -> list[ColumnElement[bool]]:
    rests = tasks.c.snoozed_until > wanted.today
    found = [rests if wanted.resting else or_(tasks.c.snoozed_until.is_(None), ~rests)]
    if wanted.owner:
        owner = wanted.owner
        found.append(tasks.c.assignee.is_(None) if owner == NOBODY else tasks.c.assignee == owner)
    if wanted.lane:
        found.append(episodes.c.lane == wanted.lane)
    if wanted.segment:
        found.append(accounts.c.segment == wanted.segment)
    if wanted.line:
        lines = episode_lines.c
        mine = select(lines.episode_id).where(lines.product_line == wanted.line)
        found.append(episodes.c.id.in_(mine))
    return found


def episode(conn: Connection, about: Named) -> Any | None:
    """The episode of that name, whether or not it goes on."""
    c = episodes.c
    mine = (c.schedule == about.schedule, c.account_id == about.account_id)
    return conn.execute(select(episodes).where(*mine, c.number == about.number)).first()


_STAKES = Prepared(
    select(
        episodes.c.currency,
        func.count().label("clients"),
        func.sum(episodes.c.at_stake).label("at_stake"),
    )
    .where(episodes.c.ended_on.is_(None))
    .group_by(episodes.c.currency)
    .order_by(episodes.c.currency)
)


def stakes(conn: Connection) -> dict[str, tuple[int, Decimal]]:
    """How many episodes go on, and what is at stake in them a year, by currency."""
    return {row.currency: (row.clients, round(row.at_stake, 0)) for row in _STAKES.rows(conn)}


def _steps(days_back: ColumnElement[int]) -> Prepared:
    c = order_days.c
    step = days_back.op("/", return_type=Integer())(BUCKET).label("step")
    return Prepared(
        select(c.account_id, c.currency, step, func.sum(cast(c.net, Float)).label("net"))
        .where(bulk.listed(c.account_id), c.day > bindparam("first"), c.day <= bindparam("today"))
        .group_by(c.account_id, c.currency, text("step"))
    )


_today = bindparam("today", type_=Date)
_SOLD = {
    "postgresql": _steps(cast(_today, Date).op("-", return_type=Integer())(order_days.c.day)),
    "sqlite": _steps(cast(func.julianday(_today) - func.julianday(order_days.c.day), Integer)),
}
"""By the way in which a database counts how many days before today an order day lies."""


def sold(conn: Connection, rows: Sequence[Any], today: date) -> dict[int, Sold]:
    """What the accounts of these entries bought in two years, by task, in the currency of each
    entry. What they ordered after its last scored day is in it."""
    if not rows:
        return {}
    first = today - timedelta(days=BUCKET * BUCKETS)
    ids = sorted({row.account_id for row in rows})
    found: dict[tuple[int, str], list[float]] = defaultdict(lambda: [0.0] * BUCKETS)
    for row in _SOLD[conn.dialect.name].rows(conn, ids=ids, first=first, today=today):
        found[row.account_id, row.currency][BUCKETS - 1 - row.step] = row.net
    return {row.id: Sold(found[row.account_id, row.currency]) for row in rows}


_PEOPLE = Prepared(
    select(*[contacts.c[name] for name in ("account_id", "key", "name", "email", "role")])
    .add_columns(suppressions.c.reason.label("silent"))
    .outerjoin(suppressions, suppressions.c.address == contacts.c.email)
    .where(bulk.listed(contacts.c.account_id))
    .order_by(
        contacts.c.account_id,
        (contacts.c.role == "decision-maker").desc().nulls_last(),
        contacts.c.name,
        contacts.c.id,
    )
)


def people(conn: Connection, account_ids: Sequence[int]) -> dict[int, list[Any]]:
    """The contacts of these accounts, those who decide first, each with ``silent``: why its address
    is not written to."""
    if not account_ids:
        return {}
    found: dict[int, list[Any]] = defaultdict(list)
    for row in _PEOPLE.rows(conn, ids=list(account_ids)):
        found[row.account_id].append(row)
    return found
