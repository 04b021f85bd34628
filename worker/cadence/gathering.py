"""Few mails: licences whose same step falls soon travel in the mail that leaves now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Row
from sqlalchemy.engine import Connection

from worker.cadence import due_store, load
from worker.cadence.facts import Timeline, Walk
from worker.cadence.library import Defaults, InForce
from worker.cadence.rules import Decision, advanced, decide, gather
from worker.catalogue.stops import Stops

_SLACK = timedelta(days=31)
"""Month ends and closed days pull equal due dates apart; no further than this."""


@dataclass(slots=True)
class Judged:
    """A walk, what was decided about it, and where it stands from then on."""

    row: Row[Any]
    inforce: InForce | None
    walk: Walk | None
    decisions: list[Decision]
    anchor_on: date
    first_act_at: datetime
    next_at: datetime | None
    state: str
    reason: str | None = None

    @property
    def line(self) -> Timeline:
        """The schedule on the client's calendar."""
        assert self.walk is not None
        return self.walk.line


@dataclass(frozen=True, slots=True)
class _Window:
    """A mail that leaves now, and how far it looks for company."""

    first_due: date
    anchors: tuple[date, date]


Openings = dict[tuple[str, str], dict[int, _Window]]
"""By (schedule, step), then by account."""


def pull_in(
    conn: Connection, judged: Sequence[Judged], defaults: Defaults, stops: Stops, now: datetime
) -> list[Judged]:
    """Adds to each mail that leaves now what falls within its window.

    Walks of the batch get one more decision; those that were not due are returned.
    """
    known = {one.row.walk_id: one for one in judged}
    without_licence = {one.row.walk_schedule for one in judged if one.row.licence_id is None}
    fresh: list[Judged] = []
    for (stem, step), windows in _openings(judged).items():
        first = min(window.anchors[0] for window in windows.values())
        last = max(window.anchors[1] for window in windows.values())
        alone = stem in without_licence
        rows = due_store.going_with(conn, stem, sorted(windows), first, last, alone=alone)
        company = _company(conn, rows, step, windows, known, defaults, stops, now)
        for one in company:
            window = windows[one.row.account_id]
            days = one.line.schedule.limits.gather_days
            assert one.walk is not None
            found = gather(one.walk, step, window.first_due, days, now)
            if found is None:
                continue
            if one.row.walk_id not in known:
                known[one.row.walk_id] = one
                fresh.append(one)
            _take(one, found, now)
    return fresh


def _openings(judged: Iterable[Judged]) -> Openings:
    """The mails that leave now of schedules that gather, by schedule, step and account."""
    found: Openings = defaultdict(dict)
    for one in judged:
        limits = one.inforce.schedule.limits if one.inforce else None
        if limits is None or limits.group_by != "contact" or not limits.gather_days:
            continue
        for decision in one.decisions:
            if decision.decision == "planned" and decision.step.mails:
                place = one.line.schedule.stem, decision.step.id
                _widen(found[place], one, decision, limits.gather_days)
    return found


def _widen(windows: dict[int, _Window], one: Judged, decision: Decision, days: int) -> None:
    account = one.row.account_id
    first, last = one.anchor_on - _SLACK, one.anchor_on + timedelta(days=days) + _SLACK
    due = decision.due_on
    known = windows.get(account)
    if known:
        due = min(due, known.first_due)
        first, last = min(first, known.anchors[0]), max(last, known.anchors[1])
    windows[account] = _Window(due, (first, last))


def _company(
    conn: Connection,
    rows: Sequence[Row[Any]],
    step: str,
    windows: Mapping[int, _Window],
    known: Mapping[int, Judged],
    defaults: Defaults,
    stops: Stops,
    now: datetime,
) -> list[Judged]:
    """The walks whose ``step`` falls within the windows as they stand now, those of the batch
    included."""
    active: dict[str, InForce] = {
        one.inforce.schedule.stem: one.inforce for one in known.values() if one.inforce
    }
    found = [known[row.walk_id] for row in rows if row.walk_id in known]
    others: dict[int, tuple[Row[Any], Timeline, date]] = {}
    for row in rows:
        if row.walk_id not in known:
            inforce = active[row.walk_schedule]
            line, anchor = load.line_of(inforce, row, defaults), load.anchor_of(inforce, row)
            if anchor and _falls_within(windows[row.account_id], line, anchor, step):
                others[row.walk_id] = row, line, anchor
    lines = {walk_id: line for walk_id, (_, line, _) in others.items()}
    histories = load.histories(conn, sorted(lines), now, lines)
    for row, line, anchor in others.values():
        inforce, history = active[row.walk_schedule], histories.get(row.walk_id, load.NOTHING)
        gone = load.over(inforce, row, row.walk_cycle, history)
        if gone or not load.in_audience(inforce, row):
            continue
        walk = load.walk_of(
            row,
            inforce,
            line,
            row.walk_first_act_at,
            anchor=anchor,
            history=history,
            stopped=load.why_stopped(stops, row, line, now),
        )
        state = (row.walk_first_act_at, None, row.walk_state, row.walk_reason)
        found.append(Judged(row, inforce, walk, [], anchor, *state))
    return [one for one in found if one.walk is not None and one.state != "ended"]


def _falls_within(window: _Window, line: Timeline, anchor: date, step: str) -> bool:
    """Whether the step of a walk is due within the window: most are not, and what was decided on
    them need not be read."""
    last = window.first_due + timedelta(days=line.schedule.limits.gather_days)
    return any(
        item.step.id == step and window.first_due <= item.due_on <= last for item in line.of(anchor)
    )


def _take(one: Judged, found: Decision, now: datetime) -> None:
    """Adds a pulled step to a walk, and looks where that leaves it."""
    assert one.walk is not None
    one.decisions.append(found)
    one.walk = advanced(one.walk, [found], now)
    verdict = decide(one.walk, now)
    one.next_at = now if verdict.decisions else verdict.next_at
    if one.next_at is None:
        one.state, one.reason = "ended", "completed"
