"""The audit log: who changed what; for admins."""

from __future__ import annotations

from urllib.parse import urlencode

from fastapi import APIRouter, Response

from worker.access.rules import Role
from worker.db.engine import reading
from worker.desk import users_store
from worker.desk.frame import READ, Desk, Visit

MOST = 50


def mount(router: APIRouter, desk: Desk) -> None:
    """The audit log, the newest first."""
    admin = desk.visit(Role.ADMIN)

    @router.api_route("/audit", methods=READ)
    def log(
        asked: Visit = admin,
        who: str = "",
        what: str = "",
        about: str = "",
        after: int | None = None,
    ) -> Response:
        """A page of lines; ``after`` is the id of the line that they come behind."""
        only = {"who": who.strip(), "what": what.strip(), "about": about.strip()}
        filters = {name: text for name, text in only.items() if text}
        if after is not None and not 0 < after < 1 << 63:
            after = None
        with reading(desk.app.engine) as conn:
            rows = users_store.lines(conn, filters, after, MOST + 1)
        further = {**filters, "after": rows[MOST - 1].id} if len(rows) > MOST else {}
        return desk.page(
            asked,
            "audit.html",
            lines=rows[:MOST],
            only=only,
            newer=_address(filters) if after is not None else "",
            older=_address(further) if further else "",
        )


def _address(query: dict[str, object] | dict[str, str]) -> str:
    return f"/audit?{urlencode(query)}" if query else "/audit"
