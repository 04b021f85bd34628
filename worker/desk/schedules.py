"""Schedules: what runs, what each will do on the coming days, and one of them in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from fastapi import APIRouter, Response
from sqlalchemy.engine import Connection

from worker.access.rules import Role
from worker.cadence import foreseen, picture
from worker.cadence.foreseen import Foreseen
from worker.cadence.library import InForce, library_of
from worker.cadence.picture import Calendar, DayCount
from worker.db.engine import reading
from worker.desk import held
from worker.desk import schedules_store as store
from worker.desk.days import url_of
from worker.desk.frame import READ, Desk, Visit, missing
from worker.kernel.dates import Period
from worker.schedules import editing
from worker.schedules import flow as schedules
from worker.schedules import store as versions
from worker.schedules.model import Condition, Schedule
from worker.schedules.standing_files import StandingFiles, files_of

_VERSIONS = 20

TRIGGERS: Mapping[str, str] = {
    "licence-expiry": "the day on which the licence expires",
    "notice-deadline": "the last day on which notice can be given",
    "licence-renewed": "the day on which the renewal was seen",
    "account-dormant": "the day on which a client was flagged as silent",
    "relationship-review": "an anniversary of the client",
    "survey-answered": "the day of an answer",
}
"""From which day the steps of a trigger count."""

APPROVES: Mapping[str, str] = {
    "never": "mails leave without an approval",
    "first-day": "a person approves the first day of each version",
    "always": "a person approves every day",
}


class Shown(NamedTuple):
    """A schedule on the list: what runs, how its file stands, what is counted of it."""

    stem: str
    version: Any
    schedule: Schedule | None
    file: str  # applied, edited, faulty, new, gone
    coming: Foreseen | None
    walks: Mapping[str, int]
    last: datetime | None


class Drawn(NamedTuple):
    """A calendar of the coming days with the table behind it, and how it was counted."""

    calendar: Calendar
    days: list[DayCount]
    period: Period
    at: datetime
    one_in: int
    stem: str  # of the one schedule; empty: of all

    def url_of(self, day: date) -> str:
        """Where the clients of a day stand."""
        return url_of(day, self.stem)

    def mails(self, length: int) -> int:
        """Mails on the first ``length`` days."""
        until = self.period.first + timedelta(days=length)
        return sum(count.mails for count in self.days if count.day < until)

    @property
    def tasks(self) -> int:
        """Tasks on all days."""
        return sum(count.tasks for count in self.days)


def mount(router: APIRouter, desk: Desk) -> None:
    """The list and each schedule."""
    app, viewer = desk.app, desk.visit(Role.VIEWER)
    files = files_of(app.root)

    @router.api_route("/schedules", methods=READ)
    def listed(asked: Visit = viewer) -> Response:
        today = desk.writing.local(asked.now).date()
        with reading(app.engine) as conn:
            shown = list(_all(conn, files, desk))
            values = held.shown(conn, "/schedules")
        coming = [one.coming for one in shown if one.coming]
        return desk.page(
            asked,
            "schedules.html",
            shown=shown,
            drawn=drawn(coming, today),
            today=today,
            **values,
        )

    @router.api_route("/schedules/{stem}", methods=READ)
    def one(stem: str, asked: Visit = viewer) -> Response:
        today = desk.writing.local(asked.now).date()
        with reading(app.engine) as conn:
            found = next((one for one in _all(conn, files, desk) if one.stem == stem), None)
            if found is None:
                raise missing("schedule of that name")
            history = versions.history(conn, stem, _VERSIONS)
            appliers = store.appliers(conn, stem, history)
        return desk.page(
            asked,
            "schedule.html",
            one=found,
            history=history,
            appliers=appliers,
            drawn=drawn([found.coming] if found.coming else [], today, stem),
            today=today,
            triggers=TRIGGERS,
            approves=APPROVES,
            audience=[in_words(table) for table in found.schedule.audience]
            if found.schedule
            else [],
        )


def _all(conn: Connection, standing: StandingFiles, desk: Desk) -> Iterable[Shown]:
    """Every schedule that runs or has a file, by name."""
    root = desk.app.root
    active: Mapping[str, InForce] = library_of(conn).active(conn)
    running = {row.schedule: row for row in versions.active(conn)}
    drafts = standing.drafts()
    changes, fit = schedules.changes(conn, drafts), {d.schedule.stem: d.schedule for d in drafts}
    coming, walks = foreseen.read(conn), foreseen.walks_of(conn)
    files = set(editing.stems(root))
    last = store.last_sent(conn, running)
    for stem in sorted(files | running.keys()):
        file = "applied"
        if stem not in files:
            file = "gone"
        elif stem not in fit:
            file = "faulty"
        elif stem not in running:
            file = "new"
        elif stem in changes.edited:
            file = "edited"
        schedule = active[stem].schedule if stem in active else fit.get(stem)
        told = (schedule, file, coming.get(stem), walks.get(stem, {}), last.get(stem))
        yield Shown(stem, running.get(stem), *told)


def drawn(coming: Iterable[Foreseen], today: date, stem: str = "") -> Drawn | None:
    """The calendar of these schedules together, or of the schedule ``stem`` alone; nothing before
    they were counted."""
    found = list(coming)
    if not found:
        return None
    period = Period(today, today + foreseen.AHEAD - timedelta(days=1))
    days = {}
    for day in picture.every_day(period):
        counts = [one.days.get(day, DayCount(day, 0, 0)) for one in found]
        days[day] = DayCount(day, sum(c.mails for c in counts), sum(c.tasks for c in counts))
    busy = [count for count in days.values() if count.total]
    oldest = min(one.at for one in found)
    calendar = picture.calendar(days, period, lambda day: url_of(day, stem))
    return Drawn(calendar, busy, period, oldest, max(one.one_in for one in found), stem)


def in_words(table: Iterable[Condition]) -> str:
    """One table of an audience as a sentence's part: all of it holds."""
    return "; ".join(_condition(one) for one in table)


def _condition(one: Condition) -> str:
    name = one.field.replace("_", " ").replace(".", "’s ", 1)
    if one.any_of is not None:
        return f"{name} is {_listed(one.any_of)}"
    if one.none_of is not None:
        return f"{name} is not {_listed(one.none_of)}"
    if one.like is not None:
        return f"{name} is like {one.like}"
    if one.is_set is not None:
        return f"{name} is {'known' if one.is_set else 'not known'}"
    if one.at_least is not None:
        return f"{name} is at least {one.at_least:g}"
    return f"{name} is at most {one.at_most:g}"


def _listed(values: Iterable[object]) -> str:
    words = {True: "yes", False: "no"}
    return " or ".join(words[v] if isinstance(v, bool) else str(v) for v in values)
