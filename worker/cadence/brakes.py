"""What makes the machine stop and ask a person: a day far above its forecast, a clock that was
set, a copied database. An import that moves many dates pulls its brake by itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.engine import Connection

from worker.access import audit
from worker.access.audit import Actor
from worker.cadence import ahead
from worker.cadence.ahead import Forecasting
from worker.cadence.decisions import Record
from worker.db import heartbeats, place
from worker.db.engine import reading
from worker.kernel.clock import Clock, Watch
from worker.kernel.dates import Period
from worker.outbox import holds
from worker.worklist import store as worklist

JUMP = timedelta(hours=1)
"""A clock that is set by so much within one process is no longer believed."""

BACK = timedelta(minutes=5)
"""A clock may be so far behind the time of another machine that shares the database."""

FORESEEN = timedelta(days=7)
"""How far ahead each day's mails are counted."""

MOST = 20_000
"""About so many licences are looked at for that; of a larger book a sample, and its counts are
multiplied: a day is only stopped at three times what was foreseen."""


class Brakes:
    """Watches the clock of one process, and knows whether any brake is on."""

    def __init__(self, clock: Clock) -> None:
        self._watch = Watch(clock)

    def hold(self, conn: Connection, now: datetime) -> bool:
        """Whether nothing may be decided and nothing may leave; looks at the clock first."""
        for about, said in self._doubts(conn, now):
            if not holds.is_held_by(conn, holds.CLOCK):  # one wrong clock is one question
                pull(conn, holds.CLOCK, about, said, now)
        return holds.is_held(conn)

    def _doubts(self, conn: Connection, now: datetime) -> Iterator[tuple[str, str]]:
        """Why the clock is not believed: what it is about, and a sentence."""
        jump = self._watch.jump()
        if abs(jump) >= JUMP:
            way = "ahead" if jump > timedelta(0) else "back"
            said = f"The clock was set {way} by {_span(abs(jump))} while this process was running."
            yield f"{way} {now:%Y-%m-%d %H:%M}", said
        last = heartbeats.newest(conn)
        if last is not None and last - now > BACK:
            about = f"behind {last:%Y-%m-%d %H:%M}"
            if not holds.was_released(conn, holds.CLOCK, about):
                said = f"The clock says {now:%Y-%m-%d %H:%M} UTC, but the database was written at "
                yield about, f"{said}{last:%Y-%m-%d %H:%M} UTC."


def _span(length: timedelta) -> str:
    minutes = round(length.total_seconds() / 60)
    return f"{minutes // 60} h {minutes % 60} min"


def pull(conn: Connection, kind: str, about: str, detail: str, now: datetime) -> None:
    """Stops everything and opens a task that says why, and how to go on.

    ``detail`` is a sentence for people; whoever pulls may leave its first capital and its full
    stop to us.
    """
    detail = f"{detail[:1].upper()}{detail[1:].removesuffix('.')}."
    holds.pull(conn, kind, about, detail, now)
    task = worklist.NewTask(
        key=f"brake:{kind}:{about}",
        kind="brake",
        title="Sending is stopped until a person has looked",
        detail=f"{detail} {ANSWERS[kind]}",
    )
    worklist.open_tasks(conn, [task], now)


ANSWERS: Mapping[str, str] = {
    holds.FORECAST: "See what waits: perennial outbox --state due. Go on: perennial release",
    holds.IMPORT: "See what it moved: perennial plan. Go on: perennial release",
    holds.CLOCK: "Set the clock right, restart, then: perennial release",
    holds.COPY: "If this is the one that shall mail: perennial confirm-instance",
}
"""What a person does about each kind."""


def answer(kind: str, id_: int) -> str:
    """What a person does about this brake, as it is typed."""
    return ANSWERS[kind] if kind == holds.COPY else f"{ANSWERS[kind]} {id_}"


def release(conn: Connection, brakes: Sequence[Any], note: str, now: datetime, by: Actor) -> None:
    """Takes brakes off, as ``holds.pulled`` lists them, and closes their tasks."""
    holds.release(conn, [brake.id for brake in brakes], note, now)
    for brake in brakes:
        worklist.close(conn, f"brake:{brake.kind}:{brake.about}", note, now)
        detail = {"kind": brake.kind, "about": brake.about}
        audit.note(conn, by, "brake.released", f"brake {brake.id}", now, detail)


def count_mails(conn: Connection, counts: Mapping[date, int], now: datetime) -> None:
    """Counts the mails that a batch decided on; a day far above its forecast stops."""
    for day in holds.count(conn, dict(counts)):
        about = day.day.isoformat()
        if day.is_far_above and not holds.was_released(conn, holds.FORECAST, about):
            said = f"{day.decided} mails for {about}, where {day.foreseen} were foreseen."
            pull(conn, holds.FORECAST, about, said, now)


def foresee(engine: Engine, asked: Forecasting) -> None:
    """Notes how many mails the coming days will bring, today left out."""
    first = asked.now.date() + timedelta(days=1)
    period = Period(first, first + FORESEEN)
    found, sample = ahead.forecast_apart(engine, asked, period, MOST)
    with engine.begin() as conn:
        note(conn, found, asked.now, times=sample.one_in)


def note(conn: Connection, records: Sequence[Record], now: datetime, *, times: int = 1) -> None:
    """Remembers a forecast by days: what a person has seen is no surprise when it comes.

    ``times`` multiplies the counts of a forecast that looked at a part of the book.
    """
    mails = {
        (r.at.date(), r.message) for r in records if r.decision == "planned" and r.at and r.message
    }
    counts = {day: count * times for day, count in Counter(day for day, _ in mails).items()}
    today = now.date()
    days = {today + timedelta(days=n): 0 for n in range(1, FORESEEN.days + 1)}
    holds.foresee(conn, days | counts, today, now)


def check_place(engine: Engine, now: datetime, seen: Path) -> None:
    """Remembers where the database lives. A copy that finds itself elsewhere stops, and so does a
    backup put back in its place: ``seen`` is the file in which this machine notes what it saw."""
    here = place.place_of(engine)
    with reading(engine) as conn:
        known, forgot = place.known_place(conn), place.forgotten(seen, conn)
        last = heartbeats.newest(conn)
    said = ""
    if known is not None and not place.is_same(known, here):
        said = "This database was copied or moved: it is not where it was when it last ran."
    elif forgot is not None:
        known_until = f"at {last:%Y-%m-%d %H:%M} UTC" if last else "never"
        said = "A backup was put back: this database was last written "
        said += f"{known_until}, but it was seen here at {forgot:%Y-%m-%d %H:%M} UTC."
    if known is not None and not said:
        return
    with engine.begin() as conn:
        if known is None:
            place.settle(conn, here)
        if said and not holds.is_held_by(conn, holds.COPY):
            pull(conn, holds.COPY, here[:8], said, now)


def confirm_place(engine: Engine, now: datetime, by: Actor) -> int:
    """A person says that this is the database that shall mail; how many brakes that took off."""
    here = place.place_of(engine)
    with engine.begin() as conn:
        place.settle(conn, here)
        heartbeats.beat(conn, "confirmed", now)  # from now on nothing that it knew is missing
        on = [brake for brake in holds.pulled(conn) if brake.kind == holds.COPY]
        release(conn, on, "confirmed", now, by)
        audit.note(conn, by, "instance.confirmed", "instance", now, {"brakes": len(on)})
    return len(on)
