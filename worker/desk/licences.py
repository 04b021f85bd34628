"""Licences: all of them by expiry, and the whole story of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from fastapi import APIRouter, Response
from sqlalchemy.engine import Connection

from worker.access.rules import Role
from worker.cadence import explain as explaining
from worker.cadence.ahead import Forecasting
from worker.cadence.decisions import Record
from worker.cadence.library import Defaults
from worker.cadence.quiet import quiet_of
from worker.cadence.rules import TAKEN_OVER
from worker.db.engine import reading
from worker.desk import accounts_store, story
from worker.desk import licences_store as store
from worker.desk.frame import READ, Desk, Visit, missing
from worker.desk.mails import url_of
from worker.desk.paging import PAGE, address, place, placed, tidy

LONGEST = 3660
"""Days ahead that a list may look."""
_YES_NO = {"yes": True, "no": False}


def mount(router: APIRouter, desk: Desk) -> None:
    """The list of licences, and the page of one."""
    viewer = desk.visit(Role.VIEWER)

    @router.api_route("/licences", methods=READ)
    def licences(
        asked: Visit = viewer,
        state: str = store.ACTIVE,
        days: str = "",
        schedule: str = "",
        auto: str = "",
        manager: str = "",
        after: str = "",
    ) -> Response:
        today = desk.writing.local(asked.now).date()
        filters = {
            "state": state if state in store.STATES else store.ACTIVE,
            "days": days if days.isascii() and days.isdigit() and int(days) <= LONGEST else "",
            "schedule": tidy(schedule),
            "auto": auto if auto in _YES_NO else "",
            "manager": tidy(manager),
        }
        where = placed(after, date, int)
        with reading(desk.app.engine) as conn:
            rows = store.by_expiry(conn, _wanted(filters), today, where, PAGE + 1)
            values: dict[str, Any] = {
                "schedules": store.schedules(conn),
                "managers": accounts_store.managers(conn),
            }
        shown = rows[:PAGE]
        last = place(shown[-1].expires_on, shown[-1].id) if len(rows) > PAGE else ""
        values["older"] = address("/licences", filters | {"after": last}) if last else ""
        values["newer"] = address("/licences", filters) if after else ""
        values["own"] = asked.seat.staff
        return desk.page(asked, "licences.html", rows=shown, filters=filters, today=today, **values)

    @router.api_route("/licences/{key:path}", methods=READ)
    def licence(key: str, asked: Visit = viewer) -> Response:
        return show(desk, asked, key)


def show(desk: Desk, asked: Visit, key: str) -> Response:
    """The page of the licence of that key."""
    with reading(desk.app.engine) as conn:
        row = found(conn, key)
        if row is None:
            raise missing("such licence")
        told = explaining.until_now(conn, forecasting(desk, asked.now), row.id)
        values = _told(conn, desk, row, told, asked)
    return desk.page(asked, "licence.html", row=row, told=told, **values)


def found(conn: Connection, key: str) -> Any | None:
    """The licence of that key, or ``None``."""
    return store.licence(conn, key) if "\0" not in key else None


def forecasting(desk: Desk, now: datetime) -> Forecasting:
    """What is asked of the planner for a page: the schedules that run. Looked at again, a page is
    told what it was told a moment ago, unless something changed."""
    settings = desk.app.settings
    book = settings.book
    defaults = Defaults(book.timezone, book.language, book.country)
    quiet = quiet_of(settings.surveys)
    return Forecasting(
        defaults, now, allowance=settings.budget.per_contact, quiet=quiet, lately=desk.lately
    )


def _wanted(filters: Mapping[str, str]) -> store.Wanted:
    return store.Wanted(
        filters["state"],
        int(filters["days"]) if filters["days"] else None,
        filters["schedule"] or None,
        _YES_NO.get(filters["auto"]),
        filters["manager"] or None,
    )


def _told(
    conn: Connection, desk: Desk, row: Any, told: explaining.Explanation, asked: Visit
) -> dict[str, Any]:
    work = store.tasks_of(conn, row.id, row.account_id)
    people = (row.account_account_manager, row.account_renewal_manager, row.owner)
    return {
        "today": desk.writing.local(asked.now).date(),
        "entries": entries(conn, row, told, work),
        "tasks": work,
        "missed": {
            walk.schedule: told.missed[walk.schedule]
            for walk in told.walks
            if walk.cycle == row.term
            and walk.reason == "not-in-audience"
            and walk.schedule in told.missed
        },
        "people": accounts_store.names_of_staff(conn, people),
    }


def _planned(record: Record, told: explaining.Explanation) -> str:
    """The page of a mail that has not left and may be held, edited, taken over or given back."""
    still = record.decision in ("planned", "waiting", "put-off") or record.reason == TAKEN_OVER
    for walk in told.walks if still and record.kind in ("email", "survey") else ():
        if (walk.schedule, walk.cycle) == (record.schedule, record.cycle):
            return url_of(walk.id, record.step or "")
    return ""


def entries(
    conn: Connection, row: Any, told: explaining.Explanation, work: Sequence[Any] = ()
) -> list[dict[str, Any]]:
    """What ``told`` says of the licence, the last first, with what came of it; ``work``: its
    tasks."""
    mails = store.mails_of(conn, [one.message for one in told.records if one.message])
    by_key = {task.key: task for task in work}
    return [_entry(one, told, row, mails, by_key) for one in reversed(told.records)]


def _entry(
    record: Record,
    told: explaining.Explanation,
    row: Any,
    mails: Mapping[str, list[Any]],
    by_key: Mapping[str, Any],
) -> dict[str, Any]:
    """One decision, with the arithmetic of its date and the mail or task that it led to."""
    task = by_key.get(f"step:{record.schedule}:{record.step}:{row.id}:{record.cycle}")
    return {
        "record": record,
        "tone": story.TONES.get(record.decision, ""),
        "why": told.why(record),
        "mails": mails.get(record.message or "", ()),
        "task": task if record.kind == "task" else None,
        "planned": _planned(record, told),
    }
