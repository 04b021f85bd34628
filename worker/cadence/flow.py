"""The heartbeat's work, in batches: licences that changed start and wake walks; walks whose time
has come are judged, and what is decided is recorded and done in one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Engine, Row
from sqlalchemy.engine import Connection

from worker.access import audit
from worker.access.audit import Actor
from worker.cadence import arrivals, due_store, entering, library, load, standing, writing_store
from worker.cadence.budget import BUDGET
from worker.cadence.facts import Timeline
from worker.cadence.gathering import Judged, pull_in
from worker.cadence.kinds.contract import Acted, Action, Occasion
from worker.cadence.kinds.table import KINDS
from worker.cadence.library import Defaults, InForce, Library
from worker.cadence.quiet import USUAL_QUIET, Quiet
from worker.cadence.records import LICENCE
from worker.cadence.rules import HELD, Decision, advanced, decide
from worker.catalogue import renewing, stops
from worker.catalogue import store as catalogue
from worker.catalogue.stops import Stops
from worker.kernel.clock import Clock
from worker.kernel.dates import USUAL_ALLOWANCE, Allowance
from worker.outbox import holds
from worker.schedules import flow as schedules
from worker.schedules import store as versions
from worker.worklist import store as worklist

BATCH = 2000


@dataclass(frozen=True, slots=True)
class Planning:
    """What the engine plans with. ``held`` says whether a person has to look before anything is
    decided; ``noted`` is told how many mails a batch decided on, in its transaction."""

    engine: Engine
    clock: Clock
    library: Library
    defaults: Defaults
    allowance: Allowance = USUAL_ALLOWANCE
    held: Callable[[Connection, datetime], bool] = lambda conn, now: False
    noted: Callable[[Connection, Mapping[date, int], datetime], None] = lambda conn, days, now: None
    quiet: Quiet = USUAL_QUIET


def plan_batch(planning: Planning, limit: int = BATCH) -> int:
    """Handles up to ``limit`` changed licences and up to ``limit`` due walks; how many it did.

    What changed is followed in a transaction of its own. Several processes may run it at once:
    each takes rows that no other holds.
    """
    with planning.engine.begin() as conn:
        now = planning.clock.now()
        if planning.held(conn, now):
            return 0
        changed = _follow(conn, planning, now, limit)
        if not changed:
            return advance(conn, planning, now, limit)
    with planning.engine.begin() as conn:
        return changed + advance(conn, planning, planning.clock.now(), limit)


def follow_batch(planning: Planning, limit: int = BATCH) -> int:
    """The half of ``plan_batch`` that follows what changed; how much it was."""
    with planning.engine.begin() as conn:
        now = planning.clock.now()
        return 0 if planning.held(conn, now) else _follow(conn, planning, now, limit)


def advance_batch(planning: Planning, limit: int = BATCH) -> int:
    """The other half, which judges walks: all there is to do while nothing changes from outside."""
    with planning.engine.begin() as conn:
        now = planning.clock.now()
        return 0 if planning.held(conn, now) else advance(conn, planning, now, limit)


def _follow(conn: Connection, planning: Planning, now: datetime, limit: int) -> int:
    changed = renewing.renew_automatically(conn, now, planning.defaults.timezone, limit)
    changed += entering.follow_changes(conn, planning, now, limit)
    return changed + arrivals.follow(conn, planning, now, limit)


def advance(conn: Connection, planning: Planning, now: datetime, limit: int) -> int:
    """Judges due walks, does what they decide, and notes when to look again."""
    active = planning.library.active(conn)
    alone = [stem for stem, one in active.items() if one.trigger.subject != LICENCE]
    rows = due_store.take_due(conn, now, limit, alone)
    if not rows:
        return 0
    standing = stops.standing(conn)
    judged = list(_judged(conn, planning, active, rows, standing, now))
    if alone:
        arrivals.begin_next_reviews(conn, judged, planning.defaults, now)
    judged += pull_in(conn, judged, planning.defaults, standing, now)
    on = Occasion(now, planning.allowance, standing, planning.quiet, planning.defaults)
    mails = _carry_out(conn, judged, on)
    writing_store.move_walks(conn, [_moved(one) for one in judged])
    if mails:
        planning.noted(conn, Counter(mails.values()), now)
    return len(rows)


def _judged(
    conn: Connection,
    planning: Planning,
    active: Mapping[str, InForce],
    rows: Sequence[Row[Any]],
    standing: Stops,
    now: datetime,
) -> Iterator[Judged]:
    lines = {
        row.walk_id: load.line_of(active[row.walk_schedule], row, planning.defaults)
        for row in rows
        if library.fits(active.get(row.walk_schedule), row)
    }
    revived = [
        row.walk_id
        for row in rows
        if row.walk_state == "ended" and _revives(active.get(row.walk_schedule), row)
    ]
    if revived:
        writing_store.forget_cancelled(conn, revived)
    known = load.histories(conn, sorted(lines), now, lines)
    for row in rows:
        inforce = active.get(row.walk_schedule)
        if inforce is None or row.walk_id not in lines:
            yield _at_rest(row, None, "ended", "schedule-removed")
            continue
        history = known.get(row.walk_id, load.NOTHING)
        one = _judge(row, inforce, lines[row.walk_id], history, standing, now)
        if row.licence_id is None:
            arrivals.look_again(one, lines[row.walk_id], now)
        yield one


def _revives(inforce: InForce | None, row: Row[Any]) -> bool:
    """A walk that had ended for a reason that may have gone away, as its licence is active."""
    return (
        row.walk_state == "ended"
        and row.walk_reason in _MAY_GO_AWAY
        and inforce is not None
        and load.left(inforce, row, row.walk_cycle) is None
    )


_MAY_GO_AWAY = ("cancelled", "ended", "declined", "schedule-removed", *entering.OVER)


def _at_rest(row: Row[Any], inforce: InForce | None, state: str, reason: str) -> Judged:
    """A walk about which nothing is decided, until something changes."""
    return Judged(
        row, inforce, None, [], row.walk_anchor_on, row.walk_first_act_at, None, state, reason
    )


def _judge(
    row: Row[Any],
    inforce: InForce,
    line: Timeline,
    history: load.History,
    standing: Stops,
    now: datetime,
) -> Judged:
    """What is decided about a walk's steps, and where it stands from now on."""
    gone = load.over(inforce, row, row.walk_cycle, history)
    if gone and row.walk_state == "parked":
        return _at_rest(row, inforce, "parked", row.walk_reason)
    anchor = load.anchor_of(inforce, row, gone)
    if anchor is None:
        return _at_rest(row, inforce, "parked", entering.missing(inforce))
    if row.walk_reason in entering.OVER and entering.is_over(row.walk_reason, line, anchor, now):
        return _at_rest(row, inforce, "ended", row.walk_reason)
    if gone is None and not load.in_audience(inforce, row):
        return _at_rest(row, inforce, "parked", "not-in-audience")
    since = now if row.walk_state == "parked" or _revives(inforce, row) else row.walk_first_act_at
    walk = load.walk_of(
        row,
        inforce,
        line,
        since,
        anchor=anchor,
        gone=gone,
        history=history,
        stopped=None if gone else load.why_stopped(standing, row, line, now),
    )
    verdict = decide(walk, now)
    state, reason = "active", None
    if gone:
        state, reason = "ended", gone
    elif verdict.next_at is None:
        state, reason = "ended", "completed"
    after = advanced(walk, verdict.decisions, now) if verdict.decisions else walk
    return Judged(
        row, inforce, after, [*verdict.decisions], anchor, since, verdict.next_at, state, reason
    )


