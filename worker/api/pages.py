"""The routes of the API. Each kind of thing has a file of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.routing import Match

from worker.api import (
    book,
    contents,
    decisions,
    episodes,
    messages,
    reports,
    stops,
    tasks,
    writing,
)
from worker.api.frame import HEADERS, Frame, Instance
from worker.api.problems import RefusedError

PARTS = (decisions, book, writing, messages, tasks, episodes, stops, reports)
"""Decisions first: a key may hold slashes, so a longer path is tried before a shorter one."""
BODIES: Mapping[str, type[BaseModel]] = {
    "put_account": writing.AccountGiven,
    "put_contact": writing.ContactGiven,
    "put_licence": writing.LicenceGiven,
    "put_order": writing.OrderGiven,
    "open_task": tasks.TaskGiven,
    "close_task": tasks.Closing,
    "note_on_task": tasks.Note,
    "put_stop": stops.StopGiven,
}
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]


def make_router(app: Instance) -> APIRouter:
    """The API of ``app``: its operations, its document, and a problem for every other address."""
    frame = Frame(app)
    operations = frame.router()
    for part in PARTS:
        part.mount(operations, frame)
    routes = [route for route in operations.routes if isinstance(route, APIRoute)]
    for route in routes:
        route.operation_id = route.unique_id = route.name
    made = contents.document(routes, BODIES)
    text, html = json.dumps(made), contents.page(made)
    router = APIRouter(include_in_schema=False)
    router.include_router(operations)

    @router.get("/api/openapi.json")
    def openapi() -> Response:
        """The document; it says what there is, not what it holds, so it needs no token."""
        return Response(text, headers=HEADERS, media_type="application/json")

    @router.get("/api")
    def page() -> Response:
        """The same for people."""
        return HTMLResponse(html, headers=HEADERS)

    _refuse_others(router, frame, routes)
    return router


def _refuse_others(router: APIRouter, frame: Frame, routes: list[APIRoute]) -> None:
    """Every other address and method is answered as a problem, to whoever has a token."""
    rest = frame.router()
    rest.prefix = ""

    @rest.api_route("/api/{rest:path}", methods=_METHODS)
    def other(request: Request) -> Response:
        frame.let_in(request, None)
        raise _other(request, routes)

    router.include_router(rest)


def _other(request: Request, routes: list[APIRoute]) -> RefusedError:
    near = [route for route in routes if route.matches(request.scope)[0] == Match.PARTIAL]
    allowed = sorted({method for route in near for method in route.methods or ()})
    if not allowed:
        return RefusedError(404, "There is no such address; /api lists those that there are.")
    listed = ", ".join(allowed)
    return RefusedError(405, f"This address takes {listed}.", headers={"Allow": listed})
