"""Small schedules, walks and books that the tests of this room are written with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from tests.outbox.world import LEASE, NOTHING, World
from tests.staff import OFFICE
from worker.cadence import flow, machine, rehearse
from worker.cadence.ahead import Forecasting
from worker.cadence.explain import Explanation, explain
from worker.cadence.facts import Timeline, Walk
from worker.cadence.letterhead import Letterhead
from worker.cadence.library import Defaults
from worker.cadence.machine import UNGUARDED, Guards, Machine
from worker.cadence.records import of_licence, steps, walks
from worker.cadence.rules import Decision, advanced, decide
from worker.catalogue.records import licences
from worker.channels.contract import Channel
from worker.db.engine import reading
from worker.kernel.clock import VirtualClock
from worker.kernel.dates import USUAL_ALLOWANCE, Allowance
from worker.schedules.calendar import Calendar, calendar_for
from worker.schedules.flow import read_drafts
from worker.schedules.loader import load_text
from worker.schedules.model import Schedule
from worker.worklist import store as worklist

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
WEEKDAYS = 'days = ["mon", "tue", "wed", "thu", "fri"]'
EVERY_DAY = 'days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]'
OPEN = f'timezone = "UTC"\nhours = "09:00-17:00"\n{EVERY_DAY}\nholidays = "none"'


def schedule_text(
    *steps: str,
    calendar: str = OPEN,
    limits: str = "",
    audience: str = "",
    name: str = "Renewal",
    trigger: str = "licence-expiry",
    mail_class: str = "contractual",
) -> str:
    """A schedule in TOML. A step is ``[id =] [task] N days before [| further lines]``; its id is
    its offset with dashes unless it is given."""
    parts = [f'name = "{name}"\ntrigger = "{trigger}"\nclass = "{mail_class}"\n{audience}']
    parts += [f"[calendar]\n{calendar}", f"[limits]\n{limits}"]
    return "\n".join(parts + [_step(step) for step in steps])


def _step(said: str) -> str:
    said, _, more = said.partition(" | ")
    id_, _, rest = said.rpartition(" = ")
    when = rest.removeprefix("task ")
    does = 'task = "Call"' if when != rest else 'email = "renewal/heads-up"'
    id_ = id_ or when.replace(" ", "-")
    return f'[[steps]]\nid = "{id_}"\nwhen = "{when}"\n{does}\n{more}'


def schedule_of(text: str) -> Schedule:
    """The schedule in ``text``, read as the system reads it."""
    return load_text(text.encode(), "schedules/renewal.toml", templates=None)


def day(said: str) -> date:
    """``Wed 2027-03-31``; a weekday that is not the date's is a mistake of the test."""
    name, _, iso = said.rpartition(" ")
    found = date.fromisoformat(iso)
    assert name in ("", f"{found:%a}"), f"{iso} is a {found:%A}"
    return found


def moment(said: str, calendar: Calendar) -> datetime:
    """``Wed 2027-03-31 09:00`` on the wall of the calendar's zone."""
    on, _, clock = said.rpartition(" ")
    wall = datetime.fromisoformat(f"{day(on).isoformat()}T{clock}")
    return wall.replace(tzinfo=calendar.tz).astimezone(UTC)


def timeline(schedule: Schedule, zone: str = "UTC", country: str | None = None) -> Timeline:
    """The schedule on the calendar of one client."""
    return Timeline(schedule, calendar_for(schedule, zone, country))


def foresee(walk: Walk, now: datetime, until: datetime) -> list[Decision]:
    """All decisions of ``walk`` from ``now`` to ``until``, if nothing changes.

    A step that would be done carries ``planned`` and its moment; ``until`` is not included.
    """
    out: list[Decision] = []
    moment: datetime | None = now
    while moment is not None and moment < until:
        verdict = decide(walk, moment)
        out += verdict.decisions
        walk = advanced(walk, verdict.decisions, moment)
        moment = verdict.next_at
    return out


def lived(walk: Walk, now: datetime) -> list[tuple[datetime, Decision]]:
    """What the engine does on a walk from ``now`` on when it looks only at announced moments."""
    out: list[tuple[datetime, Decision]] = []
    for _ in range(1000):
        verdict = decide(walk, now)
        out += [(now, decision) for decision in verdict.decisions]
        walk = advanced(walk, verdict.decisions, now)
        if verdict.next_at is None:
            return out
        assert verdict.next_at > now, "no beat would ever end"
        now = verdict.next_at
    raise AssertionError("a walk that goes on for ever")


