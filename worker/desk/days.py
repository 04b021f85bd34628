"""One coming day: who gets what on it, client by client. The planner says it, some accounts at a
time, so it comes apart from the rest: scripts put it there, without them a link leads to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from fastapi import APIRouter, Response
from sqlalchemy.engine import Connection

from worker.access.rules import Role
from worker.cadence import daily, foreseen, outline
from worker.cadence.decisions import Record
from worker.cadence.foreseen import Foreseen
from worker.cadence.picture import DayCount
from worker.db.engine import reading
from worker.desk.counting import Counting
from worker.desk.frame import READ, Desk, RefusedError, Visit, missing
from worker.desk.licences import forecasting
from worker.desk.paging import address, place, placed, tidy
from worker.desk.story import NAMED

_DAY = timedelta(days=1)
_KEPT = timedelta(minutes=1)
"""So long a page of clients stands."""


class Line(NamedTuple):
    """A mail or task of a client on the day; ``licences`` are the keys of all that it speaks of.
    ``why`` is the code of what keeps it from being done, if something does."""

    at: datetime
    account: str
    name: str
    schedule: str
    step: str
    kind: str
    to: Sequence[str]
    licences: Sequence[str]
    why: str


def url_of(day: date, stem: str = "") -> str:
    """The address of a day's page: of all schedules, or of one."""
    return address(f"/schedules/days/{day.isoformat()}", {"schedule": stem})


def mount(router: APIRouter, desk: Desk) -> None:
    """The day, and its clients."""
    viewer, told = desk.visit(Role.VIEWER), _told(desk)

    @router.api_route("/schedules/days/{day}", methods=READ)
    def of_day(day: str, schedule: str = "", asked: Visit = viewer) -> Response:
        today = desk.writing.local(asked.now).date()
        on, stem = _read(day), tidy(schedule)
        if on < today:
            return desk.see(asked, f"/outbox?first={on}&last={on}")
        with reading(desk.app.engine) as conn:
            known = foreseen.read(conn)
        _check(on, today, stem, known)
        return desk.page(asked, "day.html", **_values(on, today, stem, known))

    @router.api_route("/schedules/days/{day}/clients", methods=READ)
    def clients(day: str, schedule: str = "", after: str = "", asked: Visit = viewer) -> Response:
        today = desk.writing.local(asked.now).date()
        on, stem, where = _read(day), tidy(schedule), placed(after, int)
        with reading(desk.app.engine) as conn:
            _check(on, today, stem, foreseen.read(conn))
        known = told.of(_Asked(on, stem, where[0] if where else 0), asked.now)
        here, more = f"/schedules/days/{on}/clients", known.found.after
        asks = {"schedule": stem, "after": place(more) if more else ""}
        values: dict[str, Any] = {"lines": known.found.lines, "at": known.at}
        values |= {"day": on, "stem": stem, "most_keys": NAMED}
        values["older"] = address(here, asks) if more else ""
        values["newer"] = url_of(on, stem) if after else ""
        if asked.is_part:
            return desk.part(asked, "day_clients.html", **values)
        return desk.page(asked, "day_page.html", **values)


class _Asked(NamedTuple):
    """A page of clients: of which day and schedule, after which account."""

    day: date
    stem: str
    after: int


class _Told(NamedTuple):
    """Its lines, and the account after which the next page begins; ``None``: it is the last."""

    lines: Sequence[Line]
    after: int | None


def _told(desk: Desk) -> Counting[_Asked, _Told]:
    """Pages that were worked out lately: all who plan a day look at the same."""

    def work_out(conn: Connection, asked: _Asked, now: datetime) -> _Told:
        planned = forecasting(desk, now)
        found = daily.daily(conn, planned, asked.day, asked.stem or None, asked.after)
        return _Told(list(lines(conn, found.records)), found.after)

    return Counting(lambda: desk.app.engine, _KEPT, work_out)


def _read(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        said = f"Expected a day such as 2027-03-31, got {text!r}."
        raise RefusedError(400, "Not understood", said) from error


def _check(on: date, today: date, stem: str, known: dict[str, Foreseen]) -> None:
    if not today <= on < today + foreseen.AHEAD:
        raise missing(f"such day ahead: {foreseen.AHEAD.days} days are looked at, from {today} on")
    if stem and stem not in known:
        raise missing("schedule of that name that was counted")


def _values(on: date, today: date, stem: str, known: dict[str, Foreseen]) -> dict[str, Any]:
    """What was counted of the day beside the work, and the days around it."""
    counts = {name: one.days.get(on, DayCount(on, 0, 0)) for name, one in known.items()}
    chosen = [counts[stem]] if stem else list(counts.values())
    last = today + foreseen.AHEAD - _DAY
    return {
        "day": on,
        "stem": stem,
        "is_today": on == today,
        "mails": sum(one.mails for one in chosen),
        "tasks": sum(one.tasks for one in chosen),
        "one_in": max((one.one_in for one in known.values()), default=1),
        "at": min((one.at for one in known.values()), default=None),
        "tabs": [(name, url_of(on, name), one) for name, one in sorted(counts.items())],
        "all": url_of(on),
        "before": url_of(on - _DAY, stem) if on > today else "",
        "next": url_of(on + _DAY, stem) if on < last else "",
        "clients": address(f"/schedules/days/{on}/clients", {"schedule": stem}),
    }


def lines(conn: Connection, records: Sequence[Record]) -> Iterator[Line]:
    """A line for each mail or task, in the order of ``records``."""
    names = outline.names_of(conn, {one.account for one in records}) if records else {}
    for group in outline.together(records):
        first = group[0]
        assert first.at is not None  # what has no moment is on no day
        yield Line(
            first.at,
            first.account,
            names.get(first.account, first.account),
            first.schedule or "",
            first.step or "",
            first.kind or "step",
            first.to,
            [one.licence for one in group if one.licence],
            (first.reason or "blocked") if first.decision == "blocked" else "",
        )
