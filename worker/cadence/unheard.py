"""Accounts of which a client who is not content waits for somebody: a task about the answer is
open, or a schedule is still to open one.

A schedule opens its task in office hours, so between an answer in the evening and the task of the
next morning nobody may advertise, nor ask anything more.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import and_, bindparam, exists, func, literal, or_, select
from sqlalchemy.engine import Connection

from worker.cadence.horizon import warm_up
from worker.cadence.library import InForce, library_of
from worker.cadence.load import in_audience
from worker.cadence.records import ANSWER, steps, walks
from worker.cadence.store import ACCOUNT
from worker.cadence.subjects import responses
from worker.catalogue.records import accounts
from worker.db import bulk
from worker.db.prepared import Prepared
from worker.worklist import store as worklist

_task = (steps.c.walk_id == walks.c.id, steps.c.kind == "task")
_settled = select(func.count()).where(*_task, steps.c.decision != "put-off").correlate(walks)
_WALK = and_(
    walks.c.schedule == bindparam("stem"),
    walks.c.subject == ANSWER,
    walks.c.subject_id == responses.c.id,
)
# One that walks no schedule yet begins at the next look.
_UNTREATED = Prepared(
    select(
        responses.c.account_id,
        responses.c.score.label("answer_score"),
        literal("detractor").label("answer_group"),
        responses.c.schedule.label("answer_schedule"),
        *[accounts.c[name].label(f"account_{name}") for name in ACCOUNT],
        _settled.scalar_subquery().label("settled"),
    )
    .select_from(responses)
    .join(accounts, accounts.c.id == responses.c.account_id)
    .outerjoin(walks, _WALK)
    .where(
        bulk.listed(responses.c.account_id),
        responses.c.answered_on >= bindparam("since"),
        responses.c.vote < 0,
        responses.c.judged == "human",
        or_(walks.c.id.is_(None), walks.c.state != "ended"),
        ~exists().where(*_task, steps.c.decision == "sent").correlate(walks),
    )
)


def waits_for_us(conn: Connection, account_ids: Collection[int], now: datetime) -> frozenset[int]:
    """Those of these accounts of which somebody who is not content waits: from the answer on, until
    its task is closed or no task can open about it any more."""
    ids = sorted(set(account_ids))
    if not ids:
        return frozenset()
    found = set(worklist.with_open_feedback(conn, ids))
    for inforce in library_of(conn).active(conn).values():
        if inforce.trigger.subject == ANSWER:
            found |= _untreated(conn, inforce, ids, now)
    return frozenset(found)


def _untreated(conn: Connection, inforce: InForce, ids: list[int], now: datetime) -> set[int]:
    """Those about whose answers this schedule still has a task to open."""
    schedule = inforce.schedule
    tasks = sum(step.kind == "task" for step in schedule.steps)
    if not tasks:
        return set()
    since = (now - warm_up([schedule])).date()
    rows = _UNTREATED.rows(conn, ids=ids, stem=schedule.stem, since=since)
    return {row.account_id for row in rows if row.settled < tasks and in_audience(inforce, row)}
