"""What clients' people chose for themselves: language, topics, a pause. It outlasts imports."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import bindparam, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from worker.catalogue.records import contacts, preferences
from worker.db.prepared import Prepared


class Preference(NamedTuple):
    """One person's choices. ``paused_until`` is the last day without mail that is not contractual;
    links that were signed before ``links_from`` are revoked."""

    language: str | None = None
    no_commercial: bool = False
    no_surveys: bool = False
    paused_until: date | None = None
    links_from: datetime | None = None


NONE = Preference()
_OF = Prepared(
    select(*[preferences.c[name] for name in Preference._fields]).where(
        preferences.c.contact_id == bindparam("contact")
    )
)


def of(conn: Connection, contact_id: int) -> Preference:
    """What this contact chose; all defaults when it never did."""
    return next((Preference(*row) for row in _OF.rows(conn, contact=contact_id)), NONE)


def sharing(conn: Connection, contact_id: int) -> list[int]:
    """The contacts that are the same person as far as mail goes: those with the same address."""
    address = select(contacts.c.email).where(contacts.c.id == contact_id).scalar_subquery()
    same = select(contacts.c.id).where(contacts.c.email == address).order_by(contacts.c.id)
    return list(conn.execute(same).scalars()) or [contact_id]


def put(conn: Connection, contact_ids: Sequence[int], now: datetime, **chosen: Any) -> None:
    """Records choices, by the names of ``Preference``; those that are not named stay."""
    if not contact_ids:
        return
    dialect = postgresql if conn.dialect.name == "postgresql" else sqlite
    values = {**chosen, "updated_at": now}
    new = dialect.insert(preferences).on_conflict_do_update(
        index_elements=["contact_id"], set_=values
    )
    conn.execute(new, [{"contact_id": id_, **values} for id_ in sorted(contact_ids)])


def refuse(conn: Connection, contact_id: int, mail_class: str, now: datetime) -> None:
    """Takes a person off all mails of one class, at every account that has the address.

    An opt-out of one class never silences another, and none silences what is contractual.
    """
    topic = {"commercial": "no_commercial", "survey": "no_surveys"}.get(mail_class)
    if topic:
        put(conn, sharing(conn, contact_id), now, **{topic: True})
