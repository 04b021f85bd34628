"""A task by hand, or a promise, for an account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Response

from worker.access.rules import Role
from worker.db.engine import reading
from worker.desk import worklist_store as store
from worker.desk.frame import READ, Desk, Sent, Visit
from worker.desk.task import day_of
from worker.desk.worklist import hand_of, today_of
from worker.kernel.errors import FindingsError
from worker.kernel.keys import new_attempt_id
from worker.worklist import flow, people, rules
from worker.worklist.flow import Today, Wanted
from worker.worklist.kinds import BY_HAND, KINDS, OPENED_BY_HAND, PROMISE

_FIELDS = ("kind", "account", "title", "detail", "due", "to", "mark")
Word = Annotated[str, Query(max_length=200)]


def mount(router: APIRouter, desk: Desk) -> None:
    """The form, and what it does."""
    may, sales = desk.visit(Role.SALES), desk.sent(Role.SALES)

    @router.api_route("/worklist/new", methods=READ)
    def new(kind: Word = BY_HAND, account: Word = "", asked: Visit = may) -> Response:
        kind = kind if kind in OPENED_BY_HAND else BY_HAND
        book, today = desk.app.settings.book, today_of(desk, asked)
        due = rules.due_on(kind, today, rules.calendar_of(book.timezone, book.country))
        blank = dict.fromkeys(_FIELDS, "")
        given = {"kind": kind, "account": account, "due": due.isoformat()}
        mine = {"to": asked.seat.staff or "", "mark": new_attempt_id()}
        return _form(desk, asked, blank | given | mine)

    @router.post("/worklist/new")
    def open_it(asked: Sent = sales) -> Response:
        typed = {name: asked.one(name) for name in _FIELDS}
        try:
            number = _open(desk, asked, typed)
        except FindingsError as error:
            return _form(desk, asked, typed, 422, str(error).splitlines())
        return desk.see(asked, f"/worklist/{number}", "It is on the worklist.")


def _open(desk: Desk, asked: Sent, typed: Mapping[str, str]) -> int:
    key = typed["account"]
    with reading(desk.app.engine) as conn:
        account = store.account(conn, key)
    if key and account is None:
        raise FindingsError(f"account: expected the key of an account, got {key!r}.")
    wanted = Wanted(
        typed["kind"],
        typed["title"],
        typed["detail"],
        day_of(asked, "due"),
        typed["to"],
        account.id if account else None,
        typed["mark"][:40],
    )
    today = Today(asked.now, today_of(desk, asked))
    return flow.open_by_hand(desk.app.engine, hand_of(asked), wanted, today)


def _form(
    desk: Desk,
    asked: Visit,
    typed: Mapping[str, str],
    status: int = 200,
    faults: Sequence[str] = (),
) -> Response:
    with reading(desk.app.engine) as conn:
        account, known = store.account(conn, typed["account"]), people.colleagues(conn)
    values = {
        "typed": typed,
        "account": account,
        "people": known,
        "kinds": {name: KINDS[name] for name in OPENED_BY_HAND},
        "is_promise": typed["kind"] == PROMISE,
        "longest": rules.LONGEST_TITLE,
        "faults": faults,
    }
    return desk.page(asked, "new_task.html", status, **values)
