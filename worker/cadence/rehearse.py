"""The whole system on a copy of the book under a virtual clock, through the same code.

The copy starts as the book was known a warm-up before the first day; terms that became known
later arrive at their moment. The clock jumps from one thing to do to the next.
"""

from __future__ import annotations

import gc
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, select, update

from worker.access import audit
from worker.cadence import book, flow, halves, machine
from worker.cadence.flow import Planning
from worker.cadence.horizon import end_of, start_of, warm_up
from worker.cadence.letterhead import Letterhead
from worker.cadence.library import Defaults
from worker.cadence.machine import Machine
from worker.cadence.quiet import USUAL_QUIET, Quiet
from worker.cadence.records import walks
from worker.catalogue import renewing
from worker.catalogue.records import (
    accounts,
    contacts,
    licences,
    preferences,
    staff,
    stops,
    suppressions,
    terms,
)
from worker.channels.rehearsal import RehearsalChannel
from worker.db import bulk
from worker.db.engine import lay_tables, make_scratch, reading
from worker.db.prepared import Prepared
from worker.kernel.clock import VirtualClock
from worker.kernel.dates import USUAL_ALLOWANCE, Allowance, Period
from worker.outbox.records import messages
from worker.schedules.flow import Draft
from worker.webhooks.records import calls

_BOOK = (staff, accounts, contacts, preferences, licences, terms)
_TODAY = (stops, suppressions)
LEASE = timedelta(days=1)
"""Nobody else works on the copy."""

Progress = Callable[[float], None]
"""Told how much of the period is over, from 0 to 1."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What to rehearse, and with what.

    ``samples`` mails of each step are rendered; ``None`` means all.
    """

    period: Period
    drafts: Sequence[Draft]
    defaults: Defaults
    letterhead: Letterhead
    now: datetime
    folder: Path
    samples: int | None = 6
    allowance: Allowance = USUAL_ALLOWANCE
    quiet: Quiet = USUAL_QUIET


