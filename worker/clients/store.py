"""Queries on answers and visits, and on the mail that a link belongs to. Nothing here commits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import and_, bindparam, func, insert, select
from sqlalchemy.engine import Connection

from worker.catalogue.records import accounts, contacts, licences, staff
from worker.clients.records import answers, visits
from worker.clients.rules import Given
from worker.db import bulk
from worker.db.prepared import Prepared
from worker.outbox.records import messages

_AGENT = 200  # signs kept of a program's name

_LETTER = Prepared(
    select(
        messages.c.mail_key,
        messages.c.address,
        messages.c.kind,
        messages.c.language,
        contacts.c.id.label("contact_id"),
        contacts.c.name.label("contact_name"),
        contacts.c.email.label("contact_email"),
        contacts.c.opt_out,
        contacts.c.language.label("contact_language"),
        accounts.c.language.label("account_language"),
        accounts.c.timezone,
    )
    .join(contacts, contacts.c.id == messages.c.contact_id)
    .join(accounts, accounts.c.id == contacts.c.account_id)
    .where(messages.c.mail_key == bindparam("mail"), contacts.c.id == bindparam("person"))
)


def letter(conn: Connection, mail_key: str, contact_id: int) -> Any:
    """The copy of a mail that this contact got, with the contact and its account, or ``None``."""
    return next(iter(_LETTER.rows(conn, mail=mail_key, person=contact_id)), None)


def hold_accounts(conn: Connection, licence_ids: Sequence[int]) -> None:
    """Keeps others from answering about, or judging, these licences' accounts meanwhile."""
    of_licences = select(licences.c.account_id).where(bulk.among(licences.c.id, licence_ids))
    conn.execute(
        select(accounts.c.id)
        .where(accounts.c.id.in_(of_licences))
        .order_by(accounts.c.id)
        .with_for_update(key_share=True)
    )


_ACCOUNT = ("id", "key", "name", "timezone", "country", "account_manager", "renewal_manager")
_LICENCE = (
    *("id", "key", "product", "quantity", "amount", "next_amount", "currency"),
    *("expires_on", "notice_days", "auto_renew", "status", "term", "declined_term"),
)
_MANAGERS = (
    func.nullif(accounts.c.renewal_manager, ""),
    func.nullif(accounts.c.account_manager, ""),
)


_LICENCES = Prepared(
    select(
        *[licences.c[name] for name in _LICENCE],
        *[accounts.c[name].label(f"account_{name}") for name in _ACCOUNT],
        staff.c.name.label("manager"),
    )
    .join(accounts, accounts.c.id == licences.c.account_id)
    .outerjoin(staff, staff.c.key == func.coalesce(*_MANAGERS))
    .where(bulk.listed(licences.c.id))
    .order_by(licences.c.expires_on, licences.c.key)
)
_GIVEN = Prepared(select(answers).where(bulk.listed(answers.c.licence_id)).order_by(answers.c.id))


def licences_by_id(conn: Connection, ids: Sequence[int]) -> list[Any]:
    """Licences with their accounts (``account_`` columns) and the name of the person of ours who
    renews them (``manager``), in the order in which they expire."""
    if not ids:
        return []
    return _LICENCES.rows(conn, ids=list(ids))


def given(conn: Connection, licence_ids: Sequence[int]) -> Mapping[tuple[int, int], Given]:
    """The answer that counts about each term of these licences: the last one."""
    if not licence_ids:
        return {}
    return {
        (row.licence_id, row.cycle): Given(
            row.kind, row.detail, row.at, row.mail_key, row.contact_id
        )
        for row in _GIVEN.rows(conn, ids=list(licence_ids))
    }


def answered_in(conn: Connection, mail_key: str, contact_id: int) -> list[tuple[int, int]]:
    """The terms of licences, (licence id, term), that this person ever answered about by this
    mail."""
    mine = and_(answers.c.mail_key == mail_key, answers.c.contact_id == contact_id)
    query = select(answers.c.licence_id, answers.c.cycle).where(mine).distinct()
    return [(row.licence_id, row.cycle) for row in conn.execute(query)]


def add_answers(
    conn: Connection, terms: Sequence[tuple[int, int]], new: Mapping[int, Given]
) -> None:
    """Records answers about terms of licences: (licence id, term), ``new`` by licence id."""
    rows = [
        {
            "mail_key": new[licence_id].mail_key,
            "contact_id": new[licence_id].contact_id,
            "licence_id": licence_id,
            "cycle": cycle,
            "kind": new[licence_id].kind,
            "detail": dict(new[licence_id].detail),
            "at": new[licence_id].at,
        }
        for licence_id, cycle in terms
    ]
    conn.execute(insert(answers), rows)


def add_visits(conn: Connection, new: Sequence[Any]) -> None:
    """Notes visits: page, mail_key, agent, at."""
    rows = [(one.page, one.mail_key, one.agent[:_AGENT] or None, one.at) for one in new]
    bulk.insert(conn, visits, ("page", "mail_key", "agent", "at"), rows)
