"""Queries on the invitation that a link belongs to, on scores that were opened, and on colleagues.
Nothing here commits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Text, and_, bindparam, cast, func, insert, or_, select, union, update
from sqlalchemy.engine import Connection

from worker.cadence.records import steps
from worker.catalogue.records import accounts, contacts
from worker.channels.told import Kind
from worker.clients.records import preselections
from worker.clients.survey_rules import NEARBY, judge_opened
from worker.clients.visiting import Preselection
from worker.db import bulk
from worker.db.prepared import Prepared
from worker.events.records import events
from worker.outbox.records import messages
from worker.surveys.records import invitations
from worker.surveys.rules import MACHINE

_PERSON = (
    contacts.c.name.label("contact_name"),
    contacts.c.email.label("contact_email"),
    contacts.c.language.label("contact_language"),
    accounts.c.name.label("account_name"),
    accounts.c.language.label("account_language"),
)
_ASKED = Prepared(
    select(invitations, *_PERSON)
    .join(contacts, contacts.c.id == invitations.c.contact_id)
    .join(accounts, accounts.c.id == invitations.c.account_id)
    .where(
        invitations.c.mail_key == bindparam("mail"),
        invitations.c.contact_id == bindparam("person"),
    )
)


def asked(conn: Connection, mail_key: str, contact_id: int) -> Any | None:
    """The invitation that a mail brought to this person, with the person and its account."""
    return next(iter(_ASKED.rows(conn, mail=mail_key, person=contact_id)), None)


# A reminder leads to the page by the link of the mail that asked: both have brought it.
_OF_WALKS = select(steps.c.walk_id).where(steps.c.mail_key == bindparam("mail"))
_KEYS = union(
    select(cast(bindparam("mail"), Text)),
    select(steps.c.mail_key).where(steps.c.walk_id.in_(_OF_WALKS), steps.c.kind == "survey"),
)
_MAILS = Prepared(
    select(
        messages.c.mail_key,
        messages.c.language,
        messages.c.accepted_at,
        func.min(events.c.at).label("told_at"),
    )
    .outerjoin(
        events,
        and_(
            events.c.mail_key == messages.c.mail_key,
            func.lower(events.c.address) == func.lower(messages.c.address),
            events.c.kind == Kind.DELIVERED.value,
        ),
    )
    .where(messages.c.mail_key.in_(_KEYS), messages.c.contact_id == bindparam("person"))
    .group_by(messages.c.id)
    .order_by(messages.c.id.desc())
)


def mails(conn: Connection, mail_key: str, contact_id: int) -> list[Any]:
    """This person's copies of a mail that asks and of its reminders, the latest first: mail_key,
    language, ``accepted_at``, and when the delivery was told first (``told_at``)."""
    return _MAILS.rows(conn, mail=mail_key, person=contact_id)


# --- colleagues -----------------------------------------------------------------------------------


def passed_on(conn: Connection, invitation_id: int) -> Sequence[Any]:
    """To whom a person has passed the question on: mail_key, contact_id, asked_at, name."""
    names = func.coalesce(contacts.c.name, contacts.c.email).label("name")
    query = (
        select(*[invitations.c[name] for name in ("mail_key", "contact_id", "asked_at")], names)
        .join(contacts, contacts.c.id == invitations.c.contact_id)
        .where(invitations.c.passed_on_by == invitation_id)
        .order_by(invitations.c.id)
    )
    return conn.execute(query).all()


def colleague(conn: Connection, account_id: int, who: str) -> Any | None:
    """The contact of the account with this address or name."""
    named = or_(
        func.lower(contacts.c.email) == who.lower(),
        contacts.c.name == who,
        func.lower(contacts.c.name) == who.lower(),
    )
    mine = select(contacts).where(contacts.c.account_id == account_id, named)
    return conn.execute(mine.order_by(contacts.c.id).limit(1)).first()


def add_colleague(conn: Connection, key: str, account_id: int, name: str, now: datetime) -> Any:
    """A contact without an address, which no mail can reach: whom to write to is what the book
    says."""
    new = {"key": key, "account_id": account_id, "name": name, "updated_at": now}
    conn.execute(insert(contacts).values(**new))
    return conn.execute(select(contacts).where(contacts.c.key == key)).one()


# --- scores that were opened ----------------------------------------------------------------------


def add_preselections(conn: Connection, new: Sequence[Preselection]) -> None:
    """Notes scores that were opened, and judges those before them anew that were opened at nearly
    the same time."""
    by_invitation: dict[int, list[Preselection]] = defaultdict(list)
    for one in new:
        by_invitation[one.invitation_id].append(one)
    for invitation_id, some in by_invitation.items():
        _add_of_one(conn, invitation_id, some)


def _add_of_one(conn: Connection, invitation_id: int, new: Sequence[Preselection]) -> None:
    since = min(one.at for one in new) - NEARBY
    nearby = preselections.c.invitation_id == invitation_id, preselections.c.at >= since
    before = conn.execute(select(preselections).where(*nearby)).all()
    # Negative: those that have no number yet.
    found = {-place: one for place, one in enumerate(new, 1)}
    known = {row.id: Preselection(invitation_id, row.score, _SOME, row.at, None) for row in before}
    judged = judge_opened(found | known)
    late = [row.id for row in before if judged[row.id] == MACHINE]
    if late:
        mine = bulk.among(preselections.c.id, late)
        conn.execute(update(preselections).where(mine).values(judged=MACHINE))
    rows = [
        {"invitation_id": invitation_id, "score": one.score, "at": one.at, "judged": judged[place]}
        for place, one in found.items()
    ]
    conn.execute(insert(preselections), rows)


_SOME = "known"
"""The program of a score that was noted before: it was judged by its name then."""
