"""Queries of the page of one account. Their cost is that of the account, not of the book."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    and_,
    bindparam,
    func,
    literal,
    or_,
    select,
    tuple_,
    union,
    union_all,
)
from sqlalchemy.engine import Connection

from worker.cadence.records import of_licence, returned, steps, walks
from worker.catalogue.records import accounts, contacts, licences, stops, terms
from worker.clients.records import answers
from worker.db import bulk
from worker.db.prepared import Prepared
from worker.desk.story import Place
from worker.outbox.records import LETTER, SHOWN, messages
from worker.outbox.rules import DUE, SENDING
from worker.worklist.records import tasks

OPENED, CLOSED, MAILED, ANSWERED, STOPPED, LIFTED, TERMS, SURVEYED = range(8)
RETURNED, UNSILENCED, SILENT, PLANNED = range(8, 12)
"""The sources of a story, in the order in which they stand at one moment."""
_MOST_STOPS = 200

this_account = bindparam("account", type_=Integer())
"""The account that every statement here is about."""
MOST = bindparam("most", type_=Integer())

_ACCOUNT = Prepared(select(accounts).where(accounts.c.key == bindparam("key")))


def account(conn: Connection, key: str) -> Any | None:
    """The account of that key, or ``None``."""
    if "\0" in key:  # which PostgreSQL cannot be asked about
        return None
    return next(iter(_ACCOUNT.rows(conn, key=key)), None)


_LICENCES = (
    select(licences)
    .where(licences.c.account_id == this_account)
    .order_by(licences.c.expires_on.desc(), licences.c.id.desc())
    .limit(MOST)
)
_FIRST_LICENCES = Prepared(_LICENCES)


def licences_of(
    conn: Connection, account_id: int, after: tuple[date, int] | None, most: int
) -> Any:
    """The account's licences, the newest expiry first; ``after`` is (day, id) of the last one."""
    given = {"account": account_id, "most": most}
    if after is None:
        return _FIRST_LICENCES.rows(conn, **given)
    place = tuple_(licences.c.expires_on, licences.c.id)
    return conn.execute(_LICENCES.where(place < tuple_(*map(literal, after))), given).all()


class Worth(NamedTuple):
    """Active licences and what they bring, by currency: all, and those that expire soon."""

    licences: int
    expired: int  # of them, those whose last day is over
    next_expiry: date | None
    base: dict[str, Decimal]
    soon: dict[str, Decimal]


_WORTH = Prepared(
    select(licences.c.amount, licences.c.currency, licences.c.expires_on).where(
        licences.c.account_id == this_account, licences.c.status == "active"
    )
)


def worth(conn: Connection, account_id: int, today: date, within: timedelta) -> Worth:
    """What is at stake with an account. Amounts without a currency stand under an empty one."""
    rows = _WORTH.rows(conn, account=account_id)
    base: dict[str, Decimal] = {}
    soon: dict[str, Decimal] = {}
    for amount, currency, expires_on in rows:
        if amount is None:
            continue
        base[currency or ""] = base.get(currency or "", Decimal()) + amount
        if today <= expires_on <= today + within:
            soon[currency or ""] = soon.get(currency or "", Decimal()) + amount
    ahead = min((row.expires_on for row in rows if row.expires_on >= today), default=None)
    expired = sum(1 for row in rows if row.expires_on < today)
    return Worth(len(rows), expired, ahead, base, soon)


OPEN_TASKS = Prepared(
    select(tasks)
    .where(tasks.c.account_id == this_account, tasks.c.closed_at.is_(None))
    .order_by(tasks.c.due_on.is_(None), tasks.c.due_on, tasks.c.id)
    .limit(MOST)
)


def open_tasks(conn: Connection, account_id: int, most: int) -> Any:
    """The account's open tasks, those due first."""
    return OPEN_TASKS.rows(conn, account=account_id, most=most)


