"""What counts as a client, a sale and a contact, as SQL that all questions are asked in.

- A client is *active* on a day when one of its licences is in force, or ran out at most 30 days
  before without being cancelled; or when it ordered in the 365 days up to that day.
- A *sale* is a day on which a term was agreed (``closed_on``, else its start), or goods were
ordered. - A *contact* is a mail that was accepted for one of its people, or a task about it that a
  person of ours closed.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Date,
    Float,
    Select,
    Text,
    and_,
    case,
    cast,
    func,
    literal,
    literal_column,
    or_,
    select,
    type_coerce,
    union,
    union_all,
)

from worker.catalogue.records import accounts, contacts, licences, order_days, terms
from worker.catalogue.rules import UNKNOWN_LENGTH_DAYS
from worker.db.dates import Day, DaysBefore
from worker.kernel.dates import Period
from worker.outbox.records import messages
from worker.surveys.counting import of_account
from worker.worklist.records import tasks

GRACE = timedelta(days=30)
YEAR = timedelta(days=365)

CONTRACTUAL, COMMERCIAL, SURVEY, PERSON = CHANNELS = (
    *("contractual", "commercial"),
    *("survey", "person"),
)
"""Ways to a client: mails by their class, and people of ours."""

AGAIN = ("renewal", "return")
"""Terms for which a client came back."""


def on(day: date) -> ColumnElement[date]:
    return literal(day, Date)


def flag(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return case((condition, literal_column("1")), else_=literal_column("0"))


def in_force(day: date) -> ColumnElement[bool]:
    """Whether a term runs on the day, or ran out within grace and was not cancelled."""
    unknown = and_(
        terms.c.starts_on.is_(None),
        terms.c.expires_on <= on(day + timedelta(days=UNKNOWN_LENGTH_DAYS)),
    )
    begun = or_(terms.c.starts_on <= on(day), unknown)
    in_grace = and_(licences.c.status == "active", terms.c.expires_on >= on(day - GRACE))
    return and_(begun, or_(terms.c.expires_on > on(day), in_grace))


def ordered(day: date) -> ColumnElement[bool]:
    """Whether a row of orders lies in the 365 days up to the day."""
    return order_days.c.day.between(on(day - YEAR + timedelta(days=1)), on(day))


agreed_on: ColumnElement[date] = func.coalesce(
    terms.c.closed_on,
    terms.c.starts_on,
    DaysBefore(terms.c.expires_on, literal(UNKNOWN_LENGTH_DAYS)),
    type_=Date,
)
"""The day on which a term was sold."""

is_order = order_days.c.orders > 0
"""A day of credit notes alone is no order."""

net_cents = cast(
    func.round(type_coerce(order_days.c.net, Float) * literal_column("100")), BigInteger
)


def group_of(by: str | None) -> ColumnElement[Any]:
    """The group of an account, as the book has it today."""
    if by is None:
        return literal("", Text)
    if by == "channel":
        return of_account(by)
    return func.coalesce(accounts.c[by.replace("-", "_")], "")


def sales(period: Period) -> Select[Any]:
    """Each day of the period on which an account bought: ``account_id`` and ``day``, once."""
    licensed = (
        select(licences.c.account_id, agreed_on.label("day"))
        .select_from(terms.join(licences, licences.c.id == terms.c.licence_id))
        .where(agreed_on.between(on(period.first), on(period.last)))
    )
    ordering = select(order_days.c.account_id, order_days.c.day.label("day")).where(
        is_order, order_days.c.day.between(on(period.first), on(period.last))
    )
    return select(union(licensed, ordering).subquery("sales"))


def touches(period: Period) -> Select[Any]:
    """Each contact of the period: ``account_id``, ``day`` and ``channel``."""
    mails = (
        select(contacts.c.account_id, messages.c.day.label("day"), messages.c.kind.label("channel"))
        .select_from(messages.join(contacts, contacts.c.id == messages.c.contact_id))
        .where(
            messages.c.day.between(on(period.first), on(period.last)),
            messages.c.accepted_at.is_not(None),
        )
    )
    closed = Day(tasks.c.closed_at)
    people = select(
        tasks.c.account_id, closed.label("day"), literal(PERSON, Text).label("channel")
    ).where(
        tasks.c.account_id.is_not(None),
        tasks.c.closed_by.is_not(None),
        closed.between(on(period.first), on(period.last)),
    )
    return select(union_all(mails, people).subquery("touches"))
