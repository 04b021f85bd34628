"""The versions that run, parsed once per process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Engine
from sqlalchemy.engine import Connection

from worker.cadence.facts import Timeline
from worker.cadence.records import LICENCE
from worker.cadence.triggers import TRIGGERS, Trigger
from worker.schedules import store
from worker.schedules.calendar import calendar_for
from worker.schedules.loader import load_text
from worker.schedules.model import Schedule
from worker.templating.render import Renderer


@dataclass(frozen=True, slots=True)
class Defaults:
    """What counts for an account that does not say: a zone, a language, a country or none."""

    timezone: str = "UTC"
    language: str = "en"
    country: str = ""


@dataclass(frozen=True, slots=True)
class InForce:
    """One version of a schedule, ready to plan with."""

    version_id: int
    schedule: Schedule
    steps_since: Mapping[str, datetime]
    lines: dict[tuple[str, str | None], Timeline] = field(default_factory=dict)

    @property
    def trigger(self) -> Trigger:
        """Who enters it, and when a walk on it is over."""
        return TRIGGERS[self.schedule.trigger]

    def line(self, zone: str, country: str | None) -> Timeline:
        """The timeline for accounts of one zone and country."""
        found = self.lines.get((zone, country))
        if found is None:
            calendar = calendar_for(self.schedule, zone, country)
            found = self.lines[zone, country] = Timeline(self.schedule, calendar)
        return found


def fits(inforce: InForce | None, row: Any) -> bool:
    """Whether a walk (walk_ and licence_ columns) is one of this schedule's kind: another trigger
    may stand in a file by now."""
    if inforce is None:
        return False
    subject = LICENCE if row.licence_id is not None else row.walk_subject
    return bool(inforce.trigger.subject == subject)


class Library:
    """Remembers parsed versions and their templates; a version never changes."""

    def __init__(self) -> None:
        self._versions: dict[int, InForce] = {}
        self._renderers: dict[int, Renderer] = {}

    def active(self, conn: Connection) -> dict[str, InForce]:
        """The versions that run, by stem. One small query when nothing was applied meanwhile."""
        found = [self.version(conn, version_id) for version_id in store.active_ids(conn)]
        return {inforce.schedule.stem: inforce for inforce in found}

    def version(self, conn: Connection, version_id: int) -> InForce:
        """One version, whether it runs or not."""
        if version_id not in self._versions:
            row = store.version(conn, version_id)
            schedule = _parsed(row.schedule, row.text)
            since = {step: datetime.fromisoformat(at) for step, at in row.steps_since.items()}
            self._versions[version_id] = InForce(version_id, schedule, since)
        return self._versions[version_id]

    def known(self, version_id: int) -> Renderer | None:
        """What ``renderer`` gave before, if it did: most mails need no query for it."""
        return self._renderers.get(version_id)

    def renderer(self, conn: Connection, version_id: int) -> Renderer:
        """The templates as they were when the version was applied."""
        if version_id not in self._renderers:
            self._renderers[version_id] = Renderer(store.pinned_texts(conn, version_id))
        return self._renderers[version_id]


class Settled(Library):
    """What is known of a database in which nothing is applied any more: what runs is asked once.
    ``known`` knows its versions, or some of them, by the same numbers."""

    def __init__(self, known: Library) -> None:
        super().__init__()
        self._versions = known._versions
        self._active: dict[str, InForce] | None = None

    def active(self, conn: Connection) -> dict[str, InForce]:
        if self._active is None:
            self._active = super().active(conn)
        return self._active


@lru_cache(maxsize=256)
def _parsed(stem: str, text: str) -> Schedule:
    """A forecast has a library of its own, for a copy of the versions that are known already."""
    return load_text(text.encode(), f"schedules/{stem}.toml", templates=None)


_SHARED: WeakKeyDictionary[Engine, Library] = WeakKeyDictionary()


def library_of(conn: Connection) -> Library:
    """The library that all who read this database in this process share: a page that is asked for
    often parses nothing anew."""
    return _SHARED.setdefault(conn.engine, Library())


def lend(engine: Engine, library: Library) -> None:
    """From now on all who read this database share ``library``."""
    _SHARED[engine] = library
