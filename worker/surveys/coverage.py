"""Whose voice was heard: accounts, revenue, decision-makers; whom to ask next; and who renews.

Silence is an answer, too, so coverage comes before every score. Whether somebody answered is told
by the answers that name their account and by the invitations, which know it of anonymous answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    case,
    func,
    literal,
    null,
    or_,
    select,
    union,
    union_all,
)
from sqlalchemy.engine import Connection

from worker.catalogue.records import accounts, contacts, licences, preferences, terms
from worker.db.dates import DaysBefore
from worker.kernel.dates import Period
from worker.kernel.estimates import Estimate, share_of
from worker.surveys import counting, rules
from worker.surveys.numbers import GROUPS
from worker.surveys.records import invitations, responses

DECIDES = "decision-maker"
SILENT, NOT_ASKED = "silent", "not asked"
STANCES = (*GROUPS, SILENT, NOT_ASKED)
"""What an account's last answer in the year before an expiry said; or that it was asked and said
nothing; or that nobody asked."""

_NEXT = 10
_QUIET = timedelta(days=90)
_YEAR = timedelta(days=365)
_GRACE = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Part:
    """``heard`` of ``all``: accounts, decision-makers, or cents of ``currency``."""

    what: str
    heard: int
    all: int
    currency: str | None = None

    @property
    def share(self) -> float | None:
        return self.heard / self.all if self.all else None


@dataclass(frozen=True, slots=True)
class Stance:
    """How many of the licences that were due renewed, by what their account had said."""

    name: str
    renewed: int
    due: int

    @property
    def rate(self) -> Estimate:
        return share_of(self.renewed, self.due)


def coverage(conn: Connection, period: Period) -> list[Part]:
    """Of the accounts with active licences: how many were heard in the period, with how much
    revenue at today's amounts (currency by currency), and how many of their decision-makers."""
    heard, worth = _heard(period).cte("heard"), counting.revenue().cte("worth")
    clients = _clients()
    found = clients.outerjoin(heard, heard.c.account_id == clients.c.account_id)
    whole = select(null().label("currency"), func.count(heard.c.account_id), func.count())
    theirs = case((heard.c.account_id.is_not(None), worth.c.cents), else_=0)
    money = select(worth.c.currency, func.sum(theirs), func.sum(worth.c.cents))
    money = money.select_from(worth.outerjoin(heard, heard.c.account_id == worth.c.account_id))
    # One statement, so that the set of those who were heard is made once.
    both = union_all(whole.select_from(found), money.group_by(worth.c.currency))
    sums = {row[0]: (int(row[1]), int(row[2])) for row in conn.execute(both)}
    parts = [Part("accounts", *sums.pop(None))]
    parts += [Part("revenue", *sums[currency], currency) for currency in sorted(sums)]
    return [*parts, _decision_makers(conn, period, clients)]


def _decision_makers(conn: Connection, period: Period, clients: Any) -> Part:
    people = _people(period).cte("people")
    found = contacts.join(clients, clients.c.account_id == contacts.c.account_id).outerjoin(
        people, people.c.contact_id == contacts.c.id
    )
    query = select(func.count(people.c.contact_id), func.count()).select_from(found)
    return Part("decision-makers", *conn.execute(query.where(contacts.c.role == DECIDES)).one())


def _clients() -> Any:
    """The accounts that have an active licence; a set."""
    active = select(licences.c.account_id).where(licences.c.status == "active")
    return active.distinct().cte("clients")


def _heard(period: Period) -> Any:
    """The accounts that answered; a set."""
    said = select(responses.c.account_id).where(
        responses.c.account_id.is_not(None), *counting.counted(counting.Asked(period))
    )
    took_part = select(invitations.c.account_id).where(*_took_part(period))
    return union(said, took_part)


def _people(period: Period) -> Any:
    """The contacts that answered; a set."""
    said = select(responses.c.contact_id).where(
        responses.c.contact_id.is_not(None), *counting.counted(counting.Asked(period))
    )
    took_part = select(invitations.c.contact_id).where(
        invitations.c.contact_id.is_not(None), *_took_part(period)
    )
    return union(said, took_part)


def _took_part(period: Period) -> list[ColumnElement[bool]]:
    within = invitations.c.asked_on.between(period.first, period.last)
    return [within, invitations.c.answered]


