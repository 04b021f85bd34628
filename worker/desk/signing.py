"""Signing in by password or by a link, and signing out."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from fastapi import APIRouter, Request, Response

from worker.access import flow, passwords, store
from worker.access.asking import own_path
from worker.access.rules import Role
from worker.db.engine import reading
from worker.desk.frame import COOKIE, READ, Body, Desk, RefusedError, Sent
from worker.kernel.forms import Fields, first

_USED = RefusedError(
    410,
    "This link is used up",
    "It signed somebody in before, or it is too old. Ask for a new one.",
)
_WRONG = "This login and this password do not belong together, or the user is disabled."


def mount(router: APIRouter, desk: Desk) -> None:
    """The pages around signing in."""
    _mount_password(router, desk)
    _mount_link(router, desk)
    viewer = desk.sent(Role.VIEWER)

    @router.post("/sign-out")
    def sign_out(asked: Sent = viewer) -> Response:
        flow.sign_out(desk.app.engine, asked.seat, asked.now)
        response = desk.see(asked, "/sign-in")
        response.delete_cookie(COOKIE)
        return response


def _mount_password(router: APIRouter, desk: Desk) -> None:
    app = desk.app

    @router.api_route("/sign-in", methods=READ)
    def page(request: Request) -> Response:
        where = own_path(request.query_params.get("next", "/"))
        cookie = request.cookies.get(COOKIE)
        if cookie and flow.sit(app.engine, cookie, app.clock.now()):
            return _on(desk, where)
        return _form(desk, {"next": [where]})

    @router.post("/sign-in")
    def sign_in(request: Request, body: Body) -> Response:
        fields = desk.form(request, body)
        login, password = first(fields, "login"), next(iter(fields.get("password", ())), "")
        address = request.client.host if request.client else ""
        agent, now = request.headers.get("user-agent", ""), app.clock.now()
        try:
            tried = flow.sign_in(app.engine, login, password, address, agent, now)
        except passwords.BusyError as busy:
            return _form(desk, fields, 503, str(busy), timedelta(seconds=10))
        if tried.cookie is not None:
            response = _on(desk, own_path(first(fields, "next")))
            desk.keep(response, tried.cookie)
            return response
        status = 429 if tried.wait else 422
        return _form(desk, fields, status, f"{_WRONG} {_wait_said(tried.wait)}", tried.wait)


def _mount_link(router: APIRouter, desk: Desk) -> None:
    app, clock = desk.app, desk.app.clock

    @router.api_route("/sign-in/link/{secret}", methods=READ)
    def offered(secret: str) -> Response:
        """Asks whether to sign in: a program that only looks at the link uses nothing up."""
        seat = flow.offered(app.engine, secret, clock.now())
        if seat is None:
            raise _USED
        return desk.open_page("link.html", seat=seat)

    @router.post("/sign-in/link/{secret}")
    def take(request: Request, secret: str, body: Body) -> Response:
        desk.form(request, body)
        agent = request.headers.get("user-agent", "")
        cookie = flow.take(app.engine, secret, agent, clock.now())
        if cookie is None:
            raise _USED
        response = _on(desk, own_path(request.query_params.get("next", "/")))
        desk.keep(response, cookie)
        return response


def _form(
    desk: Desk, fields: Fields, status: int = 200, fault: str = "", wait: timedelta = timedelta(0)
) -> Response:
    """The form, with what was typed but the password."""
    with reading(desk.app.engine) as conn:
        is_empty = not store.any_user(conn)
    login, where = first(fields, "login"), own_path(first(fields, "next"))
    oidc = desk.app.settings.web.oidc
    values: dict[str, Any] = {"login": login, "next": where, "fault": fault, "is_empty": is_empty}
    values["openid"] = oidc.name if oidc.issuer else ""
    response = desk.open_page("sign_in.html", status, **values)
    if wait:
        response.headers["Retry-After"] = str(_seconds(wait))
    return response


def _on(desk: Desk, where: str) -> Response:
    return Response(status_code=303, headers=desk.headers() | {"Location": where})


def _seconds(wait: timedelta) -> int:
    return -int(-wait.total_seconds() // 1)


def _wait_said(wait: timedelta) -> str:
    """How long to wait, in whole minutes or seconds, never too short."""
    if not wait:
        return "Try again."
    seconds = _seconds(wait)
    if seconds < 60:
        return f"Wait {seconds} second{'s' if seconds != 1 else ''} before you try again."
    minutes = -(-seconds // 60)
    return f"Wait {minutes} minute{'s' if minutes != 1 else ''} before you try again."
