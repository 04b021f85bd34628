"""Queries behind ``/v1``. Nothing here writes.

A person is a contact with an address, known by its key; an answer is known by its number. A
contact's answers are those that are named: of others nobody says whose they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, and_, case, func, or_, select
from sqlalchemy.engine import Connection

from worker.catalogue.records import accounts, contacts, preferences, suppressions
from worker.catalogue.suppressions import BOUNCED
from worker.db import bulk
from worker.kernel.dates import civil_date
from worker.surveys import rules
from worker.surveys.records import answer_extras, asked_for, invitations, responses

# --- people ---


def people() -> Select[Any]:
    """Everybody with an address, a column for each field of a person."""
    mine = contacts.c.id
    sent = select(func.max(invitations.c.asked_at)).where(invitations.c.contact_id == mine)
    back = select(func.max(responses.c.answered_at)).where(
        responses.c.contact_id == mine, responses.c.promise == rules.NAMED
    )
    coming = select(func.min(asked_for.c.next_at)).where(asked_for.c.contact_id == mine)
    return select(
        contacts.c.id,
        contacts.c.key,
        contacts.c.email,
        contacts.c.name,
        contacts.c.updated_at,
        accounts.c.key.label("account"),
        sent.scalar_subquery().label("sent_at"),
        back.scalar_subquery().label("answered_at"),
        coming.scalar_subquery().label("coming_at"),
    ).join_from(contacts, accounts, accounts.c.id == contacts.c.account_id)


REACHABLE = contacts.c.email.is_not(None)
"""Who is a person to Delighted."""


def person(conn: Connection, *where: ColumnElement[bool]) -> Any | None:
    """The one that fits; of several with one address, who stood first."""
    return conn.execute(people().where(*where).order_by(contacts.c.id).limit(1)).first()


def persons(conn: Connection, ids: Sequence[int]) -> dict[int, Any]:
    """These contacts by number."""
    if not ids:
        return {}
    rows = conn.execute(people().where(bulk.among(contacts.c.id, sorted(set(ids)))))
    return {row.id: row for row in rows}


def called(identifier: str) -> ColumnElement[bool] | None:
    """Who is meant by an id, ``email:…``; nobody has a ``phone_number:…`` here."""
    kind, colon, value = identifier.partition(":")
    if colon and kind == "email":
        return contacts.c.email == value.strip().lower()
    return None if colon and kind == "phone_number" else contacts.c.key == identifier


def next_request(conn: Connection, contact_ids: Sequence[int]) -> dict[int, Any]:
    """The request that comes next for each of these, where there is one."""
    if not contact_ids:
        return {}
    mine = bulk.among(asked_for.c.contact_id, list(contact_ids))
    query = select(asked_for).where(mine, asked_for.c.next_at.is_not(None))
    rows = conn.execute(query.order_by(asked_for.c.next_at.desc(), asked_for.c.id.desc()))
    return {row.contact_id: row for row in rows}


# --- answers ---


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which answers, and in which order."""

    zone: ZoneInfo
    schedule: str | None = None
    contacts: Sequence[int] | None = None
    since: datetime | None = None
    until: datetime | None = None
    updated_since: datetime | None = None
    updated_until: datetime | None = None
    falling: bool = False
    by_update: bool = False


_NAMED = responses.c.promise == rules.NAMED
_COUNTS = (responses.c.judged == rules.HUMAN, responses.c.answered_on.is_not(None))
_MADE = responses.c.answered_at
_CHANGED = case((_NAMED, func.coalesce(responses.c.changed_at, responses.c.answered_at)))


def _answers() -> Select[Any]:
    named = [contacts.c.key.label("person"), accounts.c.key.label("account")]
    extras = [answer_extras.c[name] for name in ("properties", "tags", "notes")]
    source = (
        responses.outerjoin(accounts, accounts.c.id == responses.c.account_id)
        .outerjoin(contacts, and_(contacts.c.id == responses.c.contact_id, _NAMED))
        .outerjoin(answer_extras, and_(answer_extras.c.response_id == responses.c.id, _NAMED))
        .outerjoin(asked_for, and_(asked_for.c.invitation_id == responses.c.invitation_id, _NAMED))
    )
    occasion = asked_for.c.properties.label("occasion")
    return select(responses, *named, *extras, occasion).select_from(source)


