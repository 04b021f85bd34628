"""Queries of the search. Each finds at most ``MOST`` rows by an index, or reads so many rows at
most; on SQLite words of names are found by reading all names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, literal, select
from sqlalchemy.engine import Connection

from worker.catalogue.records import accounts, contacts, licences
from worker.db import bulk
from worker.db.folding import begins, contains, folded, spellings, with_words, words_of
from worker.outbox.records import messages
from worker.worklist.records import tasks

MOST = 10
"""Rows of each kind."""
MAILS_OF = timedelta(days=90)
NEWEST_MAILS = 10_000
"""So many mails are read when a word of their subject is looked for."""

_ACCOUNT = select(accounts.c.id, accounts.c.key, accounts.c.name, accounts.c.country)
_CONTACT = select(
    contacts.c.id,
    contacts.c.name,
    contacts.c.email,
    contacts.c.role,
    accounts.c.key,
    accounts.c.name.label("account_name"),
).join(accounts, accounts.c.id == contacts.c.account_id)
_LICENCE = select(
    licences.c.id,
    licences.c.key,
    licences.c.product,
    licences.c.expires_on,
    accounts.c.name.label("account_name"),
).join(accounts, accounts.c.id == licences.c.account_id)


def accounts_like(conn: Connection, text: str) -> list[Any]:
    """Accounts by key, then those whose name begins so, then those with such words."""
    key, name = folded(accounts.c.key), folded(accounts.c.name)
    tries = [
        _ACCOUNT.where(_is(accounts.c.key, text)).order_by(key),
        *_beginning(_ACCOUNT.order_by(key), accounts.c.key, text),
        *_beginning(_ACCOUNT.order_by(name, accounts.c.id), accounts.c.name, text),
    ]
    return _first(conn, [*tries, *_worded(conn, _ACCOUNT, accounts.c.name, text)])


def contacts_like(conn: Connection, text: str) -> list[Any]:
    """Contacts by address, then those whose address begins so, then those with such words in their
    names."""
    email = folded(contacts.c.email)
    tries = [
        _CONTACT.where(_is(contacts.c.email, text)).order_by(contacts.c.id),
        *_beginning(_CONTACT.order_by(email), contacts.c.email, text),
    ]
    return _first(conn, [*tries, *_worded(conn, _CONTACT, contacts.c.name, text)])


def licences_like(conn: Connection, text: str) -> list[Any]:
    """Licences by key, then those whose key or product begins so."""
    key, product = folded(licences.c.key), folded(licences.c.product)
    tries = [
        _LICENCE.where(_is(licences.c.key, text)).order_by(key),
        *_beginning(_LICENCE.order_by(key), licences.c.key, text),
        *_beginning(_LICENCE.order_by(product), licences.c.product, text),
    ]
    return _first(conn, tries)


def tasks_like(conn: Connection, text: str, number: int | None) -> list[Any]:
    """The task of that number, open or not; then open tasks with all of these words."""
    columns = [tasks.c[name] for name in ("id", "title", "kind", "due_on", "closed_at")]
    tries = [select(*columns).where(tasks.c.id == number)] if number is not None else []
    words = words_of(text)
    if words:
        said = and_(*(contains(tasks.c.title, word) for word in words))
        open_ones = select(*columns).where(tasks.c.closed_at.is_(None), said)
        tries.append(open_ones.order_by(tasks.c.due_on, tasks.c.id))
    return _first(conn, tries)


def mails_like(
    conn: Connection, text: str, addresses: Iterable[str | None], now: datetime
) -> list[Any]:
    """Mails of the last ninety days to these addresses, or to what is looked for; then those among
    the newest whose subject has all of these words."""
    names = ("id", "address", "subject", "state", "fate", "accepted_at", "created_at", "schedule")
    columns = [messages.c[name] for name in names]
    since = now - MAILS_OF
    to = sorted({*(one for one in addresses if one), text.lower()})
    lately = (bulk.among(messages.c.address, to), messages.c.day >= since.date())
    tries = [select(*columns).where(*lately).order_by(messages.c.id.desc())]
    words = words_of(text)
    if words:
        newest = (
            select(*columns)
            .where(messages.c.created_at >= since)
            .order_by(messages.c.id.desc())
            .limit(NEWEST_MAILS)
            .subquery()
        )
        said = and_(*(contains(newest.c.subject, word) for word in words))
        tries.append(select(newest).where(said).order_by(newest.c.id.desc()))
    return _first(conn, tries)


def _is(column: ColumnElement[Any], text: str) -> ColumnElement[bool]:
    return folded(column) == folded(literal(text))


def _beginning(query: Select[Any], column: ColumnElement[Any], text: str) -> list[Select[Any]]:
    return [query.where(begins(column, one)) for one in spellings(text)]


def _worded(
    conn: Connection, query: Select[Any], column: ColumnElement[Any], text: str
) -> list[Select[Any]]:
    """Rows with all of these words, in no order: sorting would mean to read them all."""
    words = words_of(text)
    indexed = conn.dialect.name == "postgresql"
    return [query.where(with_words(column, words, indexed=indexed))] if words else []


def _first(conn: Connection, tries: Sequence[Select[Any]]) -> list[Any]:
    """The first rows of one query after the other, each row once; what is found early is enough."""
    found: dict[int, Any] = {}
    for query in tries:
        if len(found) >= MOST:
            break
        for row in conn.execute(query.limit(MOST)):
            found.setdefault(row.id, row)
    return list(found.values())[:MOST]
