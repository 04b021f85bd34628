"""Which walks the engine takes up: the due ones, those that go along, those that are over."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.engine import Connection

from worker.cadence.records import LICENCE as OF_LICENCE
from worker.cadence.records import walks
from worker.cadence.store import ALONE, OF_EPISODE, TASKS_DONE, WALKS
from worker.cadence.subjects import episodes
from worker.catalogue.records import accounts, licences
from worker.db import bulk
from worker.db.prepared import Prepared
from worker.schedules.model import Schedule

_sibling = licences.alias()
_unsettled = select(_sibling.c.account_id).where(_sibling.c.changed)
# Looked up for each walk in turn: joined, PostgreSQL would read all licences to sort what is due.
_account_of_licence = (
    select(licences.c.account_id).where(licences.c.id == walks.c.subject_id).scalar_subquery()
)
_DUE_ACCOUNTS = Prepared(
    select(_account_of_licence.label("account_id"), walks.c.next_at)
    .where(walks.c.subject == OF_LICENCE, walks.c.next_at <= bindparam("now"))
    .where(_account_of_licence.not_in(_unsettled))
    .order_by(walks.c.next_at)
    .limit(bindparam("most"))
)
_DUE_ALONE = Prepared(
    select(walks.c.account_id, walks.c.next_at)
    .where(walks.c.account_id.is_not(None), walks.c.schedule == bindparam("stem"))
    .where(walks.c.next_at <= bindparam("now"))
    .where(walks.c.account_id.not_in(_unsettled))
    .order_by(walks.c.next_at)
    .limit(bindparam("most"))
)
# Not FOR UPDATE: whoever adds a contact or a task to the account need not wait.
_HOLD_ACCOUNTS = Prepared(
    select(accounts.c.id)
    .where(bulk.listed(accounts.c.id))
    .order_by(accounts.c.id)
    .with_for_update(skip_locked=True, key_share=True)
)
_DUE = Prepared(
    WALKS.where(bulk.listed(licences.c.account_id), walks.c.next_at <= bindparam("now"))
    .order_by(walks.c.id)
    .with_for_update(of=walks)
)
_DUE_OF_ACCOUNTS = Prepared(
    ALONE.where(bulk.listed(walks.c.account_id), walks.c.next_at <= bindparam("now"))
    .order_by(walks.c.id)
    .with_for_update(of=walks)
)
_alongside = (
    walks.c.schedule == bindparam("stem"),
    walks.c.state == "active",
    walks.c.anchor_on.between(bindparam("first"), bindparam("last")),
)
_GOING_WITH = Prepared(
    WALKS.where(bulk.listed(licences.c.account_id), *_alongside)
    .order_by(walks.c.anchor_on, licences.c.id)
    .with_for_update(of=walks, skip_locked=True)
)
_GOING_ALONE = Prepared(
    ALONE.where(bulk.listed(walks.c.account_id), *_alongside)
    .order_by(walks.c.anchor_on, walks.c.id)
    .with_for_update(of=walks, skip_locked=True)
)

_waits = (
    walks.c.account_id.is_not(None),
    walks.c.schedule == bindparam("stem"),
    walks.c.next_at > bindparam("now"),
)
_OVER = {
    "account-dormant": Prepared(
        select(walks.c.id)
        .join(episodes, OF_EPISODE)
        .where(*_waits, episodes.c.ended_on.is_not(None))
    ),
    "survey-answered": Prepared(select(walks.c.id).where(*_waits, TASKS_DONE)),
}


def over_by_now(conn: Connection, schedule: Schedule, now: datetime) -> list[int]:
    """Walks that wait for a later moment although what they are about has ended. The cost is that
    of what goes on; who ends a review tells so (``heard.note``)."""
    found = _OVER.get(schedule.trigger)
    return found.scalars(conn, stem=schedule.stem, now=now) if found else []


def take_due(
    conn: Connection, now: datetime, limit: int, alone: Sequence[str] = ()
) -> Sequence[Any]:
    """The due walks of the accounts that have the ``limit`` longest due ones. ``alone`` are the
    schedules whose walks have no licence.

    An account is one piece of work, because its licences share mails: nobody else judges its walks
    until the transaction ends, and none of its due walks is left for a later batch. One of whose
    licences some have changed waits until that was followed: they may want to go along.
    """
    due = _DUE_ACCOUNTS.rows(conn, now=now, most=limit)
    others = [
        row for stem in alone for row in _DUE_ALONE.rows(conn, stem=stem, now=now, most=limit)
    ]
    if others:
        due = sorted([*due, *others], key=lambda row: row.next_at)[:limit]
    held = _HOLD_ACCOUNTS.scalars(conn, ids=sorted({row[0] for row in due})) if due else []
    if not held:
        return []
    rows = _DUE.rows(conn, ids=held, now=now)
    return [*rows, *_DUE_OF_ACCOUNTS.rows(conn, ids=held, now=now)] if alone else rows


def going_with(
    conn: Connection,
    stem: str,
    account_ids: Sequence[int],
    first: date,
    last: date,
    *,
    alone: bool = False,
) -> Sequence[Any]:
    """Active walks of these accounts on a schedule whose anchors lie between two days. ``alone``:
    the schedule's walks have no licence."""
    asked = {"ids": account_ids, "stem": stem, "first": first, "last": last}
    found = _GOING_ALONE if alone else _GOING_WITH
    return found.rows(conn, **asked) if account_ids else []
