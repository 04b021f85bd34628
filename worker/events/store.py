"""Queries on events, and on the messages that they tell of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, bindparam, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from worker.cadence.records import returned, steps, walks
from worker.catalogue.records import accounts, contacts
from worker.channels.told import Kind
from worker.db import bulk
from worker.db.prepared import Prepared
from worker.events.records import events
from worker.outbox.records import messages

# --- messages ---


class Copy(NamedTuple):
    """One message as an event finds it: one copy of a mail, for one address."""

    id: int
    mail_key: str
    address: str
    contact_id: int | None
    kind: str
    state: str
    provider_id: str | None
    fate: str | None
    fate_at: datetime | None
    schedule: str
    step: str


_copies = select(*[messages.c[name] for name in Copy._fields])
_COPIES = Prepared(
    _copies.where(bulk.listed(messages.c.mail_key, "keys"))
    .order_by(messages.c.id)
    .with_for_update()
)
# An address has few mails: its index leads there, and none on the provider's ids is needed.
_SENT_AS = Prepared(
    _copies.where(
        bulk.listed(messages.c.address, "addresses"), bulk.listed(messages.c.provider_id, "names")
    )
    .order_by(messages.c.id)
    .with_for_update()
)


def copies(conn: Connection, mail_keys: Iterable[str]) -> list[Copy]:
    """Every copy of these mails; nobody else changes them until the transaction ends."""
    keys = sorted(set(mail_keys))
    return [Copy(*row) for some in bulk.chunks(keys) for row in _COPIES.rows(conn, keys=list(some))]


def sent_as(conn: Connection, named: Iterable[tuple[str, str]]) -> list[Copy]:
    """The copies that went to these addresses under these ids of the provider, held as well."""
    pairs = sorted(set(named))
    if not pairs:
        return []
    addresses, names = [list(values) for values in zip(*pairs, strict=True)]
    return [Copy(*row) for row in _SENT_AS.rows(conn, addresses=addresses, names=names)]


def set_fates(conn: Connection, rows: Sequence[tuple[int, str, datetime]]) -> None:
    """Writes what became of messages: id, fate, since when."""
    bulk.update(conn, messages, ("fate", "fate_at"), sorted(rows))


# --- events ---


NEW = (
    "key",
    "channel",
    "kind",
    "mail_key",
    "address",
    "detail",
    "at",
    "received_at",
    "orphan",
    "raw",
)


def add(conn: Connection, rows: Sequence[tuple[Any, ...]]) -> set[str]:
    """Keeps events, in the order of ``NEW``; the keys of those that were not told before."""
    # In one order always: two batches that share events must not wait for each other.
    ordered = sorted(rows, key=lambda row: row[0])
    return bulk.add_new(conn, events, NEW, ordered, key="key")


class Heard(NamedTuple):
    """An event that was kept, as far as it decides what follows."""

    id: int
    kind: str
    mail_key: str
    address: str
    detail: str | None
    at: datetime
    machine: bool


_ours = (messages.c.mail_key == events.c.mail_key) & (messages.c.address == events.c.address)
_HEARD = Prepared(
    select(*[events.c[name] for name in Heard._fields])
    .join(messages, _ours)  # not what somebody else's mailbox made of a redirected mail
    .where(bulk.listed(events.c.mail_key, "keys"), bulk.listed(events.c.kind, "kinds"))
    .order_by(events.c.id)
)


def heard(conn: Connection, mail_keys: Iterable[str], kinds: Iterable[Kind]) -> list[Heard]:
    """What is known about these mails, as far as it is of these kinds."""
    wanted = [kind.value for kind in kinds]
    found: list[Heard] = []
    for some in bulk.chunks(sorted(set(mail_keys))):
        found += [Heard(*row) for row in _HEARD.rows(conn, keys=list(some), kinds=wanted)]
    return found


_CLICKED = Prepared(
    select(events.c.mail_key)
    .where(bulk.listed(events.c.mail_key, "keys"), events.c.kind == Kind.CLICKED.value)
    .distinct()
)


def clicked(conn: Connection, mail_keys: Iterable[str]) -> set[str]:
    """Those of these mails in which somebody or something followed a link."""
    keys = sorted(set(mail_keys))
    return {key for some in bulk.chunks(keys) for key in _CLICKED.scalars(conn, keys=list(some))}


def mark_machines(conn: Connection, ids: Sequence[int], *, machine: bool) -> None:
    """Notes of clicks whether a program made them."""
    if ids:
        mine = bulk.among(events.c.id, ids)
        conn.execute(update(events).where(mine).values(machine=machine))


_COUNTS = Prepared(
    select(events.c.kind, events.c.orphan, func.count().label("events"))
    .where(events.c.received_at >= bindparam("since"))
    .group_by(events.c.kind, events.c.orphan)
)


def counts(conn: Connection, since: datetime) -> dict[str, int]:
    """Events received since then by kind; those of no mail of ours as ``orphan``."""
    found: dict[str, int] = {}
    for kind, orphan, count in _COUNTS.rows(conn, since=since):
        name = "orphan" if orphan else kind
        found[name] = found.get(name, 0) + count
    return found


# --- walks ---

_TRAVELLING = Prepared(
    select(
        steps.c.id.label("step_id"),
        steps.c.walk_id,
        steps.c.step,
        steps.c.mail_key,
        steps.c.kind,
        steps.c.due_on,
        steps.c.at,
        walks.c.state,
        walks.c.reason,
    )
    .join(walks, walks.c.id == steps.c.walk_id)
    .where(bulk.listed(steps.c.mail_key, "keys"))
    .order_by(steps.c.walk_id)
    .with_for_update(of=walks)
)


def travelling(conn: Connection, mail_keys: Iterable[str]) -> list[Any]:
    """The steps that travel in these mails, with their walks, which are held: step_id, walk_id,
    step, mail_key, kind, due_on, at, state, reason."""
    keys = sorted(set(mail_keys))
    return _TRAVELLING.rows(conn, keys=keys) if keys else []


_WALKS_OF = Prepared(
    select(steps.c.walk_id).where(bulk.listed(steps.c.mail_key, "keys")).distinct()
)
_MAILS_OF = Prepared(
    select(steps.c.walk_id, steps.c.mail_key).where(
        bulk.listed(steps.c.walk_id), steps.c.mail_key.is_not(None), steps.c.kind != "webhook"
    )
)


def walks_of(conn: Connection, mail_keys: Iterable[str]) -> list[int]:
    """The walks that these mails speak of."""
    keys = sorted(set(mail_keys))
    return sorted(_WALKS_OF.scalars(conn, keys=keys)) if keys else []


def mails_of(conn: Connection, walk_ids: Sequence[int]) -> list[tuple[int, str]]:
    """Walk and mail key of every mail of these walks."""
    rows = _MAILS_OF.rows(conn, ids=list(walk_ids)) if walk_ids else []
    return [(row.walk_id, row.mail_key) for row in rows]


def note_returned(conn: Connection, rows: Sequence[Any], now: datetime) -> None:
    """Remembers which mail a step had gone out with before it came back (``travelling``)."""
    kept = ("walk_id", "step", "mail_key", "kind", "due_on", "at")
    new = [{name: getattr(row, name) for name in kept} | {"returned_at": now} for row in rows]
    dialect = postgresql if conn.dialect.name == "postgresql" else sqlite
    conn.execute(dialect.insert(returned).on_conflict_do_nothing(), new)


# --- people ---


def people(conn: Connection, addresses: Iterable[str]) -> list[Any]:
    """Everybody in the book with one of these addresses: id, email, name, account_id,
    account_name, account_manager."""
    wanted = sorted(set(addresses))
    if not wanted:
        return []
    columns: list[ColumnElement[Any]] = [contacts.c[n] for n in ("id", "email", "name")]
    columns += [
        accounts.c.id.label("account_id"),
        accounts.c.name.label("account_name"),
        accounts.c.account_manager,
    ]
    query = select(*columns).join(accounts, accounts.c.id == contacts.c.account_id)
    return list(conn.execute(query.where(bulk.among(contacts.c.email, wanted)).order_by("id")))
