"""Copying what a forecast needs of the live database: some accounts with all that is theirs.

Every statement names the accounts, people, licences or walks that it wants by their numbers, so
that what it costs is theirs, whatever the size of the book.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, bindparam, or_, select

from worker.cadence import store
from worker.cadence.library import InForce
from worker.cadence.records import ANSWER, happenings, invitations, of_licence, steps, walks
from worker.cadence.subjects import episodes, responses
from worker.catalogue.records import (
    accounts,
    contacts,
    licences,
    preferences,
    stops,
    suppressions,
    terms,
)
from worker.db import bulk
from worker.db.folding import folded
from worker.db.prepared import Prepared
from worker.outbox.records import messages
from worker.outbox.rules import SENDING, UNKNOWN
from worker.schedules.records import versions
from worker.worklist.records import tasks

Write = Callable[[Table, Sequence[str], Sequence[Any]], Any]
"""Where rows go: a table, the names of its columns, and their values in that order."""

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


def _those(table: Table, of: ColumnElement[Any], *where: ColumnElement[bool]) -> Prepared:
    return Prepared(select(table).where(bulk.listed(of), *where))


_VERSIONS = Prepared(select(versions))
_ACCOUNTS = _those(accounts, accounts.c.id)
_PEOPLE = _those(contacts, contacts.c.account_id)
_PREFERENCES = _those(preferences, preferences.c.contact_id)
_LICENCES = _those(licences, licences.c.account_id)
_TERMS = _those(terms, terms.c.licence_id)
_EPISODES = _those(episodes, episodes.c.account_id, episodes.c.ended_on.is_(None))
_STEPS = _those(steps, steps.c.walk_id)
_HAPPENINGS = _those(happenings, happenings.c.walk_id)
_TASKS = _those(tasks, tasks.c.account_id)
_QUESTIONS = _those(
    invitations, invitations.c.account_id, invitations.c.asked_on >= bindparam("since")
)
_SILENT = _those(suppressions, suppressions.c.address)
_ANSWERS = Prepared(
    select(*[responses.c[name] for name in _OF_ANSWERS]).where(bulk.listed(responses.c.id))
)
_WALKS = Prepared(
    select(walks)
    .join(licences, of_licence)
    .where(bulk.listed(licences.c.account_id))
    .where(or_(walks.c.state != "ended", walks.c.cycle == licences.c.term))
)
# A review that is over may wait for its day, on which the next one begins.
_ALONE = _those(
    walks, walks.c.account_id, or_(walks.c.state != "ended", walks.c.next_at.is_not(None))
)
# One schedule may be done with an answer that another one still walks: it must not begin anew.
_DONE_WITH = _those(
    walks,
    walks.c.subject_id,
    walks.c.subject == ANSWER,
    walks.c.state == "ended",
    walks.c.next_at.is_(None),
)
_STOPS = Prepared(
    select(stops).where(
        stops.c.lifted_at.is_(None),
        or_(
            *(
                and_(stops.c.scope == scope, bulk.listed(stops.c.subject_id, scope))
                for scope in ("licence", "account", "contact")
            )
        ),
    )
)
_MAILS = _those(messages, messages.c.address, messages.c.day >= bindparam("since"))
_OWNERS = Prepared(select(licences.c.account_id).where(bulk.listed(licences.c.id)))
_KEYS = Prepared(select(accounts.c.key, accounts.c.reseller).where(bulk.listed(accounts.c.id)))
_BY_KEY = Prepared(select(accounts.c.id).where(bulk.listed(accounts.c.key, "keys")))
_SERVED_BY = Prepared(select(accounts.c.id).where(bulk.listed(accounts.c.reseller, "keys")))
_other = contacts.alias()
_SAME_ADDRESS = Prepared(
    select(_other.c.account_id)
    .join(
        contacts,
        and_(
            folded(_other.c.email) == folded(contacts.c.email),  # as the index has it
            _other.c.email == contacts.c.email,
            _other.c.account_id != contacts.c.account_id,
        ),
    )
    .where(bulk.listed(contacts.c.account_id))
)


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
        found |= set(_OWNERS.scalars(conn, ids=list(chunk)))
    if any(inforce.schedule.mail_class != "contractual" for inforce in schedules):
        found |= _sharing(conn, found)
    return sorted(found | _resellers(conn, found))


def _resellers(conn: Connection, ids: Collection[int]) -> set[int]:
    """The accounts at which those who resell to these are contacts."""
    found: set[int] = set()
    for chunk in bulk.chunks(sorted(ids)):
        keys = {row.reseller for row in _KEYS.rows(conn, ids=list(chunk)) if row.reseller}
        found |= set(_BY_KEY.scalars(conn, keys=sorted(keys))) if keys else set()
    return found


def _served_alike(conn: Connection, ids: Sequence[int]) -> set[int]:
    """The accounts that share a reseller with these, or are served by them: its people may be
    written to for all of them."""
    keys = {key for row in _KEYS.rows(conn, ids=ids) for key in row if key is not None}
    return set(_SERVED_BY.scalars(conn, keys=sorted(keys))) if keys else set()


def _sharing(conn: Connection, ids: set[int]) -> set[int]:
    """Accounts that can be reached from these by addresses that stand at several accounts."""
    found, fresh = set(ids), set(ids)
    while fresh:
        reached: set[int] = set()
        for chunk in bulk.chunks(sorted(fresh)):
            reached |= set(_SAME_ADDRESS.scalars(conn, ids=list(chunk)))
            reached |= _served_alike(conn, list(chunk))
        fresh = reached - found
        found |= fresh
    return found


def take(source: Connection, write: Write, account_ids: Sequence[int], now: datetime) -> None:
    """Takes these accounts, their walks and what was mailed lately, for an empty database. The
    texts of templates are left behind: nobody writes a mail there."""
    _write(write, versions, _VERSIONS.rows(source))
    written: set[str] = set()
    for chunk in bulk.chunks(account_ids, _CHUNK):
        written |= _take_some(source, write, list(chunk), now)
    for addresses in bulk.chunks(sorted(written), _CHUNK):
        _write(write, suppressions, _SILENT.rows(source, ids=list(addresses)))


def _take_some(source: Connection, write: Write, ids: list[int], now: datetime) -> set[str]:
    """The same of some accounts; the addresses of their contacts."""
    _write(write, accounts, _ACCOUNTS.rows(source, ids=ids))
    contacts_there = _PEOPLE.rows(source, ids=ids)
    _write(write, contacts, contacts_there)
    people = [person.id for person in contacts_there]
    _write(write, preferences, _of(source, _PREFERENCES, people))
    held = _LICENCES.rows(source, ids=ids)
    _write(write, licences, held)
    mine = [licence.id for licence in held]
    _write(write, terms, _of(source, _TERMS, mine))
    named = {"licence": mine or [0], "account": ids, "contact": people or [0]}
    _write(write, stops, _STOPS.rows(source, **named))
    _write(write, episodes, _EPISODES.rows(source, ids=ids))
    going = _take_walks(source, write, ids, now)
    _take_tasks(source, write, ids, set(mine), going)
    addresses = {person.email for person in contacts_there if person.email}
    _take_questions(source, write, ids, set(people), set(going), now)
    _take_mails(source, write, sorted(addresses), set(people), now)
    return addresses


def _take_walks(source: Connection, write: Write, ids: Sequence[int], now: datetime) -> list[int]:
    """The walks that go on, what was decided on them and what they are about; their numbers."""
    alone = _ALONE.rows(source, ids=ids)
    told = [one.subject_id for one in alone if one.subject == ANSWER and one.state != "ended"]
    write(responses, _OF_ANSWERS, _of(source, _ANSWERS, told))
    rows = [*_WALKS.rows(source, ids=ids), *alone, *_of(source, _DONE_WITH, told)]
    _write(write, walks, rows)
    going = [row.id for row in rows]
    # What was decided this very moment is past: so the copy's own decisions can be told apart.
    past = now - timedelta(seconds=1)
    decided = _of(source, _STEPS, going)
    just_now = [row._replace(decided_at=past) if row.decided_at >= now else row for row in decided]
    _write(write, steps, just_now)
    _write(write, happenings, _of(source, _HAPPENINGS, going))
    return going


def _take_tasks(
    source: Connection,
    write: Write,
    ids: Sequence[int],
    mine: Collection[int],
    going: Sequence[int],
) -> None:
    """The tasks of these accounts, and those that steps of their walks opened while the licence was
    somebody else's."""
    rows = [*_TASKS.rows(source, ids=ids), *store.open_tasks_of(source, going)]
    there = {row.id: row for row in rows if row.licence_id is None or row.licence_id in mine}
    kept = [row for row in there.values() if row.account_id is None or row.account_id in ids]
    _write(write, tasks, kept)


