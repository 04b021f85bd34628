"""Seeing ahead: what the walks of a period would do if nothing changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any

from sqlalchemy.engine import Connection

from worker.cadence import book, load, store
from worker.cadence.decisions import Record
from worker.cadence.facts import Timeline, Walk
from worker.cadence.kinds.contract import Action
from worker.cadence.kinds.table import KINDS
from worker.cadence.library import Defaults, InForce
from worker.cadence.rules import Decision, foresee
from worker.db import bulk
from worker.kernel.dates import Period
from worker.schedules.model import Offset, Schedule

_DAYS = {"days": 1, "business days": 2, "weeks": 7, "months": 31}
SHIFT = timedelta(days=31)


@dataclass(frozen=True, slots=True)
class Forecasting:
    """What a forecast is made with. ``history``: replay the past instead of the live state."""

    schedules: Mapping[str, InForce]
    defaults: Defaults
    now: datetime
    history: bool = False


def reach(offset: Offset) -> timedelta:
    """The farthest an offset can lie from its anchor, in civil days."""
    return timedelta(days=offset.count * _DAYS[offset.unit])


def warm_up(schedules: Iterable[Schedule]) -> timedelta:
    """How long before a replay's first day its steps may still matter."""
    longest = timedelta(0)
    for schedule in schedules:
        farthest = max(reach(step.when) for step in schedule.steps)
        longest = max(longest, farthest + timedelta(days=schedule.limits.valid_days))
    return longest + SHIFT


def start_of(period: Period) -> datetime:
    """00:00 UTC of the first day."""
    return datetime.combine(period.first, time(0), UTC)


def end_of(period: Period) -> datetime:
    """A moment at which the period is over in every zone."""
    return datetime.combine(period.last, time(0), UTC) + timedelta(hours=38)


def forecast(conn: Connection, asked: Forecasting, period: Period) -> Iterator[Record]:
    """Every decision to come in ``period`` (the clients' civil days), walk by walk, and
    ``nothing`` for each licence that expires in it and gets no step."""
    margin = warm_up(inforce.schedule for inforce in asked.schedules.values())
    ids = book.licence_ids(conn, period.first - margin, period.last + margin)
    yield from forecast_of(conn, asked, period, ids)


def forecast_of(
    conn: Connection, asked: Forecasting, period: Period, ids: Sequence[int]
) -> Iterator[Record]:
    """The forecast for these licences alone."""
    for chunk in bulk.chunks(ids, book.CHUNK):
        yield from _of_chunk(conn, asked, period, chunk)


@dataclass(frozen=True, slots=True)
class _Foreseen:
    row: Any
    inforce: InForce
    line: Timeline
    decision: Decision


def _of_chunk(
    conn: Connection, asked: Forecasting, period: Period, ids: Sequence[int]
) -> Iterator[Record]:
    looked = (
        list(_replayed(conn, asked, period, ids))
        if asked.history
        else list(_live(conn, asked, ids))
    )
    foreseen: list[_Foreseen] = []
    reasons: dict[int, tuple[Any, list[str]]] = {}
    for row, inforce, line, walk, why in looked:
        got, known = [], reasons.setdefault(row.licence_id, (row, []))[1]
        if walk is not None:
            begin = walk.first_act_at if asked.history else asked.now
            got = [
                _Foreseen(row, inforce, line, decision)
                for decision in foresee(walk, begin, end_of(period))
                if line.calendar.today(decision.at) in period
            ]
            foreseen += got
        known.append("" if got else why or _why_nothing(walk))
    yield from _records(conn, foreseen)
    for row, known in reasons.values():
        if "" not in known and row.licence_expires_on in period:
            yield _nothing(row, known[0] if known else "no-schedule")


def _why_nothing(walk: Walk | None) -> str:
    if walk is None:
        return "no-schedule"
    if walk.left:
        return walk.left
    return "done"


