"""The pages that mails lead to: answers, preferences, the way out.

A GET writes nothing but a line about the visit. A POST must come from our own page; only the
one-click button of a mail program may come from anywhere, and it can do one thing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy.exc import SQLAlchemyError

from worker.access.asking import UNFIT, body_of, fields_of, is_one_click, is_own
from worker.cadence.commands import defaults_of
from worker.clients import flow
from worker.clients.flow import Letter
from worker.clients.rules import preferred
from worker.clients.visiting import Visit, Visits
from worker.clients.writing import LANGUAGES, LAST_LANGUAGE, Writing
from worker.config.wiring import Wiring
from worker.db.engine import reading
from worker.kernel.errors import PerennialError
from worker.kernel.forms import Fields
from worker.links.rules import PATHS, BadLinkError, Links, Purpose, Subject, links_of

_READ = ["GET", "HEAD"]
_STATUS = {"broken": 404, "gone": 404, "expired": 410, "revoked": 410}
_ALLOW = {"Allow": "GET, HEAD, POST, OPTIONS"}
Body = Annotated[bytes | int, Depends(body_of)]

log = structlog.get_logger(__name__)


def make_router(app: Wiring) -> APIRouter:
    """The clients' pages of ``app``. Without a link key every link opens the friendly refusal."""
    router = APIRouter()
    desk = _Desk(app, links_of(app.settings.web), Writing())
    for purpose in _PAGES:
        _mount(router, desk, purpose, PATHS[purpose])
    return router


def _mount(router: APIRouter, desk: _Desk, purpose: Purpose, path: str) -> None:
    """Reading, sending and what comes after it, for one purpose."""
    show, send, after = _PAGES[purpose]

    if after is not None:
        after_page, word = after

        @router.api_route(f"/{path}/{{token}}/{word}", methods=_READ)
        def read_after(request: Request, token: str) -> Response:
            return desk.served(request, purpose, token, after_page)

    @router.api_route(f"/{path}/{{token:path}}", methods=_READ)
    def read(request: Request, token: str) -> Response:
        return desk.served(request, purpose, token, show)

    @router.post(f"/{path}/{{token:path}}")
    def post(request: Request, token: str, body: Body) -> Response:
        return desk.taken(request, purpose, token, body, send)

    @router.options(f"/{path}/{{token:path}}")
    def options() -> Response:
        return Response(status_code=204, headers=_ALLOW)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request whose link was read."""

    request: Request
    token: str
    subject: Subject


class _Desk:
    """What all pages need, and what becomes of links and databases that fail."""

    def __init__(self, app: Wiring, links: Links | None, writing: Writing) -> None:
        self.app = app
        self.writing = writing
        self.defaults = defaults_of(app)
        self._links = links
        self._visits = Visits(lambda: app.engine)

    def served(self, request: Request, purpose: Purpose, token: str, page: _Show) -> Response:
        """A page that is only read; the visit is noted a little later."""

        def show() -> Response:
            asked = _Asked(request, token, self._subject(purpose, token))
            response = page(self, asked)
            if request.method == "GET":
                agent, now = request.headers.get("user-agent", ""), self.app.clock.now()
                self._visits.note(Visit(str(purpose), asked.subject.mail_key, agent, now))
            return response

        return self._guarded(request, show)

    def taken(
        self, request: Request, purpose: Purpose, token: str, body: bytes | int, send: _Send
    ) -> Response:
        """A form that is acted on, if it is one of ours."""

        def act() -> Response:
            subject = self._subject(purpose, token)
            one_click = purpose is Purpose.UNSUBSCRIBE
            if not one_click and not is_own(request, self.app.settings.web.base_url):
                return self.message(request, "refused", 403)
            fields = fields_of(request, body) if isinstance(body, bytes) else None
            if isinstance(body, int):
                return self.message(request, "unfit", body)
            if fields is None and not (one_click and is_one_click(request, body)):
                return self.message(request, "unfit", UNFIT)
            if one_click and not is_one_click(request, body):
                return self.message(request, "unfit", UNFIT)
            return send(self, _Asked(request, token, subject), fields or {})

        return self._guarded(request, act)

    def letter(self, conn: Any, asked: _Asked) -> Letter:
        """The mail of a link; ``BadLinkError`` when it is of no use any more."""
        return flow.letter_of(conn, asked.subject, self.defaults, self.app.clock.now())

    def language(self, request: Request, letter: Letter | None = None) -> str:
        """The reader's language: of the letter, else what the browser prefers."""
        for wanted in letter.languages if letter else ():
            base = (wanted or "").lower().split("-")[0]
            if base in LANGUAGES:
                return base
        header = request.headers.get("accept-language", "")
        return preferred(header, tuple(LANGUAGES)) or LAST_LANGUAGE

    def preferences(self, asked: _Asked, up: str = "..") -> str:
        """The preference page, counted from the page that is asked for; as old as its link."""
        assert self._links is not None  # or no link would have been read
        subject = asked.subject
        token = self._links.token(
            Purpose.PREFERENCES, subject.mail_key, subject.contact_id, subject.made_at
        )
        return f"{up}/{PATHS[Purpose.PREFERENCES]}/{token}"

    def page(self, html: str, language: str, status: int = 200) -> Response:
        """A page with everything that keeps it to itself."""
        headers = self._headers() | {"Content-Language": language, "Vary": "Accept-Language"}
        return HTMLResponse(html, status, headers=headers)

    def see(self, where: str) -> Response:
        """Sends the browser on, after a form; ``where`` is relative and ours."""
        return Response(status_code=303, headers=self._headers() | {"Location": where})

    def message(self, request: Request, what: str, status: int) -> Response:
        """A page that says why there is nothing else."""
        language = self.language(request)
        return self.page(self.writing.message(language, what), language, status)

    def _headers(self) -> dict[str, str]:
        return {
            "Content-Security-Policy": self.writing.policy,
            "Referrer-Policy": "no-referrer",
            "X-Robots-Tag": "noindex, nofollow",
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cache-Control": "no-store",
        }

    def _subject(self, purpose: Purpose, token: str) -> Subject:
        if self._links is None:
            raise BadLinkError("broken")
        return self._links.read(purpose, token, self.app.clock.now())

    def _guarded(self, request: Request, work: Callable[[], Response]) -> Response:
        try:
            return work()
        except BadLinkError as error:
            return self.message(request, error.why, _STATUS[error.why])
        except (SQLAlchemyError, PerennialError) as error:
            log.warning("page.away", error=type(error).__name__)
            away = self.message(request, "away", 503)
            away.headers["Retry-After"] = "60"
            return away


