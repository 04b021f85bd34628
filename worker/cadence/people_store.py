"""Whom mails reach and in whose name: contacts, with what they chose themselves, and our people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.engine import Connection

from worker.catalogue.records import accounts, contacts, preferences, staff, suppressions
from worker.db import bulk
from worker.db.prepared import Prepared

_contact = [
    *[contacts.c[name] for name in ("id", "account_id", "email", "name", "role", "opt_out")],
    func.coalesce(preferences.c.language, contacts.c.language).label("language"),
    *[preferences.c[name] for name in ("no_commercial", "no_surveys", "paused_until")],
    suppressions.c.reason.label("silenced"),
]
_contacts = (
    select(*_contact)
    .outerjoin(preferences, preferences.c.contact_id == contacts.c.id)
    .outerjoin(suppressions, suppressions.c.address == contacts.c.email)
)
_CONTACTS_OF = Prepared(_contacts.where(bulk.listed(contacts.c.account_id)).order_by(contacts.c.id))
_CONTACTS_OF_KEYS = Prepared(
    _contacts.add_columns(accounts.c.key.label("account_key"))
    .join(accounts, accounts.c.id == contacts.c.account_id)
    .where(bulk.listed(accounts.c.key, "keys"))
    .order_by(contacts.c.id)
)
_STAFF_OF = Prepared(
    select(staff.c.key, staff.c.name, staff.c.email).where(bulk.listed(staff.c.key, "keys"))
)
_CONTACTS_BY_ID = Prepared(_contacts.where(bulk.listed(contacts.c.id)))


def contacts_of(conn: Connection, account_ids: Sequence[int]) -> Sequence[Any]:
    """Contacts of accounts, in the order in which they joined the book, each with what they chose
    themselves and why their address is silent."""
    return _CONTACTS_OF.rows(conn, ids=account_ids) if account_ids else []


def contacts_of_keys(conn: Connection, keys: Sequence[str]) -> Sequence[Any]:
    """Contacts of the accounts with these keys, each with its account_key."""
    return _CONTACTS_OF_KEYS.rows(conn, keys=keys) if keys else []


def staff_of(conn: Connection, keys: Sequence[str]) -> Sequence[Any]:
    """Our own people by their keys: key, name, email."""
    return _STAFF_OF.rows(conn, keys=keys) if keys else []


def contacts_by_id(conn: Connection, ids: Sequence[int]) -> Sequence[Any]:
    """Contacts as they are now."""
    return _CONTACTS_BY_ID.rows(conn, ids=ids) if ids else []


def account_of(conn: Connection, contact_id: int | None) -> int | None:
    """The account of a contact, where there is one."""
    found = contacts_by_id(conn, [contact_id] if contact_id else [])
    return found[0].account_id if found else None