def _stops() -> Select[Any]:
    about_licence = and_(stops.c.scope == "licence", licences.c.id == stops.c.subject_id)
    about_contact = and_(stops.c.scope == "contact", contacts.c.id == stops.c.subject_id)
    named = func.coalesce(licences.c.key, contacts.c.email, contacts.c.key).label("subject")
    return (
        select(stops, named, contacts.c.name.label("person"))
        .outerjoin(licences, about_licence)
        .outerjoin(contacts, about_contact)
        .where(stops.c.id.in_(union_all(*_theirs())))
    )


def _theirs() -> Iterator[Select[Any]]:
    """The stops about the account itself, its licences and its contacts: each is looked up by what
    it is about, however many stand of others."""
    yield select(stops.c.id).where(stops.c.scope == "account", stops.c.subject_id == this_account)
    for scope, table in (("licence", licences), ("contact", contacts)):
        about = and_(stops.c.scope == scope, stops.c.subject_id == table.c.id)
        yield select(stops.c.id).join(table, about).where(table.c.account_id == this_account)


_STANDING = Prepared(
    _stops()
    .where(
        stops.c.lifted_at.is_(None),
        or_(stops.c.until.is_(None), stops.c.until >= bindparam("today")),
    )
    .order_by(stops.c.id.desc())
    .limit(MOST)
)


def standing(conn: Connection, account_id: int, today: date) -> Any:
    """The stops that stand for the account, its licences and its contacts, with what each is about
    (``subject``, as the command and the page name it)."""
    return _STANDING.rows(conn, account=account_id, today=today, most=_MOST_STOPS)


# --- the story ---


class Source:
    """One source of a story, newest first; each is read a page at a time, in whatever place."""

    def __init__(self, number: int, query: Select[Any], at: Any, id_: Any) -> None:
        self._number, self._at, self._id = number, at, id_
        self._query = query.order_by(at.desc(), id_.desc()).limit(MOST)
        self._first = Prepared(self._query)

    def page(self, conn: Connection, account_id: int, before: Place | None, most: int) -> Any:
        """Rows that come after ``before``, newest first."""
        given = {"account": account_id, "most": most}
        if before is None:
            return self._first.rows(conn, **given)
        return conn.execute(self._query.where(self._after(before)), given).all()

    def _after(self, before: Place) -> ColumnElement[bool]:
        older: ColumnElement[bool] = self._at < before.at
        if self._number == before.source:
            return or_(older, and_(self._at == before.at, self._id < before.id))
        return or_(older, self._at == before.at) if self._number > before.source else older


_OPENED = Source(
    OPENED, select(tasks).where(tasks.c.account_id == this_account), tasks.c.opened_at, tasks.c.id
)
_CLOSED = Source(
    CLOSED,
    select(tasks).where(tasks.c.account_id == this_account, tasks.c.closed_at.is_not(None)),
    tasks.c.closed_at,
    tasks.c.id,
)


def tasks_opened(conn: Connection, account_id: int, before: Place | None, most: int) -> Any:
    """Tasks and promises of the account, by when they were opened."""
    return _OPENED.page(conn, account_id, before, most)


def tasks_closed(conn: Connection, account_id: int, before: Place | None, most: int) -> Any:
    """Those that are closed, by when they were."""
    return _CLOSED.page(conn, account_id, before, most)


def mail_keys() -> Any:
    """The mails that speak of the account's licences or of itself, to whomever they went, and the
    letters to its own people."""
    mine, alone = licences.c.account_id == this_account, walks.c.account_id == this_account
    decided = (
        select(steps.c.mail_key)
        .join(walks, walks.c.id == steps.c.walk_id)
        .join(licences, of_licence)
        .where(mine, steps.c.mail_key.is_not(None))
    )
    came_back = (
        select(returned.c.mail_key)
        .join(walks, walks.c.id == returned.c.walk_id)
        .join(licences, of_licence)
        .where(mine)
    )
    own = [
        select(table.c.mail_key)
        .join(walks, walks.c.id == table.c.walk_id)
        .where(alone, table.c.mail_key.is_not(None))
        for table in (steps, returned)
    ]
    posted = (
        select(messages.c.mail_key)
        .join(contacts, contacts.c.id == messages.c.contact_id)
        .where(contacts.c.account_id == this_account, LETTER, SHOWN)
    )
    return union(decided, came_back, *own, posted)


