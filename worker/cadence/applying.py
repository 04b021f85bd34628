"""One edited schedule: what it would change, looked at within bounds, and its application."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.engine import Connection

from worker.access.audit import Actor
from worker.cadence import ahead, brakes, edits, flow, outline
from worker.cadence.ahead import Forecasting, Sample
from worker.cadence.answers import MovedOnError
from worker.cadence.decisions import Record
from worker.cadence.edits import Change
from worker.cadence.findings import findings
from worker.kernel.dates import Period
from worker.kernel.errors import Problem
from worker.kernel.keys import digest
from worker.schedules import flow as schedules
from worker.schedules import store as versions
from worker.schedules.flow import Changes, Draft
from worker.schedules.standing_files import files_of
from worker.templating.check import check_texts

AHEAD = timedelta(days=60)
BEYOND = timedelta(days=31)
"""So much farther is looked: a step that moves past the last day is moved, not dropped."""
AT_ONCE = timedelta(hours=1)
"""What is mailed so soon after an application cannot be called back."""
MOST = 1000
"""About so many licences are looked at while somebody waits for the page."""


@dataclass(frozen=True, slots=True)
class Edit:
    """A schedule's file (``None``: it is gone) beside the version that runs (``None``: none does),
    with every problem that keeps it from being applied."""

    stem: str
    draft: Draft | None
    running: int | None
    problems: Sequence[Problem] = ()

    @property
    def token(self) -> str:
        """The fingerprint of all that a plan of this edit rests on."""
        return digest(f"{self.draft.digest if self.draft else ''} {self.running}")


@dataclass(frozen=True, slots=True)
class Plan:
    """What applying an edit would change until ``period`` ends, client by client.

    ``counts`` says how many steps are added, removed, moved, otherwise decided or unchanged among
    those that were looked at; ``sample`` how much of the book that was. ``at_once``: the mails of
    this schedule that leave within ``AT_ONCE`` of its application, client by client; of each the
    records of all licences that travel in it.
    """

    edit: Edit
    changes: Changes
    effects: Sequence[Change]
    counts: Counter[str]
    records: Sequence[Record]
    findings: Sequence[Problem]
    period: Period
    sample: Sample
    at: datetime
    at_once: Sequence[Sequence[Record]]


def edit_of(conn: Connection, root: Path, stem: str) -> Edit:
    """How the file of a schedule stands beside what runs."""
    drafts, problems = files_of(root).read()
    mine = next((draft for draft in drafts if draft.schedule.stem == stem), None)
    running = {row.schedule: row.id for row in versions.active(conn)}.get(stem)
    wrong = [problem for problem in problems if problem.file.endswith(f"/{stem}.toml")]
    if mine is not None and not (running and _are_pinned(conn, running, mine)):
        wrong += _trouble_with(tuple(sorted(mine.templates.items())))
    return Edit(stem, mine, running, tuple(wrong))


def _are_pinned(conn: Connection, version_id: int, draft: Draft) -> bool:
    """Whether the templates are those that run already: they need not be tried out again."""
    return versions.pinned(conn, version_id) == draft.pinned


@lru_cache(maxsize=8)
def _trouble_with(texts: tuple[tuple[str, str], ...]) -> tuple[Problem, ...]:
    """What is wrong with templates; trying them out takes seconds, so it is remembered."""
    return tuple(check_texts(dict(texts)))


def plan(conn: Connection, edit: Edit, asked: Forecasting) -> Plan:
    """What applying ``edit`` alone would change; all other schedules stay as they run."""
    today = asked.now.date()
    period = Period(today, today + AHEAD - timedelta(days=1))
    others = [d for d in schedules.running_drafts(conn) if d.schedule.stem != edit.stem]
    drafts = [*others, edit.draft] if edit.draft else others
    farther = Period(period.first, period.last + BEYOND)
    sample = ahead.sample_for(len(ahead.touched(conn, asked, farther)), MOST)
    view = edits.outlook(conn, drafts, asked, farther, sample)
    found = view.effects if view.applied else edits.effect([], view.records)
    effects = [change for change in found if _begins_by(change, period.last)]
    counts = Counter(change.change for change in effects)
    records = [r for r in view.records if r.at is None or r.at.date() <= period.last]
    counts["unchanged"] = _unchanged(records, effects)
    odd = findings(conn, drafts, view, asked.defaults, today) if edit.draft else []
    soon = _at_once(edit.stem, records, asked.now + AT_ONCE)
    return Plan(edit, view.changes, effects, counts, records, odd, period, sample, asked.now, soon)


def _at_once(stem: str, records: Sequence[Record], until: datetime) -> Sequence[Sequence[Record]]:
    soon = [
        one
        for one in records
        if one.schedule == stem
        and one.decision == "planned"
        and one.kind in ("email", "survey")
        and one.at is not None
        and one.at <= until
    ]
    return outline.together(sorted(soon, key=lambda one: one.account))


def _begins_by(change: Change, last: date) -> bool:
    """Whether what was, or what comes, is due by then."""
    sides = [side.rpartition(" ")[2] for side in (change.before, change.after) if side]
    return any(side <= last.isoformat() for side in sides)


def _unchanged(records: Sequence[Record], effects: Sequence[Change]) -> int:
    changed = {(change.licence, change.schedule, change.step) for change in effects}
    return sum(
        (record.subject, record.schedule, record.step) not in changed
        for record in records
        if record.decision != "nothing"
    )


def apply(engine: Engine, seen: Plan, now: datetime, by: Actor) -> Changes:
    """Makes the edit that was planned the version that runs, and no other; what changed.

    Raises ``MovedOnError`` when another version runs than when it was planned.
    """
    edit = seen.edit
    with engine.begin() as conn:
        running = {row.schedule: row.id for row in versions.active(conn)}.get(edit.stem)
        if running != edit.running:
            raise MovedOnError("Somebody applied this schedule meanwhile.")
        drafts = [edit.draft] if edit.draft else []
        changes = schedules.changes(conn, drafts).only(edit.stem)
        flow.put_in_force(conn, drafts, changes, now, by)
        brakes.note(conn, seen.records, now, times=seen.sample.one_in)
    return changes