_Show = Callable[[_Desk, _Asked], Response]
_Send = Callable[[_Desk, _Asked, Fields], Response]


def _show_answer(desk: _Desk, asked: _Asked) -> Response:
    with reading(desk.app.engine) as conn:
        page = flow.page_of(conn, desk.letter(conn, asked))
    language = desk.language(asked.request, page.letter)
    return desk.page(desk.writing.answer(language, page, desk.preferences(asked)), language)


def _send_answer(desk: _Desk, asked: _Asked, fields: Fields) -> Response:
    with desk.app.engine.begin() as conn:
        letter = desk.letter(conn, asked)
        now = desk.app.clock.now()
        page, faults = flow.answer(conn, letter, fields, desk.defaults, now)
    if not faults:
        return desk.see(f"{asked.token}/thanks")
    language = desk.language(asked.request, letter)
    html = desk.writing.answer(language, page, desk.preferences(asked), fields, faults)
    return desk.page(html, language, 422)


def _show_thanks(desk: _Desk, asked: _Asked) -> Response:
    with reading(desk.app.engine) as conn:
        page = flow.page_of(conn, desk.letter(conn, asked))
    if not page.answered:
        return desk.see(f"../{asked.token}")
    language = desk.language(asked.request, page.letter)
    html = desk.writing.thanks(
        language, page, f"../{asked.token}", desk.preferences(asked, "../..")
    )
    return desk.page(html, language)


def _show_preferences(desk: _Desk, asked: _Asked) -> Response:
    return _preferences(desk, asked, "")


def _show_saved(desk: _Desk, asked: _Asked) -> Response:
    return _preferences(desk, asked, f"../{asked.token}", saved=True)


def _preferences(desk: _Desk, asked: _Asked, action: str, *, saved: bool = False) -> Response:
    with reading(desk.app.engine) as conn:
        letter = desk.letter(conn, asked)
    language = desk.language(asked.request, letter)
    return desk.page(desk.writing.preferences(language, letter, action, saved=saved), language)


def _send_preferences(desk: _Desk, asked: _Asked, fields: Fields) -> Response:
    with desk.app.engine.begin() as conn:
        letter = desk.letter(conn, asked)
        now = desk.app.clock.now()
        letter, faults = flow.wish(conn, letter, fields, tuple(LANGUAGES), now)
    if not faults:
        return desk.see(f"{asked.token}/saved")
    language = desk.language(asked.request, letter)
    html = desk.writing.preferences(language, letter, "", fields=fields, faults=faults)
    return desk.page(html, language, 422)


def _show_way_out(desk: _Desk, asked: _Asked) -> Response:
    with reading(desk.app.engine) as conn:
        letter = desk.letter(conn, asked)
    return _way_out(desk, asked, letter, done=False)


def _take_out(desk: _Desk, asked: _Asked, _fields: Fields) -> Response:
    with desk.app.engine.begin() as conn:
        letter = desk.letter(conn, asked)
        flow.refuse(conn, letter, desk.app.clock.now())
    return _way_out(desk, asked, letter, done=True)


def _way_out(desk: _Desk, asked: _Asked, letter: Letter, *, done: bool) -> Response:
    if letter.row.kind == "contractual":  # there is no way out of a notice
        raise BadLinkError("gone")
    language = desk.language(asked.request, letter)
    preferences = desk.preferences(asked)
    html = desk.writing.unsubscribe(language, letter, preferences, done=done)
    return desk.page(html, language)


_PAGES: dict[Purpose, tuple[_Show, _Send, tuple[_Show, str] | None]] = {
    Purpose.ANSWER: (_show_answer, _send_answer, (_show_thanks, "thanks")),
    Purpose.PREFERENCES: (_show_preferences, _send_preferences, (_show_saved, "saved")),
    Purpose.UNSUBSCRIBE: (_show_way_out, _take_out, None),
}
