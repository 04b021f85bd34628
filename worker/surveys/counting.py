"""Counts of answers, made inside the database: each query gives back sums, a row for each group.

Answers are first added up by account: 1,000,000 of them become 50,000 rows in one pass, and all
that needs the book is asked of those.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Float,
    FromClause,
    Integer,
    Select,
    Text,
    and_,
    case,
    cast,
    func,
    literal,
    literal_column,
    null,
    or_,
    select,
    type_coerce,
    union_all,
)
from sqlalchemy.engine import Connection
from sqlalchemy.sql.elements import Null

from worker.catalogue.records import accounts, contacts, licences
from worker.db import bulk
from worker.db.dates import Month
from worker.kernel.dates import Period
from worker.surveys import rules
from worker.surveys.numbers import INFLUENCE
from worker.surveys.records import invitations, response_themes, responses

NO_CURRENCY = "XXX"  # ISO 4217: no currency is meant
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


def counted(asked: Asked) -> list[ColumnElement[bool]]:
    """The conditions on answers: a person's, in the period, of the schedule."""
    found = [
        _PEOPLE,
        responses.c.answered_on.between(asked.period.first, asked.period.last),
    ]
    return [*found, responses.c.schedule == asked.schedule] if asked.schedule else found


_FLAG = case((PROTECTED, 1), else_=0)


def of_answer(by: str | None) -> ColumnElement[Any]:
    """The group that an answer itself tells; of another kind of group, one for all."""
    if by == MONTH:
        return Month(responses.c.answered_on)
    return func.coalesce(responses.c[by], "") if by in OF_ANSWER and by else literal("", Text)


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
    group = of_account(asked.by) if asked.by in OF_ACCOUNT and asked.by else of_answer(asked.by)
    source: FromClause = responses
    if asked.by in OF_ACCOUNT:
        source = responses.outerjoin(accounts, accounts.c.id == responses.c.account_id)
    query = select(group.label("grp"), func.count()).select_from(source)
    rows = conn.execute(query.where(PROTECTED, *counted(asked)).group_by("grp"))
    return {row[0]: row[1] for row in rows}


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


# --- sums ---


def _placed(asked: Asked, *more: ColumnElement[Any]) -> Select[Any]:
    """A row for each account, group and ``flag`` of protection (and each of ``more``): how many
    answers, ``up`` and ``down`` of them promoters and detractors. Anonymous answers have no
    account."""
    up, down = (func.sum(case((responses.c.vote == vote, 1), else_=0)) for vote in (1, -1))
    keys = [responses.c.account_id, of_answer(asked.by).label("told"), _FLAG.label("flag"), *more]
    names = [key.name for key in more]
    counts = {"n": func.count(), "up": up, "down": down}
    base = (
        select(*keys, *(cast(value, Integer).label(name) for name, value in counts.items()))
        .where(*counted(asked))
        .group_by(responses.c.account_id, "told", "flag", *names)
        .cte("base")
    )
    group: ColumnElement[Any] = base.c.told
    source: FromClause = base
    if asked.by in OF_ACCOUNT and asked.by:
        source = base.outerjoin(accounts, accounts.c.id == base.c.account_id)
        group = of_account(asked.by)
    kept = [base.c[name] for name in ("account_id", "flag", *names, "n", "up", "down")]
    return select(*kept, group.label("grp")).select_from(source)


def _by_account(asked: Asked, out: LeftOut, *more: ColumnElement[Any]) -> Select[Any]:
    """The same without what is left out, protected or not."""
    placed = _placed(asked, *more).cte("placed")
    kept = select(placed).where(*out.keeps(placed.c.grp, placed.c.flag)).subquery("kept")
    return _added(kept, ["grp", *[key.name for key in more]])


ALL, OPEN = "all", "open"
"""Sums over all answers, and over those alone that are named."""


class Sums(NamedTuple):
    """``n`` answers, ``up`` and ``down`` of them promoters and detractors; and the votes of their
    ``accounts``: sums of their means (``first``), of the squares (``second``), of their shares of
    promoters and detractors (``ups``, ``downs``). ``grp`` of ``None`` is the whole."""

    kind: str
    grp: str | None
    n: int
    up: int
    down: int
    accounts: int = 0
    first: float = 0.0
    second: float = 0.0
    ups: float = 0.0
    downs: float = 0.0


def cells(conn: Connection, asked: Asked) -> list[Sums]:
    """The whole and each group, of each kind: one pass over the answers, one statement."""
    base = _placed(asked).cte("placed")
    open_ = case((base.c.flag == 0, 1), else_=0)
    sums: dict[str, ColumnElement[Any]] = {name: base.c[name] for name in _COUNTS}
    sums |= {f"open_{name}": open_ * base.c[name] for name in _COUNTS}
    each = _summed(base, [base.c.grp], sums).cte("each")
    parts = [_of_both(each, each.c.grp)]
    if asked.by is not None:  # an account may be in several groups, and has one vote in the whole
        again = _summed(each, [], {name: each.c[name] for name in sums}).subquery("again")
        parts.append(_of_both(again, null()))
    found = []
    for group, *values in conn.execute(union_all(*parts)):
        name, half = group if asked.by is not None else None, len(values) // 2
        found.append(Sums(ALL, name, *values[:half]))
        if values[half]:
            found.append(Sums(OPEN, name, *values[half:]))
    return found


