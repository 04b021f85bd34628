"""Reading the book as it was known on a day, and what of it a forecast has to look at.

A term is unknown until the first moment of its ``closed_on`` (without it, its start; without
either, its predecessor's expiry) in the account's zone. The first term is always known, and what
stands in the book now is known from now on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

from sqlalchemy import CompoundSelect, Row, and_, func, select, union
from sqlalchemy.engine import Connection

from worker.cadence.records import LICENCE, walks
from worker.catalogue.records import licences, terms
from worker.db import bulk
from worker.kernel.dates import zone
from worker.schedules.calendar import wall_moment


@dataclass(frozen=True, slots=True)
class KnownTerm:
    """A numbered term, and since when it is known (``None``: always)."""

    number: int
    starts_on: date | None
    expires_on: date
    closed_on: date | None
    known_at: datetime | None


def known_terms(rows: Iterable[Row[Any]], timezone: str, now: datetime) -> list[KnownTerm]:
    """The numbered terms of one licence, in order, each with the moment it became known."""
    out: list[KnownTerm] = []
    tz = zone(timezone)
    for row in sorted((r for r in rows if r.number is not None), key=lambda r: r.number):
        moment = None
        if out:
            day = row.closed_on or row.starts_on or out[-1].expires_on
            moment = min(wall_moment(day, time(0), tz), now.astimezone(UTC))
        out.append(KnownTerm(row.number, row.starts_on, row.expires_on, row.closed_on, moment))
    return out


def term_as_of(known: Sequence[KnownTerm], moment: datetime) -> KnownTerm:
    """The current term as one knew it at ``moment``."""
    return [term for term in known if term.known_at is None or term.known_at <= moment][-1]


def terms_of(conn: Connection, licence_ids: Sequence[int]) -> dict[int, list[Row[Any]]]:
    """The numbered terms of licences by licence id."""
    names = ("licence_id", "number", "starts_on", "expires_on", "closed_on")
    where = bulk.among(terms.c.licence_id, licence_ids)
    found: dict[int, list[Row[Any]]] = {}
    query = select(*[terms.c[name] for name in names]).where(where, terms.c.number.is_not(None))
    for row in conn.execute(query):
        found.setdefault(row.licence_id, []).append(row)
    return found


def licence_ids(conn: Connection, first: date, last: date) -> list[int]:
    """Licences with any term that expires from ``first`` to ``last``."""
    inside = terms.c.expires_on.between(first, last)
    found = union(  # not an OR: beyond some size PostgreSQL would search the terms for each licence
        select(licences.c.id).where(licences.c.expires_on.between(first, last)),
        select(terms.c.licence_id).where(inside),
    ).subquery()
    return list(conn.execute(select(found.c.id).order_by(found.c.id)).scalars())


def acting_accounts(conn: Connection, schedules: Collection[str], until: datetime) -> list[int]:
    """Accounts with a walk of their own on one of these schedules that is due before ``until``."""
    found: set[int] = set()
    for stem in sorted(schedules):
        query = select(walks.c.account_id).where(
            walks.c.account_id.is_not(None), walks.c.schedule == stem, walks.c.next_at < until
        )
        found |= set(conn.execute(query).scalars())
    return sorted(found)


def sampled(conn: Connection, ids: Sequence[int], one_in: int) -> list[int]:
    """Those of the licences ``ids`` whose account is one in ``one_in``, always the same ones."""
    chosen = select(licences.c.id).where(licences.c.account_id % one_in == 0)
    found: list[int] = []
    for chunk in bulk.chunks(ids):
        where = bulk.among(licences.c.id, list(chunk))
        found += conn.execute(chosen.where(where)).scalars()
    return found


def acting_count(conn: Connection, until: datetime) -> int:
    """About how many licences something is decided about before ``until``."""
    acting = _acting(until).subquery()
    return conn.execute(select(func.count()).select_from(acting)).scalar_one()


def acting_ids(conn: Connection, until: datetime, one_in: int = 1) -> list[int]:
    """Licences about which something is decided before ``until``: a walk of theirs is due, they
    changed, or they renew by themselves. Of one account in ``one_in``, always the same ones."""
    acting = _acting(until).subquery()
    query = select(licences.c.id).join(acting, acting.c.id == licences.c.id)
    if one_in > 1:
        query = query.where(licences.c.account_id % one_in == 0)
    return list(conn.execute(query.order_by(licences.c.id)).scalars())


def _acting(until: datetime) -> CompoundSelect[Any]:
    """Their ids, each once."""
    renews = and_(
        licences.c.auto_renew,
        licences.c.status == "active",
        licences.c.expires_on <= until.date(),
    )
    return union(
        select(walks.c.subject_id.label("id")).where(
            walks.c.subject == LICENCE, walks.c.next_at < until
        ),
        select(licences.c.id).where(licences.c.changed),
        select(licences.c.id).where(renews),
    )
