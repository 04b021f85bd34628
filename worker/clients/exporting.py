"""All that is known of a person, as one JSON value."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, MetaData, Table, or_, select
from sqlalchemy.engine import Connection

from worker.catalogue.records import accounts, contacts, licences, preferences, stops, suppressions
from worker.clients import tasks
from worker.clients.people import Person
from worker.clients.records import answers, preselections
from worker.db import bulk
from worker.outbox.records import messages
from worker.surveys.records import invitations
from worker.worklist.records import tasks as worklist

_INNER = frozenset(
    {"id", "contact_id", "account_id", "licence_id", "attempt_id", "version_id", "invitation_id"}
)
"""Numbers that mean nothing outside of this database."""


def of(conn: Connection, person: Person) -> dict[str, Any]:
    """What every table holds of ``person``: lists of records, under the names of the tables."""
    ids, addresses = list(person.ids), list(person.addresses)
    found: dict[str, Any] = {
        "contacts": _people(conn, ids),
        "preferences": _rows(conn, preferences, preferences.c.contact_id, ids),
        "mails": [_plain(row) for row in conn.execute(select(messages).where(person.mails))],
        "events": _events(conn, addresses),
        "answers": _answers(conn, ids),
        "survey_answers": _survey_answers(conn, ids),
        "survey_scores_opened": _opened(conn, ids),
        "tasks": _tasks(conn, person),
        "stops": _rows(conn, stops, stops.c.subject_id, ids, stops.c.scope == "contact"),
        "suppressions": _rows(conn, suppressions, suppressions.c.address, addresses),
    }
    return found


def _plain(row: Any) -> dict[str, Any]:
    return {name: value for name, value in row._mapping.items() if name not in _INNER}


def _rows(conn: Connection, table: Table, column: Any, among: list[Any], *where: Any) -> list[Any]:
    if not among:
        return []
    query = select(table).where(bulk.among(column, among), *where)
    return [_plain(row) for row in conn.execute(query)]


def _people(conn: Connection, ids: list[int]) -> list[dict[str, Any]]:
    if not ids:
        return []
    account = [accounts.c.key.label("account"), accounts.c.name.label("account_name")]
    query = (
        select(contacts, *account)
        .join(accounts, accounts.c.id == contacts.c.account_id)
        .where(bulk.among(contacts.c.id, ids))
        .order_by(contacts.c.id)
    )
    return [_plain(row) for row in conn.execute(query)]


def _answers(conn: Connection, ids: list[int]) -> list[dict[str, Any]]:
    if not ids:
        return []
    query = (
        select(answers, licences.c.key.label("licence"))
        .join(licences, licences.c.id == answers.c.licence_id)
        .where(bulk.among(answers.c.contact_id, ids))
        .order_by(answers.c.id)
    )
    return [_plain(row) for row in conn.execute(query)]


def _survey_answers(conn: Connection, ids: list[int]) -> list[dict[str, Any]]:
    """What the person was asked in surveys, with the answer where it can be known whose it is."""
    if not ids:
        return []
    found = MetaData()
    found.reflect(conn, only=["invitations", "responses", "answer_extras", "asked_for"])
    asked, said = found.tables["invitations"], found.tables["responses"]
    beside, coming = found.tables["answer_extras"], found.tables["asked_for"]
    mine = bulk.among(said.c.contact_id, ids)
    by_invitation = select(asked.c.id).where(bulk.among(asked.c.contact_id, ids))
    extras = [beside.c[name] for name in ("properties", "tags", "notes")]
    source = said.outerjoin(beside, beside.c.response_id == said.c.id)
    query = select(said, *extras).select_from(source)
    query = query.where(or_(mine, said.c.invitation_id.in_(by_invitation)))
    answered = [_plain(row) for row in conn.execute(query.order_by(said.c.answered_on))]
    unanswered = select(asked).where(bulk.among(asked.c.contact_id, ids)).order_by(asked.c.id)
    told = ("schedule", "survey", "promise", "role", "asked_on", "answered")
    asked_of = [{name: getattr(row, name) for name in told} for row in conn.execute(unanswered)]
    return answered + asked_of + _rows(conn, coming, coming.c.contact_id, ids)


def _opened(conn: Connection, ids: list[int]) -> list[dict[str, Any]]:
    """The scores that were opened from mails of surveys, by the person or by a program."""
    if not ids:
        return []
    theirs = preselections.join(invitations, invitations.c.id == preselections.c.invitation_id)
    mine = bulk.among(invitations.c.contact_id, ids)
    query = select(preselections).select_from(theirs).where(mine).order_by(preselections.c.id)
    return [_plain(row) for row in conn.execute(query)]


def _events(conn: Connection, addresses: list[str]) -> list[dict[str, Any]]:
    found = MetaData()
    found.reflect(conn, only=["events"])
    table = found.tables["events"]
    return _rows(conn, table, table.c.address, addresses)


def _tasks(conn: Connection, person: Person) -> list[dict[str, Any]]:
    """Tasks that the person's answers opened, and those that name an address."""
    told: list[ColumnElement[bool]] = [
        worklist.c.key.like(f"{tasks.PREFIX}%:{id_}") for id_ in person.ids
    ]
    for address in person.addresses:
        told.append(worklist.c.detail.contains(address, autoescape=True))
    query = select(worklist).where(or_(*told)).order_by(worklist.c.id)
    return [_plain(row) for row in conn.execute(query)] if told else []
