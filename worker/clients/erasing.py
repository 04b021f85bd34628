"""A person's data gone: from every table, with nothing left but keyed hashes.

What a person's mails decided stays (a step was done, an answer stops a licence); who the person
was does not. One transaction; on SQLite the file is then written anew, because deleted bytes stay
in its free pages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Table, Text, delete, func, or_, select, type_coerce, update
from sqlalchemy.engine import Connection

from worker.access.records import requests
from worker.cadence import writing_store
from worker.cadence.records import steps
from worker.catalogue import erasures
from worker.catalogue.erasures import ADDRESS, Erased
from worker.catalogue.records import contacts, preferences, stops
from worker.catalogue.store import mark_accounts_changed
from worker.channels.contract import Envelope
from worker.clients import handing, tasks
from worker.clients.people import Person
from worker.clients.records import answers, preselections, visits
from worker.clients.sweeping import left, sweep, tables_of
from worker.db import bulk
from worker.kernel.errors import FindingsError
from worker.outbox.records import messages
from worker.outbox.rules import ACCEPTED, CANCELLED, DUE, GIVEN_UP, SENDING, UNKNOWN
from worker.worklist.records import tasks as worklist


@dataclass(frozen=True, slots=True)
class Gone:
    """What was erased: how many contacts and mails, which mails lie as files, and in which columns
    of companies the address still stands."""

    contacts: int
    mails: int
    withdrawn: int
    envelopes: tuple[Envelope, ...]
    left: tuple[str, ...]


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
    tables = tables_of(conn)
    _forget_mails(conn, person, rows, erased)
    _forget_events(conn, person, tables.tables["events"])
    _forget_surveys(conn, person, tables.tables)
    _forget_requests(conn, person)
    for table, column in ((preferences, "contact_id"), (stops, "subject_id")):
        _delete(conn, table, column, person.ids)
    _delete(conn, contacts, "id", person.ids)
    sweep(conn, person, erased, tables)
    mark_accounts_changed(conn, person.account_ids)
    envelopes = tuple(
        Envelope(row.mail_key, row.address, row.day, row.schedule, row.step) for row in rows
    )
    return Gone(len(person.ids), len(rows), withdrawn, envelopes, tuple(left(conn, person, tables)))


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
    writing_store.decide_anew(conn, [(row.id, row.walk_id) for row in found], now)


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


def _delete(conn: Connection, table: Table, column: str, ids: Sequence[int]) -> None:
    if not ids:
        return
    which = bulk.among(table.c[column], list(ids))
    if table is stops:
        which = which & (stops.c.scope == "contact")
    conn.execute(delete(table).where(which))
