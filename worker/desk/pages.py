"""The routes of the pages for staff. Each page has a file of its own, which says who may see it."""

from __future__ import annotations

from fastapi import APIRouter, Response

from worker.config.wiring import Wiring
from worker.desk import mails, outbox, signing, today
from worker.desk.frame import READ, Desk
from worker.desk.writing import STATIC, static

_FOR_EVER = "public, max-age=31536000, immutable"

PAGES = (signing.mount, today.mount, outbox.mount, mails.mount)


def make_router(app: Wiring) -> APIRouter:
    """The pages for staff of ``app``, and the files that go with them."""
    desk = Desk(app)
    router = desk.router()
    for mount in PAGES:
        mount(router, desk)

    @router.api_route("/static/{name}", methods=READ)
    def file(name: str) -> Response:
        """A file that goes with pages; its address changes with it."""
        if name not in STATIC:
            return Response(status_code=404)
        headers = {"Cache-Control": _FOR_EVER, "X-Content-Type-Options": "nosniff"}
        return Response(static(name), media_type=STATIC[name], headers=headers)

    return router
