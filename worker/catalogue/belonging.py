"""Single people from another system that knows no accounts: which account they belong to."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import literal, select
from sqlalchemy.engine import Connection

from worker.catalogue.entities import ROLES
from worker.catalogue.entry import Entry, enter
from worker.catalogue.flow import Brake, HandOver
from worker.catalogue.records import accounts, contacts
from worker.db.folding import folded
from worker.kernel.errors import Problem

_ANYBODYS = frozenset(
    (
        *("gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "live.com", "msn.com"),
        *("yahoo.com", "icloud.com", "me.com", "mac.com", "aol.com", "proton.me"),
        *("protonmail.com", "gmx.com", "gmx.net", "gmx.de", "web.de", "mail.com"),
        *("yandex.ru", "yandex.com", "ya.ru", "mail.ru", "bk.ru", "list.ru"),
        *("inbox.ru", "rambler.ru", "wp.pl", "o2.pl", "onet.pl", "op.pl"),
        *("interia.pl", "poczta.fm", "gazeta.pl", "tlen.pl"),
    )
)
"""Domains that say nothing of a company."""


@dataclass(frozen=True, slots=True)
class Belonging:
    """How an account is told: by the property ``company``, else it is the one with the key
    ``account``, else one for each domain of addresses."""

    company: str
    account: str | None


@dataclass(frozen=True, slots=True)
class Person:
    """What another system says of a person; ``properties`` are its own words."""

    email: str
    name: str | None
    properties: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Laid:
    """What came of it: the contact's key, and why nothing was done."""

    key: str
    problems: Sequence[Problem] = ()
    erased: bool = False


def lay(
    conn: Connection,
    person: Person,
    key: str | None,
    new_email: str | None,
    belonging: Belonging,
    now: datetime,
    brake: Brake,
    hand_over: HandOver,
) -> Laid:
    """Lays a person over the book in the caller's transaction: the contact ``key``, or a new one.

    A contact that there is stays with its account, whatever is said: the book knows better.
    """
    fields: dict[str, str | None] = {"email": new_email or person.email}
    fields |= {"name": person.name} if person.name else {}
    fields |= _words(person.properties)
    if key is None:
        account, name = _account(conn, person, belonging)
        if conn.scalar(select(accounts.c.id).where(accounts.c.key == account)) is None:
            report = enter(conn, Entry("account", account, {"name": name}), now, brake, hand_over)
            if report.problems:
                return Laid("", report.problems)
        key, fields = _free_key(conn, person.email), {"account": account, **fields}
    report = enter(conn, Entry("contact", key, fields), now, brake, hand_over)
    return Laid(key, report.problems, bool(report.erased))


def _words(properties: Mapping[str, str]) -> dict[str, str | None]:
    """What of the properties is the book's own: ``locale`` and, in our words, ``role``."""
    found: dict[str, str | None] = {}
    spoken = re.match(r"[A-Za-z]{2,3}(?=$|[-_])", properties.get("locale", ""))
    if spoken is not None:
        found["language"] = spoken[0].lower()
    role = properties.get("role", "").strip().lower()
    return found | ({"role": role} if role in ROLES else {})


def _account(conn: Connection, person: Person, belonging: Belonging) -> tuple[str, str]:
    """Key and name of a new person's account."""
    said = person.properties.get(belonging.company, "").strip()
    if said:
        if conn.scalar(select(accounts.c.id).where(accounts.c.key == said)) is not None:
            return said, said
        named = (
            select(accounts.c.key).where(folded(accounts.c.name) == folded(literal(said))).limit(2)
        )
        keys = conn.execute(named).scalars().all()
        return (keys[0] if len(keys) == 1 else said), said
    if belonging.account is not None:
        return belonging.account, belonging.account
    domain = person.email.partition("@")[2]
    own = person.email if domain in _ANYBODYS else domain
    return own, (person.name or own) if own == person.email else own


def _free_key(conn: Connection, email: str) -> str:
    """A new contact is known by its address, unless that is another one's key."""
    taken = conn.scalar(select(contacts.c.id).where(contacts.c.key == email)) is not None
    return f"delighted:{email}" if taken else email
