"""Queries of Today. Each costs what a few days hold, never what the book or the history does."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, bindparam, func, or_, select, text
from sqlalchemy.engine import Connection

from worker.catalogue.records import accounts
from worker.db import bulk
from worker.db.prepared import Prepared
from worker.desk.accounts_store import values_of
from worker.outbox.records import ODD, mail_days, messages
from worker.outbox.rules import BLOCKED, DUE, UNKNOWN
from worker.worklist.records import tasks


class Went(NamedTuple):
    """What left of one step: mails, and when the last of them."""

    schedule: str
    step: str
    mails: int
    last: datetime


_LAST = func.max(messages.c.accepted_at).label("last")
# The index of what left has the schedule first: what is new is at the end of each one's part.
_SENDERS = values_of(messages.c.schedule)
_WENT_OUT = Prepared(
    select(messages.c.schedule, messages.c.step, func.count().label("mails"), _LAST)
    .where(bulk.listed(messages.c.schedule, "senders"))
    .where(messages.c.accepted_at >= bindparam("since"))
    .group_by(messages.c.schedule, messages.c.step)
    .order_by(_LAST.desc())
)


def went_out(conn: Connection, since: datetime) -> list[Went]:
    """Mails accepted since then, by step; the one that left last comes first."""
    senders = _SENDERS.scalars(conn)
    found = _WENT_OUT.rows(conn, senders=senders, since=since) if senders else []
    return [Went(*row) for row in found]


_DAYS = Prepared(
    select(mail_days).where(
        mail_days.c.day >= bindparam("first"), mail_days.c.day <= bindparam("last")
    )
)


def days(conn: Connection, first: date, last: date) -> dict[date, Any]:
    """What was foreseen for each day and what was decided on: rows of ``mail_days``."""
    return {row.day: row for row in _DAYS.rows(conn, first=first, last=last)}


_DUE_UNTIL = Prepared(
    select(func.count().label("mails"))
    .select_from(messages)
    .where(messages.c.state == DUE, messages.c.next_at < bindparam("until"))
)


def due_until(conn: Connection, until: datetime) -> int:
    """Mails in the ledger that are to leave before then."""
    (count,) = _DUE_UNTIL.scalars(conn, until=until)
    return int(count)


_STUCK = Prepared(
    select(messages.c.state, func.count().label("mails"))
    .where(
        messages.c.accepted_at.is_(None),
        messages.c.created_at >= bindparam("since"),
        bulk.among(messages.c.state, (UNKNOWN, BLOCKED)),
        text(ODD),  # as the index of the few says it
    )
    .group_by(messages.c.state)
)


def stuck(conn: Connection, now: datetime) -> dict[str, int]:
    """Mails of the last thirty days of which nobody knows whether they left, or whose text could
    not be written."""
    return {row.state: row.mails for row in _STUCK.rows(conn, since=now - timedelta(days=30))}


def _tasks(whose: ColumnElement[bool]) -> Prepared:
    """Open tasks that are not snoozed, those due first: read along an index."""
    awake = or_(tasks.c.snoozed_until.is_(None), tasks.c.snoozed_until <= bindparam("today"))
    return Prepared(
        select(tasks)
        .add_columns(accounts.c.name.label("account_name"))
        .outerjoin(accounts, accounts.c.id == tasks.c.account_id)
        .where(tasks.c.closed_at.is_(None), whose, awake)
        .order_by(tasks.c.due_on, tasks.c.id)
        .limit(bindparam("most"))
    )


_HIS = _tasks(tasks.c.assignee == bindparam("staff"))
_FREE = _tasks(tasks.c.assignee.is_(None) & (tasks.c.pool == bindparam("pool")))


def mine(conn: Connection, staff: str | None, pools: Sequence[str], today: date, most: int) -> Any:
    """Open tasks of a person, then those of their pools that nobody has; due first.

    A snoozed task is not there until its day has come. Each has its ``account_name``, if any.
    """
    asked = {"today": today, "most": most}
    found = _HIS.rows(conn, staff=staff, **asked) if staff is not None else []
    if len(found) >= most:
        return found
    free = [row for pool in pools for row in _FREE.rows(conn, pool=pool, **asked)]
    free.sort(key=lambda row: (row.due_on is None, row.due_on or today, row.id))
    return [*found, *free][:most]
