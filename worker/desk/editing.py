"""Editing a schedule's file, the plan of the edit client by client, and its application."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from threading import Lock
from typing import Any, NamedTuple

from fastapi import APIRouter, Response

from worker.access.rules import Role
from worker.cadence import applying
from worker.cadence.answers import MovedOnError
from worker.cadence.applying import Edit, Plan
from worker.cadence.commands import forecasting_of
from worker.db.engine import reading
from worker.desk.frame import READ, Desk, Sent, Visit, missing
from worker.kernel.errors import DependencyDownError, Problem
from worker.schedules import editing
from worker.schedules.editing import ChangedError, File
from worker.schedules.loader import SchedulesError

_ROWS = 50
_KEPT = timedelta(minutes=10)
_PLANS = 4
_CHANGED = "The files, or what runs, changed after you looked. This is what applying does now."


class Line(NamedTuple):
    """A line of a difference: ``+``, ``-``, a blank, or ``@`` for what was left out."""

    sign: str
    text: str


class Side(NamedTuple):
    """What was, or what comes, of a step: a decision, why, and the day; empty where none is."""

    decision: str
    reason: str
    day: str


class Fault(NamedTuple):
    """What is wrong with a line of the text, and the line; 0 is the file as a whole."""

    line: int
    column: int
    said: str
    text: str


def mount(router: APIRouter, desk: Desk) -> None:
    """Edit, plan, apply."""
    app, viewer = desk.app, desk.visit(Role.VIEWER)
    editor, renewals = desk.visit(Role.RENEWALS), desk.sent(Role.RENEWALS)
    plans = _Plans(desk)

    @router.api_route("/schedules/{stem}/edit", methods=READ)
    def edit(stem: str, asked: Visit = editor) -> Response:
        return _form(desk, asked, _known(desk, stem))

    @router.post("/schedules/{stem}/edit")
    def save(stem: str, asked: Sent = renewals) -> Response:
        if not editing.is_name(stem):
            raise missing("schedule of that name")
        text, had = (_text(asked, name) for name in ("text", "had"))
        mine = File(stem, text)
        try:
            editing.save(app.engine, app.root, mine, asked.one("seen"), asked.now, asked.by)
        except SchedulesError as error:
            file = File(stem, had)
            told = faults(text, error.problems)
            return _form(desk, asked, file, 422, text=text, seen=asked.one("seen"), told=told)
        except ChangedError as error:
            differs = (difference(had, text), difference(had, error.stands.text))
            return _form(desk, asked, error.stands, 409, text=text, differs=differs)
        except DependencyDownError as error:
            file, seen = File(stem, had), asked.one("seen")
            return _form(desk, asked, file, 503, text=text, seen=seen, trouble=str(error))
        said = "Saved. Nothing changes for clients until it is applied: this is what it would do."
        return desk.see(asked, f"/schedules/{stem}/plan", said)

    @router.api_route("/schedules/{stem}/plan", methods=READ)
    def plan(stem: str, after: int = 0, asked: Visit = viewer) -> Response:
        return _plan(desk, asked, plans.edit(stem), plans, max(after, 0))

    @router.post("/schedules/{stem}/apply")
    def apply(stem: str, asked: Sent = renewals) -> Response:
        now_stands = plans.edit(stem)
        if now_stands.problems or now_stands.token != asked.one("token"):
            said = (
                "The files or what runs changed after you looked. Here is what applying does now."
            )
            return _plan(desk, asked, now_stands, plans, 0, 409, said)
        try:
            changes = applying.apply(app.engine, plans.of(now_stands, asked), asked.now, asked.by)
        except MovedOnError as error:
            return _plan(desk, asked, plans.edit(stem), plans, 0, 409, str(error))
        done = f"{stem} runs from now on as its file stands."
        if changes.removed:
            done = f"{stem} has ended: its file is gone."
        return desk.see(
            asked, f"/schedules/{stem}" if changes.removed == () else "/schedules", done
        )


class _Plans:
    """Plans that were worked out lately: to page through one does not cost it again."""

    def __init__(self, desk: Desk) -> None:
        self._app = desk.app
        self._plans: dict[str, Plan] = {}
        self._lock = Lock()

    def edit(self, stem: str) -> Edit:
        """How the file of a schedule stands now beside what runs."""
        with reading(self._app.engine) as conn:
            found = applying.edit_of(conn, self._app.root, stem)
        if found.draft is None and found.running is None and not found.problems:
            raise missing("schedule of that name")
        return found

    def of(self, edit: Edit, asked: Visit) -> Plan:
        """What applying it would change, as it was worked out in the last minutes or is now."""
        key = f"{edit.stem} {edit.token}"
        with self._lock:
            known = self._plans.get(key)
        if known is not None and _is_fresh(known.at, asked.now):
            return known
        with reading(self._app.engine) as conn:
            made = applying.plan(conn, edit, forecasting_of(self._app))
        with self._lock:
            self._plans[key] = made
            while len(self._plans) > _PLANS:
                del self._plans[next(iter(self._plans))]
        return made


def _is_fresh(at: datetime, now: datetime) -> bool:
    return timedelta(0) <= now - at < _KEPT


def _known(desk: Desk, stem: str) -> File:
    if not editing.is_name(stem) or stem not in editing.stems(desk.app.root):
        raise missing("file of that name under schedules/")
    return editing.read(desk.app.root, stem)


def _text(asked: Sent, name: str) -> str:
    """A text as it was typed, with plain line ends: browsers send their own."""
    return (asked.fields.get(name) or [""])[0].replace("\r\n", "\n")


def _form(
    desk: Desk,
    asked: Visit,
    file: File,
    status: int = 200,
    *,
    text: str | None = None,
    seen: str | None = None,
    told: Sequence[Fault] = (),
    differs: tuple[list[Line], list[Line]] | None = None,
    trouble: str = "",
) -> Response:
    return desk.page(
        asked,
        "edit.html",
        status,
        stem=file.stem,
        text=file.text if text is None else text,
        had=file.text,
        seen=file.digest if seen is None else seen,
        told=told,
        differs=differs,
        trouble=trouble,
    )


def _plan(
    desk: Desk,
    asked: Visit,
    edit: Edit,
    plans: _Plans,
    after: int,
    status: int = 200,
    said: str = "",
) -> Response:
    values: dict[str, Any] = {"stem": edit.stem, "edit": edit, "trouble": said, "plan": None}
    values |= {"rows": [], "after": after, "older": "", "leaving": []}
    if not edit.problems:
        plan = plans.of(edit, asked)
        values |= {"plan": plan, "rows": plan.effects[after : after + _ROWS]}
        soon = plan.at_once
        values |= {"soon": len(soon), "leaving": soon[:_ROWS]}
        if len(plan.effects) > after + _ROWS:
            values["older"] = f"/schedules/{edit.stem}/plan?after={after + _ROWS}"
    return desk.page(asked, "plan.html", status, side=side, **values)


_SIDE = re.compile(r"(?P<decision>\S+)(?: \((?P<reason>.*)\))?(?: (?P<day>\d{4}-\d\d-\d\d))?")


def side(said: str | None) -> Side | None:
    """One side of a change in its parts: ``skipped (too-late) 2026-11-30``."""
    found = _SIDE.fullmatch(said or "")
    return Side(*(part or "" for part in found.groups())) if found else None


def difference(before: str, after: str) -> list[Line]:
    """What changed from one text to another, line by line, with three lines around it."""
    found = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=3)
    lines = list(found)[2:]
    return [Line("@", "…") if one.startswith("@@") else Line(one[0], one[1:]) for one in lines]


def faults(text: str, problems: Sequence[Problem]) -> list[Fault]:
    """Every problem beside the line that it is about."""
    lines = text.splitlines()
    found = []
    for one in problems:
        there = lines[one.line - 1] if 0 < one.line <= len(lines) else ""
        found.append(Fault(one.line, one.column, _said(one), there))
    return found


def _said(problem: Problem) -> str:
    """A problem without its place, which stands beside it."""
    place = ":".join(str(part) for part in (problem.file, problem.line, problem.column) if part)
    return str(problem).removeprefix(f"{place}: ")
