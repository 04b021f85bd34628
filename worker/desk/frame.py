"""What every page for staff stands on: who asks, whether they may, how it is written, what becomes
of what fails.

A page is a plain function that takes a ``Visit`` (or, behind a form, a ``Sent``) and returns a
response: ``def page(asked: Visit = desk.visit(Role.VIEWER))``, with the right side in a variable.
These are the only two ways in: nobody who is not signed in, whose role is too small or whose form
came from another site gets as far as the page.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any
from urllib.parse import quote, unquote, urlencode

import structlog
from fastapi import APIRouter, Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from fastapi.routing import APIRoute
from sqlalchemy.exc import SQLAlchemyError

from worker.access import flow
from worker.access.asking import UNFIT, body_of, fields_of, is_own
from worker.access.audit import Actor
from worker.access.rules import LONGEST_SESSION, MEANS, Role
from worker.access.store import Seat
from worker.cadence.lately import Lately
from worker.desk.writing import Writing
from worker.doctor import Instance
from worker.kernel.errors import PerennialError
from worker.kernel.forms import Fields, first

READ = ["GET", "HEAD"]
COOKIE, SAID = "perennial", "perennial-said"
_SAID_SECONDS = 60

Body = Annotated[bytes | int, Depends(body_of)]
log = structlog.get_logger(__name__)


class RefusedError(Exception):
    """A request that gets a page with a sentence instead of what it asked for."""

    def __init__(self, status: int, title: str, text: str) -> None:
        super().__init__(text)
        self.status, self.title, self.text = status, title, text


class SignInNeededError(Exception):
    """Nobody is signed in."""


def missing(what: str) -> RefusedError:
    """``what`` is not there, or not any more: raise it."""
    return RefusedError(404, "Not found", f"There is no {what}.")


def strict(html: str) -> Response:
    """The HTML of a mail for a frame: nothing in it runs, and nothing comes from elsewhere."""
    policy = (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'self'; sandbox"
    )
    headers = {
        "Content-Security-Policy": policy,
        "X-Frame-Options": "SAMEORIGIN",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "no-store",
    }
    return HTMLResponse(html, headers=headers)


@dataclass(frozen=True, slots=True)
class Visit:
    """A request of somebody who is signed in and may see the page; ``now`` is read once."""

    request: Request
    seat: Seat
    now: datetime

    @property
    def by(self) -> Actor:
        """Who acts, for the audit log."""
        return Actor(self.seat.login, "page")

    def may(self, role: str) -> bool:
        """Whether this person may do what ``role`` may: templates ask before they show a button."""
        return self.seat.role.may(Role(role))

    @property
    def is_part(self) -> bool:
        """Whether htmx asks: for a part of a page."""
        return "hx-request" in self.request.headers


@dataclass(frozen=True, slots=True)
class Sent(Visit):
    """A form that was sent by somebody who may, from a page of ours."""

    fields: Fields

    def one(self, name: str) -> str:
        """The first value of a field, without blanks around it; empty when there is none."""
        return first(self.fields, name)

    def as_typed(self, name: str) -> str:
        """The same with its blanks: a password may begin with one."""
        return next(iter(self.fields.get(name, ())), "")

    def number(self, name: str) -> int:
        """A field that must be a whole number, as our forms send it."""
        text = self.one(name)
        if not text.isascii() or not text.isdigit() or len(text) > 18:
            raise RefusedError(400, "Not understood", f"{name}: expected a number, got {text!r}.")
        return int(text)


class Desk:
    """What all pages share. Made once; used by several threads."""

    def __init__(self, app: Instance) -> None:
        self.app = app
        self.writing = Writing(app.settings.book.timezone)
        self.lately = Lately()
        self._secure = app.settings.web.base_url.startswith("https:")

    def router(self) -> APIRouter:
        """A router whose pages fail as pages."""
        return APIRouter(route_class=_route_class(self), include_in_schema=False)

    # --- ways in ---

    def visit(self, role: Role) -> Any:
        """A dependency: the visit of somebody who is at least ``role``."""

        def visit(request: Request) -> Visit:
            return self._visit(request, role)

        return Depends(visit)

    def sent(self, role: Role) -> Any:
        """A dependency: a form sent by somebody who is at least ``role``, from our own page."""

        def sent(request: Request, body: Body) -> Sent:
            fields = self.form(request, body)
            asked = self._visit(request, role)
            return Sent(request, asked.seat, asked.now, fields)

        return Depends(sent)

    def form(self, request: Request, body: bytes | int) -> Fields:
        """The fields of a form that came from our own page; raises ``RefusedError``."""
        if not is_own(request, self.app.settings.web.base_url):
            raise RefusedError(403, "Refused", "This form was sent from another site.")
        if isinstance(body, int):
            raise RefusedError(body, "Refused", "The form was too large, or too slow.")
        fields = fields_of(request, body) if body else {}
        if fields is None or any("\0" in value for values in fields.values() for value in values):
            raise RefusedError(UNFIT, "Not understood", "This is no form that we can read.")
        return fields

    def _visit(self, request: Request, role: Role) -> Visit:
        if "\0" in request.url.path or "%00" in request.url.query:  # no database takes it
            raise RefusedError(UNFIT, "Not understood", "There is no page at such an address.")
        now = self.app.clock.now()
        cookie = request.cookies.get(COOKIE)
        seat = flow.sit(self.app.engine, cookie, now) if cookie else None
        if seat is None:
            raise SignInNeededError
        if not seat.role.may(role):
            may = f"Your role is {seat.role}: {MEANS[seat.role]}. This needs the role {role}."
            raise RefusedError(403, "Not yours to do", may)
        return Visit(request, seat, now)

    # --- ways out ---

    def page(self, asked: Visit, name: str, status: int = 200, **values: Any) -> Response:
        """The page ``name``; what was said after the last form is shown above it, once."""
        said = unquote(asked.request.cookies.get(SAID, ""))
        html = self.writing.write(name, asked=asked, said=said, **values)
        response = HTMLResponse(html, status, headers=self.headers())
        if said:
            response.delete_cookie(SAID)
        return response

    def part(self, asked: Visit, name: str, status: int = 200, **values: Any) -> Response:
        """A part of a page, for htmx; ``name`` is a template without the frame."""
        html = self.writing.write(name, asked=asked, **values)
        return HTMLResponse(html, status, headers=self.headers())

    def see(self, asked: Visit, where: str, said: str = "") -> Response:
        """Sends the browser on after a form. ``where`` is a path of ours, ``said`` a sentence that
        the next page shows."""
        name = "HX-Redirect" if asked.is_part else "Location"
        status = 200 if asked.is_part else 303
        response = Response(status_code=status, headers=self.headers() | {name: where})
        if said:
            response.set_cookie(
                SAID, quote(said), _SAID_SECONDS, httponly=True, samesite="lax", secure=self._secure
            )
        return response

    def open_page(self, name: str, status: int = 200, **values: Any) -> Response:
        """A page for whoever asks, signed in or not."""
        html = self.writing.write(name, asked=None, said="", **values)
        return HTMLResponse(html, status, headers=self.headers())

    def message(self, request: Request, status: int, title: str, text: str) -> Response:
        """A page that says why there is nothing else."""
        return self.open_page("message.html", status, title=title, text=text)

    def keep(self, response: Response, cookie: str) -> None:
        """Gives the browser the cookie of a session."""
        longest = int(LONGEST_SESSION.total_seconds())
        response.set_cookie(
            COOKIE, cookie, longest, httponly=True, samesite="lax", secure=self._secure
        )

    def lend(self, response: Response, name: str, value: str, lasts: timedelta, path: str) -> None:
        """Gives the browser a cookie that it needs for a moment, on pages below ``path``."""
        seconds = int(lasts.total_seconds())
        response.set_cookie(
            name, value, seconds, path=path, httponly=True, samesite="lax", secure=self._secure
        )

    def headers(self) -> dict[str, str]:
        """What keeps a page to itself."""
        return {
            "Content-Security-Policy": (
                "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
                "connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; "
                "frame-ancestors 'none'"
            ),
            "Referrer-Policy": "same-origin",
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "X-Robots-Tag": "noindex, nofollow",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cache-Control": "no-store",
        }

    def failed(self, request: Request, error: Exception) -> Response:
        """The page for what was raised."""
        if isinstance(error, SignInNeededError):
            return self._to_sign_in(request)
        if isinstance(error, RefusedError):
            return self.message(request, error.status, error.title, error.text)
        if isinstance(error, RequestValidationError):
            return self.message(request, 400, "Not understood", _faults(error))
        if isinstance(error, PerennialError):
            return self.message(request, 422, "This could not be done", str(error))
        log.warning("page.away", error=type(error).__name__)
        text = "The database does not answer right now. Nothing was changed; try again in a minute."
        away = self.message(request, 503, "Away for a moment", text)
        away.headers["Retry-After"] = "60"
        return away

    def _to_sign_in(self, request: Request) -> Response:
        query = f"?{request.url.query}" if request.url.query else ""
        back = request.url.path + query if request.method in READ else "/"
        where = f"/sign-in?{urlencode({'next': back})}" if back != "/" else "/sign-in"
        if "hx-request" in request.headers:
            return Response(headers=self.headers() | {"HX-Redirect": "/sign-in"})
        return Response(status_code=303, headers=self.headers() | {"Location": where})


def _faults(error: RequestValidationError) -> str:
    said = (f"{one['loc'][-1]}: {one['msg'].lower()}" for one in error.errors())
    return "The address of the page is not one of ours: " + "; ".join(said)


def _route_class(desk: Desk) -> type[APIRoute]:
    class Route(APIRoute):
        """Answers what a page raises with a page."""

        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            page = super().get_route_handler()

            async def handle(request: Request) -> Response:
                try:
                    return await page(request)
                except (
                    SignInNeededError,
                    RefusedError,
                    RequestValidationError,
                    PerennialError,
                    SQLAlchemyError,
                ) as error:
                    return desk.failed(request, error)

            return handle

    return Route
