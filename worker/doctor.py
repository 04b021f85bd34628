"""What ``perennial doctor`` and the page of health ask, and what they make of the answers."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Protocol

from sqlalchemy import func, select
from sqlalchemy.engine import Connection

from worker.cadence import brakes, waits
from worker.cadence.addressed import Judge
from worker.catalogue import freshness, stops, store, suppressions
from worker.channels.contract import Channel
from worker.channels.told import Ear
from worker.config.wiring import Wiring
from worker.db import heartbeats
from worker.db.engine import reading, wal_is_safe
from worker.db.prepared import Prepared
from worker.events import bounces
from worker.events import store as events
from worker.kernel.errors import ConfigError, PerennialError
from worker.outbox import holds
from worker.schedules.records import versions
from worker.templating.current import Current
from worker.webhooks import endpoints
from worker.webhooks import store as calls
from worker.webhooks.resting import GONE
from worker.webhooks.rules import CALLING, DUE, FAILED
from worker.worklist.flow import Hears
from worker.worklist.records import tasks

_STALLED_AFTER = timedelta(minutes=3)

_APPLIED = Prepared(select(versions.c.schedule, versions.c.text).where(versions.c.active))
_OPEN = Prepared(
    select(tasks.c.kind, func.count().label("open"))
    .where(tasks.c.closed_at.is_(None))
    .group_by(tasks.c.kind)
    .order_by(tasks.c.kind)
)


class Level(StrEnum):
    """How bad it is: ``note`` is for knowing, ``finding`` for a person, ``down`` for now."""

    OK = "ok"
    NOTE = "note"
    FINDING = "finding"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was asked, and the answer in a sentence."""

    name: str
    level: Level
    said: str

    def record(self) -> dict[str, str]:
        """The answer as other programs read it (``--json``)."""
        return asdict(self)


class Instance(Wiring, Protocol):
    """The wired application, with what can be asked of it."""

    @property
    def database_url(self) -> str: ...

    @property
    def channel(self) -> Channel: ...

    @property
    def ears(self) -> Mapping[str, Ear]: ...

    def database_problem(self) -> PerennialError | None: ...

    def broker_problem(self) -> PerennialError | None: ...

    @property
    def hear_closed(self) -> Hears:
        """Who hears of tasks that people close."""
        ...

    @property
    def judges(self) -> Mapping[str, Judge]:
        """Who looks at letters that are no step of a walk."""
        ...

    @property
    def texts(self) -> Current:
        """The templates of such letters."""
        ...


def ask_outside(app: Instance) -> Sequence[Check]:
    """Asks those who answer over the network: it may take seconds."""
    broker = app.settings.jobs.broker.partition(":")[0]
    return [_judged("broker", app.broker_problem(), broker), _channel(app)]


def examine(
    app: Instance, outside: Callable[[Instance], Sequence[Check]] = ask_outside
) -> list[Check]:
    """Asks everything; nothing here raises because a dependency is down.

    ``outside`` answers for the broker and the way out; a page remembers what they said.
    """
    database = app.database_problem()
    found = [_judged("database", database, app.database_url.partition(":")[0])]
    found += _journal(app.database_url)
    found += outside(app)
    found += _links(app)
    if database is None:
        with reading(app.engine) as conn:
            found += [_beat(app, conn), *_sources(app, conn), *_schedules(app, conn)]
            found += [*_events(app, conn), *_bounces(app, conn)]
            found += [*_calls(app, conn), *_endpoints(conn)]
            found += [*_held(app, conn), *_waiting(conn)]
    return found


def _judged(name: str, problem: PerennialError | None, what: str) -> Check:
    if problem is None:
        return Check(name, Level.OK, f"{what} answers")
    level = Level.DOWN if problem.exit_code == 4 else Level.FINDING
    return Check(name, level, str(problem))


