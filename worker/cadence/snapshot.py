"""Copying what a forecast needs of the live database: some accounts with all that is theirs.

Every statement names the accounts, people, licences or walks that it wants by their numbers, so
that what it costs is theirs, whatever the size of the book.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, bindparam, or_, select, union

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
from worker.db.prepared import Asking, Prepared, together
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
_RESELLERS = Prepared(
    select(accounts.c.reseller).where(bulk.listed(accounts.c.id), accounts.c.reseller.is_not(None))
)
_BY_KEY = Prepared(select(accounts.c.id).where(bulk.listed(accounts.c.key, "keys")))
_mine = bulk.listed(accounts.c.id)
_else = accounts.alias()
# Served by one of these, or by the same as it: its people may be written to for both.
_SERVED = Prepared(
    select(_else.c.id.label("account_id")).where(
        _else.c.reseller.in_(
            union(
                select(accounts.c.key).where(_mine),
                select(accounts.c.reseller).where(_mine),
            )
        )
    )
)
# An address that differs in its capitals brings company that is not needed, and does no harm: the
# index knows no capitals.
_other = contacts.alias()
_SAME_ADDRESS = Prepared(
    select(_other.c.account_id).where(
        folded(_other.c.email).in_(
            select(folded(contacts.c.email)).where(bulk.listed(contacts.c.account_id))
        )
    )
)


def accounts_around(
    conn: Connection,
    licence_ids: Sequence[int],
    schedules: Iterable[InForce],
    account_ids: Iterable[int] = (),
) -> list[int]:
    """The accounts of these licences, and these, and their resellers; where a budget is shared,
    also all that share an address."""
    fresh = set(account_ids)
    for chunk in bulk.chunks(licence_ids):
        fresh |= set(_OWNERS.scalars(conn, ids=list(chunk)))
    is_shared = any(inforce.schedule.mail_class != "contractual" for inforce in schedules)
    found: set[int] = set()
    resellers: set[str] = set()
    while fresh:
        found |= fresh
        reached: set[int] = set()
        for chunk in bulk.chunks(sorted(fresh)):
            mine = list(chunk)
            near = (_SAME_ADDRESS, _SERVED) if is_shared else ()
            named, *others = together(
                conn, [_RESELLERS.asking(ids=mine), *(each.asking(ids=mine) for each in near)]
            )
            resellers |= {row.reseller for row in named}
            reached |= {row.account_id for rows in others for row in rows}
        fresh = reached - found
    for keys in bulk.chunks(sorted(resellers)):
        found |= set(_BY_KEY.scalars(conn, keys=list(keys)))
    return sorted(found)


def take(source: Connection, write: Write, account_ids: Sequence[int], now: datetime) -> None:
    """Takes these accounts, their walks and what was mailed lately, for an empty database. The
    texts of templates are left behind: nobody writes a mail there."""
    _write(write, versions, _VERSIONS.rows(source))
    people: dict[int, str | None] = {}
    for chunk in bulk.chunks(account_ids, _CHUNK):
        people |= _take_some(source, write, list(chunk), now)
    # An address may stand at accounts of several chunks, and what was sent there is taken once.
    written = sorted({address for address in people.values() if address})
    since = (now - _LATELY).date()
    for chunk in bulk.chunks(written, _CHUNK):
        mine = list(chunk)
        silent, mails = together(
            source, [_SILENT.asking(ids=mine), _MAILS.asking(ids=mine, since=since)]
        )
        _write(write, suppressions, silent)
        _write(write, messages, [_at_rest(row, people) for row in mails])


def _take_some(
    source: Connection, write: Write, ids: list[int], now: datetime
) -> dict[int, str | None]:
    """The same of some accounts, without their mails; the addresses of their people by number.

    What belongs to the accounts is asked for in one go, what belongs to that in another."""
    by_account = (_ACCOUNTS, _PEOPLE, _LICENCES, _EPISODES, _TASKS, _WALKS, _ALONE)
    lately = _QUESTIONS.asking(ids=ids, since=(now - _ASKED).date())
    mine, people, held, silent, work, walked, alone, questions = together(
        source, [*(statement.asking(ids=ids) for statement in by_account), lately]
    )
    heard = [one.subject_id for one in alone if one.subject == ANSWER and one.state != "ended"]
    done_with = _DONE_WITH.rows(source, ids=heard) if heard else []
    going = [*walked, *alone, *done_with]
    told, addresses = [row.id for row in held], {row.id: row.email for row in people}
    numbers, persons = [row.id for row in going], list(addresses)
    stood, liked, termed, answered, decided, happened, opened = together(
        source,
        [
            _STOPS.asking(licence=told, account=ids, contact=persons),
            _about(_PREFERENCES, persons),
            _about(_TERMS, told),
            _about(_ANSWERS, heard),
            _about(_STEPS, numbers),
            _about(_HAPPENINGS, numbers),
            _about(store.OPENED_TASKS, numbers),
        ],
    )
    # An order in which each finds what it points to.
    _write(write, accounts, mine)
    _write(write, contacts, people)
    _write(write, preferences, liked)
    _write(write, licences, held)
    _write(write, terms, termed)
    _write(write, stops, stood)
    _write(write, episodes, silent)
    write(responses, _OF_ANSWERS, answered)
    _write(write, walks, going)
    _write(write, steps, [_in_the_past(row, now) for row in decided])
    _write(write, happenings, happened)
    _write(write, tasks, _theirs([*work, *opened], set(ids), set(told)))
    _write(write, invitations, _asked_of(questions, addresses, set(numbers)))
    return addresses


def _about(statement: Prepared, ids: list[int]) -> Asking | None:
    return statement.asking(ids=ids) if ids else None


def _in_the_past(row: Any, now: datetime) -> Any:
    """What was decided this very moment is past: so the copy's own decisions can be told apart."""
    return row._replace(decided_at=now - timedelta(seconds=1)) if row.decided_at >= now else row


def _theirs(rows: Iterable[Any], ids: Collection[int], held: Collection[int]) -> list[Any]:
    """The tasks of these accounts, and those that steps of their walks opened while the licence was
    somebody else's."""
    there = {row.id: row for row in rows if row.licence_id is None or row.licence_id in held}
    return [row for row in there.values() if row.account_id is None or row.account_id in ids]


def _asked_of(rows: Iterable[Any], people: Collection[int], going: Collection[int]) -> list[Any]:
    """Whom these people were asked about lately: for quiet times and reminders."""
    return [
        row if row.walk_id in going else row._replace(walk_id=None)
        for row in rows
        if row.contact_id in people
    ]


def _at_rest(row: Any, people: Collection[int]) -> Any:
    """A mail that is on its way counts as sent; nobody on the copy will hear of its end."""
    if row.state in (SENDING, UNKNOWN):
        row = row._replace(next_at=None)
    return row if row.contact_id in people else row._replace(contact_id=None)


def _write(write: Write, table: Table, rows: Sequence[Any]) -> None:
    if rows:  # of most tables a client has none
        write(table, [column.name for column in table.columns], rows)
