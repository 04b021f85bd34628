"""Who enters a schedule: the walks of licences that are new, or that changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row
from sqlalchemy.engine import Connection

from worker.cadence import load, store, writing_store
from worker.cadence.facts import Timeline
from worker.cadence.library import Defaults, InForce
from worker.cadence.records import LICENCE
from worker.cadence.rules import decide
from worker.catalogue import stops
from worker.catalogue import store as catalogue
from worker.schedules.calendar import wall_moment
from worker.worklist import store as worklist

if TYPE_CHECKING:
    from worker.cadence.flow import Planning

RENEWED = "licence-renewed"
DEADLINE = "notice-deadline"


def follow_changes(conn: Connection, planning: Planning, now: datetime, limit: int) -> int:
    """Starts the walks of new terms, and wakes the walks of licences that changed."""
    ids = catalogue.take_changed(conn, limit)
    if not ids:
        return 0
    walks: dict[tuple[str, int], list[Row[Any]]] = defaultdict(list)
    for walk in store.walks_of(conn, ids):
        walks[walk.schedule, walk.subject_id].append(walk)
    running = planning.library.active(conn).values()
    active = [inforce for inforce in running if inforce.trigger.subject == LICENCE]
    seen: Mapping[int, Row[Any]] = {}
    if any(inforce.schedule.trigger == RENEWED for inforce in active):
        seen = {row.licence_id: row for row in store.renewals(conn, ids)}
    rows = store.subjects(conn, ids)
    fresh: list[tuple[Any, ...]] = []
    awake: list[int] = []
    late: list[worklist.NewTask] = []
    for inforce in active:
        for row in rows:
            mine = walks.get((inforce.schedule.stem, row.licence_id), [])
            current = [walk for walk in mine if walk.cycle == row.licence_term]
            awake += [walk.id for walk in mine if walk in current or walk.state != "ended"]
            if not current and load.left(inforce, row, row.licence_term) is None:
                begun = _start(inforce, row, seen.get(row.licence_id), planning.defaults, now)
                fresh += [begun] if begun else []
                late += [_past_deadline(row, begun)] if begun and begun[7] == PAST else []
    _end_answers(conn, rows, walks, now)
    writing_store.add_walks(conn, fresh)
    writing_store.wake(conn, awake, now)
    worklist.open_tasks(conn, late, now)
    return len(ids)


def _end_answers(
    conn: Connection,
    rows: Iterable[Row[Any]],
    walks: Mapping[tuple[str, int], Sequence[Row[Any]]],
    now: datetime,
) -> None:
    """What a client answered was about a term: once the next one has opened, its stop is over."""
    last: dict[int, int] = {}
    for (_, licence_id), mine in walks.items():
        last[licence_id] = max(last.get(licence_id, 0), *(walk.cycle for walk in mine))
    renewed = [r.licence_id for r in rows if 0 < last.get(r.licence_id, 0) < r.licence_term]
    if renewed:
        stops.lift(conn, "licence", renewed, now, made_by=stops.CLIENT)


PAST = "deadline-past"
OVER = ("history", PAST)
"""Why a walk was over when its term was first seen; a correction may bring it to life."""


def missing(inforce: InForce) -> str:
    """Why a walk of this schedule has no day to count from."""
    return inforce.trigger.missing


def is_over(reason: str, line: Timeline, anchor: date, now: datetime) -> bool:
    """Whether a walk is over at first sight, or still is, now that its day may have moved.

    A term that has not expired yet is never history: it gets the late step that fits.
    """
    past = anchor < line.calendar.today(now)
    return past and (reason == PAST or line.last_moment(anchor) <= now)


def _start(
    inforce: InForce, row: Row[Any], seen: Row[Any] | None, defaults: Defaults, now: datetime
) -> tuple[Any, ...] | None:
    """A new walk, in the order of ``writing_store.NEW_WALK``, with the moment of its first look;
    ``None`` for a term that does not enter the schedule at all."""
    line = load.line_of(inforce, row, defaults)
    trigger = inforce.schedule.trigger
    if trigger == RENEWED:
        if seen is None:
            return None
        anchor: date | None = line.calendar.today(seen.seen_at)
    else:
        anchor = inforce.trigger.anchor(row)
    state, reason, next_at = "active", None, None
    if anchor is None:
        state, reason = "parked", missing(inforce)
    elif trigger == DEADLINE and is_over(PAST, line, anchor, now):
        state, reason = "ended", PAST
    elif is_over("history", line, anchor, now) or (seen is not None and _stale(line, seen)):
        state, reason = "ended", "history"
    elif not load.in_audience(inforce, row):
        state, reason = "parked", "not-in-audience"
    else:
        verdict = decide(load.walk_of(row, inforce, line, now, anchor=anchor), now)
        next_at = now if verdict.decisions else verdict.next_at
    stem, day = inforce.schedule.stem, anchor or row.licence_expires_on
    return stem, row.licence_id, row.licence_term, day, now, next_at, state, reason


def _stale(line: Timeline, seen: Row[Any]) -> bool:
    """Whether a renewal was agreed too long before it was seen to be spoken of."""
    closed: date | None = seen.closed_on or seen.starts_on
    if closed is None:
        return False
    agreed = wall_moment(closed, time(0), line.calendar.tz)
    until: datetime = line.calendar.valid_until(agreed, line.schedule.limits.valid_days)
    return bool(until + timedelta(days=1) <= seen.seen_at)


def _past_deadline(row: Row[Any], walk: tuple[Any, ...]) -> worklist.NewTask:
    """One task instead of the steps whose day was over when the licence was first seen."""
    return worklist.NewTask(
        key=f"deadline-past:{walk[0]}:{row.licence_id}:{row.licence_term}",
        kind="deadline-past",
        title="The notice deadline was past when the licence was first seen",
        detail=f"{row.account_name}: licence {row.licence_key} renews by itself on "
        f"{row.licence_expires_on}; notice could be given until {walk[3]}",
        account_id=row.account_id,
        licence_id=row.licence_id,
        assignee=row.account_renewal_manager or row.account_account_manager,
    )
