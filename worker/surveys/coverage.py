"""Whose voice was heard: accounts, revenue, decision-makers; whom to ask next; and who renews.

Silence is an answer, too, so coverage comes before every score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, func, literal, select, union_all
from sqlalchemy.engine import Connection

from worker.catalogue.records import licences, terms
from worker.db.dates import DaysBefore
from worker.db.engine import settle_in
from worker.kernel.dates import Period
from worker.kernel.estimates import Estimate, share_of
from worker.surveys import rules, voices
from worker.surveys.numbers import GROUPS
from worker.surveys.records import invitations, responses
from worker.surveys.voices import UNHEARD, Voices

DECIDES = voices.DECIDES
SILENT, NOT_ASKED = "silent", "not asked"
STANCES = (*GROUPS, SILENT, NOT_ASKED)
"""What an account's last answer in the year before an expiry said; or that it was asked and said
nothing; or that nobody asked."""

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


@dataclass(frozen=True, slots=True)
class ToAsk:
    """An account that was not heard: how many ``people`` may be asked, ``deciders`` among them, and
    ``asked_on``, the day of the last question."""

    key: str
    name: str
    currency: str
    cents: int
    people: int
    deciders: int
    asked_on: date | None


def read(conn: Connection, period: Period, today: date) -> tuple[list[Part], list[ToAsk]]:
    """``coverage`` and ``ask_next``, with one pass over the answers."""
    book = Voices(period)
    rows = _rows(conn, [*book.shares(), book.unheard(today)])
    return _parts(conn, rows, period), _to_ask(conn, rows)


def coverage(conn: Connection, period: Period) -> list[Part]:
    """Of the accounts with active licences: how many were heard in the period, with how much
    revenue at today's amounts (currency by currency), and how many of their decision-makers."""
    return _parts(conn, _rows(conn, Voices(period).shares()), period)


def ask_next(conn: Connection, period: Period, today: date) -> list[ToAsk]:
    """In each currency (``XXX``: without an amount), the accounts with most revenue that were not
    heard in the period and have somebody to ask: not asked in 90 days, with an address and without
    an opt-out."""
    return _to_ask(conn, _rows(conn, [Voices(period).unheard(today)]))


def _rows(conn: Connection, queries: Sequence[Select[Any]]) -> Sequence[Any]:
    settle_in(conn)
    return conn.execute(union_all(*queries)).all()


def _parts(conn: Connection, rows: Sequence[Any], period: Period) -> list[Part]:
    shares = [row for row in rows if row.what != UNHEARD]
    found = [
        Part(row.what, int(row.one), int(row.other), row.currency)
        for row in sorted(shares, key=lambda row: row.currency or "")
    ]
    heard, every = conn.execute(voices.decision_makers(period)).one()
    return [*found, Part("decision-makers", heard, every)]


def _to_ask(conn: Connection, rows: Sequence[Any]) -> list[ToAsk]:
    some = [row for row in rows if row.what == UNHEARD]
    if not some:
        return []
    who = conn.execute(voices.askable([row.other for row in some])).all()
    found = [
        ToAsk(one.key, one.name, row.currency, row.one, one.people, int(one.deciders), row.asked_on)
        for one in who
        for row in some
        if row.other == one.id
    ]
    return sorted(found, key=lambda one: (one.currency, -one.cents))


def renewal_by_stance(conn: Connection, period: Period, today: date) -> list[Stance]:
    """Of the terms due in the period, how many were renewed, by what their account last said in the
    365 days before. What may still be renewed within 30 days of grace is left out.

    Anonymous answers say nothing of an account: those who gave them were asked and are silent.
    """
    due = Period(period.first, min(period.last, today - _GRACE))
    said = dict(zip((1, 0, -1, _SILENT, _NOT_ASKED), STANCES, strict=True))
    found = {said[row[0]]: (row[1], row[2]) for row in conn.execute(_due(due))}
    return [Stance(name, *found.get(name, (0, 0))) for name in STANCES]


_SILENT, _NOT_ASKED = 2, 3
"""Beside the three votes."""


def _due(period: Period) -> Select[Any]:
    """By what was said: how many terms were renewed, and how many were due."""
    later = terms.alias("later")
    follows = and_(
        later.c.licence_id == terms.c.licence_id,
        later.c.number == terms.c.number + 1,
        later.c.origin == "renewal",
    )
    counts: list[ColumnElement[Any]] = [func.count(later.c.id), func.count()]
    return (
        select(_stance().label("stance"), *counts)
        .select_from(
            terms.join(licences, licences.c.id == terms.c.licence_id).outerjoin(later, follows)
        )
        .where(terms.c.expires_on.between(period.first, period.last), terms.c.number.is_not(None))
        .group_by("stance")
    )


def _stance() -> ColumnElement[int]:
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
    # One expression, so that the answer is looked for once.
    return func.coalesce(vote, case((was_asked, _SILENT), else_=_NOT_ASKED))


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