_COUNTS = ("n", "up", "down")


def _of_both(each: FromClause, group: ColumnElement[Any]) -> Select[Any]:
    """Rows of accounts: their group, then ``Sums`` of all answers and of those that are open."""
    told = cast(group, Text).label("grp")
    query = select(told, *_sums_of(each, ""), *_sums_of(each, "open_"))
    query = query.having(func.count() > 0)
    return query if isinstance(group, Null) else query.group_by(group)


def plain(conn: Connection, asked: Asked) -> list[Sums]:
    """The same without accounts, for groups that the answers themselves tell: cheaper."""
    up, down = (func.sum(case((responses.c.vote == vote, 1), else_=0)) for vote in (1, -1))
    day = responses.c.answered_on if asked.by == MONTH else of_answer(asked.by)
    base = (
        select(day.label("told"), _FLAG.label("flag"), func.count(), up, down)
        .where(*counted(asked))
        .group_by("told", "flag")
    )
    found: dict[tuple[str, str | None], list[int]] = {}
    for told, flag, *counts in conn.execute(base):
        group = f"{told:%Y-%m}" if asked.by == MONTH else told
        for kind in (ALL,) if flag else (ALL, OPEN):
            for name in {group if asked.by else None, None}:
                sums = found.setdefault((kind, name), [0, 0, 0])
                sums[:] = [have + int(more) for have, more in zip(sums, counts, strict=True)]
    return [Sums(kind, group, *sums) for (kind, group), sums in found.items()]


def _added(source: FromClause, keys: Sequence[Any]) -> Select[Any]:
    """Rows of one account (and group) added up."""
    named = [source.c[key if isinstance(key, str) else key.name] for key in keys]
    return _summed(source, named, {name: source.c[name] for name in _COUNTS})


def _summed(
    source: FromClause, keys: Sequence[Any], sums: Mapping[str, ColumnElement[Any]]
) -> Select[Any]:
    """A row for each account and each of ``keys``. Counts of one account stay whole numbers of
    four bytes: PostgreSQL adds those up several times as fast as larger ones."""
    values = [cast(func.sum(value), Integer).label(name) for name, value in sums.items()]
    return select(source.c.account_id, *keys, *values).group_by(source.c.account_id, *keys)


def influential(conn: Connection, asked: Asked, out: LeftOut) -> list[Sums]:
    """As ``cells``, of each account only the answers of its most influential role."""
    order = case(
        *[(responses.c.role == role, place) for place, role in enumerate(INFLUENCE)],
        else_=len(INFLUENCE),
    )
    every = _by_account(asked, out, order.label("rank")).cte("every")
    least = func.min(every.c.rank).over(partition_by=(every.c.account_id, every.c.grp))
    ranked = select(every, least.label("least")).where(every.c.account_id.is_not(None)).subquery()
    each = select(ranked).where(ranked.c.rank == ranked.c.least).cte("each")
    return [Sums(*row) for row in conn.execute(_votes(each, ALL, each.c.grp))]


def _votes(each: FromClause, kind: str, group: ColumnElement[Any]) -> Select[Any]:
    """Rows of accounts as ``Sums``."""
    told = cast(group, Text).label("grp")
    query = select(literal(kind).label("kind"), told, *_sums_of(each, ""))
    return query.having(func.count() > 0).group_by(group)


def _sums_of(each: FromClause, prefix: str) -> list[ColumnElement[Any]]:
    """What ``Sums`` has after its group, of rows of accounts."""
    n, up, down = (each.c[f"{prefix}{name}"] for name in _COUNTS)
    size = func.nullif(n, 0)
    votes = and_(each.c.account_id.is_not(None), n > 0)
    voting = case((votes, _ONE))
    mean = voting * (up - down) / size
    return [
        *(cast(func.sum(value), BigInteger) for value in (n, up, down)),
        func.count(voting),
        func.coalesce(func.sum(mean), 0.0),
        func.coalesce(func.sum(mean * mean), 0.0),
        func.coalesce(func.sum(voting * up / size), 0.0),
        func.coalesce(func.sum(voting * down / size), 0.0),
    ]


# Not a decimal number, which PostgreSQL divides and adds up far more slowly.
_ONE = cast(literal_column("1.0"), Float)


def revenue() -> Select[Any]:
    """What the active licences of each account come to at today's amounts, in each currency."""
    amount = type_coerce(licences.c.amount, Float) * literal_column("100")
    cents = cast(func.round(amount), BigInteger)
    currency = func.coalesce(licences.c.currency, NO_CURRENCY)
    return (
        select(
            licences.c.account_id,
            currency.label("currency"),
            cast(func.sum(cents), BigInteger).label("cents"),
        )
        .where(licences.c.status == "active", cents > 0)
        .group_by(licences.c.account_id, currency)
    )