Look = tuple[Any, InForce, Timeline, Walk | None, str | None]


def _live(conn: Connection, asked: Forecasting, ids: Sequence[int]) -> Iterator[Look]:
    """The walks of licences as they stand; a licence not yet seen starts one now."""
    rows = store.subjects(conn, ids)
    walks = {
        (walk.schedule, walk.subject_id): walk for walk in store.walks_on_current_term(conn, ids)
    }
    lines: dict[int, Timeline] = {}
    for row in rows:
        for stem, inforce in asked.schedules.items():
            walk = walks.get((stem, row.licence_id))
            if walk:
                lines[walk.id] = load.line_of(inforce, row, asked.defaults)
    known = load.histories(conn, sorted(lines), asked.now, lines)
    for row in rows:
        for stem, inforce in asked.schedules.items():
            line = load.line_of(inforce, row, asked.defaults)
            walk = walks.get((stem, row.licence_id))
            since = walk.first_act_at if walk and walk.state != "parked" else asked.now
            history = known.get(walk.id, load.NOTHING) if walk else load.NOTHING
            yield _look(row, inforce, line, since, history)


def _replayed(
    conn: Connection, asked: Forecasting, period: Period, ids: Sequence[int]
) -> Iterator[Look]:
    """The walks as a replay would find them at the start of the period."""
    start = start_of(period)
    begun = start - warm_up(inforce.schedule for inforce in asked.schedules.values())
    for row, term in book.subjects_as_of(conn, ids, start, asked.now, asked.defaults):
        since = max(term.known_at, begun) if term.known_at else begun
        for inforce in asked.schedules.values():
            line = load.line_of(inforce, row, asked.defaults)
            yield _look(row, inforce, line, since, load.NOTHING)


def _look(
    row: Any, inforce: InForce, line: Timeline, since: datetime, history: load.History
) -> Look:
    if row.licence_status != "active":
        return row, inforce, line, None, row.licence_status
    if not load.in_audience(inforce, row):
        return row, inforce, line, None, "not-in-audience"
    if not history.done and line.last_moment(row.licence_expires_on) <= since:
        return row, inforce, line, None, "history"
    walk = load.walk_of(row, inforce, line, since, history=history)
    return row, inforce, line, walk, None


def _nothing(row: Any, reason: str) -> Record:
    return Record(
        at=None,
        due_on=None,
        schedule=None,
        step=None,
        kind=None,
        subject=row.licence_key,
        licence=row.licence_key,
        account=row.account_key,
        cycle=row.licence_term,
        decision="nothing",
        reason=reason,
    )


def _records(conn: Connection, foreseen: Sequence[_Foreseen]) -> Iterator[Record]:
    """Foreseen decisions with the people they would reach."""
    groups: dict[str, list[_Foreseen]] = defaultdict(list)
    for item in foreseen:
        planned = item.decision.decision == "planned"
        groups[item.decision.step.kind if planned else ""].append(item)
    for item in groups.pop("", []):
        yield _record(item, ())
    for kind, items in groups.items():
        actions = [
            Action(item.row, item.decision, item.line, item.inforce.version_id) for item in items
        ]
        reached = KINDS[kind].recipients(conn, actions)
        for item, people in zip(items, reached, strict=True):
            yield _record(item, tuple(people))


def _record(item: _Foreseen, people: tuple[str, ...]) -> Record:
    decision, row = item.decision, item.row
    blocked = decision.decision == "planned" and not people
    return Record(
        at=decision.at.astimezone(item.line.calendar.tz),
        due_on=decision.due_on,
        schedule=item.inforce.schedule.stem,
        step=decision.step.id,
        kind=decision.step.kind,
        subject=row.licence_key,
        licence=row.licence_key,
        account=row.account_key,
        cycle=row.licence_term,
        decision="blocked" if blocked else decision.decision,
        reason="no-reachable-contact" if blocked else decision.reason,
        to=people,
    )
