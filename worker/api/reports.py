"""Reports: the figures that the command prints."""

from __future__ import annotations

import json
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import Field

from worker.api.asking import Day
from worker.api.asking import Query as Asking
from worker.api.frame import Asked, Frame
from worker.api.problems import Fault, unfit
from worker.api.shapes import Report
from worker.db.engine import reading
from worker.kernel.dates import Period, civil_date, zone
from worker.kernel.show import json_line
from worker.reports import cohort, figures, rules


class Renewals(Asking):
    """Which renewals: due from a day to another, both included; by default the last 12 full
    months. See ``perennial report renewals``."""

    first: Annotated[Day | None, Field(alias="from")] = None
    last: Annotated[Day | None, Field(alias="to")] = None
    by: Literal[(*cohort.GROUPS, cohort.MONTH)] | None = None  # type: ignore[valid-type]
    grace: Annotated[int, Field(ge=0, le=366)] = 30
    within: Annotated[int, Field(ge=1, le=366)] = 14


def mount(router: APIRouter, frame: Frame) -> None:
    """The operations that report."""
    reader = frame.asked()

    @router.get("/reports/renewals", response_model=Report, tags=["reports"])
    def report_renewals(query: Annotated[Renewals, Query()], asked: Asked = reader) -> Response:
        """How many of the licences that were due were renewed, on time, after which step."""
        today = civil_date(asked.now, zone(frame.app.settings.book.timezone))
        period = _period(query, rules.last_full_months(today))
        wanted = cohort.Asked(period, today, query.by, query.grace, query.within)
        with reading(asked.engine) as conn:
            found = figures.read(conn, wanted)
        # by way of the command's own line, so that both say the same
        told = [json.loads(json_line(one.record(period))) for one in figures.figures(found)]
        return frame.say(asked, {"figures": told})


def _period(query: Renewals, usual: Period) -> Period:
    if query.first is None and query.last is None:
        return usual
    if query.first is None or query.last is None:
        lacking = "from" if query.first is None else "to"
        raise unfit([Fault(f"query: {lacking}", "both days, or neither", "nothing")])
    if query.last < query.first:
        expected = f"a day from {query.first} on"
        raise unfit([Fault("query: to", expected, str(query.last), "swap the two days")])
    return Period(query.first, query.last)
