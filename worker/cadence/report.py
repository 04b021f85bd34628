"""What a rehearsal leaves in its folder: the page, the decisions, sample mails."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, TextIO

from sqlalchemy import Connection, Row, func, select

from worker.cadence import load, store, summary_page
from worker.cadence.ahead import Forecasting
from worker.cadence.decisions import Record
from worker.cadence.explain import past_record
from worker.cadence.library import InForce, Library
from worker.cadence.records import steps, walks
from worker.cadence.rehearse import Rehearsal
from worker.catalogue.records import accounts, licences, terms
from worker.db import bulk
from worker.db.engine import reading
from worker.kernel.dates import Period
from worker.outbox import store as outbox
from worker.schedules.calendar import Calendar

_DONE = ("sent", "waiting", "unknown")


@dataclass(slots=True)
class _Tally:
    """Counts kept while decisions stream by, so that a million of them need no memory."""

    decisions: int = 0
    shifted: int = 0
    days: dict[date, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    steps: dict[tuple[str, str], Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    reasons: Counter[tuple[str, str | None]] = field(default_factory=Counter)
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
            self.days[record.at.date()][record.kind or ""] += 1
            self.shifted += record.due_on != record.at.date()
            self.reached.add(record.subject)
        else:
            self.silent[record.subject] = record.reason or record.decision


def records(rehearsal: Rehearsal) -> Iterator[Record]:
    """The decisions of the rehearsed period in order of time, then the licences with none."""
    asked = rehearsal.asked
    with reading(rehearsal.engine) as conn:
        active = Library().active(conn)
        known = Forecasting(active, asked.defaults, asked.now)
        spoken: set[tuple[int, int]] = set()
        for record, walk in _decided(conn, known, asked.period):
            spoken.add(walk)
            yield record
        yield from _unspoken(conn, asked.period, spoken, active)


def _decided(
    conn: Connection, known: Forecasting, period: Period
) -> Iterator[tuple[Record, tuple[int, int]]]:
    ids = conn.execute(select(steps.c.id).order_by(steps.c.at, steps.c.walk_id, steps.c.id))
    for chunk in ids.scalars().partitions(2000):
        yield from _chunk(conn, known, period, list(chunk))


def _chunk(
    conn: Connection, known: Forecasting, period: Period, ids: Sequence[int]
) -> Iterator[tuple[Record, tuple[int, int]]]:
    rows = {row.id: row for row in conn.execute(select(steps).where(bulk.among(steps.c.id, ids)))}
    held = store.walks_by_id(conn, sorted({row.walk_id for row in rows.values()}))
    by_walk = {walk.walk_id: walk for walk in held}
    keys = [row.mail_key for row in rows.values() if row.mail_key]
    mails: dict[str, list[Any]] = defaultdict(list)
    for mail in outbox.of_mails(conn, keys):
        mails[mail.mail_key].append(mail)
    for step in (rows[id_] for id_ in ids):
        row = by_walk[step.walk_id]
        record = past_record(step, _Walk(row), row, mails[step.mail_key or ""], known)
        if record.at and record.at.date() in period:
            yield record, (row.licence_id, row.walk_cycle)


class _Walk:
    """The walk's part of a joined row, under the names of its own table."""

    __slots__ = ("cycle", "schedule")

    def __init__(self, row: Row[Any]) -> None:
        self.schedule: str = row.walk_schedule
        self.cycle: int = row.walk_cycle


def _unspoken(
    conn: Connection,
    period: Period,
    spoken: set[tuple[int, int]],
    active: dict[str, InForce],
) -> Iterator[Record]:
    """``nothing`` for every term that expires in the period and has no decision in it."""
    query = (
        select(
            terms.c.licence_id,
            terms.c.number,
            licences.c.key,
            licences.c.status,
            licences.c.term,
            accounts.c.key.label("account"),
            func.min(walks.c.reason).label("reason"),
            func.count(walks.c.id).label("walks"),
        )
        .join(licences, licences.c.id == terms.c.licence_id)
        .join(accounts, accounts.c.id == licences.c.account_id)
        .outerjoin(
            walks,
            (walks.c.subject_id == terms.c.licence_id) & (walks.c.cycle == terms.c.number),
        )
        .where(terms.c.expires_on.between(period.first, period.last))
        .where(terms.c.number.is_not(None), terms.c.number <= licences.c.term)
        .group_by(
            terms.c.licence_id,
            terms.c.number,
            licences.c.key,
            licences.c.status,
            licences.c.term,
            accounts.c.key,
        )
        .order_by(licences.c.key, terms.c.number)
    )
    for row in conn.execute(query):
        if (row.licence_id, row.number) in spoken:
            continue
        yield Record(
            at=None,
            due_on=None,
            schedule=None,
            step=None,
            kind=None,
            subject=row.key,
            licence=row.key,
            account=row.account,
            cycle=row.number,
            decision="nothing",
            reason=_why(row, active),
        )


def _why(row: Row[Any], active: dict[str, InForce]) -> str:
    if not active:
        return "no-schedule"
    if row.walks:
        return row.reason or "done"
    return "renewed" if row.number < row.term else str(row.status)


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
    mails = sum(count["email"] for count in tally.days.values())
    return summary_page.Summary(
        title=title,
        licences=size,
        accounts=clients,
        first_day=asked.period.first,
        last_day=asked.period.last,
        made_at=asked.now,
        schedules=[draft.schedule.name for draft in asked.drafts],
        decisions=tally.decisions,
        mails=mails,
        tasks=sum(sum(count.values()) for count in tally.days.values()) - mails,
        licences_reached=len(tally.reached),
        seconds=seconds,
        closed_days=tally.shifted,
        days=[
            summary_page.DayCount(day, count["email"], sum(count.values()) - count["email"])
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
    active = Library().active(conn)
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
