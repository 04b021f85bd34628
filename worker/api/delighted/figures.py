"""``/v1/metrics``: the figures of ``perennial nps``, under Delighted's names."""

from __future__ import annotations

from datetime import date, timedelta
from math import floor
from typing import Any

from fastapi import APIRouter, Response
from sqlalchemy.engine import Connection

from worker.api.delighted import store
from worker.api.delighted.frame import Call, Door, add, say
from worker.api.delighted.trends import schedule_of
from worker.db.engine import reading
from worker.kernel.dates import Period, civil_date, zone
from worker.surveys import figures
from worker.surveys.counting import Asked
from worker.surveys.figures import ANSWERS, Figure

_FIRST = date(1970, 1, 1)
_USUAL = timedelta(days=29)


def mount(router: APIRouter, door: Door) -> None:
    """The operation that counts."""
    called = door.called()

    def metrics(call: Call = called) -> Response:
        with reading(call.engine) as conn:
            schedule = schedule_of(conn, call.said, door.settings)
            period = _period(conn, call, schedule, door)
            found = figures.read(conn, Asked(period, schedule), (ANSWERS,)).whole
        return say(_told(found[0] if found else None))

    add(router, "GET", "/metrics", metrics)


def _period(conn: Connection, call: Call, schedule: str | None, door: Door) -> Period:
    """The days from ``since`` to ``until``, in the zone of the book; of neither, the thirty up to
    the latest answer."""
    here = zone(door.app.settings.book.timezone)
    since, until = call.said.moment("since"), call.said.moment("until")
    today = civil_date(call.now, here)
    if since is None and until is None:
        last = store.last_day(conn, schedule) or today
        return Period(last - _USUAL, last)
    first = _FIRST if since is None else civil_date(since, here)
    last = today if until is None else civil_date(until, here)
    if last < first:
        call.said.fault("until", "lies before since")
    call.said.check()
    return Period(first, last)


def _told(figure: Figure | None) -> dict[str, Any]:
    """Counts and shares in per cent; the score as a whole number, rounded last, and the interval
    of 95 % that Delighted never had."""
    if figure is None:
        parts = dict.fromkeys(("promoter", "passive", "detractor"), 0)
        low = high = score = None
    else:
        tally = figure.tally
        parts = {
            "promoter": round(tally.promoters),
            "passive": round(tally.passives),
            "detractor": round(tally.detractors),
        }
        low, high = (figures.points(each) for each in (figure.estimate.low, figure.estimate.high))
        score = _whole(tally.mean * 100)
    size = sum(parts.values())
    found: dict[str, Any] = {"nps": score}
    for name, count in parts.items():
        share = round(100 * count / size, 1) if size else 0.0
        found |= {f"{name}_count": count, f"{name}_percent": share}
    return found | {"response_count": size, "nps_low": low, "nps_high": high}


def _whole(score: float) -> int:
    """Rounded half away from nought, as people do it."""
    rounded = floor(abs(score) + 0.5)
    return rounded if score >= 0 else -rounded