def _journal(url: str) -> Iterator[Check]:
    if url.startswith("sqlite") and not wal_is_safe():
        said = (
            f"SQLite {sqlite3.sqlite_version} may damage a database in write-ahead mode; the "
            "rollback journal is used, which is safe and slower. 3.51.3 or newer does better"
        )
        yield Check("journal", Level.NOTE, said)


def _channel(app: Instance) -> Check:
    wrong = app.channel.check()
    name = f"mail.channel {app.settings.mail.channel}"
    takes = "takes mails" if app.channel.proves else "takes mails; nothing proves an unknown"
    return Check(name, Level.DOWN if wrong else Level.OK, wrong or takes)


def _links(app: Instance) -> Iterator[Check]:
    """Nothing while mails carry links."""
    if app.settings.web.link_key is None:
        said = (
            "not set, so mails carry no links to the answer and preference pages; "
            "set PERENNIAL_WEB__LINK_KEY, made with: openssl rand -hex 32"
        )
        yield Check("web.link_key", Level.NOTE, said)


def _beat(app: Instance, conn: Connection) -> Check:
    last = heartbeats.last(conn, "beat")
    if last is None:
        return Check("beat", Level.NOTE, "never ran; start perennial up, or perennial scheduler")
    age = app.clock.now() - last
    if age > _STALLED_AFTER:
        said = f"the last one was at {last:%Y-%m-%d %H:%M} UTC; nothing is sent while none runs"
        return Check("beat", Level.FINDING, said)
    if age < timedelta(0):
        said = f"the last one was at {last:%Y-%m-%d %H:%M} UTC, which is still to come"
        return Check("beat", Level.NOTE, said)
    return Check("beat", Level.OK, f"the last one was {age.total_seconds():.0f} s ago")


def _sources(app: Instance, conn: Connection) -> Iterator[Check]:
    reads, now = store.reads(conn), app.clock.now()
    for name, source in app.settings.sources.items():
        read = reads.get(name)
        last = read.read_at if read is not None else None
        said = f"last read at {last:%Y-%m-%d %H:%M} UTC" if last else "never read to its end"
        level = Level.OK if last else Level.NOTE
        if read is not None and freshness.failing(read, now):
            first = next(iter((read.problem or "").splitlines()), "")
            level, said = Level.FINDING, f"{said}; the reading since then failed: {first}"
        elif read is not None and read.problem and read.problem != freshness.UNFINISHED:
            level, said = Level.FINDING, f"{said}; rejected: {read.problem}"
        if freshness.is_stale(read, source, now):
            level, said = Level.FINDING, f"{said}; stale, so mails that depend on it are held"
        yield Check(f"sources.{name}", level, said)


def _schedules(app: Instance, conn: Connection) -> Iterator[Check]:
    applied = {row.schedule: row.text for row in _APPLIED.rows(conn)}
    files = {path.stem: path for path in sorted((app.root / "schedules").glob("*.toml"))}
    for stem, path in files.items():
        name = f"schedules/{stem}.toml"
        if stem not in applied:
            yield Check(
                name, Level.FINDING, "not applied: see perennial plan, then perennial apply"
            )
        elif path.read_text(encoding="utf-8", errors="replace") != applied[stem]:
            said = "edited since it was applied: see perennial plan, then perennial apply"
            yield Check(name, Level.FINDING, said)
        else:
            yield Check(name, Level.OK, "applied")
    for stem in sorted(applied.keys() - files.keys()):
        said = "runs, but its file is gone: put it back, or perennial apply to end it"
        yield Check(f"schedules/{stem}.toml", Level.FINDING, said)


