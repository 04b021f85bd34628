"""Surveys: whose voice was heard, how likely clients are to recommend us, how surely we know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from threading import Lock
from typing import Any

from fastapi import APIRouter, Response

from worker.access.rules import Role
from worker.catalogue import store as catalogue
from worker.db.engine import reading
from worker.desk import accounts_store
from worker.desk.frame import READ, Desk, Visit, missing
from worker.desk.paging import tidy
from worker.kernel import sheets
from worker.kernel.dates import Period
from worker.kernel.estimates import Estimate
from worker.reports import picture
from worker.surveys import board, figures, words
from worker.surveys.board import Board
from worker.surveys.commands import last_year
from worker.surveys.counting import GROUPS, MONTH, Asked
from worker.surveys.figures import Figure
from worker.surveys.numbers import Change
from worker.surveys.records import responses
from worker.surveys.themes import Reader, reader_of

_SCHEDULES = accounts_store.values_of(responses.c.schedule)
_KEPT = timedelta(minutes=1)
_BOARDS = 8
BY = tuple(name for name in GROUPS if name != MONTH)  # months are always there


def mount(router: APIRouter, desk: Desk) -> None:
    """The dashboard and its files."""
    viewer, counting = desk.visit(Role.VIEWER), _Counting(desk)

    @router.api_route("/surveys", methods=READ)
    def surveys(asked: Visit = viewer) -> Response:
        given, wrong = _asked(desk, asked)
        typed = dict(asked.request.query_params)
        if wrong:
            return _page(desk, asked, given, 422, faults=wrong, typed=typed)
        return _page(desk, asked, given, counted=counting.of(given, asked.now), typed=typed)

    @router.api_route("/surveys/shared", methods=READ)
    def shared(asked: Visit = viewer) -> Response:
        """The change with accounts drawn anew: apart, because it takes its time."""
        given, wrong = _asked(desk, asked)
        found = None if wrong else counting.change(given, asked.now)
        told = words.changed(found, figures.before(given.period)) if found else ""
        values: dict[str, Any] = {
            "told": told,
            "method": found.method if found else "",
            "given": given,
        }
        values |= {"query": str(asked.request.query_params)}
        if asked.is_part:
            return desk.part(asked, "survey_shared.html", **values)
        return desk.page(asked, "survey_change.html", **values)

    @router.api_route("/surveys/{table}.csv", methods=READ)
    def file(table: str, asked: Visit = viewer) -> Response:
        given, wrong = _asked(desk, asked)
        found = {} if wrong else board.tables(counting.of(given, asked.now).board)
        if table not in found:
            raise missing("table of that name")
        name = f"surveys-{table}-{given.period.first}-{given.period.last}.csv"
        headers = desk.headers() | {"Content-Disposition": f'attachment; filename="{name}"'}
        text = sheets.written(found[table])
        return Response(text, media_type="text/csv; charset=utf-8", headers=headers)


def themes(desk: Desk) -> Reader:
    """What finds the declared themes in comments."""
    return reader_of(desk.app.settings.surveys.themes)


@dataclass(frozen=True, slots=True)
class Counted:
    """A board, when it was counted, and the last import that it knows of."""

    board: Board
    schedules: list[str]
    at: datetime
    imported_at: datetime | None


class _Counting:
    """Boards that were counted lately: a million answers take a second or two. One is counted at a
    time, so that an impatient reader does not count it twice."""

    def __init__(self, desk: Desk) -> None:
        self._desk, self._reader = desk, themes(desk)
        self._found: dict[Asked, Counted] = {}
        self._changes: dict[Asked, tuple[datetime, Change | None]] = {}
        self._lock, self._drawing = Lock(), Lock()

    def of(self, asked: Asked, now: datetime) -> Counted:
        """The board as it was counted in the last minute, if nothing was imported since."""
        today = self._desk.writing.local(now).date()
        with self._lock, reading(self._desk.app.engine) as conn:
            moments = [one.read_at for one in catalogue.reads(conn).values() if one.read_at]
            imported_at = max(moments, default=None)
            known = self._found.pop(asked, None)
            if known is None or known.imported_at != imported_at or now - known.at >= _KEPT:
                read = board.read(conn, asked, today, self._reader)
                schedules = _SCHEDULES.scalars(conn)
                known = Counted(read, schedules, now, imported_at)
            self._found[asked] = known
            while len(self._found) > _BOARDS:
                del self._found[next(iter(self._found))]
            return known

    def change(self, asked: Asked, now: datetime) -> Change | None:
        """The change with accounts drawn anew; one is drawn at a time."""
        alone = asked.but(by=None)
        with self._drawing:
            at, found = self._changes.pop(alone, (None, None))
            if at is None or now - at >= _KEPT:
                with reading(self._desk.app.engine) as conn:
                    at, found = now, figures.shared_change(conn, alone)
            self._changes[alone] = at, found
            while len(self._changes) > _BOARDS:
                del self._changes[next(iter(self._changes))]
            return found


def _asked(desk: Desk, asked: Visit) -> tuple[Asked, list[str]]:
    """What the address asks for, and everything that is wrong with it."""
    query = asked.request.query_params
    usual = last_year(desk.writing.local(asked.now).date())
    wrong: list[str] = []
    first, last = _day(query, "from", usual.first, wrong), _day(query, "to", usual.last, wrong)
    if not wrong and last < first:
        wrong.append(f"The last day, {last}, lies before the first, {first}")
    elif not wrong and board.longest(Period(first, last)):
        wrong.append("The period may be ten years long at most")
    by = query.get("by") or None
    if by not in (None, *BY):
        wrong.append(f"by: expected one of {', '.join(BY)}, got {by!r}")
    if wrong:
        return Asked(usual), wrong
    return Asked(Period(first, last), tidy(query.get("schedule", "")) or None, by), wrong


def _day(query: Mapping[str, str], name: str, otherwise: date, wrong: list[str]) -> date:
    if not query.get(name):
        return otherwise
    try:
        return date.fromisoformat(query[name])
    except ValueError:
        wrong.append(f"{name}: expected a day such as 2026-03-31, got {query[name]!r}")
        return otherwise


def _page(
    desk: Desk,
    asked: Visit,
    given: Asked,
    status: int = 200,
    *,
    typed: dict[str, str],
    counted: Counted | None = None,
    faults: list[str] | None = None,
) -> Response:
    values: dict[str, Any] = {"counted": counted, "given": given, "typed": typed}
    values |= {"faults": faults or [], "groupings": BY, "query": str(asked.request.query_params)}
    values["shown"] = _shown(counted.board) if counted else None
    return desk.page(asked, "surveys.html", status, **values)


def _shown(found: Board) -> dict[str, Any]:
    """Words and pictures of a board."""
    first = next((one for one in found.report.whole if one.who == figures.ANSWERS), None)
    return {
        "board": found,
        "tables": board.tables(found),
        "parts": [_part(part, row) for part, row in _with_rows(found, "coverage", found.parts)],
        "first": first,
        "second": next((one for one in found.report.whole if one.who == figures.ACCOUNTS), None),
        "score": words.score,
        "between": words.between,
        "share": words.share,
        "figures": [_figure(one, words.voters(one)) for one in found.report.whole],
        "months": [_figure(one, one.group or "") for one in found.months.groups],
        "groups": [
            _figure(each[0], words.group_name(group)) | {"others": each[1:]}
            for group, each in found.groups
        ],
        "stances": [
            {"stance": stance, "whisker": picture.whisker(_title(row), stance.rate), "row": row}
            for stance, row in _with_rows(
                found, "renewals", [one for one in found.stances if one.due]
            )
        ],
        "spoken": [
            {
                "spoken": one,
                "value": words.score(one.estimate.value),
                "interval": words.between(one.estimate),
                "whisker": _whisker(one.name, one.estimate, round(one.tally.n)),
            }
            for one in found.spoken
        ],
        "changed": words.changed(found.change, figures.before(found.asked.period))
        if found.change
        else "",
        "notes": words.notes(found.report),
    }


def _with_rows(found: Board, table: str, things: Any) -> Any:
    return zip(things, board.tables(found).get(table, ()), strict=True)


def _title(row: Mapping[str, object]) -> str:
    return (
        f"{row['account_was']}: {row['rate']} of {row['due']} renewed, "
        f"interval {row['95_%_interval']}"
    )


def _part(part: Any, row: Mapping[str, object]) -> dict[str, Any]:
    title = f"{row['of']}: heard {row['heard']} of {row['all']}"
    parts = [("on-time", part.heard), ("open", part.all - part.heard)]
    return {"row": row, "bar": picture.bar(title, parts, part.all) if part.all else ""}


def _figure(one: Figure, label: str) -> dict[str, Any]:
    value, reach = words.score(one.estimate.value), words.between(one.estimate)
    return {
        "label": label,
        "figure": one,
        "value": value,
        "interval": reach,
        "whisker": _whisker(label, one.estimate, one.n),
    }


def _whisker(label: str, found: Estimate, size: int) -> str:
    value, reach = words.score(found.value), words.between(found)
    title = f"{label}: NPS {value}, interval {reach}, n = {size:,}"
    return picture.whisker(title, found, -1.0, 1.0)
