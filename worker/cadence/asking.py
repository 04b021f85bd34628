"""Questions that were asked: of whom, by which mail, when last. Nothing here commits.

The rows are written here, by steps of walks and by whoever asks by other means; what was answered
is written by those who hear it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, FromClause, and_, delete, func, or_, select
from sqlalchemy.engine import Connection

from worker.cadence import heard, writing_store
from worker.cadence.facts import SURVEYED
from worker.cadence.quiet import Quiet
from worker.cadence.records import invitations, steps
from worker.catalogue.records import contacts
from worker.catalogue.suppressions import BOUNCED
from worker.db import bulk
from worker.db.prepared import Prepared
from worker.outbox.records import messages
from worker.outbox.rules import ACCEPTED, DUE, GIVEN_UP, SENDING, UNKNOWN

ANONYMOUS = "anonymous"

NEW = (
    "schedule",
    "survey",
    "walk_id",
    "contact_id",
    "account_id",
    "licence_id",
    "mail_key",
    "promise",
    "role",
    "segment",
    "product",
    "language",
    "asked_on",
    "asked_at",
    "closes_at",
)


def invite(conn: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    """Notes whom a question is asked, in the order of ``NEW``."""
    bulk.insert(conn, invitations, NEW, rows)


def forget(conn: Connection, copies: Sequence[tuple[str, int | None]]) -> None:
    """Takes back questions whose mail will not leave: (mail key, contact id). Nobody was asked."""
    for mail_key, contact_id in copies:
        mine = (invitations.c.mail_key == mail_key) & (invitations.c.contact_id == contact_id)
        conn.execute(delete(invitations).where(mine, ~invitations.c.answered))


_OF_WALKS = Prepared(
    select(
        steps.c.walk_id,
        *[invitations.c[name] for name in ("id", "contact_id", "mail_key", "promise")],
        *[invitations.c[name] for name in ("asked_on", "closes_at", "answered")],
    )
    .join(invitations, invitations.c.mail_key == steps.c.mail_key)
    .where(bulk.listed(steps.c.walk_id), steps.c.kind == "survey")
    .order_by(invitations.c.id)
)


def of_walks(conn: Connection, walk_ids: Sequence[int]) -> list[Any]:
    """Whom the questions of these walks were asked: walk_id, and id, contact_id, mail_key, promise,
    asked_on, closes_at, answered of the invitation. One may come once for each of several walks."""
    return _OF_WALKS.rows(conn, ids=walk_ids) if walk_ids else []


def by_mail(conn: Connection, mail_key: str, contact_id: int) -> Any | None:
    """What somebody was asked by a mail; ``None`` when nothing was."""
    mine = (invitations.c.mail_key == mail_key) & (invitations.c.contact_id == contact_id)
    return conn.execute(select(invitations).where(mine)).first()


# --- quiet time ---


@dataclass(frozen=True, slots=True)
class Lately:
    """On which day these addresses and accounts were last asked anything."""

    addresses: Mapping[str, date]
    accounts: Mapping[int, date]


_MAY_HAVE_ARRIVED = (DUE, SENDING, ACCEPTED, UNKNOWN, GIVEN_UP)


def _really() -> ColumnElement[bool]:
    """Not those whose mail never left or came back; who was asked by other means has no mail."""
    arrived = messages.c.state.in_(_MAY_HAVE_ARRIVED)
    back = func.coalesce(messages.c.fate, "") == BOUNCED
    return or_(messages.c.id.is_(None), and_(arrived, ~back))


def _asked() -> FromClause:
    same = and_(
        messages.c.mail_key == invitations.c.mail_key,
        messages.c.contact_id == invitations.c.contact_id,
    )
    return invitations.outerjoin(messages, same)


def may_have_arrived(conn: Connection, invitation: Any) -> bool:
    """Whether the mail that asked them may have reached them: a reminder of a question that nobody
    saw is the question itself."""
    mine = select(invitations.c.id).select_from(_asked()).where(invitations.c.id == invitation.id)
    return conn.execute(mine.where(_really())).first() is not None


def lately(
    conn: Connection,
    addresses: Sequence[str],
    account_ids: Sequence[int],
    quiet: Quiet,
    today: date,
    *,
    before: int | None = None,
) -> Lately:
    """Who of these was asked within the quiet time that ends with ``today``; ``before`` leaves out
    the invitations from that number on."""
    since = today - timedelta(days=max(quiet.contact_days, quiet.account_days))
    mine = [invitations.c.asked_on > since, _really()]
    if before is not None:
        mine.append(invitations.c.id < before)
    last = func.max(invitations.c.asked_on)
    people = _asked().join(contacts, contacts.c.id == invitations.c.contact_id)
    by_address = select(contacts.c.email, last).select_from(people).where(*mine)
    by_account = select(invitations.c.account_id, last).select_from(_asked()).where(*mine)
    found: dict[str, date] = {}
    for some in bulk.chunks(sorted(set(addresses))):
        where = bulk.among(contacts.c.email, list(some))
        rows = conn.execute(by_address.where(where).group_by(contacts.c.email))
        found |= {row[0]: row[1] for row in rows}
    accounts: dict[int, date] = {}
    for ids in bulk.chunks(sorted(set(account_ids))):
        where = bulk.among(invitations.c.account_id, list(ids))
        rows = conn.execute(by_account.where(where).group_by(invitations.c.account_id))
        accounts |= {row[0]: row[1] for row in rows}
    return Lately(found, accounts)


# --- answers ---


def note_answered(conn: Connection, asked: Any, now: datetime) -> None:
    """Hears that an invitation (a row of the table) was answered. Once all whom its walks asked
    have answered, these walks are over.

    Nothing tells when an anonymous answer came: its walks end when they are looked at anyway.
    """
    walk_ids = {walk.id for walk in heard.walks_of_mail(conn, asked.mail_key or "")}
    walk_ids |= {asked.walk_id} if asked.walk_id else set()
    open_ = {row.walk_id for row in _unanswered(conn, sorted(walk_ids))}
    done = sorted(walk_ids - open_)
    if not done:
        return
    hidden = asked.promise == ANONYMOUS
    for what in ("answered", SURVEYED):
        heard.note(conn, done, what, asked.asked_at if hidden else now)
    if not hidden:
        writing_store.wake(conn, done, now)


def _unanswered(conn: Connection, walk_ids: Sequence[int]) -> Sequence[Any]:
    if not walk_ids:
        return ()
    asked = _asked().join(steps, steps.c.mail_key == invitations.c.mail_key)
    mine = bulk.among(steps.c.walk_id, list(walk_ids))
    query = select(steps.c.walk_id).select_from(asked).distinct()
    still = (~invitations.c.answered, invitations.c.contact_id.is_not(None), _really())
    return conn.execute(query.where(mine, *still)).all()