def _take_questions(
    source: Connection,
    write: Write,
    ids: Sequence[int],
    people: Collection[int],
    going: Collection[int],
    now: datetime,
) -> None:
    """Whom these accounts' people were asked about lately: for quiet times and reminders."""
    found = _QUESTIONS.rows(source, ids=ids, since=(now - _ASKED).date())
    rows = [
        row if row.walk_id in going else row._replace(walk_id=None)
        for row in found
        if row.contact_id in people
    ]
    _write(write, invitations, rows)


def _take_mails(
    source: Connection,
    write: Write,
    addresses: Sequence[str],
    people: Collection[int],
    now: datetime,
) -> None:
    """Mails of the last days to these addresses, whoever's they were."""
    since = (now - _LATELY).date()
    for chunk in bulk.chunks(addresses, _CHUNK):
        found = _MAILS.rows(source, ids=list(chunk), since=since)
        _write(write, messages, [_at_rest(row, people) for row in found])


def _at_rest(row: Any, people: Collection[int]) -> Any:
    """A mail that is on its way counts as sent; nobody on the copy will hear of its end."""
    if row.state in (SENDING, UNKNOWN):
        row = row._replace(next_at=None)
    return row if row.contact_id in people else row._replace(contact_id=None)


def _of(source: Connection, statement: Prepared, ids: Sequence[int]) -> list[Any]:
    """What the statement finds of all these, however many."""
    return [row for chunk in bulk.chunks(ids) for row in statement.rows(source, ids=list(chunk))]


def _write(write: Write, table: Table, rows: Sequence[Any]) -> None:
    if rows:  # of most tables a client has none
        write(table, [column.name for column in table.columns], rows)
