"""What the running schedules are expected to do on each of the coming days, counted beside the
work and remembered: a page that shows it reads a few rows, whatever the size of the book."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Engine, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from worker.cadence import ahead
from worker.cadence.ahead import Forecasting
from worker.cadence.decisions import Record
from worker.cadence.picture import DayCount, every_day
from worker.cadence.records import forecast_days, walk_counts, walks
from worker.db import heartbeats
from worker.db.engine import reading
from worker.db.prepared import Prepared
from worker.kernel.dates import Period
from worker.schedules import store as versions
from worker.schedules.model import MAILING

AHEAD = timedelta(days=90)
MOST = 1000
"""About so many licences are looked at; of a larger book a sample of accounts, so that counting
takes seconds and never holds up the beat."""

_DUTY = "calendar"
_DAILY = timedelta(days=1)


class Foreseen(NamedTuple):
    """The coming days of one schedule, when they were counted, and on one account in how many."""

    days: Mapping[date, DayCount]
    at: datetime
    one_in: int

    def mails(self, today: date, length: int) -> int:
        """Mails on the first ``length`` days from ``today``."""
        until = today + timedelta(days=length)
        return sum(count.mails for day, count in self.days.items() if today <= day < until)


def is_due(conn: Connection, now: datetime) -> bool:
    """Whether it is time to count: a day has passed, or something was applied since."""
    last, applied = heartbeats.last(conn, _DUTY), versions.last_applied(conn)
    if applied is None:
        return False
    return last is None or now - last >= _DAILY or applied > last


def count(engine: Engine, asked: Forecasting) -> None:
    """Counts the mails and tasks of the coming days, schedule by schedule, and the walks."""
    today = asked.now.date()
    period = Period(today, today + AHEAD - timedelta(days=1))
    with reading(engine) as conn:
        stems = [row.schedule for row in versions.active(conn)]
        grouped = select(walks.c.schedule, walks.c.state, func.count().label("walks"))
        states = conn.execute(grouped.group_by(walks.c.schedule, walks.c.state)).all()
    records, sample = ahead.forecast_apart(engine, asked, period, MOST)
    mails, tasks = _mails(records), _tasks(records)
    shared = {"one_in": sample.one_in, "at": asked.now}
    rows = [
        {
            "schedule": stem,
            "day": day,
            "mails": mails[stem, day] * sample.one_in,
            "tasks": tasks[stem, day] * sample.one_in,
            **shared,
        }
        for stem in stems
        for day in every_day(period)
    ]
    counts = [{**row._mapping, "at": asked.now} for row in states]
    dialect = postgresql if engine.dialect.name == "postgresql" else sqlite
    with engine.begin() as conn:
        for table, lines in ((forecast_days, rows), (walk_counts, counts)):
            conn.execute(delete(table))
            if lines:  # two processes may count at once
                conn.execute(dialect.insert(table).on_conflict_do_nothing(), lines)
        heartbeats.beat(conn, _DUTY, asked.now)


def _mails(records: Iterable[Record]) -> Counter[tuple[str, date]]:
    """Mails by schedule and day; licences that travel in one mail are one."""
    mails = {
        (record.schedule, record.at.date(), record.message)
        for record in records
        if record.decision == "planned" and record.kind in MAILING
        if record.schedule and record.at and record.message
    }
    return Counter((stem, day) for stem, day, _ in mails)


def _tasks(records: Iterable[Record]) -> Counter[tuple[str, date]]:
    return Counter(
        (record.schedule, record.at.date())
        for record in records
        if record.decision == "planned" and record.kind == "task" and record.schedule and record.at
    )


_DAYS = Prepared(select(forecast_days))
_WALKS = Prepared(select(walk_counts))


def read(conn: Connection) -> dict[str, Foreseen]:
    """What was counted last, by schedule."""
    days: dict[str, dict[date, DayCount]] = {}
    told: dict[str, tuple[datetime, int]] = {}
    for row in _DAYS.rows(conn):
        days.setdefault(row.schedule, {})[row.day] = DayCount(row.day, row.mails, row.tasks)
        told[row.schedule] = row.at, row.one_in
    return {stem: Foreseen(found, *told[stem]) for stem, found in days.items()}


def walks_of(conn: Connection) -> dict[str, dict[str, int]]:
    """How many walks of each schedule stood how when it was counted last."""
    found: dict[str, dict[str, int]] = {}
    for row in _WALKS.rows(conn):
        found.setdefault(row.schedule, {})[row.state] = row.walks
    return found