def _events(app: Instance, conn: Connection) -> Iterator[Check]:
    """Whether providers can tell what becomes of mails, and what they told."""
    try:
        listening = bool(app.ears)
    except ConfigError as error:
        yield Check("events", Level.FINDING, str(error))
        return
    if app.settings.mail.channel == "sendgrid" and not listening:
        said = "mail.sendgrid.event_key is not set: nothing tells what becomes of a mail"
        yield Check("events", Level.FINDING, f"{said}; see docs/events.md")
    told = events.counts(conn, app.clock.now() - timedelta(days=1))
    if listening or told:
        odd = {
            "of no mail of ours": told.pop("orphan", 0),
            "of no known kind": told.get("unknown", 0),
        }
        more = "".join(f", {count} {what}" for what, count in odd.items() if count)
        count = sum(told.values()) + odd["of no mail of ours"]
        yield Check("events", Level.NOTE if more else Level.OK, f"{count} over the last day{more}")


def _bounces(app: Instance, conn: Connection) -> Iterator[Check]:
    if app.settings.mail.smtp.bounces is not None:
        last = heartbeats.last(conn, bounces.DUTY)
        said = f"last read at {last:%Y-%m-%d %H:%M} UTC" if last else "never read yet"
        yield Check("mail.smtp.bounces", Level.OK if last else Level.NOTE, said)
    silent = suppressions.counts(conn)
    if silent:
        said = ", ".join(f"{count} {reason}" for reason, count in sorted(silent.items()))
        yield Check("silent addresses", Level.NOTE, said)


def _calls(app: Instance, conn: Connection) -> Iterator[Check]:
    """Nothing where nobody was ever called."""
    by_state = calls.counts(conn)
    if not by_state:
        return
    failed = by_state.get(FAILED, 0)
    waiting = by_state.get(DUE, 0) + by_state.get(CALLING, 0)
    said = f"{waiting} waiting, {failed} failed"
    if waiting and app.settings.webhooks.secret is None:
        said += "; nobody is called before PERENNIAL_WEBHOOKS__SECRET is set"
        yield Check("webhooks", Level.FINDING, said)
    else:
        yield Check("webhooks", Level.NOTE if waiting or failed else Level.OK, said)


def _endpoints(conn: Connection) -> Iterator[Check]:
    """How those fare who are told of what happens."""
    for name, standing in endpoints.fares(conn):
        named = f"endpoint {name}"
        if standing.why == GONE:
            said = "it wants no more calls; its task says how to go on"
            yield Check(named, Level.FINDING, said)
        elif standing.failing_since is not None:
            times = "once" if standing.failures == 1 else f"{standing.failures} times in a row"
            said = f"it {standing.why}, {times} since {standing.failing_since:%Y-%m-%d %H:%M} UTC"
            if standing.paused_until is not None:
                said += f"; it rests until {standing.paused_until:%Y-%m-%d %H:%M} UTC"
            rests = standing.paused_until is not None
            yield Check(named, Level.FINDING if rests else Level.NOTE, said)
        else:
            yield Check(named, Level.OK, "it takes what it is told")


def _held(app: Instance, conn: Connection) -> Iterator[Check]:
    """What keeps mails back, or sends them elsewhere."""
    for brake in holds.pulled(conn):
        said = f"{brake.detail} {brakes.answer(brake.kind, brake.id)}"
        yield Check(f"brake {brake.kind}", Level.FINDING, said)
    mail = app.settings.mail
    for line in waits.mode_lines(mail):
        yield Check(f"mail.mode {mail.mode}", Level.NOTE, line)
    for group in holds.held(conn):
        level = Level.FINDING if group.reason == holds.APPROVAL else Level.NOTE
        yield Check(f"held {group.reason} {group.schedule}", level, waits.held_line(group))
    standing = stops.count(conn, app.clock.now().date())
    if standing:
        stand = "stands" if standing == 1 else "stand"
        yield Check("stops", Level.NOTE, f"{standing} {stand}; see perennial stop")


def _waiting(conn: Connection) -> Iterator[Check]:
    for kind, count in _OPEN.rows(conn):
        level = Level.NOTE if kind == "step" else Level.FINDING
        yield Check(f"tasks {kind}", level, f"{count} open; see perennial tasks")
