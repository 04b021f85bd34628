"""Queries of the list of silent clients; a page is read along the index of its order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Date,
    Float,
    Integer,
    Select,
    Text,
    and_,
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
        query = query.where(or_(by < value, and_(by == value, tasks.c.id < number)))
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


def stakes(conn: Connection) -> dict[str, tuple[int, Decimal]]:
    """How many episodes go on, and what is at stake in them a year, by currency."""
    c = episodes.c
    sums = select(c.currency, func.count(), func.sum(cast(c.at_stake, Float)))
    rows = conn.execute(sums.where(c.ended_on.is_(None)).group_by(c.currency).order_by(c.currency))
    return {row[0]: (row[1], Decimal(round(row[2]))) for row in rows}


def sold(conn: Connection, rows: Sequence[Any], today: date) -> dict[int, Sold]:
    """What the accounts of these entries bought in two years, by task, in the currency of each
    entry. What they ordered after its last scored day is in it."""
    if not rows:
        return {}
    c = order_days.c
    step = _days_back(conn, today).op("/", return_type=Integer())(BUCKET).label("step")
    first = today - timedelta(days=BUCKET * BUCKETS)
    ids = sorted({row.account_id for row in rows})
    query = (
        select(c.account_id, c.currency, step, func.sum(cast(c.net, Float)))
        .where(bulk.among(c.account_id, ids), c.day > first, c.day <= today)
        .group_by(c.account_id, c.currency, text("step"))
    )
    found: dict[tuple[int, str], list[float]] = defaultdict(lambda: [0.0] * BUCKETS)
    for account, currency, step, net in conn.execute(query):
        found[account, currency][BUCKETS - 1 - step] = net
    return {row.id: Sold(found[row.account_id, row.currency]) for row in rows}


def _days_back(conn: Connection, today: date) -> ColumnElement[int]:
    """How many days before today an order day lies, counted by the database."""
    c = order_days.c
    if conn.dialect.name == "postgresql":
        return cast(literal(today, Date), Date).op("-", return_type=Integer())(c.day)
    return cast(func.julianday(today.isoformat()) - func.julianday(c.day), Integer)


def people(conn: Connection, account_ids: Sequence[int]) -> dict[int, list[Any]]:
    """The contacts of these accounts, those who decide first, each with ``silent``: why its address
    is not written to."""
    if not account_ids:
        return {}
    c = contacts.c
    decides = (c.role == "decision-maker").desc().nulls_last()
    query = (
        select(c.account_id, c.key, c.name, c.email, c.role, suppressions.c.reason.label("silent"))
        .outerjoin(suppressions, suppressions.c.address == c.email)
        .where(bulk.among(c.account_id, list(account_ids)))
        .order_by(c.account_id, decides, c.name, c.id)
    )
    found: dict[int, list[Any]] = defaultdict(list)
    for row in conn.execute(query):
        found[row.account_id].append(row)
    return found
