"""What is to come, apart from the page that it belongs to: the planner works it out, which takes
longer than all the rest. Scripts put it on the page; without them a link leads to it."""

from __future__ import annotations

from fastapi import APIRouter, Response

from worker.access.rules import Role
from worker.cadence import explain as explaining
from worker.db.engine import reading
from worker.desk import account, account_story, licences
from worker.desk import account_store as store
from worker.desk.frame import READ, Desk, Visit
from worker.desk.licences import forecasting


def mount(router: APIRouter, desk: Desk) -> None:
    """The parts. They stand before the pages whose addresses end alike."""
    viewer = desk.visit(Role.VIEWER)

    @router.api_route("/accounts/{key:path}/to-come", methods=READ)
    def of_account(key: str, asked: Visit = viewer, soonest: bool = False) -> Response:
        today = desk.writing.local(asked.now).date()
        with reading(desk.app.engine) as conn:
            row = store.account(conn, key)
            found = (
                account_story.to_come(conn, forecasting(desk, asked.now), row, today) if row else []
            )
        if row is None:  # a key may end like this address
            return account.show(desk, asked, f"{key}/to-come")
        values = {
            "row": row,
            "to_come": found[::-1] if soonest else found,
            "ahead_days": account_story.AHEAD.days,
        }
        if asked.is_part:
            return desk.part(asked, "ahead.html", **values)
        return desk.page(asked, "account_ahead.html", **values)

    @router.api_route("/licences/{key:path}/to-come", methods=READ)
    def of_licence(key: str, asked: Visit = viewer) -> Response:
        with reading(desk.app.engine) as conn:
            row = licences.found(conn, key)
            if row is not None:
                told = explaining.to_come(conn, forecasting(desk, asked.now), row.id)
                entries = licences.entries(conn, row, told)
        if row is None:
            return licences.show(desk, asked, f"{key}/to-come")
        if asked.is_part:
            return desk.part(asked, "licence_ahead.html", entries=entries)
        return desk.page(asked, "licence_to_come.html", row=row, entries=entries)
