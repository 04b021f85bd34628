"""Reports: what was due, what became of it, and each table as a file for a spreadsheet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from fastapi import APIRouter, Response
from sqlalchemy.engine import Connection

from worker.access.rules import Role
from worker.cadence.picture import day_name
from worker.desk.counting import Counted, Counting, day_in
from worker.desk.frame import READ, Desk, Visit, missing
from worker.indicators.reports import KINDS
from worker.indicators.rules import back
from worker.kernel import sheets
from worker.kernel.dates import Period
from worker.reports import figures, page, rules, words
from worker.reports.cohort import GROUPS, MONTH, Asked
from worker.reports.figures import Cohort, Report

_KEPT = timedelta(minutes=15)
_LONGEST = timedelta(days=3660)

Table = list[dict[str, object]]


@dataclass(frozen=True, slots=True)
class Read:
    """A report, and its months."""

    report: Report
    months: Sequence[Cohort]


def mount(router: APIRouter, desk: Desk) -> None:
    """The list and the report on renewals."""
    viewer, counting = desk.visit(Role.VIEWER), _counting(desk)

    @router.api_route("/reports", methods=READ)
    def listed(asked: Visit = viewer) -> Response:
        period = rules.last_full_months(desk.writing.local(asked.now).date())
        return desk.page(asked, "reports.html", period=period, kinds=KINDS.values())

    @router.api_route("/reports/renewals", methods=READ)
    def renewals(asked: Visit = viewer) -> Response:
        given, wrong = _asked(desk, asked)
        typed = dict(asked.request.query_params)
        if wrong:
            return _page(desk, asked, given, 422, faults=wrong, typed=typed)
        given, hint = _opened(desk, counting, asked, given)
        counted = counting.of(given, asked.now)
        return _page(desk, asked, given, counted=counted, typed=typed, hint=hint)

    @router.api_route("/reports/renewals/{table}.csv", methods=READ)
    def file(table: str, asked: Visit = viewer) -> Response:
        given, wrong = _asked(desk, asked)
        given, _ = (given, "") if wrong else _opened(desk, counting, asked, given)
        found = {} if wrong else tables(counting.of(given, asked.now).found)
        if table not in found:
            raise missing("table of that name")
        name = f"renewals-{table}-{given.period.first}-{given.period.last}.csv"
        headers = desk.headers() | {"Content-Disposition": f'attachment; filename="{name}"'}
        text = sheets.written(found[table])
        return Response(text, media_type="text/csv; charset=utf-8", headers=headers)


def _counting(desk: Desk) -> Counting[Asked, Read]:
    """Reports that were counted lately: a million licences take a while."""

    def count(conn: Connection, asked: Asked, _: datetime) -> Read:
        return Read(figures.read(conn, asked), figures.by_month(conn, asked))

    return Counting(lambda: desk.app.engine, _KEPT, count)


def _asked(desk: Desk, asked: Visit) -> tuple[Asked, list[str]]:
    """What the address asks for, and everything that is wrong with it."""
    query = asked.request.query_params
    today = desk.writing.local(asked.now).date()
    usual = rules.last_full_months(today)
    wrong: list[str] = []
    first, last = day_in(query, "from", usual.first, wrong), day_in(query, "to", usual.last, wrong)
    if not wrong and last < first:
        wrong.append(f"The last day, {last}, lies before the first, {first}")
    elif not wrong and last - first > _LONGEST:
        wrong.append("The period may be ten years long at most")
    by = query.get("by") or None
    if by not in (None, MONTH, *GROUPS):
        wrong.append(f"by: expected one of {', '.join(GROUPS)}, got {by!r}")
    grace, within = _span(query, "grace", 0, 30, wrong), _span(query, "within", 1, 14, wrong)
    period = usual if wrong else Period(first, last)
    return Asked(period, today, None if wrong else by, grace, within), wrong


def _opened(
    desk: Desk, counting: Counting[Asked, Read], asked: Visit, given: Asked
) -> tuple[Asked, str]:
    """What is shown where no day is asked for: the usual period, or, where nothing was renewed in
    it (in a young book), the twelve months up to today; and a sentence that says so."""
    query = asked.request.query_params
    if query.get("from") or query.get("to") or _renewed(counting, asked, given):
        return given, ""
    recent = Period(back(given.today, 12) + timedelta(days=1), given.today)
    other = replace(given, period=recent)
    if not _renewed(counting, asked, other):
        return given, ""
    usual = given.period
    return other, (
        f"In the last twelve full months, {day_name(usual.first)} to {day_name(usual.last)}, "
        "nothing was renewed. These are the twelve months up to today; the last one is not over."
    )


def _renewed(counting: Counting[Asked, Read], asked: Visit, given: Asked) -> int:
    return counting.of(given, asked.now).found.report.whole.outcomes["renewed"]


def _span(query: Mapping[str, str], name: str, least: int, otherwise: int, wrong: list[str]) -> int:
    text = query.get(name) or str(otherwise)
    if text.isascii() and text.isdigit() and len(text) < 4 and least <= int(text) <= 366:
        return int(text)
    wrong.append(f"{name}: expected days from {least} to 366, got {text!r}")
    return otherwise


def _page(
    desk: Desk,
    asked: Visit,
    given: Asked,
    status: int = 200,
    *,
    typed: dict[str, str],
    counted: Counted[Read] | None = None,
    faults: Sequence[str] = (),
    hint: str = "",
) -> Response:
    values: dict[str, Any] = {"counted": counted, "given": given, "typed": typed, "hint": hint}
    values |= {"faults": faults, "groupings": [*GROUPS], "query": str(asked.request.query_params)}
    if counted is not None:
        values["shown"] = page.values(counted.found.report, counted.found.months, counted.at)
    return desk.page(asked, "renewals.html", status, **values)


def tables(counted: Read) -> dict[str, Table]:
    """Every table behind a picture, by the name of its file; those without a row are left out."""
    report = counted.report
    found = {
        "months": [_month(cohort) for cohort in counted.months],
        "rates": words.rows(words.rates(report)),
        "groups": [] if report.asked.by == MONTH else words.group_rows(report),
        "steps": [words.step_row(step) for step in report.steps],
    }
    for currency, lines in words.purses(report):
        found[f"value-{_slug(currency)}"] = words.rows(lines)
    if report.groups and report.asked.by != MONTH:
        for currency, rows in words.group_purses(report):
            found[f"groups-{_slug(currency)}"] = rows
    return {name: rows for name, rows in found.items() if rows}


def _slug(currency: str) -> str:
    return currency.lower().replace(" ", "-")


def _month(cohort: Cohort) -> dict[str, object]:
    labels = dict(page.PARTS)
    parts = {labels[name]: count for name, count in page.parts_of(cohort)}
    return {"month": cohort.group, "due": cohort.due, **parts}
