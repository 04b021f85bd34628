"""The heartbeat's work, in batches: licences that changed start and wake walks; walks whose time
has come are judged, and what is decided is recorded and done in one transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, Row
from sqlalchemy.engine import Connection

from worker.cadence import load, store
from worker.cadence.facts import Timeline
from worker.cadence.kinds.contract import Acted, Action
from worker.cadence.kinds.table import KINDS
from worker.cadence.library import Defaults, InForce, Library
from worker.cadence.rules import Decision, decide
from worker.catalogue import store as catalogue
from worker.kernel.clock import Clock
from worker.schedules import flow as schedules
from worker.schedules import store as versions

BATCH = 2000


@dataclass(frozen=True, slots=True)
class Planning:
    """What the engine plans with."""

    engine: Engine
    clock: Clock
    library: Library
    defaults: Defaults


def plan_batch(planning: Planning, limit: int = BATCH) -> int:
    """Handles up to ``limit`` changed licences and up to ``limit`` due walks; how many it did.

    What changed is followed in a transaction of its own. Several processes may run it at once:
    each takes rows that no other holds.
    """
    with planning.engine.begin() as conn:
        changed = follow_changes(conn, planning, planning.clock.now(), limit)
        if not changed:
            return advance(conn, planning, planning.clock.now(), limit)
    with planning.engine.begin() as conn:
        return changed + advance(conn, planning, planning.clock.now(), limit)


def follow_changes(conn: Connection, planning: Planning, now: datetime, limit: int) -> int:
    """Starts the walks of new terms, and wakes the walks of licences that changed."""
    ids = catalogue.take_changed(conn, limit)
    if not ids:
        return 0
    walks: dict[tuple[str, int], list[Row[Any]]] = defaultdict(list)
    for walk in store.walks_of(conn, ids):
        walks[walk.schedule, walk.subject_id].append(walk)
    rows = store.subjects(conn, ids)
    fresh: list[tuple[Any, ...]] = []
    awake: list[int] = []
    for inforce in planning.library.active(conn).values():
        for row in rows:
            mine = walks.get((inforce.schedule.stem, row.licence_id), [])
            current = [walk for walk in mine if walk.cycle == row.licence_term]
            awake += [walk.id for walk in mine if walk in current or walk.state != "ended"]
            if not current and row.licence_status == "active":
                fresh.append(_start(inforce, row, planning.defaults, now))
    store.add_walks(conn, fresh)
    store.wake(conn, awake, now)
    return len(ids)


def _start(inforce: InForce, row: Row[Any], defaults: Defaults, now: datetime) -> tuple[Any, ...]:
    """A new walk, in the order of ``store.NEW_WALK``, with the moment of its first look."""
    line = load.line_of(inforce, row, defaults)
    anchor = row.licence_expires_on
    state, reason, next_at = "active", None, None
    if line.last_moment(anchor) <= now:
        state, reason = "ended", "history"
    elif not load.in_audience(inforce, row):
        state, reason = "parked", "not-in-audience"
    else:
        verdict = decide(load.walk_of(row, inforce, line, now), now)
        next_at = now if verdict.decisions else verdict.next_at
    stem = inforce.schedule.stem
    return stem, row.licence_id, row.licence_term, anchor, now, next_at, state, reason


@dataclass(slots=True)
class _Step:
    """One decision on its way into the database."""

    row: Row[Any]
    decision: Decision
    line: Timeline
    version_id: int
    acted: Acted | None = None


def advance(conn: Connection, planning: Planning, now: datetime, limit: int) -> int:
    """Judges due walks, does what they decide, and notes when to look again."""
    rows = store.take_due(conn, now, limit)
    if not rows:
        return 0
    active = planning.library.active(conn)
    lines = {
        row.walk_id: load.line_of(active[row.walk_schedule], row, planning.defaults)
        for row in rows
        if row.walk_schedule in active
    }
    revived = [row.walk_id for row in rows if _revives(row)]
    if revived:
        store.forget_cancelled(conn, revived)
    known = load.histories(conn, sorted(lines), now, lines)
    decided: list[_Step] = []
    moved: list[tuple[Any, ...]] = []
    for row in rows:
        inforce = active.get(row.walk_schedule)
        if inforce is None:
            moved.append(_moved(row, row.walk_first_act_at, None, "ended", "schedule-removed"))
            continue
        line = lines[row.walk_id]
        history = known.get(row.walk_id, load.NOTHING)
        place, decisions = _judge(row, inforce, line, history, now)
        moved.append(place)
        decided += [_Step(row, item, line, inforce.version_id) for item in decisions]
    _carry_out(conn, decided, now)
    store.move_walks(conn, moved)
    return len(rows)


def _revives(row: Row[Any]) -> bool:
    """A walk that had ended for a reason that may have gone away, as its licence is active."""
    return (
        row.walk_state == "ended"
        and row.walk_reason in ("cancelled", "ended", "schedule-removed", "history")
        and load.left(row, row.walk_cycle) is None
    )


def _judge(
    row: Row[Any], inforce: InForce, line: Timeline, history: load.History, now: datetime
) -> tuple[tuple[Any, ...], Sequence[Decision]]:
    """Where the walk stands from now on, and what is decided about its steps."""
    gone = load.left(row, row.walk_cycle)
    if row.walk_reason == "history" and line.last_moment(row.licence_expires_on) <= now:
        return _moved(row, row.walk_first_act_at, None, "ended", "history"), ()
    if gone is None and not load.in_audience(inforce, row):
        return _moved(row, row.walk_first_act_at, None, "parked", "not-in-audience"), ()
    since = now if row.walk_state == "parked" or _revives(row) else row.walk_first_act_at
    anchor = row.licence_expires_on if gone != "renewed" else row.walk_anchor_on
    walk = load.walk_of(row, inforce, line, since, anchor=anchor, gone=gone, history=history)
    verdict = decide(walk, now)
    state, reason = "active", None
    if gone:
        state, reason = "ended", gone
    elif verdict.next_at is None:
        state, reason = "ended", "completed"
    return _moved(row, since, verdict.next_at, state, reason), verdict.decisions


def _moved(
    row: Row[Any], since: datetime, next_at: datetime | None, state: str, reason: str | None
) -> tuple[Any, ...]:
    """A row for ``store.move_walks``. A walk on an older term keeps the anchor it had."""
    own = row.walk_cycle == row.licence_term
    anchor = row.licence_expires_on if own else row.walk_anchor_on
    return row.walk_id, anchor, since, next_at, state, reason


def _carry_out(conn: Connection, decided: Sequence[_Step], now: datetime) -> None:
    """Does what was decided, kind by kind, and records every decision."""
    for name, kind in KINDS.items():
        going = [
            step
            for step in decided
            if step.decision.decision == "planned" and step.decision.step.kind == name
        ]
        if going:
            actions = [Action(s.row, s.decision, s.line, s.version_id) for s in going]
            for step, acted in zip(going, kind.act(conn, actions, now), strict=True):
                step.acted = acted
    store.add_steps(conn, [_recorded(step, now) for step in decided])


def _recorded(step: _Step, now: datetime) -> tuple[Any, ...]:
    decision = step.decision
    acted = step.acted or Acted(decision.decision, decision.reason)
    return (
        step.row.walk_id,
        decision.step.id,
        decision.step.kind,
        acted.decision,
        acted.reason,
        decision.due_on,
        decision.at,
        now,
        step.version_id,
        acted.mail_key,
        acted.recipient,
    )


def apply(engine: Engine, clock: Clock, drafts: Sequence[schedules.Draft]) -> schedules.Changes:
    """Puts edited and new schedules in force, retires those without a file; what changed.

    Every licence is looked at again by the next beats; what was sent stays sent.
    """
    now = clock.now()
    with engine.begin() as conn:
        changes = schedules.changes(conn, drafts)
        fresh = {*changes.added, *changes.edited}
        schedules.put_in_force(conn, [d for d in drafts if d.schedule.stem in fresh], now)
        if changes.removed:
            versions.retire(conn, changes.removed)
        if changes:
            catalogue.mark_changed(conn, None)
    return changes
