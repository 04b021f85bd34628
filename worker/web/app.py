"""The web application: mounts the rooms' pages and the probes."""

from __future__ import annotations

from fastapi import FastAPI, Request, Response
from fastapi.responses import PlainTextResponse

from worker.api import pages as api
from worker.api.delighted import pages as delighted
from worker.api.frame import told
from worker.api.problems import RefusedError
from worker.bootstrap import App
from worker.clients import pages as clients
from worker.desk import pages as desk
from worker.events import pages as events
from worker.web.closing import Closing
from worker.web.probes import make_router


def make_app(app: App) -> FastAPI:
    """The pages and probes of ``app``; no generated documentation is served."""
    web = FastAPI(title="Perennial", docs_url=None, redoc_url=None, openapi_url=None)
    web.add_middleware(Closing)
    web.include_router(make_router(app))
    web.include_router(clients.make_router(app))
    web.include_router(events.make_router(lambda: app.engine, app.clock, app.ears))
    web.include_router(api.make_router(app))
    web.include_router(delighted.make_router(app))
    web.include_router(desk.make_router(app))
    web.add_exception_handler(404, _nothing_there)
    return web


def _nothing_there(request: Request, _error: Exception) -> Response:
    """For an address that no route takes, such as one with a line break in it."""
    if request.url.path.startswith("/api/"):
        return told(RefusedError(404, "There is no such address; /api lists those that there are."))
    return PlainTextResponse("There is no such page.", 404)
