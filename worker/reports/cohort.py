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
    and_,
    case,
    cast,
    exists,
    func,
    literal,
    literal_column,
    select,
    type_coerce,
)

from worker.cadence.records import steps, walks
from worker.catalogue.records import accounts, licences, terms
from worker.catalogue.rules import RETURN_AFTER_DAYS, UNKNOWN_LENGTH_DAYS
from worker.kernel.dates import Period
from worker.outbox.records import messages
from worker.reports.dates import Day, Days, Month

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
following = terms.alias("next")
following_id = (
    select(_later.c.id)
    .where(_later.c.licence_id == terms.c.licence_id, _later.c.expires_on > terms.c.expires_on)
    .order_by(_later.c.expires_on)
    .limit(1)
    .correlate(terms)
    .scalar_subquery()
)


def due_terms() -> FromClause:
    """Terms with their licence, its account, and the term that follows, if any."""
    return (
        terms.join(licences, licences.c.id == terms.c.licence_id)
        .join(accounts, accounts.c.id == licences.c.account_id)
        .outerjoin(following, following.c.id == following_id)
    )


def _gap() -> ColumnElement[int]:
    """Days from the due date to the start of the next term; one without a start is taken to last
    a year, and never to begin before the due date."""
    length = Days(following.c.expires_on, terms.c.expires_on)
    assumed = case((length > UNKNOWN_LENGTH_DAYS, length - UNKNOWN_LENGTH_DAYS), else_=0)
    return case(
        (following.c.starts_on.is_not(None), Days(following.c.starts_on, terms.c.expires_on)),
        else_=assumed,
    )


renewed = and_(following.c.id.is_not(None), _gap() <= RETURN_AFTER_DAYS)
closed_on = func.coalesce(following.c.closed_on, following.c.starts_on, terms.c.expires_on)
today_cents = cast(
    func.round(type_coerce(licences.c.amount, Float) * literal_column("100")), BigInteger
)


def _outcome(asked: Asked) -> ColumnElement[str]:
    overdue = Days(literal(asked.today, Date), terms.c.expires_on)
    return case(
        (renewed, "renewed"),
        (licences.c.status != "active", "lost"),
        (overdue > asked.grace, "leaked"),
        else_="open",
    )


def _notice() -> ColumnElement[int]:
    """How many days before the due date the deadline lies: the notice, where one must be given."""
    return case((licences.c.auto_renew, func.coalesce(licences.c.notice_days, 0)), else_=0)


def _covered() -> ColumnElement[bool]:
    """Whether a mail about the term was accepted before its deadline.

    Before by the client's own day, and by the end of that day in UTC: midnight of any zone lies
    within. A survey is no notice.
    """
    told: Select[Any] = (
        select(literal_column("1"))
        .select_from(
            walks.join(steps, steps.c.walk_id == walks.c.id).join(
                messages, messages.c.mail_key == steps.c.mail_key
            )
        )
        .where(
            walks.c.subject_id == terms.c.licence_id,
            walks.c.cycle == terms.c.number,
            messages.c.kind != "survey",
            Days(terms.c.expires_on, messages.c.day) > _notice(),
            Days(terms.c.expires_on, Day(messages.c.accepted_at)) >= _notice(),
        )
        .correlate(terms, licences)
    )
    return exists(told)


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
    valued = licences.c.amount.is_not(None) & (today_cents >= 0)
    seen = Days(terms.c.expires_on, Day(terms.c.seen_at)) > _notice()
    return (
        select(
            group_of(asked.by).label("grp"),
            licences.c.account_id,
            func.coalesce(licences.c.currency, NO_CURRENCY).label("currency"),
            _outcome(asked).label("outcome"),
            case((renewed, Days(closed_on, terms.c.expires_on))).label("late"),
            flag(following.c.closed_on.is_not(None)).label("known"),
            flag(_covered()).label("covered"),
            flag(seen).label("seen"),
            flag(valued).label("valued"),
            case((valued, today_cents), else_=0).label("cents"),
        )
        .select_from(due_terms())
        .where(terms.c.expires_on.between(asked.period.first, asked.period.last))
    )
