"""Today: what went out, what is due, what waits for me, what is held and why."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Any, NamedTuple

from fastapi import APIRouter, Response

from worker.access.rules import Role
from worker.cadence import waits
from worker.db.engine import reading
from worker.desk import held
from worker.desk import today_store as store
from worker.desk.frame import READ, Desk, Visit
from worker.worklist.rules import pools_of

BEFORE, AHEAD = timedelta(days=13), timedelta(days=7)
MOST_TASKS = 8
_DAY = timedelta(days=1)
_HEIGHT = 96


class Bar(NamedTuple):
    """A day of the picture: mails decided on, or foreseen for a day to come; ``height`` in px."""

    day: date
    mails: int
    height: int
    is_to_come: bool

    @property
    def url(self) -> str:
        """Where the mails of the day stand: in the ledger, or client by client as foreseen."""
        day = self.day.isoformat()
        return f"/schedules/days/{day}" if self.is_to_come else f"/outbox?first={day}&last={day}"


def mount(router: APIRouter, desk: Desk) -> None:
    """The first page."""
    viewer = desk.visit(Role.VIEWER)

    @router.api_route("/", methods=READ)
    def today(asked: Visit = viewer) -> Response:
        local = desk.writing.local(asked.now)
        midnight = datetime.combine(local.date(), time(), local.tzinfo)
        with reading(desk.app.engine) as conn:
            went = store.went_out(conn, midnight)
            pools = pools_of(asked.seat.role)
            mine = store.mine(conn, asked.seat.staff, pools, local.date(), MOST_TASKS + 1)
            values: dict[str, Any] = {
                "day": local.date(),
                "went": went,
                "sent": sum(one.mails for one in went),
                "due": store.due_until(conn, midnight + _DAY),
                "bars": bars(
                    store.days(conn, local.date() - BEFORE, local.date() + AHEAD), local.date()
                ),
                "stuck": store.stuck(conn, asked.now),
                "tasks": mine[:MOST_TASKS],
                "more_tasks": len(mine) > MOST_TASKS,
                **held.shown(conn, "/"),
            }
        values["modes"] = list(waits.mode_lines(desk.app.settings.mail))
        return desk.page(asked, "today.html", **values)


def bars(days: Mapping[date, Any], today: date) -> list[Bar]:
    """A bar for each day from ``BEFORE`` to ``AHEAD``; the highest is ``_HEIGHT`` pixels high."""
    found = []
    for ahead in range(-BEFORE.days, AHEAD.days + 1):
        day = today + timedelta(days=ahead)
        row = days.get(day)
        mails = 0 if row is None else (row.foreseen or 0) if day > today else row.decided
        found.append((day, mails, day > today))
    most = max((mails for _, mails, _ in found), default=0) or 1
    return [
        Bar(day, mails, max(2, round(_HEIGHT * mails / most)) if mails else 0, to_come)
        for day, mails, to_come in found
    ]
