"""How clients' pages are served: what a link must be, where a form must come from, what a page says
of itself, and what becomes of links and databases that fail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from fastapi import Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy.exc import SQLAlchemyError

from worker.access.asking import UNFIT, fields_of, is_one_click, is_own
from worker.cadence.commands import defaults_of
from worker.clients import flow, store, survey_store
from worker.clients.flow import Letter
from worker.clients.rules import preferred
from worker.clients.survey_writing import SurveyWriting
from worker.clients.visiting import Traces, Visit
from worker.clients.writing import LANGUAGES, LAST_LANGUAGE, Writing
from worker.config.wiring import Wiring
from worker.kernel.errors import PerennialError
from worker.kernel.forms import Fields
from worker.links.rules import PATHS, BadLinkError, Links, Purpose, Subject

_STATUS = {"broken": 404, "gone": 404, "expired": 410, "revoked": 410}

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request whose link was read."""

    request: Request
    token: str
    subject: Subject


class Desk:
    """What all pages need, and what becomes of links and databases that fail."""

    def __init__(self, app: Wiring, links: Links | None, writing: Writing) -> None:
        self.app = app
        self.writing = writing
        self.defaults = defaults_of(app)
        self.links = links
        self.surveys = SurveyWriting(writing)
        self.preselected = Traces(lambda: app.engine, survey_store.add_preselections)
        self._visits = Traces(lambda: app.engine, store.add_visits)

    def served(self, request: Request, purpose: Purpose, token: str, page: Show) -> Response:
        """A page that is only read; the visit is noted a little later."""

        def show() -> Response:
            asked = Asked(request, token, self._subject(purpose, token))
            response = page(self, asked)
            if request.method == "GET":
                agent, now = request.headers.get("user-agent", ""), self.app.clock.now()
                self._visits.note(Visit(str(purpose), asked.subject.mail_key, agent, now))
            return response

        return self._guarded(request, show)

    def taken(
        self, request: Request, purpose: Purpose, token: str, body: bytes | int, send: Send
    ) -> Response:
        """A form that is acted on, if it is one of ours."""

        def act() -> Response:
            one_click = purpose is Purpose.UNSUBSCRIBE
            if not one_click and not is_own(request, self.app.settings.web.base_url):
                return self.message(request, "refused", 403)
            subject = self._subject(purpose, token)
            fields = fields_of(request, body) if isinstance(body, bytes) else None
            if isinstance(body, int):
                return self.message(request, "unfit", body)
            if fields is None and not (one_click and is_one_click(request, body)):
                return self.message(request, "unfit", UNFIT)
            if one_click and not is_one_click(request, body):
                return self.message(request, "unfit", UNFIT)
            return send(self, Asked(request, token, subject), fields or {})

        return self._guarded(request, act)

    def letter(self, conn: Any, asked: Asked) -> Letter:
        """The mail of a link; ``BadLinkError`` when it is of no use any more."""
        return flow.letter_of(conn, asked.subject, self.defaults, self.app.clock.now())

    def language(self, request: Request, known: Sequence[str | None] = ()) -> str:
        """The reader's language: the first that we have of those that are known, the best first;
        else what the browser prefers."""
        for wanted in known:
            base = (wanted or "").lower().split("-")[0]
            if base in LANGUAGES:
                return base
        header = request.headers.get("accept-language", "")
        return preferred(header, tuple(LANGUAGES)) or LAST_LANGUAGE

    def preferences(self, asked: Asked, up: str = "..") -> str:
        """The preference page, counted from the page that is asked for; as old as its link."""
        assert self.links is not None  # or no link would have been read
        subject = asked.subject
        token = self.links.token(
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
        if self.links is None:
            raise BadLinkError("broken")
        return self.links.read(purpose, token, self.app.clock.now())

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


Show = Callable[[Desk, Asked], Response]
"""Answers a GET."""
Send = Callable[[Desk, Asked, Fields], Response]
"""Acts on a form."""
