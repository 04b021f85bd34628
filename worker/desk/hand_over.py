"""A hand-over: what the new manager of an account must know, on one page that can be printed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from fastapi import APIRouter, Response
from sqlalchemy.engine import Connection

from worker.access.rules import Role
from worker.access.store import Seat
from worker.db.engine import reading
from worker.desk import account, account_story, accounts_store
from worker.desk import account_store as store
from worker.desk.frame import READ, Desk, RefusedError, Sent, Visit
from worker.desk.paging import tidy
from worker.desk.writing import part
from worker.worklist import handing

LAST = 10
"""So many of the last answers, mails and terms are shown."""
MOST_TASKS = 200


def mount(router: APIRouter, desk: Desk) -> None:
    """The page of a hand-over. It stands before that of an account, whose address ends alike."""
    viewer, sales = desk.visit(Role.VIEWER), desk.sent(Role.SALES)

    @router.api_route("/accounts/{key:path}/hand-over", methods=READ)
    def page(key: str, asked: Visit = viewer, before: str = "", to: str = "") -> Response:
        with reading(desk.app.engine) as conn:
            row = store.account(conn, key)
            values = _told(conn, desk, row, asked, tidy(before), tidy(to)) if row else {}
        if row is None:  # a key may end like this address
            return account.show(desk, asked, f"{key}/hand-over", before)
        return desk.page(asked, "hand_over.html", row=row, faults=(), **values)

    @router.post("/accounts/{key:path}/hand-over")
    def move(key: str, asked: Sent = sales) -> Response:
        before, to = asked.one("before"), asked.one("to")
        with reading(desk.app.engine) as conn:
            row = account.found(conn, key)
            if not may_hand_over(asked.seat, row):
                raise RefusedError(403, "Not yours to do", _NOT_YOURS)
            faults = _faults(conn, before, to)
            values = _told(conn, desk, row, asked, before, to) if faults else {}
        if faults:
            return desk.page(asked, "hand_over.html", 422, row=row, faults=faults, **values)
        try:
            engine, saw = desk.app.engine, asked.one("seen")
            moved = handing.hand_over(engine, row, (before, to), saw, asked.now, asked.by)
        except handing.SeenAnewError as error:
            with reading(desk.app.engine) as conn:
                values = _told(conn, desk, row, asked, before, to)
            told = [str(error)]
            return desk.page(asked, "hand_over.html", 409, row=row, faults=told, **values)
        were = "task is" if moved == 1 else "tasks are"
        said = f"{moved} {were} with {to} now." if moved else f"{before} had no open task here."
        return desk.see(asked, f"/accounts/{part(row.key)}/hand-over", said)


_NOT_YOURS = (
    "The tasks of an account are handed over by those who manage it, or by somebody of renewals."
)


def may_hand_over(seat: Seat, row: Any) -> bool:
    """Whether this person may move the tasks of an account: sales of that account, or renewals."""
    if seat.role.may(Role.RENEWALS):
        return True
    own = seat.staff is not None and seat.staff in (row.account_manager, row.renewal_manager)
    return own and seat.role.may(Role.SALES)


def _faults(conn: Connection, before: str, to: str) -> list[str]:
    wrong = []
    if not before:
        wrong.append("From: say whose tasks they are.")
    if "\0" in to or to not in accounts_store.names_of_staff(conn, [tidy(to)]):
        wrong.append(f"To: expected the key of one of our people, got {to!r}.")
    if before and before == to:
        wrong.append("To: that is who has them already.")
    return wrong


def _told(
    conn: Connection, desk: Desk, row: Any, asked: Visit, before: str, to: str
) -> dict[str, Any]:
    today = desk.writing.local(asked.now).date()
    work = store.open_tasks(conn, row.id, MOST_TASKS)
    to = to or row.account_manager or ""
    others = sorted({task.assignee for task in work if task.assignee and task.assignee != to})
    before = before or next(iter(others), "")
    theirs = handing.theirs(conn, row.id, before) if before else ()
    people = [row.account_manager, row.renewal_manager, before, to, *others]
    return {
        "today": today,
        "worth": store.worth(conn, row.id, today, account.SOON),
        "contacts": account.reached(conn, row.id, today),
        "tasks": work,
        "answers": account_story.answered(conn, row.id, LAST),
        "mails": account_story.mailed(conn, row.id, LAST),
        "standing": store.standing(conn, row.id, today),
        "people": accounts_store.names_of_staff(conn, people),
        "staff": accounts_store.everybody(conn),
        "others": others,
        "before": before,
        "to": to,
        "theirs": theirs,
        "seen": handing.seen(theirs),
        "may": may_hand_over(asked.seat, row),
        "ahead_days": account_story.AHEAD // timedelta(days=1),
    }
