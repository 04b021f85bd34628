"""A person's addresses and names in texts where nobody looks for them: every table is searched, and
other words stand there afterwards. What companies are called is left, and told."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Column, Engine, MetaData, Table, Text, func, or_, select, update
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SAWarning

from worker.cadence.records import interventions, of_licence, walks
from worker.catalogue.erasures import ADDRESS, Erased
from worker.catalogue.records import licences
from worker.clients.people import Person
from worker.db import bulk
from worker.worklist.records import task_history
from worker.worklist.records import tasks as worklist

ERASED = "[erased]"
_OURS = frozenset({"staff", "schedule_versions", "template_texts", "version_templates"})
"""Tables of our own people and texts."""
_CLIENTS = frozenset({"accounts", "licences"})
"""Tables of companies: what is in them is the company's, and their keys are other programs'."""
_SHORTEST_NAME = 4


def tables_of(conn: Connection) -> MetaData:
    """Every table that there really is, whoever made it."""
    found = MetaData()
    with warnings.catch_warnings():  # of an index on an expression: no column is missed
        warnings.filterwarnings("ignore", "Skipped unsupported reflection", SAWarning)
        found.reflect(conn)
    return found


def sweep(conn: Connection, person: Person, erased: Erased, tables: MetaData) -> None:
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


def left(conn: Connection, person: Person, tables: MetaData) -> Iterator[str]:
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
