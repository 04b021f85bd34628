"""A person's data gone: from every table, with nothing left but keyed hashes.

What a person's mails decided stays (a step was done, an answer stops a licence); who the person
was does not. One transaction; on SQLite the file is then written anew, because deleted bytes stay
in its free pages.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Column,
    Engine,
    MetaData,
    Table,
    Text,
    delete,
    func,
    or_,
    select,
    type_coerce,
    update,
)
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SAWarning

from worker.access.records import requests
from worker.cadence import writing_store
from worker.cadence.records import interventions, of_licence, steps, walks
from worker.catalogue import erasures
from worker.catalogue.erasures import ADDRESS, Erased
from worker.catalogue.records import contacts, licences, preferences, stops
from worker.catalogue.store import mark_accounts_changed
from worker.channels.contract import Envelope
from worker.clients import handing, tasks
from worker.clients.records import answers, preselections, visits
from worker.db import bulk
from worker.kernel.errors import FindingsError
from worker.outbox.records import messages
from worker.outbox.rules import ACCEPTED, CANCELLED, DUE, GIVEN_UP, SENDING, UNKNOWN
from worker.worklist.records import task_history
from worker.worklist.records import tasks as worklist

ERASED = "[erased]"
_OURS = frozenset({"staff", "schedule_versions", "template_texts", "version_templates"})
"""Tables of our own people and texts."""
_CLIENTS = frozenset({"accounts", "licences"})
"""Tables of companies: what is in them is the company's, and their keys are other programs'."""
_SHORTEST_NAME = 4


@dataclass(frozen=True, slots=True)
class Person:
    """Whom a command names: contacts that share an address, and every address they were written
    to."""

    ids: tuple[int, ...]
    keys: tuple[str, ...]
    names: tuple[str, ...]
    addresses: tuple[str, ...]
    account_ids: tuple[int, ...]

    @property
    def mails(self) -> Any:
        """The rows of the ledger that are theirs."""
        mine = bulk.among(messages.c.contact_id, list(self.ids)) if self.ids else None
        theirs = bulk.among(messages.c.address, list(self.addresses))
        if mine is None:
            return theirs
        return or_(mine, theirs) if self.addresses else mine


@dataclass(frozen=True, slots=True)
class Gone:
    """What was erased: how many contacts and mails, which mails lie as files, and in which columns
    of companies the address still stands."""

    contacts: int
    mails: int
    withdrawn: int
    envelopes: tuple[Envelope, ...]
    left: tuple[str, ...]


def find(conn: Connection, name: str) -> Person:
    """The person with this key or address; ``FindingsError`` when there is none, which says so when
    there was one."""
    address = name.strip().lower()
    named = or_(contacts.c.key == name, contacts.c.email == address)
    first = conn.execute(select(contacts.c.email).where(named)).scalars().all()
    known = sorted({one for one in first if one})
    same = or_(named, bulk.among(contacts.c.email, known)) if known else named
    rows = conn.execute(select(contacts).where(same).order_by(contacts.c.id)).all()
    ids = tuple(row.id for row in rows)
    mailed = _mailed(conn, ids, address)
    if not rows and not mailed:
        raise FindingsError(_nobody(conn, name, address))
    return Person(
        ids,
        tuple(row.key for row in rows),
        tuple(sorted({row.name for row in rows if row.name})),
        tuple(sorted({*known, *mailed})),
        tuple(sorted({row.account_id for row in rows})),
    )


def _mailed(conn: Connection, ids: Sequence[int], address: str) -> set[str]:
    """The addresses that these contacts were written to, but those that are somebody else's now."""
    mine = messages.c.address == address
    if ids:
        mine = or_(mine, bulk.among(messages.c.contact_id, list(ids)))
    found = set(conn.execute(select(messages.c.address).where(mine).distinct()).scalars())
    if not found:
        return set()
    others = select(contacts.c.email).where(bulk.among(contacts.c.email, sorted(found)))
    if ids:
        others = others.where(~bulk.among(contacts.c.id, list(ids)))
    return found - set(conn.execute(others).scalars())


def _nobody(conn: Connection, name: str, address: str) -> str:
    if erasures.known(conn).holds(name, address):
        return "That contact was erased already; nothing of it is left but a keyed hash"
    return f"No contact {name!r} is in the book; give a contact's key or its address"


