"""Indicators: what clients are worth, how surely they stay, what is done for them.

Each picture has its table, and each table is a file.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from fastapi import APIRouter, Response
from sqlalchemy.engine import Connection

from worker.access.rules import Role
from worker.desk.counting import Counted, Counting, day_in
from worker.desk.frame import READ, Desk, Visit, missing
from worker.indicators import files
from worker.indicators.asked import GROUPS, Asked, usual_period
from worker.indicators.board import Board, cell, heading
from worker.indicators.reports import KINDS, Kind, asked_by
from worker.kernel.dates import Period

_KEPT = timedelta(minutes=15)
_LONGEST = timedelta(days=3660)
_TYPES = {files.CSV: "text/csv; charset=utf-8", files.PARQUET: "application/vnd.apache.parquet"}


def mount(router: APIRouter, desk: Desk) -> None:
    """A page and its files for each report."""
    for kind in KINDS.values():
        _mount(router, desk, kind)


def _mount(router: APIRouter, desk: Desk, kind: Kind) -> None:
    viewer, counting = desk.visit(Role.VIEWER), _counting(desk, kind)

    @router.api_route(f"/reports/{kind.name}", methods=READ)
    def page(asked: Visit = viewer) -> Response:
        given, wrong = _asked(desk, kind, asked)
        if wrong:
            return _page(desk, kind, asked, given, 422, faults=wrong)
        return _page(desk, kind, asked, given, counted=counting.of(given, asked.now))

    @router.api_route(f"/reports/{kind.name}/{{table}}.{{form}}", methods=READ)
    def file(table: str, form: str, asked: Visit = viewer) -> Response:
        given, wrong = _asked(desk, kind, asked)
        offered = form == files.CSV or (form == files.PARQUET and files.has_parquet())
        found = counting.of(given, asked.now).found.tables if offered and not wrong else {}
        if table not in found:
            raise missing("table of that name")
        name = f"{kind.name}-{table}-{given.period.first}-{given.period.last}.{form}"
        headers = desk.headers() | {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(files.WRITERS[form](found[table]), media_type=_TYPES[form], headers=headers)


def _counting(desk: Desk, kind: Kind) -> Counting[Asked, Board]:
    """Reports that were counted lately: a large book takes a while."""

    def count(conn: Connection, asked: Asked, _: datetime) -> Board:
        return kind.read(conn, asked)

    return Counting(lambda: desk.app.engine, _KEPT, count)


def _asked(desk: Desk, kind: Kind, asked: Visit) -> tuple[Asked, list[str]]:
    """What the address asks for, and everything that is wrong with it."""
    query, settings = asked.request.query_params, desk.app.settings.indicators
    today = desk.writing.local(asked.now).date()
    wrong: list[str] = []
    usual = usual_period(today, kind.months)
    last = day_in(query, "to", today, wrong)
    first = day_in(query, "from", usual_period(last, kind.months).first, wrong)
    if not wrong:
        wrong += _wrong_days(first, last, today)
    by = query.get("by") or None
    if by is not None and not (kind.splits and by in GROUPS):
        expected = f"one of {', '.join(GROUPS)}" if kind.splits else "nothing: this is not split"
        wrong.append(f"by: expected {expected}, got {by!r}")
    if wrong:
        return asked_by(settings, usual), wrong
    return asked_by(settings, Period(first, last), by), wrong


def _wrong_days(first: date, last: date, today: date) -> list[str]:
    if last > today:
        return [f"The last day, {last}, lies ahead: nobody knows yet who is a client then"]
    if last < first:
        return [f"The last day, {last}, lies before the first, {first}"]
    if last - first > _LONGEST:
        return ["The period may be ten years long at most"]
    return []


def _page(
    desk: Desk,
    kind: Kind,
    asked: Visit,
    given: Asked,
    status: int = 200,
    *,
    counted: Counted[Board] | None = None,
    faults: list[str] | None = None,
) -> Response:
    query = asked.request.query_params
    values: dict[str, Any] = {"kind": kind, "kinds": KINDS.values(), "given": given}
    values |= {
        "typed": dict(query),
        "query": str(query),
        "groupings": GROUPS if kind.splits else (),
    }
    values |= {"faults": faults or [], "counted": counted, "has_parquet": files.has_parquet()}
    values |= {"cell": cell, "heading": heading}
    return desk.page(asked, "indicators.html", status, **values)
