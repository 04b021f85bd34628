"""Copying what a forecast needs of the live database: some accounts with all that is theirs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, or_, select, update

from worker.cadence.library import InForce
from worker.cadence.records import (
    ANSWER,
    LICENCE,
    happenings,
    invitations,
    of_licence,
    steps,
    walks,
)
from worker.cadence.subjects import episodes, responses
from worker.catalogue.records import (
    accounts,
    contacts,
    licences,
    preferences,
    staff,
    stops,
    suppressions,
    terms,
)
from worker.db import bulk
from worker.outbox.records import messages
from worker.outbox.rules import SENDING, UNKNOWN
from worker.schedules.records import versions
from worker.worklist.records import tasks

_LATELY = timedelta(days=40)
"""Mails older than this matter neither to a walk's day nor to a budget."""

_ASKED = timedelta(days=366)
"""Questions older than this are no reason to leave anybody in peace."""

_CHUNK = 2000
_OF_ANSWERS = (
    "id",
    "schedule",
    "survey",
    "promise",
    "account_id",
    "score",
    "vote",
    "answered_on",
    "source",
    "judged",
)
"""Of answers nothing is copied that was said in confidence."""


def accounts_around(
    conn: Connection,
    licence_ids: Sequence[int],
    schedules: Iterable[InForce],
    account_ids: Iterable[int] = (),
) -> list[int]:
    """The accounts of these licences, and these, and their resellers; where a budget is shared,
    also all that share an address."""
    found = set(account_ids)
    for chunk in bulk.chunks(licence_ids):
        where = bulk.among(licences.c.id, list(chunk))
        found |= set(conn.execute(select(licences.c.account_id).where(where)).scalars())
    if any(inforce.schedule.mail_class != "contractual" for inforce in schedules):
        found |= _sharing(conn, found)
    return sorted(found | _resellers(conn, found))


def _resellers(conn: Connection, ids: set[int]) -> set[int]:
    """The accounts at which those who resell to these are contacts."""
    served, found = accounts.alias(), set()
    for chunk in bulk.chunks(sorted(ids)):
        query = select(accounts.c.id).join(served, served.c.reseller == accounts.c.key)
        found |= set(conn.execute(query.where(bulk.among(served.c.id, list(chunk)))).scalars())
    return found


def _served_alike(conn: Connection, ids: list[int]) -> set[int]:
    """The accounts that share a reseller with these, or are served by them: its people may be
    written to for all of them."""
    one = accounts.alias()
    same = or_(accounts.c.reseller == one.c.reseller, accounts.c.reseller == one.c.key)
    query = select(accounts.c.id).join(one, same)
    return set(conn.execute(query.where(bulk.among(one.c.id, ids))).scalars())


def _sharing(conn: Connection, ids: set[int]) -> set[int]:
    """Accounts that can be reached from these by addresses that stand at several accounts."""
    other = contacts.alias()
    found, fresh = set(ids), set(ids)
    while fresh:
        reached: set[int] = set()
        for chunk in bulk.chunks(sorted(fresh)):
            elsewhere = other.c.account_id != contacts.c.account_id
            same = and_(other.c.email == contacts.c.email, elsewhere)
            query = select(other.c.account_id).join(contacts, same)
            where = bulk.among(contacts.c.account_id, list(chunk))
            reached |= set(conn.execute(query.where(where)).scalars())
            reached |= _served_alike(conn, list(chunk))
        fresh = reached - found
        found |= fresh
    return found


def take(source: Connection, target: Connection, account_ids: Sequence[int], now: datetime) -> None:
    """Copies these accounts, their walks and what was mailed lately into an empty database. The
    texts of templates are left behind: nobody writes a mail there."""
    for table in (versions, staff):
        _copy(source, target, table)
    _copy(source, target, stops, stops.c.lifted_at.is_(None))
    written: set[str] = set()
    for chunk in bulk.chunks(account_ids, _CHUNK):
        written |= _take_some(source, target, list(chunk), now)
    for addresses in bulk.chunks(sorted(written), _CHUNK):
        _copy(source, target, suppressions, bulk.among(suppressions.c.address, addresses))