def erase(conn: Connection, person: Person, now: datetime) -> Gone:
    """Erases ``person``, and withdraws what was still to be mailed to it.

    Raises ``FindingsError`` while a mail to the person is on its way: its outcome would be lost.
    """
    rows = conn.execute(select(messages).where(person.mails).with_for_update()).all()
    if any(row.state == SENDING for row in rows):
        raise FindingsError(
            "A mail to this person is leaving at this moment; try again in a minute. "
            "Nothing was erased."
        )
    erased = erasures.note(conn, person.keys, person.addresses, now)
    withdrawn = _withdraw(conn, rows, now)
    _forget_answers(conn, person)
    tables = _tables(conn)
    _forget_mails(conn, person, rows, erased)
    _forget_events(conn, person, tables.tables["events"])
    _forget_surveys(conn, person, tables.tables)
    _forget_requests(conn, person)
    for table, column in ((preferences, "contact_id"), (stops, "subject_id")):
        _delete(conn, table, column, person.ids)
    _delete(conn, contacts, "id", person.ids)
    _sweep(conn, person, erased, tables)
    mark_accounts_changed(conn, person.account_ids)
    envelopes = tuple(
        Envelope(row.mail_key, row.address, row.day, row.schedule, row.step) for row in rows
    )
    return Gone(
        len(person.ids), len(rows), withdrawn, envelopes, tuple(_left(conn, person, tables))
    )


def _withdraw(conn: Connection, rows: Sequence[Any], now: datetime) -> int:
    """Open mails go to nobody; a step that nobody else has or gets the mail of is decided anew."""
    due = [row for row in rows if row.state == DUE]
    unknown = [row for row in rows if row.state == UNKNOWN]
    for some, state in ((due, CANCELLED), (unknown, GIVEN_UP)):
        if some:
            ended = update(messages).where(bulk.among(messages.c.id, [row.id for row in some]))
            conn.execute(ended.values(state=state, reason="erased", next_at=None))
    for key in sorted({row.mail_key for row in due}):
        others = select(messages.c.id).where(
            messages.c.mail_key == key,
            messages.c.state.in_((DUE, SENDING, ACCEPTED, UNKNOWN, GIVEN_UP)),
        )
        if conn.execute(others.limit(1)).first() is None:
            _decide_anew(conn, key, now)
    return len(due)


def _decide_anew(conn: Connection, mail_key: str, now: datetime) -> None:
    found = conn.execute(select(steps.c.id, steps.c.walk_id).where(steps.c.mail_key == mail_key))
    for row in found.all():
        writing_store.withdraw_step(conn, row.id)
        writing_store.wake(conn, [row.walk_id], now)


def _forget_answers(conn: Connection, person: Person) -> None:
    """Tasks keep what was asked for, without who asked and in which words."""
    if not person.ids:
        return
    mine = bulk.among(answers.c.contact_id, list(person.ids))
    given = conn.execute(select(answers.c.mail_key, answers.c.contact_id).where(mine).distinct())
    for row in given.all():
        key = tasks.key_of(row.mail_key, row.contact_id)
        kept = handing.impersonal(conn, row.mail_key, row.contact_id)
        conn.execute(update(worklist).where(worklist.c.key == key).values(detail=kept))
    conn.execute(delete(answers).where(mine))


def _forget_mails(conn: Connection, person: Person, rows: Sequence[Any], erased: Erased) -> None:
    for address in person.addresses:
        values = {"address": erased.hash(ADDRESS, address), "contact_id": None, "subject": None}
        mine = messages.c.address == address
        conn.execute(update(messages).where(mine).values(**values, provider_id=None))
    if person.ids:
        mine = bulk.among(messages.c.contact_id, list(person.ids))
        conn.execute(update(messages).where(mine).values(contact_id=None, subject=None))
    keys = sorted({row.mail_key for row in rows})
    if keys:
        opened = bulk.among(visits.c.mail_key, keys)
        conn.execute(update(visits).where(opened).values(agent=None))


def _forget_events(conn: Connection, person: Person, events: Table) -> None:
    """That something was told of a mail stays; of whom, and the provider's own words, does not."""
    for address in person.addresses:
        mine = func.lower(events.c.address) == address
        conn.execute(update(events).where(mine).values(address=None, detail=None, raw="{}"))


def _forget_surveys(conn: Connection, person: Person, tables: Mapping[str, Table]) -> None:
    """A score stays with its account; who gave it, and in which words, does not. Of an anonymous
    answer nobody knows whose it is: nothing of it can be found."""
    if not person.ids:
        return
    asked, said = tables["invitations"], tables["responses"]
    _delete(conn, tables["asked_for"], "contact_id", person.ids)
    mine = bulk.among(asked.c.contact_id, list(person.ids))
    named = bulk.among(said.c.contact_id, list(person.ids))
    theirs = or_(named, said.c.invitation_id.in_(select(asked.c.id).where(mine)))
    ids = list(conn.execute(select(said.c.id).where(theirs)).scalars())
    if ids:
        for beside in (tables["response_themes"], tables["answer_extras"]):
            conn.execute(delete(beside).where(bulk.among(beside.c.response_id, ids)))
        gone = dict.fromkeys(("contact_id", "comment", "follow_up", "key", "language"))
        conn.execute(update(said).where(bulk.among(said.c.id, ids)).values(**gone))
    opened = preselections.c.invitation_id.in_(select(asked.c.id).where(mine))
    conn.execute(delete(preselections).where(opened))
    conn.execute(update(asked).where(mine).values(contact_id=None))


