"""The report on renewals: a year in a large book, against one plain count of the same rows.

The floor counts the terms that were due, each with its licence, its account and the term that
follows; the report says what became of them, who was told, what they are worth, which step helped,
and what the base of the book was worth.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from time import perf_counter

from sqlalchemy import Engine, func, select, text

from bench import book
from worker.cadence.records import steps, walks
from worker.db import bulk
from worker.db.engine import reading
from worker.kernel.dates import Period
from worker.outbox.records import messages
from worker.reports import figures
from worker.reports.cohort import Asked, due, due_terms, following
from worker.schedules.records import versions

REACH = 10.0
PERIOD = Period(date(2025, 1, 1), date(2025, 12, 31))
TODAY = date(2026, 2, 1)
_CHUNK = 20_000
_TOLD = datetime(2025, 1, 2, 9, tzinfo=UTC)


def fill(engine: Engine, count: int) -> None:
    """``count`` licences, each with one term due in the year: half of them renewed since. Each has
    a walk with one step, whose mail went out for two of three."""
    draw = random.Random(5)
    ends = [date(2025, 1, 1) + timedelta(days=draw.randrange(730)) for _ in range(count)]
    book.fill(engine, ends, book.EUROPE)
    amount = "CAST(100 + id % 900 AS {type})"
    with engine.begin() as conn:
        kind = "NUMERIC" if engine.dialect.name == "postgresql" else "TEXT"
        value = amount.format(type=kind)
        conn.execute(text(f"UPDATE licences SET amount = {value}, currency = 'EUR'"))
        row = {"id": 1, "schedule": "ten", "number": 1, "digest": "", "text": "", "templates": {}}
        row |= {"steps_since": {}, "applied_at": _TOLD, "active": True}
        conn.execute(versions.insert().values(row))
    for ids in bulk.chunks(range(1, count + 1), _CHUNK):
        _tell(engine, ids, ends)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.exec_driver_sql("ANALYZE" if kind == "TEXT" else "VACUUM ANALYZE")


def _tell(engine: Engine, ids: range | list[int], ends: list[date]) -> None:
    """A walk, a step and, mostly, a mail on the term of each that is due in the year."""
    walked, stepped, mailed = [], [], []
    for id_ in ids:
        last = ends[id_ - 1]
        cycle, due = (2, last) if last in PERIOD else (1, last - book.YEAR)
        at = _TOLD + (due - PERIOD.first) - timedelta(days=30)
        went = id_ % 3 > 0
        key = f"m{id_}" if went else None
        walked.append((id_, "ten", id_, cycle, due, at, "ended"))
        decision = "waiting" if went else "superseded"
        stepped.append((id_, "heads-up", "email", decision, at.date(), at, at, 1, key))
        if went:
            same = ("ten", "heads-up", 1, "renewal/heads-up", "contractual", at.date(), "accepted")
            mailed.append((key, f"anna{id_}@example.com", *same, at, at, at))
    with engine.begin() as conn:
        names = ("id", "schedule", "subject_id", "cycle", "anchor_on", "first_act_at", "state")
        bulk.insert(conn, walks, names, walked)
        names = ("walk_id", "step", "kind", "decision", "due_on", "at", "decided_at", "version_id")
        bulk.insert(conn, steps, (*names, "mail_key"), stepped)
        names = ("mail_key", "address", "schedule", "step", "version_id", "template", "kind", "day")
        more = ("state", "valid_until", "accepted_at", "created_at")
        bulk.insert(conn, messages, (*names, *more), mailed)


def report(engine: Engine) -> float:
    """Reads the report of the year; seconds."""
    began = perf_counter()
    with reading(engine) as conn:
        found = figures.read(conn, Asked(PERIOD, TODAY))
        assert list(figures.figures(found))
    return perf_counter() - began


def count(engine: Engine) -> float:
    """One plain count of the rows that the report is about; seconds."""
    after = following(PERIOD)
    renewed = func.count(after.c.id)  # or PostgreSQL would not look for the term that follows
    query = select(func.count(), renewed).select_from(due_terms(after)).where(due(PERIOD))
    began = perf_counter()
    with reading(engine) as conn:
        assert min(conn.execute(query).one()) > 0
    return perf_counter() - began


def run(fresh: Callable[[], Engine], size: int, times: int = 3) -> tuple[float, float]:
    """The best seconds of ``times``, in turns: the count, the report."""
    engine = fresh()
    fill(engine, size)
    floor, ours = 9e9, 9e9
    for _ in range(times):
        floor = min(floor, count(engine))
        ours = min(ours, report(engine))
    engine.dispose()
    return floor, ours
