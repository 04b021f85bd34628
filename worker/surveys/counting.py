"""Which answers count, in which groups, and what must be left out of them.

All is counted inside the database: a query gives back sums, a row for each group. Who votes is in
``voting.py``, who could have answered in ``sampling.py``.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Text, and_, case, func, literal, or_, select
from sqlalchemy.engine import Connection

from worker.catalogue.records import accounts
from worker.db import bulk
from worker.db.dates import Month, Unindexed
from worker.kernel.dates import Period
from worker.surveys import rules
from worker.surveys.records import response_themes, responses

MONTH = "month"
RESELLER, THROUGH, DIRECT = "reseller", "client of a reseller", "direct client"

OF_ANSWER = ("segment", "product", "role", "schedule", MONTH)
OF_ACCOUNT = ("account", "owner", "channel")
GROUPS = ("segment", "product", "role", "account", "owner", "channel", "schedule", MONTH)
"""How figures may be split. ``owner`` is today's account manager; ``channel`` tells resellers,
their clients and direct clients apart. Segment, product and role are those of the answer's day."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Which answers: those that count in ``period``, of one schedule or of all."""

    period: Period
    schedule: str | None = None
    by: str | None = None

    def but(self, **values: Any) -> Asked:
        """The same with other ``values``."""
        return replace(self, **values)


# Written out, so that an index of those rows alone is known to hold them.
PROTECTED = responses.c.promise != literal(rules.NAMED, literal_execute=True)
_PEOPLE = responses.c.judged == literal(rules.HUMAN, literal_execute=True)


def counted(
    asked: Asked, day: ColumnElement[date] = responses.c.answered_on
) -> list[ColumnElement[bool]]:
    """The conditions on answers: a person's, in the period, of the schedule."""
    found = [_PEOPLE, day.between(asked.period.first, asked.period.last)]
    return [*found, responses.c.schedule == asked.schedule] if asked.schedule else found


FLAG = case((PROTECTED, 1), else_=0)


def of_answer(by: str | None) -> ColumnElement[Any]:
    """The group that an answer itself tells; of another kind of group, one for all."""
    if by == MONTH:
        return Month(responses.c.answered_on)
    return func.coalesce(responses.c[by], "") if by in OF_ANSWER and by else literal("", Text)


def month_of(day: date) -> str:
    """The same of a day: a day is counted more quickly than its month is told."""
    return f"{day:%Y-%m}"


def of_account(by: str) -> ColumnElement[Any]:
    """The group that an account is in today."""
    if by == "account":
        return func.coalesce(accounts.c.key, "")
    if by == "owner":
        return func.coalesce(accounts.c.account_manager, "")
    other = accounts.alias("other")
    named = select(other.c.reseller).where(other.c.reseller.is_not(None)).distinct()
    return case(
        (accounts.c.key.is_(None), ""),
        (accounts.c.key.in_(named), RESELLER),
        (accounts.c.reseller.is_not(None), THROUGH),
        else_=DIRECT,
    )


# --- what must be left out ---


def protected(conn: Connection, asked: Asked) -> dict[str, int]:
    """How many confidential and anonymous answers each group has."""
    source: FromClause = responses
    group = responses.c.answered_on if asked.by == MONTH else of_answer(asked.by)
    if asked.by in OF_ACCOUNT and asked.by:
        source = responses.outerjoin(accounts, accounts.c.id == responses.c.account_id)
        group = of_account(asked.by)
    query = select(group.label("grp"), func.count()).select_from(source)
    # By the index of days, SQLite would look at every answer of the period.
    mine = counted(asked, Unindexed(responses.c.answered_on))
    found: dict[str, int] = {}
    for told, count in conn.execute(query.where(PROTECTED, *mine).group_by("grp")):
        name = month_of(told) if asked.by == MONTH else told
        found[name] = found.get(name, 0) + count
    return found


def around(conn: Connection, asked: Asked) -> list[int]:
    """How many protected answers each wider figure holds: of all schedules, of all times."""
    alone = select(func.count()).select_from(responses).where(PROTECTED)
    wider = [alone.where(_PEOPLE, responses.c.answered_on.is_not(None))]
    if asked.schedule:
        wider.append(alone.where(*counted(asked.but(schedule=None))))
        wider.append(
            alone.where(
                _PEOPLE,
                responses.c.answered_on.is_not(None),
                responses.c.schedule == asked.schedule,
            )
        )
    return [conn.scalar(query) or 0 for query in wider]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Whose protected answers are in no figure: of these groups, or of ``all``."""

    groups: Collection[str] = ()
    all: bool = False

    def keeps(self, group: ColumnElement[Any], flag: ColumnElement[int]) -> list[Any]:
        """The condition on rows that say their group and whether they are protected."""
        if self.all:
            return [flag == 0]
        return [or_(flag == 0, ~_among(group, self.groups))] if self.groups else []


def _among(column: ColumnElement[Any], values: Collection[str]) -> ColumnElement[bool]:
    return case((bulk.among(column, list(values)), 1), else_=0) == 1


# --- what else is counted of them ---


def votes() -> dict[str, ColumnElement[int]]:
    """How many answers there are, ``n``; ``up`` and ``down``, promoters and detractors of them."""
    up, down = (func.count().filter(responses.c.vote == vote) for vote in (1, -1))
    return {"n": func.count(), "up": up, "down": down}


def themes(conn: Connection, asked: Asked) -> list[Any]:
    """A row for each theme and for whether its answers are protected: ``n``, ``up``, ``down``."""
    theme, flag = response_themes.c.theme, FLAG.label("flag")
    both = response_themes.join(responses, responses.c.id == response_themes.c.response_id)
    query = (
        select(theme, flag, *[value.label(name) for name, value in votes().items()])
        .select_from(both)
        # Only a comment has themes: the database need not look for those of other answers.
        .where(responses.c.comment.is_not(None), *counted(asked))
    )
    return list(conn.execute(query.group_by(theme, flag).order_by(theme, flag)))


def waves(conn: Connection, one: Asked, other: Asked, out: LeftOut) -> Sequence[Any]:
    """A row for each account that answered in either period (``one`` is the earlier): promoters,
    passives and detractors of each. All anonymous answers are one row, without account."""
    first, last = one.period.first, other.period.last
    both = one.but(period=Period(first, last), by=None)
    columns = []
    for name, period in (("before", one.period), ("after", other.period)):
        within = responses.c.answered_on.between(period.first, period.last)
        for vote in (1, 0, -1):
            hit = and_(within, responses.c.vote == vote)
            columns.append(func.sum(case((hit, 1), else_=0)).label(f"{name}_{vote + 1}"))
    where = [*counted(both), *out.keeps(literal("", Text), FLAG)]
    query = select(responses.c.account_id, *columns).where(*where)
    return conn.execute(query.group_by(responses.c.account_id)).all()