def _forget_requests(conn: Connection, person: Person) -> None:
    """Answers of the API that are kept for repeats: those that speak of the person are not."""
    body = func.lower(type_coerce(requests.c.body, Text))
    for word in (*person.keys, *person.names, *person.addresses):
        speaks = body.contains(word.lower(), autoescape=True)
        exact = type_coerce(requests.c.body, Text).contains(word, autoescape=True)
        conn.execute(delete(requests).where(or_(speaks, exact)))


def _tables(conn: Connection) -> MetaData:
    """Every table that there really is, whoever made it."""
    found = MetaData()
    with warnings.catch_warnings():  # of an index on an expression: no column is missed
        warnings.filterwarnings("ignore", "Skipped unsupported reflection", SAWarning)
        found.reflect(conn)
    return found


def _delete(conn: Connection, table: Table, column: str, ids: Sequence[int]) -> None:
    if not ids:
        return
    which = bulk.among(table.c[column], list(ids))
    if table is stops:
        which = which & (stops.c.scope == "contact")
    conn.execute(delete(table).where(which))


def _sweep(conn: Connection, person: Person, erased: Erased, tables: MetaData) -> None:
    """Takes addresses out of every other text, and names out of the tasks of their accounts and
    what was written about their mails and tasks."""
    # Two addresses never become one word: they may stand in keys.
    marks = {one: f"[erased {erased.hash(ADDRESS, one)[:12]}]" for one in person.addresses}
    for table, column in _texts(tables, skip=_OURS | _CLIENTS):
        _replace(conn, table, column, marks)
    names = {name: ERASED for name in person.names if len(name) >= _SHORTEST_NAME}
    if person.account_ids:
        theirs = bulk.among(worklist.c.account_id, list(person.account_ids))
        for column in (worklist.c.title, worklist.c.detail):
            _replace(conn, worklist, column, names, theirs)
        told = task_history.c.task_id.in_(select(worklist.c.id).where(theirs))
        _replace(conn, task_history, task_history.c.note, names, told)
        of_theirs = interventions.c.walk_id.in_(_walks_of(person))
        for column in (interventions.c.reason, interventions.c.subject, interventions.c.words):
            _replace(conn, interventions, column, names, of_theirs)
    tellings, said = tables.tables["tellings"], tables.tables["responses"]
    if person.account_ids:
        of_them = bulk.among(said.c.account_id, list(person.account_ids))
        about = tellings.c.response_id.in_(select(said.c.id).where(of_them))
        _replace(conn, tellings, tellings.c.words, names, about)
    events = tables.tables["events"]
    for column in (events.c.raw, events.c.detail):
        _replace(conn, events, column, names)


def _walks_of(person: Person) -> Any:
    """The walks of the licences of their accounts."""
    mine = bulk.among(licences.c.account_id, list(person.account_ids))
    return select(walks.c.id).join(licences, of_licence).where(mine)


def _texts(tables: MetaData, skip: frozenset[str]) -> Iterator[tuple[Table, Column[Any]]]:
    for name, table in sorted(tables.tables.items()):
        for column in table.columns if name not in skip else ():
            if isinstance(column.type, Text) and table.primary_key.columns:
                yield table, column


def _replace(
    conn: Connection, table: Table, column: Column[Any], words: Mapping[str, str], *where: Any
) -> None:
    """Writes other words for these, whatever their case."""
    ids = list(table.primary_key.columns)
    for word, instead in words.items():
        holds = func.lower(column).contains(word.lower(), autoescape=True)
        exact = column.contains(word, autoescape=True)  # SQLite lowers ASCII alone
        for row in conn.execute(select(column, *ids).where(or_(holds, exact), *where)).all():
            mended = re.sub(re.escape(word), instead, row[0], flags=re.I)
            mine = [key == value for key, value in zip(ids, row[1:], strict=True)]
            conn.execute(update(table).where(*mine).values({column: mended}))


def _left(conn: Connection, person: Person, tables: MetaData) -> Iterator[str]:
    """Where an address still stands, in what companies are called."""
    for table, column in _texts(tables, skip=frozenset(tables.tables) - _CLIENTS):
        text = func.lower(column)
        for address in person.addresses:
            found = select(column).where(text.contains(address, autoescape=True)).limit(1)
            if conn.execute(found).first() is not None:
                yield f"{table.name}.{column.name}"
                break


def scour(engine: Engine) -> bool:
    """On SQLite, writes the file anew without what was deleted; whether that was possible now."""
    if engine.dialect.name != "sqlite":
        return True
    raw = engine.raw_connection()
    try:
        cursor = raw.cursor()
        cursor.execute("VACUUM")
        busy = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        cursor.close()
    except engine.dialect.loaded_dbapi.OperationalError:  # another process is reading or writing
        return False
    finally:
        raw.close()
    return not busy