def _moved(one: Judged) -> tuple[Any, ...]:
    """A row for ``writing_store.move_walks``."""
    return (
        one.row.walk_id,
        one.anchor_on,
        one.first_act_at,
        one.next_at,
        one.state,
        one.reason,
    )


def _carry_out(conn: Connection, judged: Sequence[Judged], on: Occasion) -> dict[str, date]:
    """Does what was decided, kind by kind, and records every decision; the days of new mails."""
    decided = [(one, decision) for one in judged for decision in one.decisions]
    acted: dict[int, Acted] = {}
    for name, kind in KINDS.items():
        places = [
            place
            for place, (_, decision) in enumerate(decided)
            if decision.decision == "planned" and decision.step.kind == name
        ]
        if places:
            actions = [_action(*decided[place]) for place in places]
            acted |= zip(places, kind.act(conn, actions, on), strict=True)
    rows = []
    waited: list[tuple[int, str]] = []
    over: list[standing.Over] = []
    mails: dict[str, date] = {}
    for place, (one, decision) in enumerate(decided):
        done, why = acted.get(place), _why_it_waited(one, decision)
        if done and why:
            done = done._replace(reason=done.reason or why)  # it had to wait: it is not late
        said = done or Acted(decision.decision, decision.reason)
        rows.append(_recorded(one, decision, said, on))
        if why:
            waited.append((one.row.walk_id, decision.step.id))
        if why == HELD:
            over.append(standing.Over(one.row, decision.step.id, said.decision, said.reason))
        if done and done.until:
            one.next_at = min(one.next_at or done.until, done.until)
            one.state, one.reason = "active", None
        if done and done.mail_key and decision.step.mails:
            mails[done.mail_key] = one.line.calendar.today(on.now)
    writing_store.forget_put_off(conn, waited)
    writing_store.add_steps(conn, rows)
    standing.end_holds(conn, over, on.now)
    return mails


