"""The pages that mails lead to: answers, preferences, the way out, the question of a survey.

A GET writes nothing but a line about the visit. A POST must come from our own page; only the
one-click button of a mail program may come from anywhere, and it can do one thing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Depends, Request, Response

from worker.access.asking import body_of
from worker.clients import flow, survey_pages
from worker.clients.flow import Letter
from worker.clients.serving import Asked, Desk, Send, Show
from worker.clients.writing import LANGUAGES, Writing
from worker.config.wiring import Wiring
from worker.db.engine import reading
from worker.kernel.forms import Fields
from worker.links.rules import PATHS, BadLinkError, Purpose, links_of

_READ = ["GET", "HEAD"]
_ALLOW = {"Allow": "GET, HEAD, POST, OPTIONS"}
Body = Annotated[bytes | int, Depends(body_of)]


def make_router(app: Wiring) -> APIRouter:
    """The clients' pages of ``app``. Without a link key every link opens the friendly refusal."""
    router = APIRouter()
    desk = Desk(app, links_of(app.settings.web), Writing())
    for purpose, pages in _PAGES.items():
        for word, show in pages.after.items():
            _mount(router, desk, purpose, f"{{token}}/{word}", show, pages.sent.get(word))
        _mount(router, desk, purpose, "{token:path}", pages.show, pages.send)
    return router


def _mount(
    router: APIRouter, desk: Desk, purpose: Purpose, path: str, show: Show, send: Send | None
) -> None:
    """Reading one page, and sending its form where it has one."""
    where = f"/{PATHS[purpose]}/{path}"

    @router.api_route(where, methods=_READ)
    def read(request: Request, token: str) -> Response:
        return desk.served(request, purpose, token, show)

    if send is None:
        return

    @router.post(where)
    def post(request: Request, token: str, body: Body) -> Response:
        return desk.taken(request, purpose, token, body, send)

    @router.options(where)
    def options() -> Response:
        return Response(status_code=204, headers=_ALLOW)


def _show_answer(desk: Desk, asked: Asked) -> Response:
    with reading(desk.app.engine) as conn:
        page = flow.page_of(conn, desk.letter(conn, asked))
    language = desk.language(asked.request, page.letter.languages)
    return desk.page(desk.writing.answer(language, page, desk.preferences(asked)), language)


def _send_answer(desk: Desk, asked: Asked, fields: Fields) -> Response:
    with desk.app.engine.begin() as conn:
        letter = desk.letter(conn, asked)
        now = desk.app.clock.now()
        page, faults = flow.answer(conn, letter, fields, desk.defaults, now)
    if not faults:
        return desk.see(f"{asked.token}/thanks")
    language = desk.language(asked.request, letter.languages)
    html = desk.writing.answer(language, page, desk.preferences(asked), fields, faults)
    return desk.page(html, language, 422)


def _show_thanks(desk: Desk, asked: Asked) -> Response:
    with reading(desk.app.engine) as conn:
        page = flow.page_of(conn, desk.letter(conn, asked))
    if not page.answered:
        return desk.see(f"../{asked.token}")
    language = desk.language(asked.request, page.letter.languages)
    html = desk.writing.thanks(
        language, page, f"../{asked.token}", desk.preferences(asked, "../..")
    )
    return desk.page(html, language)


def _show_preferences(desk: Desk, asked: Asked) -> Response:
    return _preferences(desk, asked, "")


def _show_saved(desk: Desk, asked: Asked) -> Response:
    return _preferences(desk, asked, f"../{asked.token}", saved=True)


def _preferences(desk: Desk, asked: Asked, action: str, *, saved: bool = False) -> Response:
    with reading(desk.app.engine) as conn:
        letter = desk.letter(conn, asked)
    language = desk.language(asked.request, letter.languages)
    return desk.page(desk.writing.preferences(language, letter, action, saved=saved), language)


def _send_preferences(desk: Desk, asked: Asked, fields: Fields) -> Response:
    with desk.app.engine.begin() as conn:
        letter = desk.letter(conn, asked)
        now = desk.app.clock.now()
        letter, faults = flow.wish(conn, letter, fields, tuple(LANGUAGES), now)
    if not faults:
        return desk.see(f"{asked.token}/saved")
    language = desk.language(asked.request, letter.languages)
    html = desk.writing.preferences(language, letter, "", fields=fields, faults=faults)
    return desk.page(html, language, 422)


def _show_way_out(desk: Desk, asked: Asked) -> Response:
    with reading(desk.app.engine) as conn:
        letter = desk.letter(conn, asked)
    return _way_out(desk, asked, letter, done=False)


def _take_out(desk: Desk, asked: Asked, _fields: Fields) -> Response:
    with desk.app.engine.begin() as conn:
        letter = desk.letter(conn, asked)
        flow.refuse(conn, letter, desk.app.clock.now())
    return _way_out(desk, asked, letter, done=True)


def _way_out(desk: Desk, asked: Asked, letter: Letter, *, done: bool) -> Response:
    if letter.row.kind == "contractual":  # there is no way out of a notice
        raise BadLinkError("gone")
    language = desk.language(asked.request, letter.languages)
    preferences = desk.preferences(asked)
    html = desk.writing.unsubscribe(language, letter, preferences, done=done)
    return desk.page(html, language)


class _Pages(NamedTuple):
    """The pages of one purpose: the one that a link opens, what its form does, and those that come
    after it, by the last word of their address, with their forms."""

    show: Show
    send: Send
    after: Mapping[str, Show] = {}
    sent: Mapping[str, Send] = {}


_PAGES = {
    Purpose.ANSWER: _Pages(_show_answer, _send_answer, {"thanks": _show_thanks}),
    Purpose.PREFERENCES: _Pages(_show_preferences, _send_preferences, {"saved": _show_saved}),
    Purpose.UNSUBSCRIBE: _Pages(_show_way_out, _take_out),
    Purpose.SURVEY: _Pages(
        survey_pages.show_question,
        survey_pages.send_score,
        {
            "more": survey_pages.show_more,
            "thanks": survey_pages.show_thanks,
            "colleague": survey_pages.show_colleague,
        },
        {"more": survey_pages.send_more, "colleague": survey_pages.send_colleague},
    ),
}
