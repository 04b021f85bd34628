"""Whom a command names: contacts that share an address, and all that they were written to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.engine import Connection

from worker.catalogue import erasures
from worker.catalogue.records import contacts
from worker.db import bulk
from worker.kernel.errors import FindingsError
from worker.outbox.records import messages


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
