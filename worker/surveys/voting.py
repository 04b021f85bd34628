"""Votes, counted inside the database: those of answers, and those of accounts.

Answers are first added up by account: 1,000,000 of them become 50,000 rows in one pass, and who
votes in which way, and with which weight, is asked of those.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    CTE,
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
    select,
    type_coerce,
    union_all,
)
from sqlalchemy.engine import Connection
from sqlalchemy.sql.elements import Null

from worker.catalogue.records import accounts, licences
from worker.surveys.counting import (
    FLAG,
    MONTH,
    OF_ACCOUNT,
    PROTECTED,
    Asked,
    LeftOut,
    counted,
    month_of,
    of_account,
    of_answer,
    votes,
)
from worker.surveys.numbers import INFLUENCE
from worker.surveys.records import responses

NO_CURRENCY = "XXX"  # ISO 4217: no currency is meant
EVERY, FIRST, WORTH = "every", "first", "worth"
"""The vote of an account: the mean of its answers; that of its most influential role alone; the
mean of its answers, as heavy as its revenue."""

_COUNTS = ("n", "up", "down")
_ONE = cast(literal_column("1.0"), Float)


class Sums(NamedTuple):
    """``n`` answers, ``up`` and ``down`` of them promoters and detractors; and the votes of their
    ``accounts``: their shares of promoters and detractors (``ups``, ``downs``), Σw, Σw², Σwx and
    Σwx², w being the weight of an account and x the mean of its votes. ``grp`` of ``None`` is the
    whole; a ``currency`` is that of the weights."""

    kind: str
    grp: str | None
    currency: str | None
    n: int
    up: int
    down: int
    accounts: int = 0
    ups: float = 0.0
    downs: float = 0.0
    total: float = 0.0
    squares: float = 0.0
    first: float = 0.0
    second: float = 0.0


def of_answers(conn: Connection, asked: Asked, out: LeftOut) -> list[Sums]:
    """The whole and each group that the answers themselves tell, without accounts."""
    group = responses.c.answered_on if asked.by == MONTH else of_answer(asked.by)
    keys = [group.label("told"), _flag(out).label("flag")]
    query = select(*keys, *votes().values()).where(*_kept(asked, out)).group_by("told", "flag")
    found: dict[str | None, list[int]] = {}
    for told, flag, *counts in conn.execute(query):
        name = month_of(told) if asked.by == MONTH else told
        places = {None, name} if asked.by else {None}
        if flag:
            places -= {*out.groups}
        for place in places:
            have = found.setdefault(place, [0, 0, 0])
            have[:] = [one + int(more) for one, more in zip(have, counts, strict=True)]
    return [Sums(EVERY, place, None, *counts) for place, counts in found.items()]


def of_accounts(
    conn: Connection, asked: Asked, out: LeftOut, whole: Collection[str], split: Collection[str]
) -> list[Sums]:
    """The whole and each group: ``EVERY`` of both, and of ``FIRST`` and ``WORTH`` those that are
    named for the ``whole`` and for the ``split``. One pass over the answers, one statement."""
    names = [*_COUNTS, *(_of_roles() if FIRST in {*whole, *split} else ())]
    placed = _placed(asked, out, names).cte("placed")
    worth = revenue().cte("worth")
    # An account may be in several groups, and has one vote in the whole.
    once = placed if asked.by is None else _added(placed, [], names).cte("once")
    parts = _parts(once, null(), whole, worth)
    if asked.by is not None:
        kept = placed
        if out.groups:
            keeps = out.keeps(placed.c.grp, placed.c.flag)
            kept = _added(placed, [placed.c.grp], names).where(*keeps).cte("kept")
        parts += _parts(kept, kept.c.grp, split, worth)
    rows = [Sums(*row) for row in conn.execute(union_all(*parts))]
    return sorted(rows, key=lambda row: (row.grp or "", row.currency or ""))


def _of_roles() -> dict[str, ColumnElement[int]]:
    """``votes`` of each role that has influence, the most influential first."""
    found: dict[str, ColumnElement[int]] = {}
    for place, role in enumerate(INFLUENCE):
        mine = responses.c.role == role
        found[f"n_{place}"] = func.count().filter(mine)
        found[f"up_{place}"] = func.count().filter(and_(responses.c.vote == 1, mine))
        found[f"down_{place}"] = func.count().filter(and_(responses.c.vote == -1, mine))
    return found


def _kept(asked: Asked, out: LeftOut) -> list[ColumnElement[bool]]:
    """The conditions on answers that are in any figure."""
    return [*counted(asked), *([~PROTECTED] if out.all else [])]


def _flag(out: LeftOut) -> ColumnElement[int]:
    """Whether an answer is protected, where that matters: it costs a comparison of words."""
    return FLAG if out.groups else literal(0, Integer)


def _placed(asked: Asked, out: LeftOut, names: Sequence[str]) -> Select[Any]:
    """A row for each account and group, and for ``flag`` where answers of a group are left out: the
    counts of ``names``. Anonymous answers have no account.

    Counts of one account stay whole numbers of four bytes: PostgreSQL adds those up several times
    as fast as larger ones.
    """
    keys = [responses.c.account_id, of_answer(asked.by).label("told"), _flag(out).label("flag")]
    counts = votes() | _of_roles()
    base = (
        select(*keys, *(cast(counts[name], Integer).label(name) for name in names))
        .where(*_kept(asked, out))
        .group_by(responses.c.account_id, "told", "flag")
        .cte("base")
    )
    group: ColumnElement[Any] = base.c.told
    source: FromClause = base
    if asked.by in OF_ACCOUNT and asked.by:
        source = base.outerjoin(accounts, accounts.c.id == base.c.account_id)
        group = of_account(asked.by)
    kept = [base.c[name] for name in ("account_id", "flag", *names)]
    return select(*kept, group.label("grp")).select_from(source)


def _added(source: FromClause, keys: Sequence[Any], names: Sequence[str]) -> Select[Any]:
    """A row for each account and each of ``keys``."""
    sums = [cast(func.sum(source.c[name]), Integer).label(name) for name in names]
    return select(source.c.account_id, *keys, *sums).group_by(source.c.account_id, *keys)


def _parts(
    each: CTE, group: ColumnElement[Any], kinds: Collection[str], worth: CTE
) -> list[Select[Any]]:
    """Rows of accounts as ``Sums``: a query for each kind of vote."""
    every = [each.c[name] for name in _COUNTS]
    vote = case((each.c.account_id.is_not(None), _ONE))
    found = [_summed(EVERY, group, null(), every, vote).select_from(each)]
    if FIRST in kinds:
        first = [_of_first_role(each, name) for name in _COUNTS]
        found.append(_summed(FIRST, group, null(), first, vote).select_from(each))
    if WORTH in kinds:
        both = each.join(worth, worth.c.account_id == each.c.account_id)
        weight = cast(worth.c.cents, Float)
        query = _summed(WORTH, group, worth.c.currency, every, _ONE, weight)
        found.append(query.select_from(both))
    return found


def _of_first_role(each: CTE, name: str) -> ColumnElement[int]:
    """A count of an account's most influential role; one that is not known comes last."""
    places = range(len(INFLUENCE))
    found = [(each.c[f"n_{place}"] > 0, each.c[f"{name}_{place}"]) for place in places]
    return case(*found, else_=each.c[name])


def _summed(
    kind: str,
    group: ColumnElement[Any],
    currency: ColumnElement[Any],
    counts: Sequence[ColumnElement[Any]],
    vote: ColumnElement[float],
    weight: ColumnElement[float] | None = None,
) -> Select[Any]:
    """``Sums`` over accounts, of which those have a vote where ``vote`` is not empty."""
    n, up, down = counts
    # Not a decimal number, which PostgreSQL divides and adds up far more slowly.
    size = cast(n, Float)
    weight = vote if weight is None else weight
    mean = vote * (up - down) / size
    shares = vote * up / size, vote * down / size
    sums = (*shares, weight, weight * weight, weight * mean, weight * mean * mean)
    columns: list[ColumnElement[Any]] = [
        *(cast(func.sum(value), BigInteger) for value in counts),
        func.count(vote),
        *(func.coalesce(func.sum(value), 0.0) for value in sums),
    ]
    keys = cast(group, Text).label("grp"), cast(currency, Text).label("currency")
    query = select(literal(kind).label("kind"), *keys, *columns).having(func.count() > 0)
    return query.group_by(*[key for key in (group, currency) if not isinstance(key, Null)])


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
