"""The nightly proof that nobody is forgotten: every licence in the horizon is sent, planned or
explained. Looks at rows only, not at the planner that wrote them; a gap is an alarm."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, exists, func, or_, select
from sqlalchemy.engine import Connection

from worker.cadence.entering import OVER, RENEWED
from worker.cadence.horizon import warm_up
from worker.cadence.library import InForce
from worker.cadence.records import LICENCE, of_licence, steps, walks
from worker.catalogue.records import accounts, licences, terms
from worker.outbox.records import messages
from worker.webhooks.records import calls
from worker.worklist import store as worklist

OVERDUE = timedelta(hours=1)
"""A row that has waited longer than this for its moment is stuck."""

ALARM = "coverage"
_SHOWN = 20
_STREAM = {"yield_per": 2_000}
"""Rows come in pieces: a horizon holds as many as the book."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A licence, or an account with a walk of its own, that nothing accounts for."""

    licence: str  # its key, or the account's
    schedule: str
    reason: (
        str  # no-walk, asleep, overdue, undecided, no-message, stuck-message, no-call, stuck-call
    )


def gaps(conn: Connection, active: dict[str, InForce], now: datetime) -> Iterator[Gap]:
    """Every gap in the horizon of the schedules that run; its cost is that of the horizon."""
    if not active:
        return
    for stem, inforce in active.items():
        if inforce.trigger.subject != LICENCE:
            yield from _alone(conn, inforce, now)
            continue
        margin = warm_up([inforce.schedule])
        first, last = (now - margin).date(), (now + margin).date()
        query = (
            select(
                licences.c.key,
                walks.c.state,
                walks.c.reason,
                walks.c.next_at,
                _undone(inforce),
            )
            .outerjoin(
                walks,
                and_(
                    of_licence,
                    walks.c.cycle == licences.c.term,
                    walks.c.schedule == stem,
                ),
            )
            .where(licences.c.expires_on.between(first, last), ~licences.c.changed)
            .where(licences.c.status == "active")
        )
        if inforce.schedule.trigger == RENEWED:
            query = query.where(_renewed())
        for row in conn.execute(query.order_by(licences.c.key), execution_options=_STREAM):
            reason = _reason(row, now)
            if reason:
                yield Gap(row.key, stem, reason)
    margin = warm_up(inforce.schedule for inforce in active.values())
    yield from _mails(conn, now, margin)
    yield from _calls(conn, now, margin)


def _alone(conn: Connection, inforce: InForce, now: datetime) -> Iterator[Gap]:
    """Walks without a licence that go on and that nobody will look at, or that wait too long. What
    should have begun one is proved by those who write it down: it stays on their lists."""
    stem = inforce.schedule.stem
    query = (
        select(accounts.c.key, walks.c.state, walks.c.reason, walks.c.next_at, _undone(inforce))
        .join(accounts, accounts.c.id == walks.c.account_id)
        .where(walks.c.account_id.is_not(None), walks.c.schedule == stem)
        .where(walks.c.state == "active")
    )
    for row in conn.execute(query.order_by(accounts.c.key), execution_options=_STREAM):
        reason = _reason(row, now)
        if reason:
            yield Gap(row.key, stem, reason)


def _renewed() -> Any:
    """Whether the current term is a renewal: others do not enter a schedule that gives thanks."""
    return exists().where(
        terms.c.licence_id == licences.c.id,
        terms.c.number == licences.c.term,
        terms.c.origin == "renewal",
    )


def _undone(inforce: InForce) -> Any:
    """How many steps of the schedule have no row on this walk."""
    ids = [step.id for step in inforce.schedule.steps]
    done = select(func.count()).where(steps.c.walk_id == walks.c.id, steps.c.step.in_(ids))
    return (len(ids) - done.scalar_subquery()).label("undone")


def _reason(row: Any, now: datetime) -> str | None:
    if row.state is None:
        return "no-walk"
    if row.state == "ended":
        return _ended_wrongly(row)
    if row.state != "active" or not row.undone:
        return None
    if row.next_at is None:
        return "asleep"
    return "overdue" if row.next_at < now - OVERDUE else None


def _ended_wrongly(row: Any) -> str | None:
    """An active licence's walk on its current term ends when it is done, or as history."""
    if row.reason == "completed":
        return "undecided" if row.undone else None
    return None if row.reason in OVER else "asleep"


def _mails(conn: Connection, now: datetime, margin: timedelta) -> Iterator[Gap]:
    """Steps that wait for a mail which does not exist, and mails that nobody picks up."""
    lost = (
        select(licences.c.key, walks.c.schedule)
        .join(walks, of_licence)
        .join(steps, steps.c.walk_id == walks.c.id)
        .outerjoin(messages, messages.c.mail_key == steps.c.mail_key)
        .where(steps.c.decision == "waiting", messages.c.id.is_(None), steps.c.kind != "webhook")
        .where(licences.c.expires_on.between((now - margin).date(), (now + margin).date()))
    )
    for row in conn.execute(lost.order_by(licences.c.key), execution_options=_STREAM):
        yield Gap(row.key, row.schedule, "no-message")
    stuck = (
        select(licences.c.key, walks.c.schedule)
        .join(walks, of_licence)
        .join(steps, steps.c.walk_id == walks.c.id)
        .join(messages, messages.c.mail_key == steps.c.mail_key)
        .where(messages.c.next_at < now - OVERDUE)
    )
    for row in conn.execute(stuck.order_by(licences.c.key), execution_options=_STREAM):
        yield Gap(row.key, row.schedule, "stuck-message")


def _calls(conn: Connection, now: datetime, margin: timedelta) -> Iterator[Gap]:
    """Steps that wait for a call which is over or does not exist, and calls that nobody makes."""
    waiting = (
        select(licences.c.key, walks.c.schedule, calls.c.next_at)
        .join(walks, of_licence)
        .join(steps, steps.c.walk_id == walks.c.id)
        .outerjoin(calls, calls.c.key == steps.c.mail_key)
        .where(steps.c.decision == "waiting", steps.c.kind == "webhook")
        .where(licences.c.expires_on.between((now - margin).date(), (now + margin).date()))
        .where(or_(calls.c.next_at.is_(None), calls.c.next_at < now - OVERDUE))
    )
    for row in conn.execute(waiting.order_by(licences.c.key), execution_options=_STREAM):
        yield Gap(row.key, row.schedule, "stuck-call" if row.next_at else "no-call")


def check(conn: Connection, active: dict[str, InForce], now: datetime) -> list[Gap]:
    """Looks for gaps; raises the alarm when there are any, and ends it when there are none."""
    found = list(gaps(conn, active, now))
    if found:
        worklist.open_tasks(conn, [_alarm(found)], now)
    else:
        worklist.close(conn, ALARM, "no gap left", now)
    return found


def _alarm(found: Sequence[Gap]) -> worklist.NewTask:
    named = ", ".join(f"{gap.licence} ({gap.reason})" for gap in found[:_SHOWN])
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return worklist.NewTask(
        key=ALARM,
        kind="alarm",
        title=f"{_counted(found)} neither sent, planned nor explained",
        detail=f"{named}{more}. See: perennial explain KEY",
    )


def _counted(found: Sequence[Gap]) -> str:
    return "1 licence is" if len(found) == 1 else f"{len(found)} licences are"
