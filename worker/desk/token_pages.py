"""Tokens of other systems, for admins."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from worker.access import store, tokens
from worker.access.rules import FaultsError, Role, Scope
from worker.db.engine import reading
from worker.desk.frame import READ, Desk, Sent, Visit
from worker.kernel.errors import FindingsError

MOST = 100


def mount(router: APIRouter, desk: Desk) -> None:
    """The page about tokens."""
    admin, sent, app = desk.visit(Role.ADMIN), desk.sent(Role.ADMIN), desk.app

    @router.api_route("/tokens", methods=READ)
    def listed(asked: Visit = admin) -> Response:
        return _list(desk, asked)

    @router.post("/tokens")
    def make(asked: Sent = sent) -> Response:
        """Makes a token and shows it on the page itself: it is in no address and in no row."""
        name, scopes = asked.one("name"), list(asked.fields.get("scope", ()))
        try:
            days = asked.number("days") if asked.one("days") else None
            secret = tokens.make(app.engine, asked.by, name, scopes, days, asked.now)
        except FaultsError as error:
            return _list(desk, asked, 422, error.faults, typed=(name, scopes, asked.one("days")))
        return _list(desk, asked, made=(name, secret))

    @router.post("/tokens/revoke")
    def revoke(asked: Sent = sent) -> Response:
        name = asked.one("name")
        try:
            tokens.revoke(app.engine, asked.by, name, asked.now)
        except FindingsError:
            return _list(
                desk, asked, 422, [f"No token {name!r} stands; it may be revoked already."]
            )
        return desk.see(asked, "/tokens", f"Token {name} is revoked.")


def _list(
    desk: Desk,
    asked: Visit,
    status: int = 200,
    faults: list[str] | None = None,
    *,
    typed: tuple[str, list[str], str] = ("", [], ""),
    made: tuple[str, str] | None = None,
) -> Response:
    with reading(desk.app.engine) as conn:
        rows = store.all_tokens(conn, MOST)
    values: dict[str, Any] = {"tokens": rows, "scopes": list(Scope), "typed": typed, "made": made}
    return desk.page(asked, "tokens.html", status, faults=faults or [], now=asked.now, **values)
