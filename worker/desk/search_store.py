"""Queries of the search. Those that run while somebody types find at most ``MOST`` rows by an
index; on SQLite words of names are found by reading all names. Words of titles and subjects stand
in no index: ``tasks_worded`` and ``mails_worded`` read all open tasks and the newest mails."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Select, Text, bindparam, select
from sqlalchemy.engine import Connection

from worker.catalogue.records import accounts, contacts, licences
from worker.db import bulk
from worker.db.folding import (
    LAST,
    as_asked,
    containing,
    folded,
    has_words,
    patterns,
    spellings,
    with_words,
    words_of,
)
from worker.db.prepared import Prepared
from worker.outbox.records import SHOWN, messages
from worker.worklist.records import tasks

MOST = 10
"""Rows of each kind."""
MAILS_OF = timedelta(days=90)
NEWEST_MAILS = 2_500
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


class _Finding:
    """What is called like a text: exactly so, or from its beginning."""

    def __init__(self, query: Select[Any], column: ColumnElement[Any], *by: Any) -> None:
        key, text = folded(column), folded(bindparam("text", type_=Text()))
        beyond = folded(bindparam("beyond", type_=Text()))
        ordered = query.order_by(*(by or (key,))).limit(MOST)
        self._exactly = Prepared(ordered.where(key == text))
        self._from = Prepared(ordered.where(key >= text, key < beyond))

    def exactly(self, conn: Connection, text: str) -> list[Any]:
        """Rows that are called so."""
        return self._exactly.rows(conn, text=text)

    def beginning(self, conn: Connection, text: str) -> Iterator[list[Any]]:
        """Rows whose name begins so, spelling by spelling."""
        for one in spellings(text):
            yield self._from.rows(conn, text=one, beyond=one + LAST)


class _Words:
    """Rows with words that begin so, in no order: sorting would mean to read them all."""

    def __init__(self, query: Select[Any], column: ColumnElement[Any]) -> None:
        self._query, self._column = query, column
        asked = bindparam("words", type_=Text())
        self._indexed = Prepared(query.where(has_words(column, asked)).limit(MOST))

    def of(self, conn: Connection, text: str) -> list[Any]:
        """Rows with all words of a text; none when it has no word."""
        words = words_of(text)
        if not words:
            return []
        if conn.dialect.name == "postgresql":
            return self._indexed.rows(conn, words=as_asked(words))
        read = self._query.where(with_words(self._column, words, indexed=False))
        return list(conn.execute(read.limit(MOST)))


_ACCOUNT_KEY = _Finding(_ACCOUNT, accounts.c.key)
_ACCOUNT_NAME = _Finding(_ACCOUNT, accounts.c.name, folded(accounts.c.name), accounts.c.id)
_ACCOUNT_WORDS = _Words(_ACCOUNT, accounts.c.name)


def accounts_like(conn: Connection, text: str) -> list[Any]:
    """Accounts by key, then those whose name begins so, then those with such words."""

    def tries() -> Iterator[list[Any]]:
        yield _ACCOUNT_KEY.exactly(conn, text)
        yield from _ACCOUNT_KEY.beginning(conn, text)
        yield from _ACCOUNT_NAME.beginning(conn, text)
        yield _ACCOUNT_WORDS.of(conn, text)

    return _first(tries())


_CONTACT_AT = _Finding(_CONTACT, contacts.c.email, folded(contacts.c.email), contacts.c.id)
_CONTACT_WORDS = _Words(_CONTACT, contacts.c.name)


def contacts_like(conn: Connection, text: str) -> list[Any]:
    """Contacts by address, then those whose address begins so, then those with such words in their
    names."""

    def tries() -> Iterator[list[Any]]:
        yield _CONTACT_AT.exactly(conn, text)
        yield from _CONTACT_AT.beginning(conn, text)
        yield _CONTACT_WORDS.of(conn, text)

    return _first(tries())


_LICENCE_KEY = _Finding(_LICENCE, licences.c.key)
_LICENCE_PRODUCT = _Finding(_LICENCE, licences.c.product)


def licences_like(conn: Connection, text: str) -> list[Any]:
    """Licences by key, then those whose key or product begins so."""

    def tries() -> Iterator[list[Any]]:
        yield _LICENCE_KEY.exactly(conn, text)
        yield from _LICENCE_KEY.beginning(conn, text)
        yield from _LICENCE_PRODUCT.beginning(conn, text)

    return _first(tries())


_TASK = select(*[tasks.c[name] for name in ("id", "title", "kind", "due_on", "closed_at")])
_NUMBERED = Prepared(_TASK.where(tasks.c.id == bindparam("number")))


def task_numbered(conn: Connection, number: int) -> list[Any]:
    """The task of that number, open or not."""
    return _NUMBERED.rows(conn, number=number)


def tasks_worded(conn: Connection, text: str) -> list[Any]:
    """Open tasks with all of these words in their titles."""
    shape, values = patterns(words_of(text))
    return _tasks_with(shape).rows(conn, **values) if shape else []


@lru_cache(maxsize=32)
def _tasks_with(shape: tuple[int, ...]) -> Prepared:
    open_ones = _TASK.where(tasks.c.closed_at.is_(None), containing(tasks.c.title, shape))
    return Prepared(open_ones.order_by(tasks.c.due_on, tasks.c.id).limit(MOST))


_SHOWN = ("id", "address", "subject", "state", "fate", "accepted_at", "created_at", "schedule")
_MAIL = select(*[messages.c[name] for name in _SHOWN])
_MAILED = Prepared(
    _MAIL.where(
        bulk.listed(messages.c.address, "addresses"),
        messages.c.day >= bindparam("since"),
        SHOWN,
    )
    .order_by(messages.c.id.desc())
    .limit(MOST)
)


def mails_to(
    conn: Connection, text: str, addresses: Iterable[str | None], now: datetime
) -> list[Any]:
    """Mails of the last ninety days to these addresses, or to what is looked for."""
    to = sorted({*(one for one in addresses if one), text.lower()})
    return _MAILED.rows(conn, addresses=to, since=(now - MAILS_OF).date())


def mails_worded(conn: Connection, text: str, now: datetime) -> list[Any]:
    """Mails of the last ninety days, among the newest, with all of these words in their subject."""
    shape, values = patterns(words_of(text))
    return _mails_with(shape).rows(conn, since=now - MAILS_OF, **values) if shape else []


@lru_cache(maxsize=32)
def _mails_with(shape: tuple[int, ...]) -> Prepared:
    newest = (
        _MAIL.where(messages.c.created_at >= bindparam("since"), SHOWN)
        .order_by(messages.c.id.desc())
        .limit(NEWEST_MAILS)
        .subquery()
    )
    said = select(newest).where(containing(newest.c.subject, shape))
    return Prepared(said.order_by(newest.c.id.desc()).limit(MOST))


def _first(tries: Iterator[list[Any]]) -> list[Any]:
    """The first rows of one query after the other, each row once; what is found early is enough."""
    found: dict[int, Any] = {}
    for rows in tries:
        for row in rows:
            found.setdefault(row.id, row)
        if len(found) >= MOST:
            break
    return list(found.values())[:MOST]
