"""Health: what doctor says, how fresh the sources are, what is shut or held, how late mails are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from importlib.metadata import version
from threading import Lock
from typing import Any, NamedTuple

from fastapi import APIRouter, Response
from sqlalchemy.engine import Connection

from worker import doctor
from worker.access.rules import Role
from worker.cadence import waits
from worker.catalogue import freshness
from worker.catalogue import store as catalogue
from worker.config.values import span_text
from worker.db.engine import reading
from worker.desk import health_store as store
from worker.desk import held
from worker.desk.counting import Counting
from worker.desk.frame import READ, Desk, Visit
from worker.doctor import Check, Instance, Level
from worker.outbox import ways
from worker.reports import lateness
from worker.telemetry.metrics import LATENESS, WINDOW, Lateness

_ASKED_AGAIN = timedelta(seconds=30)
_HEIGHT = 96
_ORDER = {Level.DOWN: 0, Level.FINDING: 1, Level.NOTE: 2, Level.OK: 3}
_NAMES = ("1 min", "5 min", "15 min", "1 h", "4 h", "1 day")


class Source(NamedTuple):
    """How a source stands; ``trouble`` is what went wrong, or the rows that were rejected."""

    name: str
    every: str
    stale_after: str
    read_at: datetime | None
    tried_at: datetime | None
    state: str  # fresh, stale, failing, reading, never
    trouble: str
    has_rejects: bool


class Bar(NamedTuple):
    """Mails that took up to ``name``, and no less than the bar before it; ``height`` in px."""

    name: str
    mails: int
    height: int


def mount(router: APIRouter, desk: Desk) -> None:
    """The page."""
    viewer, outside = desk.visit(Role.VIEWER), _Outside()
    holidays, late = version("holidays"), _lateness(desk)

    @router.api_route("/health", methods=READ)
    def health(asked: Visit = viewer) -> Response:
        app = desk.app
        checks = doctor.examine(app, outside.ask)
        took = late.of(WINDOW, asked.now).found
        with reading(app.engine) as conn:
            values: dict[str, Any] = {
                "sources": list(_sources(conn, desk, asked.now)),
                "ways": ways.listed(conn),
                "beats": store.beats(conn),
                "endpoints": store.endpoints_listed(conn),
                **held.shown(conn, "/health"),
            }
        return desk.page(
            asked,
            "health.html",
            checks=sorted(checks, key=lambda check: _ORDER[check.level]),
            worst=min((check.level for check in checks), key=_ORDER.__getitem__),
            modes=list(waits.mode_lines(app.settings.mail)),
            channel=app.settings.mail.channel,
            bars=bars(took),
            sent=took.buckets[-1],
            holidays=holidays,
            **values,
        )


def _lateness(desk: Desk) -> Counting[timedelta, Lateness]:
    """How late mails were, as it was counted half a minute ago: it grows with what was mailed."""

    def count(conn: Connection, window: timedelta, now: datetime) -> Lateness:
        return lateness.read(conn, now - window)

    return Counting(lambda: desk.app.engine, _ASKED_AGAIN, count)


class _Outside:
    """What the broker and the way out said lately: a page that is loaded again asks nobody."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._said: Sequence[Check] = ()
        self._at: datetime | None = None

    def ask(self, app: Instance) -> Sequence[Check]:
        """Their answers, at most half a minute old."""
        now = app.clock.now()
        with self._lock:
            if self._at is None or not timedelta(0) <= now - self._at < _ASKED_AGAIN:
                self._said, self._at = doctor.ask_outside(app), now
            return self._said


def _sources(conn: Connection, desk: Desk, now: datetime) -> Iterator[Source]:
    reads, settings = catalogue.reads(conn), desk.app.settings
    for name, source in settings.sources.items():
        read, state = reads.get(name), "fresh"
        unfinished = read is not None and read.problem == freshness.UNFINISHED
        if freshness.failing(read, now):
            state = "failing"
        elif freshness.is_stale(read, source, now):
            state = "stale"
        elif unfinished:
            state = "reading"
        elif read is None:
            state = "never"
        trouble = read.problem or "" if read and not unfinished else ""
        yield Source(
            name,
            span_text(source.every) if source.every else "",
            span_text(source.stale_after) if source.stale_after else "",
            read.read_at if read else None,
            read.tried_at if read else None,
            state,
            trouble,
            bool(trouble) and state != "failing",
        )


def bars(took: Lateness) -> list[Bar]:
    """The buckets of lateness, each without those below it; the highest is ``_HEIGHT`` pixels."""
    names = [*(f"≤ {name}" for name in _NAMES), f"> {_NAMES[-1]}"]
    assert len(names) == len(LATENESS) + 1
    below = [0, *took.buckets[:-1]]
    counts = [count - less for count, less in zip(took.buckets, below, strict=True)]
    most = max(counts, default=0) or 1
    return [
        Bar(name, count, max(2, round(_HEIGHT * count / most)) if count else 0)
        for name, count in zip(names, counts, strict=True)
    ]
