"""Surveys: whose voice was heard, how likely clients are to recommend us, how surely we know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from fastapi import APIRouter, Response
from sqlalchemy.engine import Connection

from worker.access.rules import Role
from worker.desk import accounts_store
from worker.desk.counting import Counted, Counting, day_in
from worker.desk.frame import READ, Desk, Visit, missing
from worker.desk.paging import tidy
from worker.kernel import sheets
from worker.kernel.dates import Period
from worker.kernel.estimates import Estimate
from worker.reports import picture
from worker.surveys import board, figures, words
from worker.surveys.attending import Reached
from worker.surveys.board import Board
from worker.surveys.commands import last_year
from worker.surveys.counting import GROUPS, MONTH, Asked
from worker.surveys.figures import Figure
from worker.surveys.numbers import Change
from worker.surveys.records import responses
from worker.surveys.themes import Reader, reader_of

_SCHEDULES = accounts_store.values_of(responses.c.schedule)
_KEPT = timedelta(minutes=1)
BY = tuple(name for name in GROUPS if name != MONTH)  # months are always there


def mount(router: APIRouter, desk: Desk) -> None:
    """The dashboard and its files."""
    viewer, boards, changes = desk.visit(Role.VIEWER), _boards(desk), _changes(desk)

    @router.api_route("/surveys", methods=READ)
    def surveys(asked: Visit = viewer) -> Response:
        given, wrong = _asked(desk, asked)
        typed = dict(asked.request.query_params)
        if wrong:
            return _page(desk, asked, given, 422, faults=wrong, typed=typed)
        return _page(desk, asked, given, counted=boards.of(given, asked.now), typed=typed)

    @router.api_route("/surveys/shared", methods=READ)
    def shared(asked: Visit = viewer) -> Response:
        """The change with accounts drawn anew: apart, because it takes its time."""
        given, wrong = _asked(desk, asked)
        found = None if wrong else changes.of(given.but(by=None), asked.now).found
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
        found = {} if wrong else board.tables(boards.of(given, asked.now).found.board)
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
class Read:
    """A board, and the schedules that may be asked for."""

    board: Board
    schedules: list[str]


def _boards(desk: Desk) -> Counting[Asked, Read]:
    """Boards that were counted lately: a million answers take a second or two."""
    reader = themes(desk)

    def count(conn: Connection, asked: Asked, now: datetime) -> Read:
        today = desk.writing.local(now).date()
        return Read(board.read(conn, asked, today, reader), _SCHEDULES.scalars(conn))

    return Counting(lambda: desk.app.engine, _KEPT, count)


def _changes(desk: Desk) -> Counting[Asked, Change | None]:
    """Changes with accounts drawn anew, which take longer."""

    def count(conn: Connection, asked: Asked, _: datetime) -> Change | None:
        return figures.shared_change(conn, asked)

    return Counting(lambda: desk.app.engine, _KEPT, count)


def _asked(desk: Desk, asked: Visit) -> tuple[Asked, list[str]]:
    """What the address asks for, and everything that is wrong with it."""
    query = asked.request.query_params
    usual = last_year(desk.writing.local(asked.now).date())
    wrong: list[str] = []
    first, last = day_in(query, "from", usual.first, wrong), day_in(query, "to", usual.last, wrong)
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


def _page(
    desk: Desk,
    asked: Visit,
    given: Asked,
    status: int = 200,
    *,
    typed: dict[str, str],
    counted: Counted[Read] | None = None,
    faults: list[str] | None = None,
) -> Response:
    values: dict[str, Any] = {"counted": counted, "given": given, "typed": typed}
    values |= {"faults": faults or [], "groupings": BY, "query": str(asked.request.query_params)}
    values["shown"] = _shown(counted.found.board) if counted else None
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
        "reached": [
            {"name": name, "reached": one, "row": row, "whisker": _share(name, one)}
            for (name, one), row in _with_rows(found, "loop", board.reached(found.attention))
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


def _share(name: str, one: Reached) -> str:
    title = f"{name}: {len(one.spans):,} of {one.size:,} answers, by median {one.after}"
    return picture.whisker(title, one.share)


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
