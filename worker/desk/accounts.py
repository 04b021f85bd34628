"""Accounts: all of them, mine, those of a segment; by name or by what expires next."""

from __future__ import annotations

from datetime import date
from typing import Any

from fastapi import APIRouter, Response

from worker.access.rules import Role
from worker.db.engine import reading
from worker.desk import accounts_store as store
from worker.desk.frame import READ, Desk, Visit
from worker.desk.paging import PAGE, address, place, placed, tidy

SORTS = ("name", "expiry")


def mount(router: APIRouter, desk: Desk) -> None:
    """The list of accounts."""
    viewer = desk.visit(Role.VIEWER)

    @router.api_route("/accounts", methods=READ)
    def accounts(
        asked: Visit = viewer,
        manager: str = "",
        segment: str = "",
        mine: bool = False,
        sort: str = "name",
        after: str = "",
    ) -> Response:
        today = desk.writing.local(asked.now).date()
        sort = sort if sort in SORTS else "name"
        own = asked.seat.staff
        filters = {"manager": tidy(manager), "segment": tidy(segment), "sort": sort}
        if mine and own:
            filters["manager"] = own
        wanted = store.Wanted(filters["manager"] or None, filters["segment"] or None)
        with reading(desk.app.engine) as conn:
            rows, end = _page(conn, wanted, sort, today, after)
            shown = rows[:PAGE]
            values: dict[str, Any] = {
                "rows": shown,
                "sums": store.sums(conn, [row.id for row in shown], today),
                "people": store.names_of_staff(conn, _managers(shown)),
                "segments": store.segments(conn),
                "managers": store.managers(conn),
            }
        next_ = _place(shown[-1], sort) if len(rows) > PAGE else place(*end) if end else ""
        more = filters | {"after": next_} if next_ else None
        values["older"] = address("/accounts", more) if more else ""
        values["newer"] = address("/accounts", filters) if after else ""
        return desk.page(
            asked, "accounts.html", filters=filters, own=own, today=today, sort=sort, **values
        )


def _page(
    conn: Any, wanted: store.Wanted, sort: str, today: date, after: str
) -> tuple[Any, store.Place | None]:
    if sort == "name":
        return store.by_name(conn, wanted, placed(after, str, int), PAGE + 1), None
    return store.by_expiry(conn, wanted, today, placed(after, date, int), PAGE + 1)


def _place(row: Any, sort: str) -> str:
    if sort == "name":
        return place(row.folded, row.id)
    return place(row.expires_on, row.licence_id)


def _managers(rows: Any) -> list[str | None]:
    return [key for row in rows for key in (row.account_manager, row.renewal_manager)]
