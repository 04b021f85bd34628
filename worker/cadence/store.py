"""Queries on walks and steps, and the rows a walk is judged by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import (
    Text,
    and_,
    bindparam,
    case,
    cast,
    delete,
    exists,
    false,
    func,
    literal,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from worker.cadence.records import ACCOUNT as OF_ACCOUNT
from worker.cadence.records import ANSWER as OF_ANSWER
from worker.cadence.records import LICENCE as OF_LICENCE
from worker.cadence.records import happenings, of_licence, steps, walks
from worker.cadence.rules import HELD
from worker.cadence.subjects import episodes, responses
from worker.catalogue.records import (
    accounts,
    contacts,
    licences,
    preferences,
    staff,
    suppressions,
    terms,
)
from worker.db import bulk
from worker.db.prepared import Prepared
from worker.db.types import Moment
from worker.schedules.model import Schedule
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


_walks = (
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
_tasks_done = and_(
    _task.where(tasks.c.closed_at.is_not(None)), ~_task.where(tasks.c.closed_at.is_(None))
)
"""Whether steps of a walk opened tasks, and all of them are closed."""
_of_episode = and_(
    walks.c.subject == OF_ACCOUNT,
    episodes.c.schedule == walks.c.schedule,
    episodes.c.account_id == walks.c.account_id,
    episodes.c.number == walks.c.cycle,
)
_told = exists().where(happenings.c.walk_id == walks.c.id, happenings.c.what == "answered")
# Walks without a licence: the same columns, and what their triggers ask about.
_alone = (
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
        case((walks.c.subject == OF_ANSWER, _tasks_done), else_=false()).label("answer_done"),
    )
    .select_from(walks)
    .join(accounts, accounts.c.id == walks.c.account_id)
    .outerjoin(episodes, _of_episode)
    .outerjoin(responses, and_(walks.c.subject == OF_ANSWER, responses.c.id == walks.c.subject_id))
)

_sibling = licences.alias()
_unsettled = select(_sibling.c.account_id).where(_sibling.c.changed)
_DUE_ACCOUNTS = Prepared(
    select(licences.c.account_id, walks.c.next_at)
    .join(walks, of_licence)
    .where(walks.c.next_at <= bindparam("now"))
    .where(licences.c.account_id.not_in(_unsettled))
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
    _walks.where(bulk.listed(licences.c.account_id), walks.c.next_at <= bindparam("now"))
    .order_by(walks.c.id)
    .with_for_update(of=walks)
)
_DUE_OF_ACCOUNTS = Prepared(
    _alone.where(bulk.listed(walks.c.account_id), walks.c.next_at <= bindparam("now"))
    .order_by(walks.c.id)
    .with_for_update(of=walks)
)
_alongside = (
    walks.c.schedule == bindparam("stem"),
    walks.c.state == "active",
    walks.c.anchor_on.between(bindparam("first"), bindparam("last")),
)
_GOING_WITH = Prepared(
    _walks.where(bulk.listed(licences.c.account_id), *_alongside)
    .order_by(walks.c.anchor_on, licences.c.id)
    .with_for_update(of=walks, skip_locked=True)
)
_GOING_ALONE = Prepared(
    _alone.where(bulk.listed(walks.c.account_id), *_alongside)
    .order_by(walks.c.anchor_on, walks.c.id)
    .with_for_update(of=walks, skip_locked=True)
)
_WALKS_BY_ID = Prepared(_walks.where(bulk.listed(walks.c.id)))
_ALONE_BY_ID = Prepared(_alone.where(bulk.listed(walks.c.id)))
_step = (
    steps.c.mail_key,
    steps.c.step,
    steps.c.id.label("step_id"),
    steps.c.reason.label("step_reason"),
    steps.c.at.label("step_at"),
)
_of_mails = bulk.listed(steps.c.mail_key, "keys")
_WALKS_OF_MAILS = Prepared(
    _walks.add_columns(*_step).join(steps, steps.c.walk_id == walks.c.id).where(_of_mails)
)
_ALONE_OF_MAILS = Prepared(
    _alone.add_columns(*_step).join(steps, steps.c.walk_id == walks.c.id).where(_of_mails)
)
_WALKS_OF = Prepared(
    select(*[walks.c[name] for name in ("id", "schedule", "subject_id", "cycle", "state")]).where(
        walks.c.subject == OF_LICENCE, bulk.listed(walks.c.subject_id)
    )
)
_SUBJECTS = Prepared(
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
_contact = [
    *[contacts.c[name] for name in ("id", "account_id", "email", "name", "role", "opt_out")],
    func.coalesce(preferences.c.language, contacts.c.language).label("language"),
    *[preferences.c[name] for name in ("no_commercial", "no_surveys", "paused_until")],
    suppressions.c.reason.label("silenced"),
]
_contacts = (
    select(*_contact)
    .outerjoin(preferences, preferences.c.contact_id == contacts.c.id)
    .outerjoin(suppressions, suppressions.c.address == contacts.c.email)
)
_CONTACTS_OF = Prepared(_contacts.where(bulk.listed(contacts.c.account_id)).order_by(contacts.c.id))
_CONTACTS_OF_KEYS = Prepared(
    _contacts.add_columns(accounts.c.key.label("account_key"))
    .join(accounts, accounts.c.id == contacts.c.account_id)
    .where(bulk.listed(accounts.c.key, "keys"))
    .order_by(contacts.c.id)
)
_STAFF_OF = Prepared(
    select(staff.c.key, staff.c.name, staff.c.email).where(bulk.listed(staff.c.key, "keys"))
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
_CONTACTS_BY_ID = Prepared(_contacts.where(bulk.listed(contacts.c.id)))
_NEXT_DUE = Prepared(
    select(walks.c.next_at).where(walks.c.next_at.is_not(None)).order_by(walks.c.next_at).limit(1)
)
_FORGET_PUT_OFF = Prepared(
    delete(steps).where(
        steps.c.walk_id == bindparam("walk"),
        steps.c.step == bindparam("named"),
        steps.c.decision == "put-off",
    )
)
_WAKE = Prepared(
    update(walks).where(bulk.listed(walks.c.id)).values(next_at=bindparam("now", type_=Moment()))
)


_waits = (
    walks.c.account_id.is_not(None),
    walks.c.schedule == bindparam("stem"),
    walks.c.next_at > bindparam("now"),
)
_OVER = {
    "account-dormant": Prepared(
        select(walks.c.id)
        .join(episodes, _of_episode)
        .where(*_waits, episodes.c.ended_on.is_not(None))
    ),
    "survey-answered": Prepared(select(walks.c.id).where(*_waits, _tasks_done)),
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


def _due_alone(conn: Connection, stem: str, now: datetime, limit: int) -> Sequence[Any]:
    return _DUE_ALONE.rows(conn, stem=stem, now=now, most=limit)


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
    for query in (_walks, _alone):
        found = conn.execute(query.add_columns(mine[0]).where(mine[1])).first()
        if found is not None:
            return found
    raise LookupError(f"expected a walk of the number {walk_id}, got none")


def walks_of(conn: Connection, licence_ids: Sequence[int]) -> Sequence[Any]:
    """Every walk of these licences: id, schedule, subject_id, cycle, state."""
    return _WALKS_OF.rows(conn, ids=licence_ids) if licence_ids else []


def subjects(conn: Connection, licence_ids: Sequence[int]) -> Sequence[Any]:
    """Licences with their accounts."""
    return _SUBJECTS.rows(conn, ids=licence_ids) if licence_ids else []


def decided_on(conn: Connection, walk_ids: Sequence[int], now: datetime) -> Sequence[Any]:
    """The decisions made on these walks: walk_id, step, decision, the mail_key where the mail is
    recent enough to have left today, until when a step was put off and why, and a number that
    grows."""
    return _DECIDED_ON.rows(conn, ids=walk_ids, recent=now - _RECENT) if walk_ids else []


def contacts_of(conn: Connection, account_ids: Sequence[int]) -> Sequence[Any]:
    """Contacts of accounts, in the order in which they joined the book, each with what they chose
    themselves and why their address is silent."""
    return _CONTACTS_OF.rows(conn, ids=account_ids) if account_ids else []


def contacts_of_keys(conn: Connection, keys: Sequence[str]) -> Sequence[Any]:
    """Contacts of the accounts with these keys, each with its account_key."""
    return _CONTACTS_OF_KEYS.rows(conn, keys=keys) if keys else []


def renewals(conn: Connection, licence_ids: Sequence[int]) -> Sequence[Any]:
    """The current terms that are renewals: licence_id, starts_on, closed_on, seen_at."""
    return _RENEWALS.rows(conn, ids=licence_ids) if licence_ids else []


def staff_of(conn: Connection, keys: Sequence[str]) -> Sequence[Any]:
    """Our own people by their keys: key, name, email."""
    return _STAFF_OF.rows(conn, keys=keys) if keys else []


def contacts_by_id(conn: Connection, ids: Sequence[int]) -> Sequence[Any]:
    """Contacts as they are now."""
    return _CONTACTS_BY_ID.rows(conn, ids=ids) if ids else []


NEW_WALK = (
    "schedule",
    "subject_id",
    "cycle",
    "anchor_on",
    "first_act_at",
    "next_at",
    "state",
    "reason",
)


NEW_ALONE = (*NEW_WALK, "subject", "account_id")


def add_walks(
    conn: Connection, rows: Sequence[tuple[Any, ...]], columns: Sequence[str] = NEW_WALK
) -> None:
    """Starts walks, in the order of ``columns``: ``NEW_ALONE`` for those without a licence. One
    that exists already stays as it is."""
    if not rows:
        return
    dialect = postgresql if conn.dialect.name == "postgresql" else sqlite
    insert = dialect.insert(walks).on_conflict_do_nothing()
    for some in bulk.chunks(rows, 1000):
        conn.execute(insert, [dict(zip(columns, row, strict=True)) for row in some])


MOVED_WALK = ("anchor_on", "first_act_at", "next_at", "state", "reason")


def move_walks(conn: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    """Writes where walks stand: id, then ``MOVED_WALK``."""
    bulk.update(conn, walks, MOVED_WALK, rows)


NEW_STEP = (
    "walk_id",
    "step",
    "kind",
    "decision",
    "reason",
    "due_on",
    "at",
    "decided_at",
    "version_id",
    "mail_key",
    "recipient",
)


def add_steps(conn: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    """Records decisions, in the order of ``NEW_STEP``. A second one for a step raises."""
    bulk.insert(conn, steps, NEW_STEP, rows)


def wake(conn: Connection, walk_ids: Sequence[int], now: datetime) -> None:
    """Has the engine look at these walks at once."""
    for some in bulk.chunks(walk_ids):
        _WAKE.run(conn, ids=some, now=now)


def look_afresh(conn: Connection, running: Mapping[str, str], now: datetime) -> None:
    """Has the engine look at all walks without a licence that go on, or may go on after an edit,
    and ends those whose schedules run no more. ``running``: the subjects of those that do."""
    fits = or_(
        false(),
        *[(walks.c.schedule == stem) & (walks.c.subject == said) for stem, said in running.items()],
    )
    alone, ended = walks.c.account_id.is_not(None), walks.c.state == "ended"
    gone = {"state": "ended", "reason": "schedule-removed", "next_at": None}
    conn.execute(update(walks).where(alone, ~fits, ~ended).values(**gone))
    may = ~ended | walks.c.reason.in_(("completed", "schedule-removed"))
    conn.execute(update(walks).where(alone, fits, may).values(next_at=now))


def forget_cancelled(conn: Connection, walk_ids: Sequence[int]) -> None:
    """Takes back cancellations of walks that go on after all; nothing was done for them."""
    conn.execute(
        delete(steps).where(bulk.among(steps.c.walk_id, walk_ids), steps.c.decision == "cancelled")
    )


def forget_put_off(conn: Connection, rows: Sequence[tuple[int, str]]) -> None:
    """Takes back waits that are over: (walk id, step), so that the step can be decided."""
    for walk_id, step in rows:
        _FORGET_PUT_OFF.run(conn, walk=walk_id, named=step)


def rewrite_step(conn: Connection, step_id: int, decision: str, reason: str | None) -> None:
    """Replaces a decision that was made and not carried out."""
    conn.execute(
        update(steps).where(steps.c.id == step_id).values(decision=decision, reason=reason)
    )


def withdraw_step(conn: Connection, step_id: int) -> None:
    """Takes back a decision that was not carried out, so that it can be made again.

    That a person had held the step stays known: it is valid from the end of the hold.
    """
    held = (steps.c.id == step_id) & (steps.c.reason == HELD)
    kept = conn.execute(update(steps).where(held).values(decision="put-off", mail_key=None))
    if not kept.rowcount:
        conn.execute(delete(steps).where(steps.c.id == step_id))


def forget_step(conn: Connection, step_id: int) -> None:
    """Deletes what a person decided about a step whose own day is still to come."""
    conn.execute(delete(steps).where(steps.c.id == step_id))


def redecide(conn: Connection, step_id: int, decision: str, reason: str, at: datetime) -> None:
    """Writes a person's decision over one that was not carried out; the step leaves its mail."""
    values = {"decision": decision, "reason": reason, "at": at, "mail_key": None}
    conn.execute(update(steps).where(steps.c.id == step_id).values(**values))


