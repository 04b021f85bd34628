"""The routes of the pages for staff. Each page has a file of its own, which says who may see it."""

from __future__ import annotations

from fastapi import APIRouter, Response

from worker.desk import (
    account,
    accounts,
    audit_page,
    coming,
    days,
    editing,
    hand_over,
    health,
    held,
    indicators,
    licences,
    mails,
    me,
    new_task,
    openid,
    outbox,
    promises,
    queue,
    reports,
    schedules,
    search,
    signing,
    survey_answers,
    survey_digest,
    surveys,
    task,
    today,
    token_pages,
    users,
    worklist,
)
from worker.desk.frame import READ, Desk
from worker.desk.writing import STATIC, static
from worker.doctor import Instance

_FOR_EVER = "public, max-age=31536000, immutable"

PAGES = (
    signing.mount,
    openid.mount,
    today.mount,
    me.mount,
    users.mount,
    token_pages.mount,
    audit_page.mount,
    held.mount,
    worklist.mount,
    new_task.mount,  # before task.mount, which takes any word for a number
    task.mount,
    accounts.mount,
    coming.mount,  # before account.mount and licences.mount, which take any word for a key
    hand_over.mount,  # before account.mount, which takes any word for a key
    account.mount,
    licences.mount,
    search.mount,
    outbox.mount,
    mails.mount,
    schedules.mount,
    days.mount,
    editing.mount,
    health.mount,
    promises.mount,
    queue.mount,
    reports.mount,
    indicators.mount,
    survey_answers.mount,
    survey_digest.mount,
    surveys.mount,
)


def make_router(app: Instance) -> APIRouter:
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
