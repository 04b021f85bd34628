"""Queries of Today. Each costs what a few days hold, never what the book or the history does."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import case, func, literal_column, or_, select
from sqlalchemy.engine import Connection

from worker.catalogue.records import accounts
from worker.outbox.records import mail_days, messages
from worker.outbox.rules import BLOCKED, DUE, UNKNOWN
from worker.worklist.records import tasks


class Went(NamedTuple):
    """What left of one step: mails, and when the last of them."""

    schedule: str
    step: str
    mails: int
    last: datetime


def went_out(conn: Connection, since: datetime) -> list[Went]:
    """Mails accepted since then, by step; the one that left last comes first."""
    last = func.max(messages.c.accepted_at).label("last")
    query = (
        select(messages.c.schedule, messages.c.step, func.count(), last)
        .where(messages.c.accepted_at >= since)
        .group_by(messages.c.schedule, messages.c.step)
        .order_by(last.desc())
    )
    return [Went(*row) for row in conn.execute(query)]


def days(conn: Connection, first: date, last: date) -> dict[date, Any]:
    """What was foreseen for each day and what was decided on: rows of ``mail_days``."""
    query = select(mail_days).where(mail_days.c.day >= first, mail_days.c.day <= last)
    return {row.day: row for row in conn.execute(query)}


def due_until(conn: Connection, until: datetime) -> int:
    """Mails in the ledger that are to leave before then."""
    moving = (messages.c.state == DUE, messages.c.next_at < until)
    return conn.scalar(select(func.count()).select_from(messages).where(*moving)) or 0


def stuck(conn: Connection, now: datetime) -> dict[str, int]:
    """Mails of the last thirty days of which nobody knows whether they left, or whose text could
    not be written."""
    month = messages.c.created_at >= now - timedelta(days=30)
    unsent = messages.c.accepted_at.is_(None)
    query = (
        select(messages.c.state, func.count())
        .where(unsent, month, messages.c.state.in_((UNKNOWN, BLOCKED)))
        .group_by(messages.c.state)
    )
    return {row[0]: row[1] for row in conn.execute(query)}


def mine(conn: Connection, staff: str | None, pools: Sequence[str], today: date, most: int) -> Any:
    """Open tasks of a person, then those of their pools that nobody has; due first.

    A snoozed task is not there until its day has come. Each has its ``account_name``, if any.
    """
    free = tasks.c.assignee.is_(None) & tasks.c.pool.in_(pools)
    his = literal_column("false") if staff is None else tasks.c.assignee == staff
    awake = or_(tasks.c.snoozed_until.is_(None), tasks.c.snoozed_until <= today)
    query = (
        select(tasks)
        .add_columns(accounts.c.name.label("account_name"))
        .outerjoin(accounts, accounts.c.id == tasks.c.account_id)
        .where(tasks.c.closed_at.is_(None), or_(his, free), awake)
        .order_by(case((his, 0), else_=1), tasks.c.due_on, tasks.c.id)
        .limit(most)
    )
    return list(conn.execute(query))