def ask_next(conn: Connection, period: Period, today: date) -> list[Any]:
    """In each currency (``XXX``: without an amount), the accounts with most revenue that were not
    heard in the period and have somebody to ask: not asked in 90 days, with an address and without
    an opt-out.

    Rows have ``key``, ``name``, ``currency``, ``cents``, ``people`` and ``deciders`` to ask, and
    ``asked_on``, the day of the last question.
    """
    heard, worth = _heard(period).cte("heard"), counting.revenue().cte("worth")
    clients = _clients()
    last = (
        select(invitations.c.account_id, func.max(invitations.c.asked_on).label("asked_on"))
        .group_by(invitations.c.account_id)
        .cte("last")
    )
    currency = func.coalesce(worth.c.currency, counting.NO_CURRENCY).label("currency")
    cents = func.coalesce(worth.c.cents, 0).label("cents")
    place = func.row_number().over(
        partition_by=currency, order_by=(cents.desc(), clients.c.account_id)
    )
    unheard = (
        select(clients.c.account_id, currency, cents, last.c.asked_on, place.label("place"))
        .select_from(
            clients.outerjoin(worth, worth.c.account_id == clients.c.account_id)
            .outerjoin(heard, heard.c.account_id == clients.c.account_id)
            .outerjoin(last, last.c.account_id == clients.c.account_id)
        )
        .where(
            heard.c.account_id.is_(None),
            or_(last.c.asked_on.is_(None), last.c.asked_on < today - _QUIET),
            clients.c.account_id.in_(select(_reachable().subquery("may").c.account_id)),
        )
        .cte("unheard")
    )
    some = select(unheard).where(unheard.c.place <= _NEXT).cte("some")
    people = _reachable().subquery("people")
    deciders = func.sum(case((people.c.role == DECIDES, 1), else_=0))
    columns = [some.c[name] for name in ("currency", "cents", "asked_on")]
    query = (
        select(
            accounts.c.key,
            accounts.c.name,
            *columns,
            func.count().label("people"),
            deciders.label("deciders"),
        )
        .select_from(
            some.join(accounts, accounts.c.id == some.c.account_id).join(
                people, people.c.account_id == some.c.account_id
            )
        )
        .group_by(accounts.c.key, accounts.c.name, *columns)
        .order_by(some.c.currency, some.c.cents.desc(), accounts.c.key)
    )
    return list(conn.execute(query))


def _reachable() -> Select[Any]:
    """Contacts who may be asked at all."""
    free = or_(preferences.c.no_surveys.is_(None), ~preferences.c.no_surveys)
    return (
        select(contacts.c.id, contacts.c.account_id, contacts.c.role)
        .select_from(contacts.outerjoin(preferences, preferences.c.contact_id == contacts.c.id))
        .where(contacts.c.email.is_not(None), ~contacts.c.opt_out, free)
    )


def renewal_by_stance(conn: Connection, period: Period, today: date) -> list[Stance]:
    """Of the terms due in the period, how many were renewed, by what their account last said in the
    365 days before. What may still be renewed within 30 days of grace is left out.

    Anonymous answers say nothing of an account: those who gave them were asked and are silent.
    """
    due = _due(Period(period.first, min(period.last, today - _GRACE))).cte("due")
    renewed = func.sum(due.c.renewed)
    query = select(due.c.stance, renewed, func.count()).group_by(due.c.stance)
    found = {row[0]: (int(row[1]), row[2]) for row in conn.execute(query)}
    return [Stance(name, *found.get(name, (0, 0))) for name in STANCES]


def _due(period: Period) -> Select[Any]:
    later = terms.alias("later")
    follows = and_(
        later.c.licence_id == terms.c.licence_id,
        later.c.number == terms.c.number + 1,
        later.c.origin == "renewal",
    )
    return (
        select(
            case((later.c.id.is_not(None), 1), else_=0).label("renewed"),
            _stance().label("stance"),
        )
        .select_from(
            terms.join(licences, licences.c.id == terms.c.licence_id).outerjoin(later, follows)
        )
        .where(terms.c.expires_on.between(period.first, period.last), terms.c.number.is_not(None))
    )


def _stance() -> ColumnElement[str]:
    """What the account of a term had said by its last day."""
    vote = (
        select(responses.c.vote)
        .where(
            responses.c.account_id == licences.c.account_id,
            responses.c.judged == rules.HUMAN,
            responses.c.answered_on <= terms.c.expires_on,
            responses.c.answered_on > _year_before(),
        )
        .order_by(responses.c.answered_on.desc(), responses.c.id.desc())
        .limit(1)
        .correlate(licences, terms)
        .scalar_subquery()
    )
    was_asked = (
        select(literal(1))
        .where(
            invitations.c.account_id == licences.c.account_id,
            invitations.c.asked_on <= terms.c.expires_on,
            invitations.c.asked_on > _year_before(),
        )
        .correlate(licences, terms)
        .exists()
    )
    said = {1: GROUPS[0], 0: GROUPS[1], -1: GROUPS[2]}
    return case(
        *[(vote == worth, name) for worth, name in said.items()],
        (was_asked, SILENT),
        else_=NOT_ASKED,
    )


def _year_before() -> ColumnElement[date]:
    return DaysBefore(terms.c.expires_on, literal(_YEAR.days))


def heard_first(parts: Sequence[Part]) -> str:
    """The coverage in one sentence, with the account's share first."""
    whole, deciders = parts[0], parts[-1]
    if not whole.all:
        return "No account has an active licence."
    return (
        f"Heard from {whole.heard:,} of {whole.all:,} accounts and from {deciders.heard:,} of "
        f"{deciders.all:,} decision-makers."
    )
