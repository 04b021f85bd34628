"""Past answers from a file: laid down once, however often the file comes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.engine import Connection

from worker.cadence.heard import answers_changed
from worker.catalogue.records import accounts, contacts
from worker.catalogue.report import Counts
from worker.catalogue.said import AnswerSaid
from worker.db import bulk
from worker.kernel.keys import digest
from worker.surveys import rules, store
from worker.surveys.flow import draw_id
from worker.surveys.numbers import vote
from worker.surveys.records import responses
from worker.surveys.themes import Reader

_CHANGES = ("score", "vote", "comment", "answered_on")
_COLUMNS = (
    *("id", "key", "schedule", "survey", "promise", "account_id", "contact_id"),
    *("role", "segment", "language", "source", *_CHANGES),
)


class _Person(NamedTuple):
    """A contact as the book has it today."""

    id: int
    account_id: int
    role: str | None
    language: str | None


class _Account(NamedTuple):
    id: int
    segment: str | None


def lay(
    conn: Connection, said: Sequence[AnswerSaid], reader: Reader, now: datetime, *, dry_run: bool
) -> Counts:
    """Lays the answers of a file beside ours, in the caller's transaction; what became of them.

    An answer is known again by its own key; else by contact, schedule and day, or, where no person
    is told, by account, schedule, day and what it says. Later rows win. Role and segment are
    today's: a file does not say what they were.
    """
    told = _by_key(said)
    known = _known(conn, list(told))
    fresh = {key: one for key, one in told.items() if key not in known}
    changed = {key: one for key, one in told.items() if key in known and _differs(known[key], one)}
    counts = Counts(len(fresh), len(changed), len(said) - len(fresh) - len(changed))
    if dry_run:
        return counts
    people, clients = _people(conn, fresh.values()), _clients(conn, fresh.values())
    rows = [_row(key, one, people, clients) for key, one in fresh.items()]
    bulk.insert(conn, responses, _COLUMNS, rows)
    for key, one in changed.items():
        store.change_response(conn, known[key].id, _values(known[key], one))
    answers_changed(conn, [known[key].id for key in changed], now)
    if reader.names:
        _read(conn, rows, {known[key].id: one for key, one in changed.items()}, reader)
    return counts


def _by_key(said: Sequence[AnswerSaid]) -> dict[str, AnswerSaid]:
    """The answers by what they are known by; of two about the same, the later one."""
    found: dict[str, AnswerSaid] = {}
    seen: Counter[str] = Counter()
    for one in said:
        if one.key is not None:
            found[f"import:{one.schedule}:{one.key}"] = one
            continue
        names = [one.schedule, one.account or "", one.answered_on.isoformat()]
        if one.contact is not None:
            names = [one.schedule, one.contact, one.answered_on.isoformat()]
            found[f"import:{digest(_said('person', *names))}"] = one
            continue
        names += [str(one.score), one.comment or ""]
        key = digest(_said("account", *names))
        seen[key] += 1  # people of one account may say the same on one day
        found[f"import:{key}:{seen[key]}"] = one
    return found


def _said(*names: str) -> str:
    return "\n".join(f"{len(name)}:{name}" for name in names)


def _known(conn: Connection, keys: Sequence[str]) -> dict[str, Any]:
    names = ("id", "key", "score", "comment", "answered_on")
    wanted = select(*[responses.c[name] for name in names])
    return {
        row.key: row
        for chunk in bulk.chunks(keys)
        for row in conn.execute(wanted.where(bulk.among(responses.c.key, chunk)))
    }


def _differs(row: Any, one: AnswerSaid) -> bool:
    """A blank comment says nothing: the one that is known stays."""
    values = _values(row, one)
    return any(getattr(row, name) != values[name] for name in ("score", "comment", "answered_on"))


def _values(row: Any, one: AnswerSaid) -> dict[str, Any]:
    return {
        "score": one.score,
        "vote": vote(one.score),
        "comment": row.comment if one.comment is None else one.comment,
        "answered_on": one.answered_on,
    }


def _people(conn: Connection, said: Any) -> Mapping[str, _Person]:
    keys = sorted({one.contact for one in said if one.contact is not None})
    names = ("key", "id", "account_id", "role", "language")
    wanted = select(*[contacts.c[name] for name in names])
    return {
        row.key: _Person(*row[1:])
        for chunk in bulk.chunks(keys)
        for row in conn.execute(wanted.where(bulk.among(contacts.c.key, chunk)))
    }


def _clients(conn: Connection, said: Any) -> Mapping[str | int, _Account]:
    """Accounts by key, and those of the contacts by number."""
    keys = sorted({one.account for one in said if one.account is not None})
    named = sorted({one.contact for one in said if one.contact is not None})
    columns = (accounts.c.key, accounts.c.id, accounts.c.segment)
    found: dict[str | int, _Account] = {}
    for chunk in bulk.chunks(keys):
        for row in conn.execute(select(*columns).where(bulk.among(accounts.c.key, chunk))):
            found[row.key] = _Account(row.id, row.segment)
    theirs = select(*columns).join(contacts, contacts.c.account_id == accounts.c.id).distinct()
    for chunk in bulk.chunks(named):
        for row in conn.execute(theirs.where(bulk.among(contacts.c.key, chunk))):
            found[row.id] = _Account(row.id, row.segment)
    return found


def _row(
    key: str,
    one: AnswerSaid,
    people: Mapping[str, _Person],
    clients: Mapping[str | int, _Account],
) -> tuple[Any, ...]:
    """In the order of ``_COLUMNS``. Without a person it is as good as confidential."""
    person = people[one.contact] if one.contact is not None else None
    account = clients[one.account if one.account is not None else person.account_id]  # type: ignore[union-attr]  # one of both is told
    named = person is not None
    return (
        *(draw_id(), key, one.schedule, one.schedule),
        rules.NAMED if named else rules.CONFIDENTIAL,
        *(account.id, person.id if person else None),
        *(person.role if person else None, account.segment, person.language if person else None),
        *("import", one.score, vote(one.score), one.comment, one.answered_on),
    )


def _read(
    conn: Connection,
    rows: Sequence[tuple[Any, ...]],
    changed: Mapping[int, AnswerSaid],
    reader: Reader,
) -> None:
    """Finds the themes of what is new or was changed."""
    ids, comment, language, day = (
        _COLUMNS.index(name) for name in ("id", "comment", "language", "answered_on")
    )
    found = {
        row[ids]: (row[day], reader.themes_of(row[comment], row[language]))
        for row in rows
        if row[comment]
    }
    for id_, one in changed.items():
        if one.comment is not None:
            found[id_] = (one.answered_on, reader.themes_of(one.comment))
    for chunk in bulk.chunks(list(found)):
        store.set_themes(conn, {id_: found[id_] for id_ in chunk}, reader.digest)
