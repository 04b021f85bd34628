"""The routes of ``/v1``."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from starlette.routing import Match

from worker.api.delighted import answers, entering, figures, lists, people
from worker.api.delighted.frame import Door
from worker.api.frame import Instance
from worker.api.problems import RefusedError

PARTS = (people, entering, answers, figures, lists)
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]


def make_router(app: Instance) -> APIRouter:
    """Delighted's API on the book of ``app``."""
    door = Door(app)
    router = door.router()
    for part in PARTS:
        part.mount(router, door)
    routes = list(router.routes)

    @router.api_route("/v1/{rest:path}", methods=_METHODS)
    def other(request: Request) -> Response:
        door.let_in(request)
        near = [route for route in routes if route.matches(request.scope)[0] == Match.PARTIAL]
        allowed = sorted({each for route in near for each in getattr(route, "methods", None) or ()})
        if not allowed:
            raise RefusedError(404, "There is no such address.")
        listed_ = ", ".join(allowed)
        raise RefusedError(405, f"This address takes {listed_}.", headers={"Allow": listed_})

    return router