def weighted(conn: Connection, asked: Asked, out: LeftOut) -> list[Any]:
    """A row for each group and currency: Σw, Σw², Σwx and Σwx² over its accounts, w being their
    revenue and x the mean of their votes; with what ``cells`` tells of those accounts."""
    each, worth = _by_account(asked, out).cte("each"), revenue().cte("worth")
    weight = cast(worth.c.cents, Float)
    mean = _ONE * (each.c.up - each.c.down) / each.c.n
    columns: dict[str, ColumnElement[Any]] = {
        "accounts": func.count(),
        "ups": func.sum(_ONE * each.c.up / each.c.n),
        "downs": func.sum(_ONE * each.c.down / each.c.n),
        "total": func.sum(weight),
        "squares": func.sum(weight * weight),
        "first": func.sum(weight * mean),
        "second": func.sum(weight * mean * mean),
    }
    sums = [value.label(name) for name, value in columns.items()]
    query = (
        select(each.c.grp, worth.c.currency, *sums)
        .select_from(each.join(worth, worth.c.account_id == each.c.account_id))
        .group_by(each.c.grp, worth.c.currency)
        .order_by(each.c.grp, worth.c.currency)
    )
    return list(conn.execute(query))


def themes(conn: Connection, asked: Asked) -> list[Any]:
    """A row for each theme and for whether its answers are protected: ``n``, ``up``, ``down``."""
    up, down = (func.sum(case((responses.c.vote == vote, 1), else_=0)) for vote in (1, -1))
    theme, flag = response_themes.c.theme, _FLAG.label("flag")
    query = (
        select(theme, flag, func.count().label("n"), up.label("up"), down.label("down"))
        .select_from(
            response_themes.join(responses, responses.c.id == response_themes.c.response_id)
        )
        .where(*counted(asked))
    )
    return list(conn.execute(query.group_by(theme, flag).order_by(theme, flag)))


# --- who could have answered ---


def asked_of(conn: Connection, asked: Asked) -> dict[str | None, tuple[int, int]]:
    """By group: how many were asked in the period, and how many of those have answered."""
    if asked.by in OF_ACCOUNT and asked.by:
        group = of_account(asked.by)
        source: FromClause = invitations.join(accounts, accounts.c.id == invitations.c.account_id)
    else:
        source = invitations
        group = literal("", Text)
        if asked.by == MONTH:
            group = Month(invitations.c.asked_on)
        elif asked.by:
            group = func.coalesce(invitations.c[asked.by], "")
    mine: list[ColumnElement[bool]] = [
        invitations.c.asked_on.between(asked.period.first, asked.period.last)
    ]
    if asked.schedule:
        mine.append(invitations.c.schedule == asked.schedule)
    answered = func.sum(case((invitations.c.answered, 1), else_=0))
    query = select(group.label("grp"), func.count(), answered).select_from(source).where(*mine)
    return {row[0]: (row[1], int(row[2])) for row in conn.execute(query.group_by("grp"))}


def population(conn: Connection, by: str | None) -> dict[str | None, tuple[int, int]]:
    """By group: contacts and accounts of the book as it is today; of a group that the book does not
    know (a product, a schedule, a month), none."""
    if by not in (None, "segment", "role", *OF_ACCOUNT):
        return {}
    group: ColumnElement[Any] = literal("", Text)
    if by in OF_ACCOUNT and by:
        group = of_account(by)
    elif by == "segment":
        group = func.coalesce(accounts.c.segment, "")
    elif by == "role":
        group = func.coalesce(contacts.c.role, "")
    source = contacts.join(accounts, accounts.c.id == contacts.c.account_id)
    people = func.count(func.distinct(contacts.c.account_id))
    query = select(group.label("grp"), func.count(), people).select_from(source)
    return {row[0]: (row[1], row[2]) for row in conn.execute(query.group_by("grp"))}


def each_person_once(conn: Connection, asked: Asked) -> bool:
    """Whether every answer is known to be another person's: only then are they a sample of the
    contacts without repetition, whose size is a finite population's."""
    mine = counted(asked)
    named = select(responses.c.contact_id).where(responses.c.contact_id.is_not(None), *mine)
    asked_once = (
        select(invitations.c.contact_id)
        .select_from(responses.join(invitations, invitations.c.id == responses.c.invitation_id))
        .where(responses.c.promise == rules.CONFIDENTIAL, *mine)
    )
    people = union_all(named, asked_once).subquery("people")
    known = (
        select(people.c.contact_id).group_by(people.c.contact_id).having(func.count() > 1).limit(1)
    )
    unknown = select(responses.c.id).where(
        responses.c.contact_id.is_(None), responses.c.invitation_id.is_(None), *mine
    )
    return all(conn.execute(query.limit(1)).first() is None for query in (unknown, known))


# --- two periods ---


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
    where = [*counted(both), *out.keeps(literal("", Text), _FLAG)]
    query = select(responses.c.account_id, *columns).where(*where)
    return conn.execute(query.group_by(responses.c.account_id)).all()