@dataclass(frozen=True, slots=True)
class Reveal:
    """A term that becomes known during the replay: the row for the licence."""

    at: datetime
    row: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What a rehearsal leaves: a database of its own, and the mails it kept."""

    engine: Engine
    channel: RehearsalChannel
    asked: Asked


@contextmanager
def rehearsed(
    live: Engine,
    asked: Asked,
    progress: Progress = lambda _: None,
    *,
    life: halves.Live[Asked] | None = None,
) -> Iterator[Rehearsal]:
    """Runs a rehearsal; its database is there inside the ``with`` and gone afterwards.

    ``life`` lives through the period on a prepared copy; ``lived`` unless somebody looks closer.
    """
    life = life or lived
    with tempfile.TemporaryDirectory(prefix="perennial-rehearsal-") as place:
        engine = make_scratch(Path(place) / "rehearsal.db")
        try:
            prepare(live, engine, asked)
            if halves.worth_it(engine, [draft.schedule for draft in asked.drafts]):
                channel = halves.side_by_side(engine, asked, progress, life)
            else:
                channel = life(engine, asked, progress)
            yield Rehearsal(engine, channel, asked)
        finally:
            engine.dispose()


def prepare(live: Engine, copy: Engine, asked: Asked) -> None:
    """Makes the empty database ``copy`` a copy of the book, with the schedules in force."""
    lay_tables(copy)
    with reading(live) as source, copy.begin() as target:
        copy_book(source, target, today_too=asked.period.first >= asked.now.date())
    flow.apply(copy, VirtualClock(begin_of(asked)), asked.drafts, audit.NOBODY)


def begin_of(asked: Asked) -> datetime:
    """The start of the warm-up."""
    return start_of(asked.period) - warm_up(draft.schedule for draft in asked.drafts)


def lived(engine: Engine, asked: Asked, progress: Progress) -> RehearsalChannel:
    """Lives through warm-up and period on a prepared copy; returns the channel with its sample."""
    clock = VirtualClock(begin_of(asked))
    with engine.begin() as conn:
        reveals = rewind(conn, asked, clock.now())
    channel = RehearsalChannel(
        asked.folder / "mails", start_of(asked.period), per_step=asked.samples
    )
    works = machine.build(
        engine,
        clock,
        channel,
        defaults=asked.defaults,
        letterhead=asked.letterhead,
        lease=LEASE,
        allowance=asked.allowance,
        quiet=asked.quiet,
    )
    with _seldom_collected():
        live_through(works, clock, agenda(engine, reveals), end_of(asked.period), progress)
    return channel


@contextmanager
def _seldom_collected() -> Iterator[None]:
    """Millions of rows come and go, and hardly any is part of a cycle: looking for some every few
    hundred objects takes a tenth of the time."""
    usual = gc.get_threshold()
    gc.set_threshold(50_000, 20, 20)
    try:
        yield
    finally:
        gc.set_threshold(*usual)


def copy_book(source: Connection, target: Connection, *, today_too: bool = False) -> None:
    """Copies staff, accounts, contacts and their wishes, licences and terms. What stands today,
    stops, silent addresses and refusals to renew, says nothing about the past: with
    ``today_too`` only."""
    for table in (*_BOOK, *(_TODAY if today_too else [])):
        columns = [column.name for column in table.columns]
        stream = source.execution_options(yield_per=5000).execute(select(table))
        for part in stream.partitions():
            bulk.insert(target, table, columns, part)
    if not today_too:
        target.execute(update(licences).values(declined_term=None))
    if source.dialect.name == "sqlite":
        source.exec_driver_sql("PRAGMA shrink_memory")  # the pages of the book, once read


def rewind(conn: Connection, asked: Asked, begun: datetime) -> list[Reveal]:
    """Sets every licence to the term known at ``begun``; returns what becomes known later."""
    reveals: list[Reveal] = []
    query = select(licences.c.id, accounts.c.timezone).join(accounts)
    zones = {row.id: row.timezone or asked.defaults.timezone for row in conn.execute(query)}
    for chunk in bulk.chunks(sorted(zones), 5000):
        rows: list[tuple[Any, ...]] = []
        for licence_id, held in book.terms_of(conn, chunk).items():
            known = book.known_terms(held, zones[licence_id], asked.now)
            current = book.term_as_of(known, begun)
            rows.append(_shown(licence_id, current))
            reveals += [
                Reveal(term.known_at, _shown(licence_id, term))
                for term in known
                if term.number > current.number and term.known_at
            ]
        bulk.update(conn, licences, _SHOWN, rows)
    return sorted(reveals, key=lambda reveal: (reveal.at, reveal.row[:2]))


_SHOWN = ("term", "starts_on", "expires_on", "closed_on", "changed")


def _shown(licence_id: int, term: book.KnownTerm) -> tuple[Any, ...]:
    return licence_id, term.number, term.starts_on, term.expires_on, term.closed_on, True


Event = tuple[datetime, Callable[[], None]]
"""Something that happens at a moment: a term becomes known, a file is imported."""


def agenda(engine: Engine, reveals: Sequence[Reveal]) -> list[Event]:
    """The moments at which terms become known, each with the act of making them known."""

    def make(rows: list[tuple[Any, ...]]) -> Callable[[], None]:
        def reveal() -> None:
            with engine.begin() as conn:
                newest = {row[0]: row for row in rows}
                where = bulk.among(licences.c.id, list(newest))
                shown = conn.execute(select(licences.c.id, licences.c.term).where(where))
                # A licence that renewed by itself meanwhile never goes back.
                ahead = [newest[row.id] for row in shown if newest[row.id][1] >= row.term]
                bulk.update(conn, licences, _SHOWN, ahead)

        return reveal

    moments: dict[datetime, list[tuple[Any, ...]]] = {}
    for one in reveals:
        moments.setdefault(one.at, []).append(one.row)
    return [(moment, make(rows)) for moment, rows in sorted(moments.items())]


def live_through(
    works: Machine,
    clock: VirtualClock,
    events: Sequence[Event],
    end: datetime,
    progress: Progress = lambda _: None,
) -> None:
    """Runs ``works`` until ``end`` (not included), from one thing to do to the next.

    ``events`` happen at their moments, in order. Nothing else changes the book meanwhile but what
    renews by itself: after either, and only then, what changed is followed.
    """
    begun, past = clock.now(), 0
    unsettled, renewal = True, None
    while True:
        if unsettled:
            while works.follow_batch():
                pass
            unsettled, renewal = False, _next_renewal(works.planning)
        works.advance_batch()
        works.send_batch(works.sending.channel.burst)
        coming = events[past][0] if past < len(events) else None
        moment = _next_moment(works, [renewal, coming])
        if moment is None or moment >= end:
            return
        clock.advance_to(moment)
        unsettled = renewal is not None and renewal <= moment
        while past < len(events) and events[past][0] <= moment:
            events[past][1]()
            past, unsettled = past + 1, True
        progress((moment - begun) / (end - begun))


def _next_renewal(planning: Planning) -> datetime | None:
    with reading(planning.engine) as conn:
        return renewing.next_renewal(conn, planning.clock.now(), planning.defaults.timezone)


_MOMENTS = Prepared(
    select(
        *[
            select(one.c.next_at)
            .where(one.c.next_at.is_not(None))
            .order_by(one.c.next_at)
            .limit(1)
            .scalar_subquery()
            .label(one.name)
            for one in (walks, messages, calls)
        ]
    )
)
"""When the next walk, the next mail and the next call want attention."""


def _next_moment(works: Machine, others: Sequence[datetime | None]) -> datetime | None:
    now = works.planning.clock.now()
    with reading(works.planning.engine) as conn:
        walk, mail, call = _MOMENTS.rows(conn)[0]
    if call is not None and call <= now:
        works.call_batch(works.sending.channel.burst)
        return now
    return min((moment for moment in (walk, mail, call, *others) if moment), default=None)


def last_day(first: date, days: int) -> date:
    """The last of ``days`` days from ``first`` on."""
    return first + timedelta(days=days - 1)