ON_THE_WAY = (DUE, SENDING)
_LEFT_AT = func.coalesce(messages.c.accepted_at, messages.c.started_at, messages.c.created_at)
_MAILED = Source(
    MAILED,
    select(messages, _LEFT_AT.label("at")).where(
        messages.c.mail_key.in_(mail_keys()), ~bulk.among(messages.c.state, ON_THE_WAY)
    ),
    _LEFT_AT,
    messages.c.id,
)


def mails(conn: Connection, account_id: int, before: Place | None, most: int) -> Any:
    """Mails about the account that left, or never will; ``at`` is when."""
    return _MAILED.page(conn, account_id, before, most)


_ANSWERED = Source(
    ANSWERED,
    select(
        answers, licences.c.key.label("licence"), contacts.c.name.label("person"), contacts.c.email
    )
    .join(licences, licences.c.id == answers.c.licence_id)
    .join(contacts, contacts.c.id == answers.c.contact_id)
    .where(licences.c.account_id == this_account),
    answers.c.at,
    answers.c.id,
)


def answers_of(conn: Connection, account_id: int, before: Place | None, most: int) -> Any:
    """What was answered about the account's licences, a row for each licence."""
    return _ANSWERED.page(conn, account_id, before, most)


_STOPPED = Source(STOPPED, _stops(), stops.c.made_at, stops.c.id)
_LIFTED = Source(
    LIFTED, _stops().where(stops.c.lifted_at.is_not(None)), stops.c.lifted_at, stops.c.id
)


def stops_made(conn: Connection, account_id: int, before: Place | None, most: int) -> Any:
    """Stops of the account, its licences and contacts, by when they were made."""
    return _STOPPED.page(conn, account_id, before, most)


def stops_lifted(conn: Connection, account_id: int, before: Place | None, most: int) -> Any:
    """Those that were lifted, by when they were."""
    return _LIFTED.page(conn, account_id, before, most)


_SEEN = (
    select(
        terms.c.seen_at.label("at"),
        terms.c.origin,
        func.count().label("terms"),
        func.max(terms.c.id).label("id"),
        func.min(licences.c.key).label("key"),
        func.max(licences.c.key).label("other"),
        func.max(terms.c.expires_on).label("expires_on"),
    )
    .join(licences, licences.c.id == terms.c.licence_id)
    .where(licences.c.account_id == this_account)
    .group_by(terms.c.seen_at, terms.c.origin)
    .subquery()
)
_TERMS = Source(TERMS, select(_SEEN), _SEEN.c.at, _SEEN.c.id)


def terms_seen(conn: Connection, account_id: int, before: Place | None, most: int) -> Any:
    """Terms that the book learned of, together what came in one import: seen_at, origin, how many,
    and the keys of a few licences (``key``, ``other``)."""
    return _TERMS.page(conn, account_id, before, most)


def has_address(conn: Connection, account_id: int, address: str) -> bool:
    """Whether a contact of the account has that address."""
    mine = (contacts.c.account_id == account_id, contacts.c.email == address)
    return conn.execute(select(contacts.c.id).where(*mine).limit(1)).first() is not None


def has_licence(conn: Connection, account_id: int, key: str) -> bool:
    """Whether the licence of that key is the account's."""
    mine = (licences.c.account_id == account_id, licences.c.key == key)
    return conn.execute(select(licences.c.id).where(*mine)).first() is not None
