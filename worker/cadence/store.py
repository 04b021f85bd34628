"""Walks and the rows they are judged by, looked up. What is due stands in ``due_store.py``, whom it
reaches in ``people_store.py``, what is written in ``writing_store.py``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Text, and_, bindparam, case, cast, exists, false, literal, null, select
from sqlalchemy.engine import Connection

from worker.cadence.records import ACCOUNT as OF_ACCOUNT
from worker.cadence.records import ANSWER as OF_ANSWER
from worker.cadence.records import LICENCE as OF_LICENCE
from worker.cadence.records import happenings, of_licence, steps, walks
from worker.cadence.subjects import episodes, responses
from worker.catalogue.records import accounts, licences, terms
from worker.db import bulk
from worker.db.prepared import Prepared
from worker.db.types import Moment
from worker.worklist.records import tasks

WALK = (
    "id",
    "schedule",
    "subject_id",
    "cycle",
    "anchor_on",
    "first_act_at",
    "state",
    "reason",
    "rests_until",
)
LICENCE = (
    "id",
    "key",
    "product",
    "vendor",
    "quantity",
    "amount",
    "currency",
    "next_amount",
    "auto_renew",
    "notice_days",
    "renew_url",
    "status",
    "owner",
    "term",
    "starts_on",
    "expires_on",
    "declined_term",
    "source",
)
ACCOUNT = (
    "id",
    "key",
    "name",
    "segment",
    "country",
    "timezone",
    "language",
    "account_manager",
    "renewal_manager",
    "reseller",
    "tags",
)

_account = [accounts.c[name].label(f"account_{name}") for name in ACCOUNT]
_subject = [licences.c[name].label(f"licence_{name}") for name in LICENCE] + _account
_walk = [walks.c[name].label(f"walk_{name}") for name in WALK]


WALKS = (
    select(*_walk, *_subject)
    .join(licences, of_licence)
    .join(accounts, accounts.c.id == licences.c.account_id)
)
_task_key = (
    literal("step:")
    + walks.c.schedule
    + ":"
    + steps.c.step
    + ":"
    + case((walks.c.subject == OF_LICENCE, ""), else_=walks.c.subject + "-")
    + cast(walks.c.subject_id, Text)
    + ":"
    + cast(walks.c.cycle, Text)
)
_task = (
    exists()
    .where(steps.c.walk_id == walks.c.id, steps.c.kind == "task", tasks.c.key == _task_key)
    .correlate(walks)
)
TASKS_DONE = and_(
    _task.where(tasks.c.closed_at.is_not(None)), ~_task.where(tasks.c.closed_at.is_(None))
)
"""Whether steps of a walk opened tasks, and all of them are closed."""
OF_EPISODE = and_(
    walks.c.subject == OF_ACCOUNT,
    episodes.c.schedule == walks.c.schedule,
    episodes.c.account_id == walks.c.account_id,
    episodes.c.number == walks.c.cycle,
)
_told = exists().where(happenings.c.walk_id == walks.c.id, happenings.c.what == "answered")
# Walks without a licence: the same columns, and what their triggers ask about.
ALONE = (
    select(
        *_walk,
        walks.c.subject.label("walk_subject"),
        *[null().label(f"licence_{name}") for name in LICENCE],
        *_account,
        episodes.c.ended_why.label("episode_ended_why"),
        _told.label("walk_answered"),
        responses.c.score.label("answer_score"),
        case(
            (responses.c.vote > 0, "promoter"),
            (responses.c.vote < 0, "detractor"),
            (responses.c.vote == 0, "passive"),
        ).label("answer_group"),
        responses.c.schedule.label("answer_schedule"),
        case((walks.c.subject == OF_ANSWER, TASKS_DONE), else_=false()).label("answer_done"),
    )
    .select_from(walks)
    .join(accounts, accounts.c.id == walks.c.account_id)
    .outerjoin(episodes, OF_EPISODE)
    .outerjoin(responses, and_(walks.c.subject == OF_ANSWER, responses.c.id == walks.c.subject_id))
)
_WALKS_BY_ID = Prepared(WALKS.where(bulk.listed(walks.c.id)))
_ALONE_BY_ID = Prepared(ALONE.where(bulk.listed(walks.c.id)))
_step = (
    steps.c.mail_key,
    steps.c.step,
    steps.c.id.label("step_id"),
    steps.c.reason.label("step_reason"),
    steps.c.at.label("step_at"),
)
_of_mails = bulk.listed(steps.c.mail_key, "keys")
_WALKS_OF_MAILS = Prepared(
    WALKS.add_columns(*_step).join(steps, steps.c.walk_id == walks.c.id).where(_of_mails)
)
_ALONE_OF_MAILS = Prepared(
    ALONE.add_columns(*_step).join(steps, steps.c.walk_id == walks.c.id).where(_of_mails)
)
_WALKS_OF = Prepared(
    select(*[walks.c[name] for name in ("id", "schedule", "subject_id", "cycle", "state")]).where(
        walks.c.subject == OF_LICENCE, bulk.listed(walks.c.subject_id)
    )
)
SUBJECTS = Prepared(
    select(*_subject)
    .join(accounts, accounts.c.id == licences.c.account_id)
    .where(bulk.listed(licences.c.id))
)
_RECENT = timedelta(days=40)
"""A mail decided longer ago than this cannot leave today: no step is valid that long."""
_recent_mail = case((steps.c.decided_at > bindparam("recent", type_=Moment()), steps.c.mail_key))
_put_off = steps.c.decision == "put-off"
_DECIDED_ON = Prepared(
    select(
        steps.c.walk_id,
        steps.c.step,
        steps.c.decision,
        _recent_mail.label("mail_key"),
        case((_put_off, steps.c.at)).label("until"),
        case((_put_off, steps.c.reason)).label("why"),
        steps.c.id.label("number"),
    ).where(bulk.listed(steps.c.walk_id))
)
_RENEWALS = Prepared(
    select(terms.c.licence_id, terms.c.starts_on, terms.c.closed_on, terms.c.seen_at)
    .join(licences, licences.c.id == terms.c.licence_id)
    .where(
        bulk.listed(terms.c.licence_id),
        terms.c.number == licences.c.term,
        terms.c.origin == "renewal",
    )
)


def walks_by_id(conn: Connection, ids: Sequence[int]) -> Sequence[Any]:
    """Walks with their account, and their licence where they have one."""
    rows = _WALKS_BY_ID.rows(conn, ids=ids) if ids else []
    if len(rows) == len(ids):
        return rows
    rest = sorted(set(ids) - {row.walk_id for row in rows})
    return [*rows, *_ALONE_BY_ID.rows(conn, ids=rest)] if rest else rows


def walks_of_mails(conn: Connection, keys: Sequence[str]) -> Sequence[Any]:
    """Walks with their account, and their licence where they have one, once for each step that
    travels in one of these mails."""
    rows = _WALKS_OF_MAILS.rows(conn, keys=keys) if keys else []
    rest = sorted(set(keys) - {row.mail_key for row in rows})
    return [*rows, *_ALONE_OF_MAILS.rows(conn, keys=rest)] if rest else rows


def planned(conn: Connection, walk_id: int, step: str) -> Any:
    """A walk with licence and account, as one that travels in a mail of this step."""
    mine = (literal(step).label("step"), walks.c.id == walk_id)
    for query in (WALKS, ALONE):
        found = conn.execute(query.add_columns(mine[0]).where(mine[1])).first()
        if found is not None:
            return found
    raise LookupError(f"expected a walk of the number {walk_id}, got none")


def walks_of(conn: Connection, licence_ids: Sequence[int]) -> Sequence[Any]:
    """Every walk of these licences: id, schedule, subject_id, cycle, state."""
    return _WALKS_OF.rows(conn, ids=licence_ids) if licence_ids else []


def subjects(conn: Connection, licence_ids: Sequence[int]) -> Sequence[Any]:
    """Licences with their accounts."""
    return SUBJECTS.rows(conn, ids=licence_ids) if licence_ids else []


def decided_on(conn: Connection, walk_ids: Sequence[int], now: datetime) -> Sequence[Any]:
    """The decisions made on these walks: walk_id, step, decision, the mail_key where the mail is
    recent enough to have left today, until when a step was put off and why, and a number that
    grows."""
    return _DECIDED_ON.rows(conn, ids=walk_ids, recent=now - _RECENT) if walk_ids else []


def renewals(conn: Connection, licence_ids: Sequence[int]) -> Sequence[Any]:
    """The current terms that are renewals: licence_id, starts_on, closed_on, seen_at."""
    return _RENEWALS.rows(conn, ids=licence_ids) if licence_ids else []


_OPEN_TASKS = (
    select(walks.c.id)
    .join(steps, steps.c.walk_id == walks.c.id)
    .join(tasks, tasks.c.key == _task_key)
    .where(bulk.listed(walks.c.id), steps.c.kind == "task", tasks.c.closed_at.is_(None))
)


OPENED_TASKS = Prepared(
    select(tasks)
    .select_from(walks)
    .join(steps, steps.c.walk_id == walks.c.id)
    .join(tasks, tasks.c.key == _task_key)
    .where(bulk.listed(walks.c.id), steps.c.kind == "task", tasks.c.closed_at.is_(None))
)
"""The tasks that steps of the walks ``ids`` opened and that nobody has closed yet."""


def with_open_tasks(conn: Connection, walk_ids: Sequence[int]) -> set[int]:
    """Which of these walks have opened a task that nobody has closed yet."""
    return set(conn.execute(_OPEN_TASKS, {"ids": walk_ids}).scalars()) if walk_ids else set()
