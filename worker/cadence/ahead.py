"""Seeing ahead: the machine itself runs on a copy of what matters, under a virtual clock.

There is no second planner. What is announced is what the engine does on the copy when nothing
changes: the same batches, the same ledger; only clock, channel and database differ. A past period
is replayed in the same way by ``rehearse``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table

from worker.access import audit
from worker.cadence import book, flow, machine, recorded, rehearse, snapshot
from worker.cadence.decisions import Record, in_order
from worker.cadence.horizon import end_of, start_of, warm_up
from worker.cadence.lately import Lately
from worker.cadence.letterhead import Letterhead
from worker.cadence.library import Defaults, InForce, Library, Settled, lend, library_of
from worker.cadence.quiet import USUAL_QUIET, Quiet
from worker.cadence.records import LICENCE
from worker.channels.rehearsal import RehearsalChannel
from worker.db import bulk, scratch
from worker.db.engine import reading
from worker.kernel.clock import VirtualClock
from worker.kernel.dates import USUAL_ALLOWANCE, Allowance, Period
from worker.kernel.keys import digest
from worker.schedules.flow import Draft

NOBODY = Letterhead("Nobody <nobody@example.com>")
"""In whose name mails are that nobody writes: a forecast renders none."""

_COMING = {"sent": "planned", "waiting": "planned", "unknown": "planned"}


@dataclass(frozen=True, slots=True)
class Forecasting:
    """What a forecast is made with. ``drafts``: schedules as they would run if they were applied
    now; ``None`` for those that run. ``running``: those that run, by whoever has asked already.
    ``lately``: where what was foretold from the same rows within the last minute is looked up;
    ``None`` to make each forecast anew."""

    defaults: Defaults
    now: datetime
    drafts: Sequence[Draft] | None = None
    running: Mapping[str, InForce] | None = None
    allowance: Allowance = USUAL_ALLOWANCE
    quiet: Quiet = USUAL_QUIET
    lately: Lately | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """A part of the book: one account in ``one_in``, whole accounts always."""

    one_in: int = 1

    def of(self, conn: Connection, ids: Sequence[int]) -> Sequence[int]:
        """Those of the licences ``ids`` that are in it."""
        return ids if self.one_in == 1 else book.sampled(conn, ids, self.one_in)

    def of_accounts(self, ids: Sequence[int]) -> Sequence[int]:
        """Those of the accounts ``ids`` that are in it."""
        return [id_ for id_ in ids if id_ % self.one_in == 0]


WHOLE = Sample()


def sample_for(licences: int, most: int) -> Sample:
    """A sample of about ``most`` of so many licences; all where they are fewer."""
    return Sample(max(1, -(-licences // most)))


def forecast(
    conn: Connection, asked: Forecasting, period: Period, sample: Sample = WHOLE
) -> list[Record]:
    """Every decision to come in ``period`` (the clients' civil days), in order of time, and
    ``nothing`` for each licence that expires in it and gets no step.

    Reads from ``conn`` and writes nothing there. Its cost is that of what the period touches.
    """
    ids = touched(conn, asked, period)
    alone = sample.of_accounts(_alone(conn, asked, period))
    return forecast_of(conn, asked, period, sample.of(conn, ids), alone)


def _alone(conn: Connection, asked: Forecasting, period: Period) -> list[int]:
    """The accounts that have something to come for themselves until the end of ``period``."""
    schedules = _schedules(conn, asked).items()
    stems = [stem for stem, inforce in schedules if inforce.trigger.subject != LICENCE]
    return book.acting_accounts(conn, stems, end_of(period)) if stems else []


def touched(conn: Connection, asked: Forecasting, period: Period) -> list[int]:
    """The licences that a forecast of ``period`` looks at."""
    schedules = _schedules(conn, asked)
    margin = warm_up(inforce.schedule for inforce in schedules.values())
    return book.licence_ids(conn, period.first - margin, period.last + margin)


def forecast_of(
    conn: Connection,
    asked: Forecasting,
    period: Period,
    ids: Sequence[int],
    accounts: Sequence[int] = (),
) -> list[Record]:
    """The forecast for these licences and accounts, in the company of all that shares a mail with
    them."""
    if asked.lately is not None and asked.drafts is None:
        return _remembered(conn, asked, asked.lately, period, ids, accounts)
    with scratch.borrowed() as engine:
        known = _copy(conn, engine, asked, ids, accounts)
        return _foretold(engine, asked, period, known)


def _remembered(
    conn: Connection,
    asked: Forecasting,
    lately: Lately,
    period: Period,
    ids: Sequence[int],
    accounts: Sequence[int],
) -> list[Record]:
    """The same, not lived through again while the rows that it is made from are what they were."""
    known = library_of(conn)
    around = snapshot.accounts_around(conn, ids, _schedules(conn, asked).values(), accounts)
    taken: list[tuple[Table, Sequence[str], list[Any]]] = []

    def take(table: Table, names: Sequence[str], rows: Sequence[Any]) -> None:
        taken.append((table, names, [tuple(row) for row in rows]))

    snapshot.take(conn, take, around, asked.now)

    def foretell() -> list[Record]:
        with scratch.borrowed() as engine:
            with engine.begin() as copy:
                for table, names, rows in taken:
                    bulk.insert(copy, table, names, rows)
            return _foretold(engine, asked, period, known)

    rows = [(table.name, names, rows) for table, names, rows in taken]
    made_with = asked.defaults, asked.allowance, asked.quiet, period, rows
    return lately.of(digest(repr(made_with)), asked.now, foretell)


def forecast_apart(
    live: Engine, asked: Forecasting, period: Period, most: int
) -> tuple[list[Record], Sample]:
    """The decisions to come in ``period`` on the licences of which any is due until its end; where
    they are more than about ``most``, on those of a sample. The live database is let go once its
    rows are copied: nobody who writes waits for the forecast."""
    until = end_of(period)
    with scratch.borrowed() as engine:
        with reading(live) as conn:
            alone = _alone(conn, asked, period)
            sample = sample_for(book.acting_count(conn, until) + len(alone), most)
            ids = book.acting_ids(conn, until, sample.one_in)
            known = _copy(conn, engine, asked, ids, sample.of_accounts(alone))
        return _foretold(engine, asked, period, known), sample


def _copy(
    conn: Connection,
    engine: Engine,
    asked: Forecasting,
    ids: Sequence[int],
    alone: Sequence[int] = (),
) -> Library:
    """Copies what the forecast needs; what is known of the versions, which keep their numbers. A
    draft gets a number there that another one may have here: then nothing is."""
    accounts = snapshot.accounts_around(conn, ids, _schedules(conn, asked).values(), alone)
    with engine.begin() as copy:
        snapshot.take(conn, partial(bulk.insert, copy), accounts, asked.now)
    return library_of(conn) if asked.drafts is None else Library()


def _foretold(engine: Engine, asked: Forecasting, period: Period, known: Library) -> list[Record]:
    """What the machine does on the copy until ``period`` ends."""
    if asked.drafts is not None:
        flow.apply(engine, VirtualClock(asked.now), asked.drafts, audit.NOBODY)
    library = Settled(known)
    lend(engine, library)
    _live(engine, asked, period, library)
    return _announced(engine, asked, period, since=asked.now)


def replayed(live: Engine, asked: Forecasting, period: Period) -> list[Record]:
    """The forecast that would have been made before a past period, with the book known then."""
    whole = rehearse.Asked(
        period,
        asked.drafts or (),
        asked.defaults,
        NOBODY,
        asked.now,
        Path(),
        samples=0,
        allowance=asked.allowance,
        quiet=asked.quiet,
    )
    with rehearse.rehearsed(live, whole) as done:
        return _announced(done.engine, asked, period)


def _schedules(conn: Connection, asked: Forecasting) -> Mapping[str, InForce]:
    if asked.drafts is None:
        return library_of(conn).active(conn) if asked.running is None else asked.running
    return {d.schedule.stem: InForce(0, d.schedule, {}) for d in asked.drafts}


def _live(engine: Engine, asked: Forecasting, period: Period, library: Library) -> None:
    clock = VirtualClock(asked.now)
    channel = RehearsalChannel(Path(), start_of(period), per_step=0)
    works = machine.build(
        engine,
        clock,
        channel,
        defaults=asked.defaults,
        letterhead=NOBODY,
        lease=rehearse.LEASE,
        allowance=asked.allowance,
        quiet=asked.quiet,
        unread=True,
        library=library,
    )
    rehearse.live_through(works, clock, [], end_of(period))


def _announced(
    engine: Engine, asked: Forecasting, period: Period, *, since: datetime | None = None
) -> list[Record]:
    """What was decided on the copy since a moment, as something that is still to come."""
    with reading(engine) as conn:
        active = library_of(conn).active(conn)
        told = recorded.Reading(active, asked.defaults, asked.now)
        found: list[Record] = []
        spoken: set[tuple[int, int]] = set()
        for record, walk in recorded.decided(conn, told, since=since):
            if record.at and record.at.date() in period:
                spoken.add(walk)
                found.append(record)
        found += recorded.unspoken(conn, period, spoken, active)
    return in_order(_coming(found))


def _coming(records: Sequence[Record]) -> Iterator[Record]:
    """Decisions as announcements. A mail that does not exist yet has no id; those that will travel
    together share one, which the next forecast gives them again."""
    first: dict[str, _Named] = {}
    for record in records:
        if record.message:
            mine = record.subject, record.cycle
            first[record.message] = min(first.get(record.message, mine), mine)
    for record in records:
        yield _announcement(record, first)


_Named = tuple[str, int]
"""Subject and cycle of a walk."""


def _announcement(record: Record, first: Mapping[str, _Named]) -> Record:
    message = None
    if record.message:
        parts = (record.schedule, record.step, *first[record.message], str(record.at))
        message = digest("\0".join(map(str, parts)))[:16]
    return replace(record, decision=_COMING.get(record.decision, record.decision), message=message)