def answer(conn: Connection, number: int) -> Any | None:
    """The answer of that number, if it counts."""
    return conn.execute(_answers().where(responses.c.id == number, *_COUNTS)).first()


def answers(conn: Connection, wanted: Wanted, page: int, size: int) -> Sequence[Any]:
    """A page of answers that count. Of those of which the day alone may be known, the order within
    it is one by lot."""
    query = _answers().where(*_COUNTS)
    if wanted.schedule is not None:
        query = query.where(responses.c.schedule == wanted.schedule)
    if wanted.contacts is not None:
        query = query.where(bulk.among(responses.c.contact_id, list(wanted.contacts)), _NAMED)
    for column, since, until in (
        (_MADE, wanted.since, wanted.until),
        (_CHANGED, wanted.updated_since, wanted.updated_until),
    ):
        query = query.where(*_between(column, since, until, wanted.zone))
    if wanted.since is not None:  # what the index knows
        query = query.where(responses.c.answered_on >= civil_date(wanted.since, wanted.zone))
    return conn.execute(_ordered(query, wanted).limit(size).offset((page - 1) * size)).all()


def _between(
    column: ColumnElement[Any], since: datetime | None, until: datetime | None, zone: ZoneInfo
) -> list[ColumnElement[bool]]:
    """An answer without a moment counts as of the first one of its day in the zone of the book."""
    found: list[ColumnElement[bool]] = []
    if since is not None:
        day = civil_date(since, zone)
        if since > beginning(day, zone):
            day += timedelta(days=1)
        dayless = and_(column.is_(None), responses.c.answered_on >= day)
        found.append(or_(column >= since, dayless))
    if until is not None:
        dayless = and_(column.is_(None), responses.c.answered_on <= civil_date(until, zone))
        found.append(or_(column <= until, dayless))
    return found


def beginning(day: date, zone: ZoneInfo) -> datetime:
    """The first moment of a day."""
    return datetime.combine(day, time(), zone)


def _ordered(query: Select[Any], wanted: Wanted) -> Select[Any]:
    id_, day = responses.c.id, responses.c.answered_on
    moment: ColumnElement[Any] = _CHANGED if wanted.by_update else _MADE
    columns = [moment, day, id_] if wanted.by_update else [day, moment, id_]
    if wanted.falling:
        return query.order_by(*[column.desc().nulls_last() for column in columns])
    return query.order_by(*[column.asc().nulls_first() for column in columns])


def knows_schedule(conn: Connection, schedule: str) -> bool:
    """Whether anything was asked or answered under that name."""
    return any(
        conn.execute(select(table.c.id).where(table.c.schedule == schedule).limit(1)).first()
        for table in (responses, invitations)
    )


def last_day(conn: Connection, schedule: str | None) -> date | None:
    """The day of the latest answer that counts."""
    query = select(func.max(responses.c.answered_on)).where(*_COUNTS)
    if schedule is not None:
        query = query.where(responses.c.schedule == schedule)
    found: date | None = conn.scalar(query)
    return found


# --- who is not written to ---


def unsubscribed() -> Select[Any]:
    """People who do not want to be asked: ``at`` is since when."""
    return (
        select(contacts.c.key, contacts.c.email, contacts.c.name)
        .add_columns(preferences.c.updated_at.label("at"), contacts.c.id)
        .join_from(contacts, preferences, preferences.c.contact_id == contacts.c.id)
        .where(preferences.c.no_surveys, REACHABLE)
    )


def bounced() -> Select[Any]:
    """People whose address bounced: ``at`` is when."""
    return (
        select(contacts.c.key, contacts.c.email, contacts.c.name)
        .add_columns(suppressions.c.at.label("at"), contacts.c.id)
        .join_from(contacts, suppressions, suppressions.c.address == contacts.c.email)
        .where(suppressions.c.reason == BOUNCED)
    )
