"""What is written of walks and steps: begun, moved, decided, taken back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, false, or_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from worker.cadence.records import steps, walks
from worker.cadence.rules import HELD
from worker.db import bulk
from worker.db.prepared import Prepared
from worker.db.types import Moment

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


def decide_anew(conn: Connection, decided: Sequence[tuple[int, int]], now: datetime) -> None:
    """Takes back decisions, (step id, walk id), and has the engine make them again at once."""
    for step_id, _ in decided:
        withdraw_step(conn, step_id)
    wake(conn, sorted({walk_id for _, walk_id in decided}), now)


def forget_step(conn: Connection, step_id: int) -> None:
    """Deletes what a person decided about a step whose own day is still to come."""
    conn.execute(delete(steps).where(steps.c.id == step_id))


def redecide(conn: Connection, step_id: int, decision: str, reason: str, at: datetime) -> None:
    """Writes a person's decision over one that was not carried out; the step leaves its mail."""
    values = {"decision": decision, "reason": reason, "at": at, "mail_key": None}
    conn.execute(update(steps).where(steps.c.id == step_id).values(**values))