class Book(World):
    """A book on a real database whose clock the test moves, with questions about its walks."""

    guards: Guards = UNGUARDED
    allowance: Allowance = USUAL_ALLOWANCE

    @property
    def now(self) -> datetime:
        return self.clock.now()

    def machine(
        self,
        *,
        channel: Channel | None = None,
        pause: Callable[[str], None] = NOTHING,
        guards: Guards | None = None,
    ) -> Machine:
        """A process of its own, with this book's guards (unless others are given) and allowance."""
        return machine.build(
            self.engine,
            self.clock,
            channel or self.folder,
            defaults=Defaults(),
            letterhead=Letterhead("Renewals <renewals@example.com>"),
            lease=LEASE,
            allowance=self.allowance,
            guards=guards or self.guards,
            pause=pause,
        )

    def start_at(self, moment: datetime) -> None:
        """Begins at another moment than noon of 20 November 2026."""
        self.clock = VirtualClock(moment)

    def apply_all(self, schedules: Mapping[str, str]) -> None:
        """Puts several schedules in force, by their stems."""
        for stem, text in schedules.items():
            (self.root / f"schedules/{stem}.toml").write_text(text, encoding="utf-8")
        drafts, problems = read_drafts(self.root)
        assert problems == []
        flow.apply(self.engine, self.clock, drafts, OFFICE)

    def live_until(self, said: str) -> None:
        """Lives from one thing to do to the next until the first moment of a day (UTC)."""
        self.live_to(datetime.combine(day(said), datetime.min.time(), UTC))

    def live_to(self, end: datetime) -> None:
        """Lives from one thing to do to the next until ``end``."""
        works = self.machine()
        works.sweep()
        rehearse.live_through(works, self.clock, [], end)
        self.clock.advance_to(end)

    def look_hourly_until(self, end: datetime) -> None:
        """Lives until ``end`` as the heartbeat does, here once an hour; for a book on which a
        person has to look before anything goes on."""
        while self.now < end:
            self.run()
            hour = self.now.replace(minute=0, second=0, microsecond=0) + HOUR
            self.clock.advance_to(min(hour, end))

    def asked(self, **defaults: str) -> Forecasting:
        """What forecasts and explanations are made with, now."""
        return Forecasting(Defaults(**defaults), self.now, allowance=self.allowance)

    def explained(self, key: str = "L-1") -> Explanation:
        """The story of a licence."""
        asked = self.asked()
        with reading(self.engine) as conn:
            return explain(conn, asked, key)

    def story(self, key: str = "L-1") -> list[str]:
        """A licence's decisions in order of time, one a line."""
        return [
            " ".join(filter(None, (_said(r.at), r.step, r.decision, r.reason)))
            for r in self.explained(key).records
        ]

    def pending(self, key: str = "L-1") -> list[str]:
        """What is still to come for a licence."""
        return [line for line in self.story(key) if line.endswith(" planned")]

    def walks(self, key: str = "L-1") -> list[tuple[int, str, str | None]]:
        """(cycle, state, reason) of a licence's walks, in order of cycles."""
        query = select(walks).join(licences, of_licence)
        query = query.where(licences.c.key == key).order_by(walks.c.cycle, walks.c.schedule)
        with reading(self.engine) as conn:
            return [(row.cycle, row.state, row.reason) for row in conn.execute(query)]

    def sent(self) -> list[str]:
        """``date step`` of every mail that left, in order."""
        return [
            f"{row.accepted_at.date().isoformat()} {row.step}"
            for row in sorted(self.ledger(), key=lambda row: row.id)
            if row.state == "accepted"
        ]

    def speaks_of(self) -> list[int]:
        """How many licences each mail that left speaks of, in order."""
        keys = [row.mail_key for row in self.ledger() if row.state == "accepted"]
        query = select(steps.c.mail_key).where(steps.c.mail_key.in_(keys))
        with reading(self.engine) as conn:
            told = Counter(conn.execute(query).scalars())
        return [told[key] for key in dict.fromkeys(keys)]

    def person(self, account: str, email: str, *, key: str = "", **said: str) -> None:
        """Imports a contact of an account; the key is the address unless it is given."""
        row = {"contact": key or email, "account": account, "email": email} | said
        load = {name: f"{{{name}}}" for name in said}
        load |= {"entity": "contact", "key": "{contact}", "account": "{account}"}
        self._load("people", row, load | {"email": "{email}"})

    def alarm_details(self) -> list[str]:
        """What the open alarms say."""
        with reading(self.engine) as conn:
            return [task.detail for task in worklist.open_ones(conn, ["alarm"])]

    def accounts(self, rows: Iterable[Mapping[str, str]]) -> None:
        """Imports accounts by their columns: account, name, timezone, country, segment …"""
        for row in rows:
            load = {"entity": "account", "key": "{account}"}
            load |= {name: f"{{{name}}}" for name in row if name != "account"}
            self._load("accounts", dict(row), load)


def _said(at: datetime | None) -> str:
    return f"{at:%a %Y-%m-%d}" if at else ""


@pytest.fixture
def book(engine: Engine, root: Path) -> Book:
    """A book on a fresh database; runs on both. It is noon, Friday 20 November 2026, UTC."""
    return Book(engine, root)
