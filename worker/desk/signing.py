"""Signing in by a link, and signing out."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from worker.access import flow
from worker.access.rules import Role
from worker.desk.frame import COOKIE, READ, Body, Desk, RefusedError, Sent

_USED = RefusedError(
    410,
    "This link is used up",
    "It signed somebody in before, or it is too old. Ask for a new one.",
)


def mount(router: APIRouter, desk: Desk) -> None:
    """The pages around signing in."""
    app, clock = desk.app, desk.app.clock
    viewer = desk.sent(Role.VIEWER)

    @router.api_route("/sign-in/link/{secret}", methods=READ)
    def offered(secret: str) -> Response:
        """Asks whether to sign in: a program that only looks at the link uses nothing up."""
        seat = flow.offered(app.engine, secret, clock.now())
        if seat is None:
            raise _USED
        html = desk.writing.write("link.html", asked=None, said="", seat=seat)
        return HTMLResponse(html, headers=desk.headers())

    @router.post("/sign-in/link/{secret}")
    def take(request: Request, secret: str, body: Body) -> Response:
        desk.form(request, body)
        agent = request.headers.get("user-agent", "")
        cookie = flow.take(app.engine, secret, agent, clock.now())
        if cookie is None:
            raise _USED
        response = Response(status_code=303, headers=desk.headers() | {"Location": "/"})
        desk.keep(response, cookie)
        return response

    @router.post("/sign-out")
    def sign_out(asked: Sent = viewer) -> Response:
        flow.sign_out(app.engine, asked.seat, asked.now)
        response = desk.see(asked, "/sign-in")
        response.delete_cookie(COOKIE)
        return response
