"""The terms that were due, one row each, as SQL: the question that all figures are counted from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Date,
    Float,
    FromClause,
    Select,
    Subquery,
    and_,
    case,
    cast,
    func,
    literal,
    literal_column,
    select,
    type_coerce,
)

from worker.cadence.records import LICENCE, steps, walks
from worker.catalogue.records import accounts, licences, terms
from worker.catalogue.rules import RETURN_AFTER_DAYS, UNKNOWN_LENGTH_DAYS
from worker.db.dates import Day, Days, Month
from worker.kernel.dates import Period
from worker.outbox.records import messages

GROUPS: Mapping[str, ColumnElement[Any]] = {
    "segment": accounts.c.segment,
    "product": licences.c.product,
    "vendor": licences.c.vendor,
    "country": accounts.c.country,
    "account-manager": accounts.c.account_manager,
    "renewal-manager": accounts.c.renewal_manager,
}
MONTH = "month"
NO_CURRENCY = "XXX"  # ISO 4217: no currency is meant


@dataclass(frozen=True, slots=True)
class Asked:
    """What is counted: terms due in ``period`` as the book knows them on ``today``.

    ``grace`` and ``within`` are days; ``by`` is a key of ``GROUPS``, ``month``, or nothing.
    """

    period: Period
    today: date
    by: str | None = None
    grace: int = 30
    within: int = 14


_later = terms.alias("later")


def due(period: Period) -> ColumnElement[bool]:
    """Whether a term is one of those that are counted."""
    return terms.c.expires_on.between(period.first, period.last)


def following(period: Period) -> Subquery:
    """The term that follows each due one, whose id is ``after``: the first that ends later.

    Found for all of them at once: a look-up for each takes longer than all that is counted.
    """
    order = func.row_number().over(
        partition_by=terms.c.id, order_by=(_later.c.expires_on, _later.c.id)
    )
    same = and_(_later.c.licence_id == terms.c.licence_id, _later.c.expires_on > terms.c.expires_on)
    columns = [_later.c[name] for name in ("id", "starts_on", "expires_on", "closed_on")]
    every = (
        select(terms.c.id.label("after"), *columns, order.label("place"))
        .select_from(terms.join(_later, same))
        .where(due(period))
        .subquery("every")
    )
    return select(every).where(every.c.place == 1).subquery("next")


def due_terms(after: FromClause) -> FromClause:
    """Terms with their licence, its account, and the term that follows, if any."""
    return (
        terms.join(licences, licences.c.id == terms.c.licence_id)
        .join(accounts, accounts.c.id == licences.c.account_id)
        .outerjoin(after, after.c.after == terms.c.id)
    )


def _gap(after: FromClause) -> ColumnElement[int]:
    """Days from the due date to the start of the next term; one without a start is taken to last
    a year, and never to begin before the due date."""
    length = Days(after.c.expires_on, terms.c.expires_on)
    assumed = case((length > UNKNOWN_LENGTH_DAYS, length - UNKNOWN_LENGTH_DAYS), else_=0)
    return case(
        (after.c.starts_on.is_not(None), Days(after.c.starts_on, terms.c.expires_on)),
        else_=assumed,
    )


def renewed(after: FromClause) -> ColumnElement[bool]:
    """Whether the term that follows is a renewal, not a return."""
    return and_(after.c.id.is_not(None), _gap(after) <= RETURN_AFTER_DAYS)


def closed_on(after: FromClause) -> ColumnElement[date]:
    """The day on which the renewal was agreed; without it, the one on which it starts."""
    return func.coalesce(after.c.closed_on, after.c.starts_on, terms.c.expires_on)


today_cents = cast(
    func.round(type_coerce(licences.c.amount, Float) * literal_column("100")), BigInteger
)


def _outcome(asked: Asked, after: FromClause) -> ColumnElement[str]:
    overdue = Days(literal(asked.today, Date), terms.c.expires_on)
    return case(
        (renewed(after), "renewed"),
        (licences.c.status != "active", "lost"),
        (overdue > asked.grace, "leaked"),
        else_="open",
    )


walked = and_(
    walks.c.subject == LICENCE,
    walks.c.subject_id == terms.c.licence_id,
    walks.c.cycle == terms.c.number,
)
"""Whether a walk is one of the term's."""


def _notice() -> ColumnElement[int]:
    """How many days before the due date the deadline lies: the notice, where one must be given."""
    return case((licences.c.auto_renew, func.coalesce(licences.c.notice_days, 0)), else_=0)


BY_TERM = (terms.c.expires_on, terms.c.id)
"""What the rows of a term are grouped by; together they are an index."""


def _told(period: Period) -> Subquery:
    """For each due term, by ``id``, whether a mail about it was accepted before the deadline.

    Before by the client's own day, and by the end of that day in UTC: midnight of any zone lies
    within. A survey is no notice. SQLite joins outer tables last, and by the grouping it takes the
    terms from the index of the period: so it reads no more than that.
    """
    in_time = and_(
        messages.c.kind != "survey",
        Days(terms.c.expires_on, messages.c.day) > _notice(),
        Days(terms.c.expires_on, Day(messages.c.accepted_at)) >= _notice(),
    )
    found = (
        terms.join(licences, licences.c.id == terms.c.licence_id)
        .outerjoin(walks, walked)
        .outerjoin(steps, steps.c.walk_id == walks.c.id)
        .outerjoin(messages, messages.c.mail_key == steps.c.mail_key)
    )
    told = select(terms.c.id, func.max(flag(in_time)).label("told")).select_from(found)
    return told.where(due(period)).group_by(*BY_TERM).subquery("told")


def group_of(by: str | None) -> ColumnElement[Any]:
    if by is None:
        return literal("")
    if by == MONTH:
        return Month(terms.c.expires_on)
    return func.coalesce(GROUPS[by], "")


def flag(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return case((condition, 1), else_=0)


def cohort_of(asked: Asked) -> Select[Any]:
    """The terms that were due, one row each: what became of them, how late, told or not, worth."""
    after, told = following(asked.period), _told(asked.period)
    valued = licences.c.amount.is_not(None) & (today_cents >= 0)
    seen = Days(terms.c.expires_on, Day(terms.c.seen_at)) > _notice()
    late = Days(closed_on(after), terms.c.expires_on)
    return (
        select(
            group_of(asked.by).label("grp"),
            licences.c.account_id,
            func.coalesce(licences.c.currency, NO_CURRENCY).label("currency"),
            _outcome(asked, after).label("outcome"),
            case((renewed(after), late)).label("late"),
            flag(after.c.closed_on.is_not(None)).label("known"),
            told.c.told.label("covered"),
            flag(seen).label("seen"),
            flag(valued).label("valued"),
            case((valued, today_cents), else_=0).label("cents"),
        )
        .select_from(due_terms(after).join(told, told.c.id == terms.c.id))
        .where(due(asked.period))
    )
