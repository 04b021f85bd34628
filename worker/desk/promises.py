"""How promises to clients are kept: a picture by month, a table by person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from fastapi import APIRouter, Response

from worker.access.rules import Role
from worker.db.engine import reading
from worker.desk.frame import READ, Desk, Visit
from worker.desk.worklist import today_of
from worker.kernel.dates import zone
from worker.worklist import people, promises
from worker.worklist.promises import FATES, Line

CALLED: Mapping[str, str] = {
    "on-time": "kept on time",
    "late": "kept late",
    "broken": "broken",
    "overdue": "overdue",
    "open": "still open",
    "withdrawn": "withdrawn",
}
"""The fates as people call them."""
_HEIGHT = 120


class Part(NamedTuple):
    """A part of a bar: its fate, how many, and its place in px from the top."""

    fate: str
    promises: int
    y: int
    height: int


def mount(router: APIRouter, desk: Desk) -> None:
    """The register."""
    viewer = desk.visit(Role.VIEWER)

    @router.api_route("/reports/promises", methods=READ)
    def register(asked: Visit = viewer) -> Response:
        today = today_of(desk, asked)
        period = promises.usual_period(today)
        with reading(desk.app.engine) as conn:
            rows, known = promises.read(conn, period), people.colleagues(conn)
        tz = zone(desk.app.settings.book.timezone)
        found = promises.count(rows, period, today, tz)
        values: dict[str, Any] = {
            "register": found,
            "fates": FATES,
            "called": CALLED,
            "months": list(_bars(found.months)),
            "people": known,
        }
        return desk.page(asked, "promises.html", **values)


def _bars(months: Sequence[Line]) -> Iterator[tuple[date, Line, list[Part]]]:
    """Each month with the parts of its bar, the first fate at the bottom."""
    most = max((line.total for line in months), default=0) or 1
    for line in months:
        parts, below = [], 0
        for fate in FATES:
            top = below + line.counts[fate]
            y, bottom = (_HEIGHT - round(_HEIGHT * end / most) for end in (top, below))
            if line.counts[fate]:
                parts.append(Part(fate, line.counts[fate], y, bottom - y))
            below = top
        yield date.fromisoformat(f"{line.name}-01"), line, parts