def _take_some(source: Connection, target: Connection, ids: list[int], now: datetime) -> set[str]:
    """The same of some accounts; the addresses of their contacts."""
    mine = bulk.among(licences.c.account_id, ids)
    of_mine = select(licences.c.id).where(mine)
    _copy(source, target, accounts, bulk.among(accounts.c.id, ids))
    people = _copy(source, target, contacts, bulk.among(contacts.c.account_id, ids))
    if people:
        of_people = bulk.among(preferences.c.contact_id, [person.id for person in people])
        _copy(source, target, preferences, of_people)
    _copy(source, target, licences, mine)
    _copy(source, target, terms, terms.c.licence_id.in_(of_mine))
    living = or_(
        walks.c.state != "ended",
        walks.c.cycle == select(licences.c.term).where(of_licence).scalar_subquery(),
    )
    of_licences = and_(walks.c.subject == LICENCE, walks.c.subject_id.in_(of_mine))
    # A review that is over may wait for its day, on which the next one begins.
    waiting = or_(walks.c.state != "ended", walks.c.next_at.is_not(None))
    alone = and_(bulk.among(walks.c.account_id, ids), waiting)
    going = or_(and_(of_licences, living), alone)
    _take_subjects(source, target, ids)
    _copy(source, target, walks, going)
    of_going = select(walks.c.id).where(going)
    _copy(source, target, steps, steps.c.walk_id.in_(of_going))
    _copy(source, target, happenings, happenings.c.walk_id.in_(of_going))
    # What was decided this very moment is past: so the copy's own decisions can be told apart.
    just_now = update(steps).where(steps.c.decided_at >= now)
    target.execute(just_now.values(decided_at=now - timedelta(seconds=1)))
    of_theirs = and_(tasks.c.licence_id.is_(None), bulk.among(tasks.c.account_id, ids))
    _copy(source, target, tasks, or_(tasks.c.licence_id.in_(of_mine), of_theirs))
    addresses = {row.email for row in people if row.email}
    _take_questions(source, target, ids, {row.id for row in people}, now)
    _take_mails(source, target, sorted(addresses), {row.id for row in people}, now)
    return addresses


def _take_subjects(source: Connection, target: Connection, ids: list[int]) -> None:
    """What the walks of these accounts are about: the episodes that go on, the answers they walk
    for, with the columns that the engine reads."""
    going = and_(bulk.among(episodes.c.account_id, ids), episodes.c.ended_on.is_(None))
    _copy(source, target, episodes, going)
    walked = select(walks.c.subject_id).where(
        walks.c.subject == ANSWER, bulk.among(walks.c.account_id, ids), walks.c.state != "ended"
    )
    told = select(*[responses.c[name] for name in _OF_ANSWERS]).where(responses.c.id.in_(walked))
    bulk.insert(target, responses, _OF_ANSWERS, list(source.execute(told)))


def _take_questions(
    source: Connection, target: Connection, ids: list[int], people: set[int], now: datetime
) -> None:
    """Whom these accounts' people were asked about lately: for quiet times and reminders."""
    mine = bulk.among(invitations.c.account_id, ids)
    lately = invitations.c.asked_on >= (now - _ASKED).date()
    found = source.execute(select(invitations).where(mine, lately)).mappings()
    there = set(target.execute(select(walks.c.id)).scalars()) if found else set()
    rows = [
        {**row, "walk_id": row["walk_id"] if row["walk_id"] in there else None}
        for row in found
        if row["contact_id"] in people
    ]
    columns = [column.name for column in invitations.columns]
    bulk.insert(target, invitations, columns, [[row[name] for name in columns] for row in rows])


def _take_mails(
    source: Connection,
    target: Connection,
    addresses: Sequence[str],
    people: set[int],
    now: datetime,
) -> None:
    """Mails of the last days to these addresses, whoever's they were."""
    columns = [column.name for column in messages.columns]
    for chunk in bulk.chunks(addresses, _CHUNK):
        lately = messages.c.day >= (now - _LATELY).date()
        query = select(messages).where(bulk.among(messages.c.address, list(chunk)), lately)
        rows = [_at_rest(dict(row._mapping), people) for row in source.execute(query)]
        bulk.insert(target, messages, columns, [[row[name] for name in columns] for row in rows])


def _at_rest(row: dict[str, Any], people: set[int]) -> dict[str, Any]:
    """A mail that is on its way counts as sent; nobody on the copy will hear of its end."""
    if row["state"] in (SENDING, UNKNOWN):
        row["next_at"] = None
    if row["contact_id"] not in people:
        row["contact_id"] = None
    return row


def _copy(
    source: Connection,
    target: Connection,
    table: Table,
    where: ColumnElement[bool] | None = None,
) -> list[Any]:
    query = select(table) if where is None else select(table).where(where)
    rows = list(source.execute(query))
    bulk.insert(target, table, [column.name for column in table.columns], rows)
    return rows
