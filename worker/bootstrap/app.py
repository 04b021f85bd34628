"""The application of one instance, and what it consists of. Nothing here connects or reads before
it is asked for; even the modules behind the parts are loaded then."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from worker.kernel.clock import Clock, SystemClock

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, Row

    from worker.bootstrap.duties import Due
    from worker.cadence.addressed import Judge
    from worker.cadence.machine import Machine
    from worker.catalogue.refresh import Tried
    from worker.catalogue.report import Counts, Managed
    from worker.catalogue.said import AnswerSaid
    from worker.channels.contract import Channel
    from worker.channels.told import Ear
    from worker.config.loading import Loaded
    from worker.config.settings import Settings
    from worker.kernel.errors import PerennialError
    from worker.surveys.themes import Reader
    from worker.templating.current import Current
    from worker.upkeep import Upkeep
    from worker.vitals import Ping, Pulse
    from worker.webhooks.doors import Doors
    from worker.worklist.rules import Ending


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

    # --- the parts, each made at its first use ---

    @cached_property
    def database_url(self) -> str:
        """The database's URL; the path of an SQLite file is absolute."""
        return self.settings.database.resolved(self.root.absolute())

    @property
    def engine(self) -> Engine:
        """The database; checked at the first use, the same engine from then on.

        Raises ``ConfigError`` when its schema is not current or when it belongs to another
        environment, and SQLAlchemy's ``OperationalError`` when it does not answer.
        """
        from worker.bootstrap import database

        with self._wiring:
            if self._engine is None:
                self._engine = database.checked(self)
            return self._engine

    @property
    def machine(self) -> Machine:
        """The engine and the ledger on this instance's database, clock and channel."""
        from worker.bootstrap import wiring

        engine = self.engine
        with self._wiring:
            if self._machine is None or self._machine.planning.engine is not engine:
                self._doors = self._doors or wiring.doors(self)
                self._machine = wiring.machine_of(self, engine, self._doors)
            return self._machine

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

    @cached_property
    def judges(self) -> Mapping[str, Judge]:
        """Who looks at letters that are no step of a walk, by their origin."""
        from worker.bootstrap import wiring

        return wiring.judges_of(self)

    @cached_property
    def texts(self) -> Current:
        """The templates of such letters, as they lie in their folder."""
        from worker.templating.current import Current

        return Current(self.root / "templates")

    @cached_property
    def themes(self) -> Reader:
        """What finds the declared themes in comments."""
        from worker.surveys.themes import reader_of

        return reader_of(self.settings.surveys.themes)

    @cached_property
    def upkeep(self) -> Upkeep:
        """What the beat has done beside planning and sending."""
        from worker.upkeep import Upkeep

        return Upkeep(self)

    @cached_property
    def pulse(self) -> Pulse:
        """Whether mails keep moving, as this process knows it."""
        from worker.vitals import Pulse

        return Pulse(self)

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

    # --- the database before it is fit, and what does not answer ---

    def raw_engine(self) -> Engine:
        """The database as it is, whatever its schema; the caller disposes of it.

        Raises ``ConfigError`` when an SQLite file may not lie where it should.
        """
        from worker.bootstrap import database

        return database.raw(self)

    def create_tables_if_none(self) -> None:
        """Gives an empty database its tables; one with an older schema is left as it is."""
        from worker.bootstrap import database

        database.create_tables_if_none(self)

    def database_problem(self) -> PerennialError | None:
        """What is wrong with the database now: ``DependencyDownError`` or ``ConfigError``."""
        from worker.bootstrap import probing

        return probing.database_problem(self)

    def broker_problem(self) -> PerennialError | None:
        """What is wrong with the broker now; the one in memory is always well."""
        url = self.settings.jobs.broker
        if url == "memory":
            return None
        from worker.bootstrap import probing

        return probing.redis_problem(url)

    # --- the duties that the beat rings for ---

    def due(self) -> Due:
        """What is due now; cheap, whatever the size of the book."""
        from worker.bootstrap import duties

        now = self.clock.now()
        return duties.due(self.engine, now)

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

    def sweep(self) -> None:
        """Settles dead leases and unknowns, watches for invalid edits; once a day proves that
        every licence is explained."""
        from worker.bootstrap import database

        self.upkeep.sweep()
        database.note_seen(self)

    def refresh(self) -> list[Tried]:
        """Reads the sources whose time has come, and minds the alarms about them."""
        return self.upkeep.refresh()

    def after_beat(self) -> Ping | None:
        """Hears that a beat succeeded: pings whoever watches over this instance, if it is time."""
        from worker.vitals import Ping

        url = self.settings.beat.ping_url
        if url is not None:
            self._ping = self._ping or Ping(url, self.pulse, self.clock)
            self._ping.after_beat()
        return self._ping

    def tick(self) -> tuple[int, int, int]:
        """One heartbeat in the foreground, until nothing is due.

        Returns how many walks and changes were handled, and how many mails and calls were claimed.
        """
        from worker.bootstrap import duties

        return duties.tick(self)

    # --- what rooms tell each other ---

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
        from worker.bootstrap import ties

        ties.hear_closed(conn, task, ending, who, now, self.settings.book.timezone)

    def take_answers(
        self, conn: Connection, said: Sequence[AnswerSaid], *, dry_run: bool
    ) -> Counts:
        """Lays the answers of an import beside those that were given to us."""
        from worker.bootstrap import ties

        return ties.take_answers(conn, said, self.themes, self.clock.now(), dry_run=dry_run)