def next_due(conn: Connection) -> datetime | None:
    """When the next walk wants a look."""
    return next(iter(_NEXT_DUE.scalars(conn)), None)


_OPEN_TASKS = (
    select(walks.c.id)
    .join(steps, steps.c.walk_id == walks.c.id)
    .join(tasks, tasks.c.key == _task_key)
    .where(bulk.listed(walks.c.id), steps.c.kind == "task", tasks.c.closed_at.is_(None))
)


_OPENED = Prepared(
    select(tasks)
    .select_from(walks)
    .join(steps, steps.c.walk_id == walks.c.id)
    .join(tasks, tasks.c.key == _task_key)
    .where(bulk.listed(walks.c.id), steps.c.kind == "task", tasks.c.closed_at.is_(None))
)


def open_tasks_of(conn: Connection, walk_ids: Sequence[int]) -> list[Any]:
    """The tasks that steps of these walks opened and that nobody has closed yet."""
    return _OPENED.rows(conn, ids=walk_ids) if walk_ids else []


def with_open_tasks(conn: Connection, walk_ids: Sequence[int]) -> set[int]:
    """Which of these walks have opened a task that nobody has closed yet."""
    return set(conn.execute(_OPEN_TASKS, {"ids": walk_ids}).scalars()) if walk_ids else set()
