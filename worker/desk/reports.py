"""Reports: what was due, what became of it, and each table as a file for a spreadsheet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from threading import Lock
from typing import Any

from fastapi import APIRouter, Response

from worker.access.rules import Role
from worker.catalogue import store as catalogue
from worker.db.engine import reading
from worker.desk.frame import READ, Desk, Visit, missing
from worker.kernel import sheets
from worker.kernel.dates import Period
from worker.reports import figures, page, rules, words
from worker.reports.cohort import GROUPS, MONTH, Asked
from worker.reports.figures import Cohort, Report

_KEPT = timedelta(minutes=15)
_REPORTS = 8
_LONGEST = timedelta(days=3660)

Table = list[dict[str, object]]


@dataclass(frozen=True, slots=True)
class Counted:
    """A report, when it was counted, and the last import that it knows of."""

    report: Report
    months: Sequence[Cohort]
    at: datetime
    imported_at: datetime | None


def mount(router: APIRouter, desk: Desk) -> None:
    """The list and the report on renewals."""
    viewer, counting = desk.visit(Role.VIEWER), _Counting(desk)

    @router.api_route("/reports", methods=READ)
    def listed(asked: Visit = viewer) -> Response:
        period = rules.last_full_months(desk.writing.local(asked.now).date())
        return desk.page(asked, "reports.html", period=period)

    @router.api_route("/reports/renewals", methods=READ)
    def renewals(asked: Visit = viewer) -> Response:
        given, wrong = _asked(desk, asked)
        typed = dict(asked.request.query_params)
        if wrong:
            return _page(desk, asked, given, 422, faults=wrong, typed=typed)
        counted = counting.of(given, asked.now)
        return _page(desk, asked, given, counted=counted, typed=typed)

    @router.api_route("/reports/renewals/{table}.csv", methods=READ)
    def file(table: str, asked: Visit = viewer) -> Response:
        given, wrong = _asked(desk, asked)
        found = {} if wrong else tables(counting.of(given, asked.now))
        if table not in found:
            raise missing("table of that name")
        name = f"renewals-{table}-{given.period.first}-{given.period.last}.csv"
        headers = desk.headers() | {"Content-Disposition": f'attachment; filename="{name}"'}
        text = sheets.written(found[table])
        return Response(text, media_type="text/csv; charset=utf-8", headers=headers)


class _Counting:
    """Reports that were counted lately: a million licences take a while. One is counted at a time,
    so that an impatient reader does not count it twice."""

    def __init__(self, desk: Desk) -> None:
        self._app = desk.app
        self._found: dict[Asked, Counted] = {}
        self._lock = Lock()

    def of(self, asked: Asked, now: datetime) -> Counted:
        """The report as it was counted in the last minutes, if nothing was imported since."""
        with self._lock:
            with reading(self._app.engine) as conn:
                moments = [one.read_at for one in catalogue.reads(conn).values() if one.read_at]
                imported_at = max(moments, default=None)
                known = self._found.pop(asked, None)
                if known is None or known.imported_at != imported_at or now - known.at >= _KEPT:
                    report, months = figures.read(conn, asked), figures.by_month(conn, asked)
                    known = Counted(report, months, now, imported_at)
            self._found[asked] = known
            while len(self._found) > _REPORTS:
                del self._found[next(iter(self._found))]
            return known


def _asked(desk: Desk, asked: Visit) -> tuple[Asked, list[str]]:
    """What the address asks for, and everything that is wrong with it."""
    query = asked.request.query_params
    today = desk.writing.local(asked.now).date()
    usual = rules.last_full_months(today)
    wrong: list[str] = []
    first, last = _day(query, "from", usual.first, wrong), _day(query, "to", usual.last, wrong)
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


def _day(query: Mapping[str, str], name: str, otherwise: date, wrong: list[str]) -> date:
    if not query.get(name):
        return otherwise
    try:
        return date.fromisoformat(query[name])
    except ValueError:
        wrong.append(f"{name}: expected a day such as 2026-03-31, got {query[name]!r}")
        return otherwise


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
    counted: Counted | None = None,
    faults: Sequence[str] = (),
) -> Response:
    values: dict[str, Any] = {"counted": counted, "given": given, "typed": typed}
    values |= {"faults": faults, "groupings": [*GROUPS], "query": str(asked.request.query_params)}
    if counted is not None:
        values["shown"] = page.values(counted.report, counted.months, counted.at)
    return desk.page(asked, "renewals.html", status, **values)


def tables(counted: Counted) -> dict[str, Table]:
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