def _why_it_waited(one: Judged, decision: Decision) -> str | None:
    """What a step had to wait for before this was decided; ``None`` when it did not."""
    if one.walk is None or decision.step.id not in one.walk.put_off:
        return None
    if decision.step.id in one.walk.held:
        return HELD
    return one.walk.waits.get(decision.step.id, BUDGET)


def _action(one: Judged, decision: Decision) -> Action:
    assert one.walk is not None
    assert one.inforce is not None
    return Action(one.row, decision, one.walk, one.inforce.version_id)


def _recorded(one: Judged, decision: Decision, acted: Acted, on: Occasion) -> tuple[Any, ...]:
    assert one.inforce is not None
    return (
        one.row.walk_id,
        decision.step.id,
        decision.step.kind,
        acted.decision,
        acted.reason,
        decision.due_on,
        acted.until or decision.at,
        on.now,
        one.inforce.version_id,
        acted.mail_key,
        acted.recipient,
    )


def apply(
    engine: Engine, clock: Clock, drafts: Sequence[schedules.Draft], by: Actor
) -> schedules.Changes:
    """Puts edited and new schedules in force, retires those without a file; what changed.

    Every licence is looked at again by the next beats; what was sent stays sent.
    """
    now = clock.now()
    with engine.begin() as conn:
        changes = schedules.changes(conn, drafts)
        put_in_force(conn, drafts, changes, now, by)
    return changes


def put_in_force(
    conn: Connection,
    drafts: Sequence[schedules.Draft],
    changes: schedules.Changes,
    now: datetime,
    by: Actor,
) -> None:
    """Makes ``changes`` true in the caller's transaction."""
    fresh = {*changes.added, *changes.edited}
    schedules.put_in_force(conn, [d for d in drafts if d.schedule.stem in fresh], now)
    if changes.removed:
        versions.retire(conn, changes.removed)
    for stem in (*changes.edited, *changes.removed):
        # The question was about a version that is gone; the one that runs may ask its own.
        holds.wake(conn, holds.APPROVAL, now, schedule=stem)
        worklist.close_all(conn, f"approve:{stem}:", "a new version runs", now)
    if changes:
        catalogue.mark_changed(conn, None)
        _look_afresh(conn, now)
        _note(conn, by, drafts, changes, now)


def _look_afresh(conn: Connection, now: datetime) -> None:
    """Has the walks looked at that no licence wakes. The library is a passing one: this may all be
    taken back, and a version's number given to another."""
    running = Library().active(conn)
    subjects = {stem: one.trigger.subject for stem, one in running.items()}
    alone = {stem: said for stem, said in subjects.items() if said != LICENCE}
    writing_store.look_afresh(conn, alone, now)


def _note(
    conn: Connection,
    by: Actor,
    drafts: Sequence[schedules.Draft],
    changes: schedules.Changes,
    now: datetime,
) -> None:
    """A line of the audit log for each schedule that came into force or out of it."""
    digests = {draft.schedule.stem: draft.digest for draft in drafts}
    for stem in (*changes.added, *changes.edited):
        detail = {"digest": digests[stem]}
        audit.note(conn, by, "schedule.applied", f"schedule {stem}", now, detail)
    for stem in changes.removed:
        audit.note(conn, by, "schedule.retired", f"schedule {stem}", now)
