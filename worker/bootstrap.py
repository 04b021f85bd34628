"""The wired application: configuration in, everything else out.

The one file that knows everybody. Nothing here connects or reads before it is asked for.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from worker.kernel.clock import Clock, SystemClock

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, Row

    from worker.cadence.addressed import Judge
    from worker.cadence.machine import Guards, Machine
    from worker.catalogue.refresh import Tried
    from worker.catalogue.report import Counts, Managed
    from worker.catalogue.said import AnswerSaid
    from worker.channels.contract import Channel, Result
    from worker.channels.told import Ear
    from worker.config.loading import Loaded
    from worker.config.settings import Settings
    from worker.kernel.errors import PerennialError
    from worker.outbox.store import Message
    from worker.surveys.themes import Reader
    from worker.templating.current import Current
    from worker.upkeep import Upkeep
    from worker.vitals import Ping, Pulse
    from worker.webhooks.doors import Doors
    from worker.worklist.rules import Ending

MOST_DUE = 10_000
"""Due rows are counted up to here: enough to know how many bells to ring."""


@dataclass(frozen=True, slots=True)
class Due:
    """How many walks (changed licences included), mails and calls to other systems are due, each up
    to ``MOST_DUE``."""

    walks: int
    messages: int
    calls: int = 0


class App:
    """One instance of Perennial, wired from the folder ``root``.

    ``stopping`` is set when the process was told to end: batches look at it between two mails.
    """

    def __init__(self, root: Path, loaded: Loaded, clock: Clock | None = None) -> None:
        self.root = root
        self.loaded = loaded
        self.settings: Settings = loaded.settings
        self.clock: Clock = clock or SystemClock()
        self.stopping = threading.Event()
        self._wiring = threading.Lock()
        self._engine: Engine | None = None
        self._machine: Machine | None = None
        self._doors: Doors | None = None
        self._calling = threading.Lock()
        self._ping: Ping | None = None

    @classmethod
    def open(
        cls,
        root: Path,
        environ: Mapping[str, str],
        flags: Mapping[str, str] | None = None,
        *,
        clock: Clock | None = None,
    ) -> App:
        """Reads the configuration of ``root``; raises ``ConfigError`` with all its problems."""
        from worker.config.loading import load

        return cls(root, load(root, environ, flags or {}), clock)

    @cached_property
    def database_url(self) -> str:
        """The database's URL; the path of an SQLite file is absolute."""
        return self.settings.database.resolved(self.root.absolute())

    def raw_engine(self) -> Engine:
        """The database as it is, whatever its schema; the caller disposes of it.

        Raises ``ConfigError`` when an SQLite file may not lie where it should.
        """
        from worker.db.engine import make_engine
        from worker.db.guard import require_usable_file

        origin = self.loaded.origins["database.url"]
        file = "config.toml" if origin == "default" else origin
        require_usable_file(self.database_url, origin=file)
        return make_engine(self.database_url)

    @property
    def engine(self) -> Engine:
        """The database; checked at the first use, the same engine from then on.

        Raises ``ConfigError`` when its schema is not current or when it belongs to another
        environment, and SQLAlchemy's ``OperationalError`` when it does not answer.
        """
        with self._wiring:
            if self._engine is None:
                self._engine = self._checked_engine()
            return self._engine

    def _guards(self) -> Guards:
        """What holds this instance's machine back until a person has looked."""
        from worker.cadence import brakes
        from worker.cadence.machine import Guards
        from worker.catalogue import freshness

        watching, off = brakes.Brakes(self.clock), self.settings.mail.mode == "off"
        return Guards(
            planning=watching.hold,
            sending=lambda conn, now: watching.hold(conn, now) or off,
            stale=lambda conn, now: freshness.stale(conn, self.settings.sources, now),
            noted=brakes.count_mails,
            asks=True,
        )

    @property
    def _seen(self) -> Path:
        """Where this machine notes until when it saw the database written."""
        return self.root / "var" / "last-seen"

    def _note_seen(self) -> None:
        from worker.db import place
        from worker.db.engine import reading

        with reading(self.engine) as conn:
            place.note_seen(self._seen, conn)

    def _checked_engine(self) -> Engine:
        from worker.cadence import brakes
        from worker.db.guard import require_environment
        from worker.db.migrate import require_current

        engine = self.raw_engine()
        try:
            require_current(engine)
            require_environment(engine, self.settings.database.environment, self.clock.now())
            brakes.check_place(engine, self.clock.now(), self._seen)
        except BaseException:
            engine.dispose()
            raise
        return engine

    @cached_property
    def channel(self) -> Channel:
        """The way out that ``mail.channel`` names."""
        from worker.channels.table import KINDS

        return KINDS[self.settings.mail.channel](self.settings, self.root)

    @cached_property
    def ears(self) -> Mapping[str, Ear]:
        """Who hears what providers tell, by channel: those whose keys are set.

        Raises ``ConfigError`` when a key is none.
        """
        from worker.channels.table import EARS

        made = {name: make(self.settings) for name, make in EARS.items()}
        return {name: ear for name, ear in made.items() if ear is not None}

    def create_tables_if_none(self) -> None:
        """Gives an empty database its tables; one with an older schema is left as it is."""
        from worker.db.migrate import current, upgrade

        engine = self.raw_engine()
        try:
            if current(engine) is None:
                upgrade(engine)
        finally:
            engine.dispose()

    def close(self) -> None:
        """Lets go of the database and of those who were called. The application may be used again:
        it opens anew."""
        with self._wiring:
            if self._doors is not None:
                self._doors.close()
            if "channel" in self.__dict__:
                self.channel.close()
            if self._ping is not None:
                self._ping.close()
            if self._engine is not None:
                self._engine.dispose()
                self._engine = None

    # --- the duties that the beat rings for ---

    def due(self) -> Due:
        """What is due now; cheap, whatever the size of the book."""
        from sqlalchemy import func, select

        from worker.cadence.records import walks
        from worker.catalogue.records import licences
        from worker.db.engine import reading
        from worker.db.records import notices
        from worker.outbox.records import messages
        from worker.webhooks.records import calls

        now = self.clock.now()
        with reading(self.engine) as conn:
            counts: list[int] = [
                conn.scalar(select(func.count()).select_from(rows.limit(MOST_DUE).subquery())) or 0
                for rows in (
                    select(walks.c.id).where(walks.c.next_at <= now),
                    select(licences.c.id).where(licences.c.changed),
                    select(messages.c.id).where(messages.c.next_at <= now),
                    select(calls.c.id).where(calls.c.next_at <= now),
                    select(notices.c.id),
                )
            ]
        planning, calling = counts[0] + counts[1], counts[3] + counts[4]
        return Due(min(planning, MOST_DUE), counts[2], min(calling, MOST_DUE))

    @property
    def machine(self) -> Machine:
        """The engine and the ledger on this instance's database, clock and channel."""
        from worker.cadence import machine
        from worker.cadence.library import Defaults
        from worker.cadence.machine import Letterhead
        from worker.cadence.quiet import quiet_of
        from worker.links.rules import links_of
        from worker.webhooks.doors import Doors

        engine, mail, book = self.engine, self.settings.mail, self.settings.book
        with self._wiring:
            if self._machine is None or self._machine.planning.engine is not engine:
                self._doors = self._doors or Doors(self.settings.webhooks)
                self._machine = machine.build(
                    engine,
                    self.clock,
                    self.channel,
                    defaults=Defaults(book.timezone, book.language, book.country),
                    letterhead=Letterhead(
                        mail.sender,
                        mail.reply_to,
                        mail.redirect_to if mail.mode == "redirect" else None,
                        links_of(self.settings.web),
                    ),
                    lease=mail.lease,
                    hold=mail.hold,
                    gap=mail.pace.gap if mail.pace else timedelta(0),
                    allowance=self.settings.budget.per_contact,
                    quiet=quiet_of(self.settings.surveys),
                    guards=self._guards(),
                    outside=self._doors.outside(held=self._stands_still),
                    refused=self._hear_refusal,
                    judges=self.judges,
                    texts=self.texts,
                    stop=self.stopping.is_set,
                    wait=self.stopping.wait,
                )
            return self._machine

    @cached_property
    def judges(self) -> Mapping[str, Judge]:
        """Who looks at letters that are no step of a walk, by their origin."""
        from worker.cadence.asked_letters import ASKED, AskedJudge
        from worker.cadence.quiet import quiet_of
        from worker.surveys import telling

        settings = self.settings
        asking = AskedJudge(quiet_of(settings.surveys), settings.book.timezone)
        return {ASKED: asking, **telling.JUDGES}

    @cached_property
    def texts(self) -> Current:
        """The templates of such letters, as they lie in their folder."""
        from worker.templating.current import Current

        return Current(self.root / "templates")

    def _hear_refusal(
        self, conn: Connection, message: Message, result: Result, now: datetime
    ) -> None:
        from worker.events import refusals

        if self.settings.mail.mode == "redirect":  # it says nothing about the client's address
            result = replace(result, bad_address=False)
        refusals.hear(conn, self.settings.mail.channel, message, result, now)

    def _stands_still(self) -> bool:
        """Whether a brake is on: then no other system is called either."""
        from worker.db.engine import reading
        from worker.outbox import holds

        with reading(self.engine) as conn:
            return holds.is_held(conn)

    def plan_batch(self) -> int:
        """Plans one batch of due walks and changed licences; how many were handled."""
        return self.machine.plan_batch()

    def send_batch(self) -> int:
        """Claims and sends one batch of due mails; how many were claimed."""
        return self.machine.send_batch()

    def call_batch(self) -> int:
        """Makes calls of what happened, then claims and makes one batch of those that are due; how
        many were claimed.

        One thread of a process at a time does so, however slow those are who are called: the
        others are for mails.
        """
        from worker.webhooks import endpoints

        if not self._calling.acquire(blocking=False):
            return 0
        try:
            endpoints.fan_out(self.engine, self.clock.now())
            return self.machine.call_batch()
        finally:
            self._calling.release()

    @cached_property
    def _upkeep(self) -> Upkeep:
        from worker.upkeep import Upkeep

        return Upkeep(self)

    def sweep(self) -> None:
        """Settles dead leases and unknowns, watches for invalid edits; once a day proves that
        every licence is explained."""
        self._upkeep.sweep()
        self._note_seen()

    def refresh(self) -> list[Tried]:
        """Reads the sources whose time has come, and minds the alarms about them."""
        return self._upkeep.refresh()

    @cached_property
    def pulse(self) -> Pulse:
        """Whether mails keep moving, as this process knows it."""
        from worker.vitals import Pulse

        return Pulse(self)

    def after_beat(self) -> Ping | None:
        """Hears that a beat succeeded: pings whoever watches over this instance, if it is time."""
        from worker.vitals import Ping

        url = self.settings.beat.ping_url
        if url is not None:
            self._ping = self._ping or Ping(url, self.pulse, self.clock)
            self._ping.after_beat()
        return self._ping

    def pull_brake(
        self, conn: Connection, *, kind: str, about: str, detail: str, now: datetime
    ) -> None:
        """Stops all mails and opens a task that says why; one for each thing it is about."""
        from worker.cadence import brakes

        brakes.pull(conn, kind, about, detail, now)

    def hand_over(self, conn: Connection, changes: Sequence[Managed], now: datetime) -> None:
        """Opens a task for whoever an import makes the manager of an account."""
        from worker.worklist import handing

        handing.open_for(conn, changes, now)

    def hear_closed(
        self, conn: Connection, task: Row[Any], ending: Ending, who: str, now: datetime
    ) -> None:
        """Tells the rooms that a person closed a task."""
        from worker.kernel.dates import civil_date, zone
        from worker.reactivation import closing
        from worker.surveys import feedback

        today = civil_date(now, zone(self.settings.book.timezone))
        closing.hear(conn, task, ending, who, now, today)
        feedback.hear(conn, task, ending, who, now)

    def take_answers(
        self, conn: Connection, said: Sequence[AnswerSaid], *, dry_run: bool
    ) -> Counts:
        """Lays the answers of an import beside those that were given to us."""
        from worker.surveys import importing

        return importing.lay(conn, said, self.themes, dry_run=dry_run)

    @cached_property
    def themes(self) -> Reader:
        """What finds the declared themes in comments."""
        from worker.surveys.themes import reader_of

        return reader_of(self.settings.surveys.themes)

    def tick(self) -> tuple[int, int, int]:
        """One heartbeat in the foreground: read sources, settle, then plan, send and call until
        nothing is due; the daily proofs last.

        Returns how many walks and changes were handled, and how many mails and calls were claimed.
        """
        from worker.db import heartbeats

        self.refresh()
        self.machine.sweep()
        planned = sent = called = 0
        while not self.stopping.is_set():
            handled, claimed = self.plan_batch(), self.send_batch()
            if not handled and not claimed:
                break
            planned, sent = planned + handled, sent + claimed
        while not self.stopping.is_set() and (claimed := self.call_batch()):
            called += claimed
        self._upkeep.sweep(caught_up=True)
        with self.engine.begin() as conn:
            heartbeats.beat(conn, "beat", self.clock.now())
        self._note_seen()
        if (ping := self.after_beat()) is not None:
            ping.wait()
        return planned, sent, called

    # --- what does not answer ---

    def database_problem(self) -> PerennialError | None:
        """What is wrong with the database now: ``DependencyDownError`` or ``ConfigError``."""
        from sqlalchemy.exc import SQLAlchemyError

        from worker.db.migrate import require_current
        from worker.kernel.errors import DependencyDownError, PerennialError

        try:
            require_current(self.engine)
        except PerennialError as error:
            return error
        except SQLAlchemyError as error:
            return DependencyDownError(f"the database does not answer ({type(error).__name__})")
        return None

    def broker_problem(self) -> PerennialError | None:
        """What is wrong with the broker now; the one in memory is always well."""
        url = self.settings.jobs.broker
        if url == "memory":
            return None
        import redis

        from worker.kernel.errors import DependencyDownError

        client = redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2)
        try:
            client.ping()
        except redis.RedisError as error:
            return DependencyDownError(f"Redis does not answer ({type(error).__name__})")
        finally:
            client.close()
        return None
