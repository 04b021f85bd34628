"""What the beat has done beside planning and sending: sources read, mailboxes emptied, edits
watched, staff written to in the morning, and once a day the proof that nobody was forgotten."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, Engine

from worker.access import store as access
from worker.cadence import brakes, coverage, foreseen, watch
from worker.cadence.ahead import Forecasting
from worker.cadence.asked_letters import Terms
from worker.cadence.flow import Planning
from worker.cadence.library import Defaults
from worker.cadence.machine import Machine
from worker.cadence.quiet import quiet_of
from worker.cadence.watch import Fingerprint
from worker.catalogue import freshness, lapses
from worker.catalogue.answering import Answers
from worker.catalogue.flow import Brake, HandOver, Options
from worker.catalogue.refresh import Tried, refresh
from worker.channels.contract import Channel
from worker.config.loading import Loaded
from worker.config.settings import Settings
from worker.db import heartbeats
from worker.db.engine import reading
from worker.events import bounces
from worker.kernel.clock import Clock
from worker.outbox import holds
from worker.reactivation import closing
from worker.reactivation import flow as reactivation
from worker.reactivation.episodes import flag
from worker.reactivation.flagging import thresholds
from worker.surveys import flow as comments
from worker.surveys import requests
from worker.surveys.themes import Reader
from worker.webhooks import endpoints
from worker.webhooks.endpoints import Endpoint
from worker.worklist import morning
from worker.worklist import store as worklist
from worker.worklist.alarms import watch_sources
from worker.worklist.morning import Post

_DAILY = timedelta(days=1)
_LAPSES_EVERY = timedelta(minutes=10)


class Instance(Protocol):
    """The part of the wired application that these duties need."""

    root: Path
    loaded: Loaded
    settings: Settings
    clock: Clock
    stopping: threading.Event

    @property
    def pull_brake(self) -> Brake: ...

    @property
    def hand_over(self) -> HandOver: ...

    @property
    def take_answers(self) -> Answers: ...

    @property
    def themes(self) -> Reader: ...

    @property
    def engine(self) -> Engine: ...

    @property
    def machine(self) -> Machine: ...

    @property
    def channel(self) -> Channel: ...


class Upkeep:
    """The duties of one process, and what it saw when it last did them."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._files_seen: Fingerprint | None = None
        self._stale_seen: frozenset[str] | None = None
        self._bounces_tried: datetime | None = None
        self._began = instance.clock.now()

    def sweep(self, *, caught_up: bool = False) -> None:
        """Settles dead leases and unknowns, watches for invalid edits, reads comments for their
        themes, sends the morning mail to staff; once a day proves that every licence is explained,
        and foresees the days to come.

        ``caught_up``: all that was due has been done. Else nothing is proved before this process
        has run for a while: what fell due while nobody beat is no gap.
        """
        self._instance.machine.sweep()
        self._watch_edits()
        if caught_up or self._instance.clock.now() - self._began >= coverage.OVERDUE:
            self._daily("coverage", self._prove_coverage)
        self._daily("forecast", self._foresee_days)
        self._count_calendar()
        self._daily("repeats", self._forget_repeats)
        self._score_clients()
        self._see_orders()
        self._note_lapses()
        it = self._instance
        comments.read_comments(it.engine, it.themes)
        morning.brief(Post(it.engine, it.clock, it.channel, it.settings))

    def refresh(self) -> list[Tried]:
        """Reads the sources whose time has come, and minds the alarms about them."""
        it = self._instance
        self._hear_endpoints()
        sources, stop = it.settings.sources, it.stopping
        options = Options(
            place=it.loaded.document.place,
            brake=it.pull_brake,
            hand_over=it.hand_over,
            answers=it.take_answers,
            pause=stop.wait,
        )
        tried = refresh(it.engine, sources, it.clock, it.root, options, stop.is_set)
        watch_sources(it.engine, sources, it.clock.now())
        self._put_requests()
        self._wake_held()
        self._read_bounces()
        return tried

    def _put_requests(self) -> None:
        """Asks those of whom other systems said that they shall be asked by now."""
        it, book = self._instance, self._instance.settings.book
        defaults = Defaults(book.timezone, book.language, book.country)
        terms = Terms(quiet_of(it.settings.surveys), defaults)
        requests.put_due(it.engine, requests.by_letter(terms), it.clock.now())

    def _daily(self, name: str, duty: Callable[[], None]) -> None:
        now, engine = self._instance.clock.now(), self._instance.engine
        with reading(engine) as conn:
            last = heartbeats.last(conn, name)
        if last is None or now - last >= _DAILY:
            duty()
            with engine.begin() as conn:
                heartbeats.beat(conn, name, now)

    def _foresee_days(self) -> None:
        planning, now = self._instance.machine.planning, self._instance.clock.now()
        brakes.foresee(self._instance.engine, _forecasting(planning, now))

    def _count_calendar(self) -> None:
        """Once a day, and after each application, for the calendars of the pages."""
        now, engine = self._instance.clock.now(), self._instance.engine
        with reading(engine) as conn:
            due = foreseen.is_due(conn, now)
        if due:
            planning = self._instance.machine.planning
            foreseen.count(engine, _forecasting(planning, now))

    def _prove_coverage(self) -> None:
        active = self._instance.machine.planning.library.active
        with self._instance.engine.begin() as conn:
            if not holds.is_held(conn):  # a brake explains why nothing was decided
                coverage.check(conn, active(conn), self._instance.clock.now())

    def _hear_endpoints(self) -> None:
        """Lets the rooms know who listens to what happens."""
        it = self._instance
        said = it.settings.webhooks.endpoints
        declared = {name: Endpoint(one.url, one.events) for name, one in said.items()}
        endpoints.sync(it.engine, declared, _open_keys, it.clock.now())

    def _note_lapses(self) -> None:
        """Notes which terms ended unrenewed since the last look; the first one only begins."""
        it, now = self._instance, self._instance.clock.now()
        with reading(it.engine) as conn:
            last = heartbeats.last(conn, "lapses")
        if last is not None and now - last < _LAPSES_EVERY:
            return
        with it.engine.begin() as conn:
            if last is not None:
                lapses.note(conn, last, now, it.settings.book.timezone)
            heartbeats.beat(conn, "lapses", now)

    def _forget_repeats(self) -> None:
        with self._instance.engine.begin() as conn:
            access.forget_requests(conn, self._instance.clock.now())

    def _score_clients(self) -> None:
        """Once a day, and after orders came in: who falls silent, and whom schedules take on."""
        it, now = self._instance, self._instance.clock.now()
        if reactivation.nightly(it.engine, reactivation.asked_by(it.settings, now)):
            self._flag_silent(now)

    def _flag_silent(self, now: datetime) -> None:
        it = self._instance
        exponent, timezone = it.settings.reactivation.exponent, it.settings.book.timezone
        with it.engine.begin() as conn:
            for stem, inforce in it.machine.planning.library.active(conn).items():
                if inforce.schedule.trigger == "account-dormant":
                    by = thresholds(inforce.schedule.dormancy, exponent)
                    flag(conn, stem, by, now, timezone)

    def _see_orders(self) -> None:
        """Ends the episodes of clients who ordered since they were flagged."""
        it = self._instance
        closing.see_orders(it.engine, it.clock.now(), it.settings.book.timezone)

    def _watch_edits(self) -> None:
        it = self._instance
        seen = watch.fingerprint(it.root)
        if seen != self._files_seen:
            watch.check_edits(it.engine, it.root, it.clock.now())
            self._files_seen = seen

    def _read_bounces(self) -> None:
        """Reads the mailbox that bounces come to, if there is one and its time has come."""
        it = self._instance
        smtp, now, tried = it.settings.mail.smtp, it.clock.now(), self._bounces_tried
        if smtp.bounces is None or (tried is not None and now - tried < bounces.EVERY):
            return
        self._bounces_tried = now
        password = smtp.bounces_password
        secret = password.get_secret_value() if password else None
        bounces.read(it.engine, it.clock, smtp.bounces, secret, it.root)

    def _wake_held(self) -> None:
        """Gives mails that a stale source held their moment back, once one is fresh again."""
        it, now = self._instance, self._instance.clock.now()
        with reading(it.engine) as conn:
            stale = frozenset(freshness.stale(conn, it.settings.sources, now))
        if self._stale_seen is None or self._stale_seen - stale:  # they are judged anew, each one
            with it.engine.begin() as conn:
                holds.wake(conn, holds.STALE, now)
        self._stale_seen = stale


def _open_keys(conn: Connection) -> set[str]:
    """The keys of the open tasks about calls, those about endpoints among them."""
    return {task.key for task in worklist.open_ones(conn, ["failed-call"])}


def _forecasting(planning: Planning, now: datetime) -> Forecasting:
    """What the machine itself plans with, to look ahead from ``now``."""
    return Forecasting(planning.defaults, now, allowance=planning.allowance, quiet=planning.quiet)
