"""What a rehearsal leaves in its folder: the page, the decisions, sample mails."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TextIO

from sqlalchemy import Connection, func, select

from worker.cadence import load, recorded, store, summary_page
from worker.cadence.decisions import Record
from worker.cadence.library import library_of
from worker.cadence.rehearse import Rehearsal
from worker.catalogue.records import accounts, licences
from worker.db.engine import reading
from worker.schedules.calendar import Calendar
from worker.schedules.model import MAILING

_DONE = ("sent", "waiting", "unknown")


@dataclass(slots=True)
class _Tally:
    """Counts kept while decisions stream by, so that a million of them need no memory."""

    decisions: int = 0
    shifted: int = 0
    days: dict[date, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    steps: dict[tuple[str, str], Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    reasons: Counter[tuple[str, str | None]] = field(default_factory=Counter)
    mails: set[str] = field(default_factory=set)  # a mail that speaks of many licences is one
    reached: set[str] = field(default_factory=set)
    silent: dict[str, str] = field(default_factory=dict)  # licence -> last reason

    def add(self, record: Record) -> None:
        self.reasons[record.decision, record.reason] += 1
        if record.decision == "nothing":
            self.silent.setdefault(record.subject, record.reason or "done")
            return
        self.decisions += 1
        self.steps[record.schedule or "", record.step or ""][record.decision] += 1
        if record.decision in _DONE and record.at:
            if record.message is None or record.message not in self.mails:
                self.days[record.at.date()][record.kind or ""] += 1
            if record.message is not None:
                self.mails.add(record.message)
            self.shifted += record.due_on != record.at.date()
            self.reached.add(record.subject)
        else:
            self.silent[record.subject] = record.reason or record.decision


def records(rehearsal: Rehearsal) -> Iterator[Record]:
    """The decisions of the rehearsed period in order of time, then the licences with none."""
    asked = rehearsal.asked
    with reading(rehearsal.engine) as conn:
        active = library_of(conn).active(conn)
        known = recorded.Reading(active, asked.defaults, asked.now)
        spoken: set[tuple[int, int]] = set()
        for record, walk in recorded.decided(conn, known):
            if record.at and record.at.date() in asked.period:
                spoken.add(walk)
                yield record
        yield from recorded.unspoken(conn, asked.period, spoken, active)


def write(rehearsal: Rehearsal, title: str, seconds: float) -> tuple[Path, summary_page.Summary]:
    """Leaves ``index.html``, ``calendar.svg``, ``decisions.jsonl`` and ``mails/``."""
    folder = rehearsal.asked.folder
    folder.mkdir(parents=True, exist_ok=True)
    tally = _Tally()
    with _whole(folder / "decisions.jsonl") as file:
        for record in records(rehearsal):
            tally.add(record)
            file.write(json.dumps(record.json(), ensure_ascii=False) + "\n")
    summary = _summary(rehearsal, tally, title, seconds)
    return summary_page.write(folder, summary), summary


@contextmanager
def _whole(path: Path) -> Iterator[TextIO]:
    """A file that appears when it is complete."""
    part = path.with_name(f"{path.name}.part")
    with part.open("w", encoding="utf-8") as file:
        yield file
    part.replace(path)


def _summary(
    rehearsal: Rehearsal, tally: _Tally, title: str, seconds: float
) -> summary_page.Summary:
    asked = rehearsal.asked
    with reading(rehearsal.engine) as conn:
        size = conn.execute(select(func.count()).select_from(licences)).scalar_one()
        clients = conn.execute(select(func.count()).select_from(accounts)).scalar_one()
        samples = _samples(conn, rehearsal)
    quiet: dict[str, list[str]] = defaultdict(list)
    for licence, reason in sorted(tally.silent.items()):
        if licence not in tally.reached:
            quiet[reason].append(licence)
    mails = {day: sum(count[kind] for kind in MAILING) for day, count in tally.days.items()}
    total = sum(mails.values())
    return summary_page.Summary(
        title=title,
        licences=size,
        accounts=clients,
        first_day=asked.period.first,
        last_day=asked.period.last,
        made_at=asked.now,
        schedules=[draft.schedule.name for draft in asked.drafts],
        decisions=tally.decisions,
        mails=total,
        tasks=sum(sum(count.values()) for count in tally.days.values()) - total,
        licences_reached=len(tally.reached),
        seconds=seconds,
        closed_days=tally.shifted,
        days=[
            summary_page.DayCount(day, mails[day], sum(count.values()) - mails[day])
            for day, count in sorted(tally.days.items())
        ],
        steps=_step_counts(rehearsal, tally),
        nothing=[
            summary_page.ReasonCount(reason, len(keys), keys[:5])
            for reason, keys in sorted(quiet.items(), key=lambda item: -len(item[1]))
        ],
        reasons=[
            summary_page.ReasonTotal(decision, reason, count)
            for (decision, reason), count in tally.reasons.most_common()
        ],
        samples=samples,
    )


def _step_counts(rehearsal: Rehearsal, tally: _Tally) -> list[summary_page.StepCount]:
    return [
        summary_page.StepCount(
            draft.schedule.stem,
            step.id,
            str(step.when),
            step.kind,
            dict(tally.steps.get((draft.schedule.stem, step.id), {})),
        )
        for draft in rehearsal.asked.drafts
        for step in draft.schedule.steps
    ]


def _samples(conn: Connection, rehearsal: Rehearsal) -> list[summary_page.Sample]:
    kept = rehearsal.channel.kept
    if not kept:
        return []
    asked = rehearsal.asked
    rows = store.walks_of_mails(conn, [one.envelope.mail_key for one in kept])
    by_mail = {row.mail_key: row for row in rows}
    active = library_of(conn).active(conn)
    out = []
    for one in kept:
        row = by_mail[one.envelope.mail_key]
        line = load.line_of(active[row.walk_schedule], row, asked.defaults)
        calendar: Calendar = line.calendar
        out.append(
            summary_page.Sample(
                f"mails/{one.html}" if one.html else "",
                f"mails/{one.eml}",
                one.subject,
                one.envelope.address,
                one.at.astimezone(calendar.tz),
                row.licence_key,
                one.envelope.step,
                one.language,
            )
        )
    return out
