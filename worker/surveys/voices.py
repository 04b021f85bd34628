"""The queries behind coverage: which accounts and people of the book were heard, and whom to ask.

Whether somebody answered is told by the answers that name their account and by the invitations,
which know it of anonymous answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Date,
    Select,
    Text,
    and_,
    case,
    cast,
    func,
    literal,
    null,
    or_,
    select,
    union,
)

from worker.catalogue.records import accounts, contacts, licences, preferences
from worker.db import bulk
from worker.kernel.dates import Period
from worker.surveys import voting
from worker.surveys.counting import Asked, counted
from worker.surveys.records import invitations, responses

DECIDES = "decision-maker"
ACCOUNTS, REVENUE, UNHEARD = "accounts", "revenue", "unheard"
"""What a row of ``Voices`` is about."""

_NEXT = 10
_QUIET = timedelta(days=90)


class Voices:
    """The accounts with an active licence, what they are worth, and whether they were heard.

    Its queries make one statement, so that the set of those who were heard is made once. Their rows
    have ``what``, ``currency``, ``one``, ``other`` and ``asked_on``.
    """

    def __init__(self, period: Period) -> None:
        self._clients, self._worth = _clients(period).cte("clients"), voting.revenue().cte("worth")

    def shares(self) -> list[Select[Any]]:
        """Of how many accounts, and of how many cents in each currency: ``one`` was heard, of
        ``other`` in all."""
        clients, worth = self._clients, self._worth
        whole = _row(ACCOUNTS, null(), func.count(clients.c.heard), func.count())
        theirs = case((clients.c.heard.is_not(None), worth.c.cents), else_=0)
        money = _row(REVENUE, worth.c.currency, func.sum(theirs), func.sum(worth.c.cents))
        both = worth.join(clients, clients.c.account_id == worth.c.account_id)
        return [
            whole.select_from(clients),
            money.select_from(both).group_by(worth.c.currency),
        ]

    def unheard(self, today: date) -> Select[Any]:
        """In each currency those of them with most revenue who were not heard, were not asked
        lately and may be asked: ``one`` is their cents, ``other`` the number of the account."""
        clients, worth = self._clients, self._worth
        currency = func.coalesce(worth.c.currency, voting.NO_CURRENCY).label("currency")
        cents = func.coalesce(worth.c.cents, 0).label("cents")
        place = func.row_number().over(
            partition_by=currency, order_by=(cents.desc(), clients.c.account_id)
        )
        some = (
            select(clients.c.account_id, currency, cents, clients.c.asked_on, place.label("place"))
            .select_from(clients.outerjoin(worth, worth.c.account_id == clients.c.account_id))
            .where(
                clients.c.heard.is_(None),
                or_(clients.c.asked_on.is_(None), clients.c.asked_on < today - _QUIET),
                clients.c.account_id.in_(select(_reachable().subquery("may").c.account_id)),
            )
            .subquery("some")
        )
        columns = some.c.currency, some.c.cents, some.c.account_id, some.c.asked_on
        return _row(UNHEARD, *columns).where(some.c.place <= _NEXT)


def _row(
    what: str,
    currency: ColumnElement[Any],
    one: ColumnElement[Any],
    other: ColumnElement[Any],
    asked_on: ColumnElement[Any] | None = None,
) -> Select[Any]:
    return select(
        literal(what, Text).label("what"),
        cast(currency, Text).label("currency"),
        cast(one, BigInteger).label("one"),
        cast(other, BigInteger).label("other"),
        (cast(null(), Date) if asked_on is None else asked_on).label("asked_on"),
    )


def _clients(period: Period) -> Select[Any]:
    """A row for each account that has an active licence: ``heard`` is not empty where it answered
    in the period, ``asked_on`` the day of the last question.

    Answers are looked for where no invitation tells of one: most answer what they were asked.
    """
    took_part = case((_took_part(period), 1))
    last = func.max(invitations.c.asked_on).label("asked_on")
    asked = (
        select(invitations.c.account_id, last, func.max(took_part).label("heard"))
        .group_by(invitations.c.account_id)
        .subquery("asked")
    )
    said = (
        select(literal(1))
        .where(responses.c.account_id == accounts.c.id, *counted(Asked(period)))
        .limit(1)
        .correlate(accounts)
        .scalar_subquery()
    )
    heard = func.coalesce(asked.c.heard, said).label("heard")
    both = accounts.outerjoin(asked, asked.c.account_id == accounts.c.id)
    query = select(accounts.c.id.label("account_id"), asked.c.asked_on, heard).select_from(both)
    return query.where(accounts.c.id.in_(_active()))


def _active() -> Select[Any]:
    """The accounts that have an active licence; a set."""
    return select(licences.c.account_id).where(licences.c.status == "active")


def decision_makers(period: Period) -> Select[Any]:
    """How many decision-makers of those accounts answered, of how many."""
    people = _people(period).cte("people")
    found = contacts.outerjoin(people, people.c.contact_id == contacts.c.id)
    counts: list[ColumnElement[Any]] = [func.count(people.c.contact_id), func.count()]
    query = select(*counts).select_from(found)
    return query.where(contacts.c.role == DECIDES, contacts.c.account_id.in_(_active()))


def _people(period: Period) -> Any:
    """The contacts that answered; a set."""
    said = select(responses.c.contact_id).where(
        responses.c.contact_id.is_not(None), *counted(Asked(period))
    )
    took_part = select(invitations.c.contact_id).where(
        invitations.c.contact_id.is_not(None), _took_part(period)
    )
    return union(said, took_part)


def _took_part(period: Period) -> ColumnElement[bool]:
    return and_(invitations.c.asked_on.between(period.first, period.last), invitations.c.answered)


def askable(ids: Sequence[int]) -> Select[Any]:
    """How many ``people`` of these accounts may be asked, and how many ``deciders`` among them."""
    people = _reachable().subquery("people")
    deciders = func.sum(case((people.c.role == DECIDES, 1), else_=0))
    columns = accounts.c.id, accounts.c.key, accounts.c.name
    return (
        select(*columns, func.count().label("people"), deciders.label("deciders"))
        .select_from(accounts.join(people, people.c.account_id == accounts.c.id))
        .where(bulk.among(accounts.c.id, ids))
        .group_by(*columns)
        .order_by(accounts.c.key)
    )


def _reachable() -> Select[Any]:
    """Contacts who may be asked at all."""
    free = or_(preferences.c.no_surveys.is_(None), ~preferences.c.no_surveys)
    return (
        select(contacts.c.id, contacts.c.account_id, contacts.c.role)
        .select_from(contacts.outerjoin(preferences, preferences.c.contact_id == contacts.c.id))
        .where(contacts.c.email.is_not(None), ~contacts.c.opt_out, free)
    )
