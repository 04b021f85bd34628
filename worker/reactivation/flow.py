"""Scores the book: reads the order days, judges every client, keeps what came of it."""

from __future__ import annotations

import gc
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Engine
from sqlalchemy.engine import Connection

from worker.config.settings import Settings
from worker.db import heartbeats
from worker.db.engine import reading
from worker.kernel.dates import civil_date, zone
from worker.reactivation import backtest, store
from worker.reactivation.backtest import Backtest
from worker.reactivation.calibration import Calibration
from worker.reactivation.house import look_at
from worker.reactivation.rules import Measure, Verdict, last_full_day, queue
from worker.reactivation.sharing import calibrated, helping, judged

RECENT = 7
"""So many of the latest scorings are kept whole; of older ones the last of each month."""
MONTHS = 24
"""So many months are kept."""

_DUTY = "scores"
_AGAIN = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Asked:
    """What to score: at the moment ``now``, or as of a day. ``sources`` are those that load
    orders; ``timezone`` says what day it is."""

    now: datetime
    timezone: ZoneInfo
    exponent: float
    sources: Collection[str] = ()
    as_of: date | None = None


@dataclass(frozen=True, slots=True)
class Scored:
    """The queue as of ``day``, the last full day of orders."""

    day: date
    queue: Sequence[Verdict]
    calibration: Calibration


def asked_by(settings: Settings, now: datetime, as_of: date | None = None) -> Asked:
    """What an instance with these settings asks for."""
    loading = {
        name
        for name, source in settings.sources.items()
        if any(load.get("entity") == "order" for load in source.load)
    }
    timezone = zone(settings.book.timezone)
    return Asked(now, timezone, settings.reactivation.exponent, loading, as_of)


def score(engine: Engine, asked: Asked) -> Scored | None:
    """Scores the book; ``None`` when it has no orders by then. Nothing is written."""
    with _collector_at_rest():
        with reading(engine) as conn:
            day = _last_day(conn, asked)
            if day is None:
                return None
            book = store.book_until(conn, day)
            licensed = store.licensed(conn)
        cut = day.toordinal()
        with helping(book) as helper:
            by = Measure(look_at(book, cut), calibrated(helper, book, cut), licensed)
            found = judged(helper, book, cut, by)
        return Scored(day, queue(found, asked.exponent), by.calibration)


def names(engine: Engine, verdicts: Sequence[Verdict]) -> dict[int, tuple[str, str]]:
    """Key and name of the accounts of these verdicts, by id."""
    with reading(engine) as conn:
        return store.account_keys(conn, [one.account for one in verdicts])


@contextmanager
def _collector_at_rest() -> Iterator[None]:
    """Objects are made by the hundred thousand and all are kept: the collector would look through
    them again and again, which took a fifth of the time."""
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()


def keep(engine: Engine, scored: Scored, now: datetime) -> None:
    """Writes the scores in the place of those of the same day, and lets old ones go."""
    calibration = scored.calibration
    run: dict[str, Any] = {
        "as_of": scored.day,
        "scored_at": now,
        "clients": len(scored.queue),
        "slope": calibration.slope,
        "intercept": calibration.intercept,
        "fitted": calibration.fitted,
    }
    with engine.begin() as conn:
        store.replace(conn, run, scored.queue)
        store.forget(conn, outdated(store.scored_days(conn)))


def score_and_keep(engine: Engine, asked: Asked) -> int:
    """Scores the book and keeps the scores; how many there are."""
    scored = score(engine, asked)
    if scored is not None:
        keep(engine, scored, asked.now)
    with engine.begin() as conn:
        heartbeats.beat(conn, _DUTY, asked.now)
    return len(scored.queue) if scored else 0


def nightly(engine: Engine, asked: Asked) -> int:
    """Scores the book if it is time: a new day has begun, or orders were imported since; how many
    scores there are."""
    with reading(engine) as conn:
        due = is_due(conn, asked)
    return score_and_keep(engine, asked) if due else 0


def is_due(conn: Connection, asked: Asked) -> bool:
    """Whether it is time to score: once a day, and within the hour after an import of orders."""
    last = heartbeats.last(conn, _DUTY)
    if last is None or civil_date(last, asked.timezone) < civil_date(asked.now, asked.timezone):
        return True
    read = store.last_import(conn, asked.sources)
    return read is not None and read[1] > last and asked.now - last >= _AGAIN


def try_on_the_past(engine: Engine, asked: Asked) -> Backtest | None:
    """The protocol on the book's own history; ``None`` when there is too little of it."""
    with reading(engine) as conn:
        day = _last_day(conn, asked)
        if day is None:
            return None
        book = store.book_until(conn, day)
    return backtest.run(book, day.toordinal(), asked.exponent)


def outdated(days: Sequence[date]) -> list[date]:
    """Which of the scored days, the latest first, need not be kept."""
    kept = set(days[:RECENT])
    months: set[tuple[int, int]] = set()
    for day in days:
        month = (day.year, day.month)
        if month not in months and len(months) < MONTHS:
            months.add(month)
            kept.add(day)
    return [day for day in days if day not in kept]


def _last_day(conn: Connection, asked: Asked) -> date | None:
    today = civil_date(asked.now, asked.timezone)
    as_of = asked.as_of or today
    newest = store.newest_day(conn, as_of)
    if newest is None:
        return None
    read = store.last_import(conn, asked.sources)
    read_on = civil_date(read[0], asked.timezone).toordinal() if read else None
    last = last_full_day(as_of.toordinal(), today.toordinal(), newest.toordinal(), read_on)
    return date.fromordinal(last)
