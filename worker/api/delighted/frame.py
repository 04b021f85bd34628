"""What every operation under ``/v1`` stands on: the key, what was said, answers as Delighted's.

The key is a token with the scope ``delighted``, sent as the user of HTTP Basic; the official client
for Python sends it without the colon that belongs behind it. Refusals bear Delighted's words.
"""

from __future__ import annotations

import json
from base64 import b64decode
from binascii import Error
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, Request, Response
from fastapi.routing import APIRoute
from sqlalchemy.exc import SQLAlchemyError

from worker.access.asking import TOO_LARGE
from worker.access.rules import Scope
from worker.api.delighted.said import Said, nested, parsed
from worker.api.frame import HEADERS, Asked, Body, Frame, Instance, failed
from worker.api.problems import Fault, RefusedError
from worker.kernel.errors import PerennialError

Operation = Callable[..., Response]


@dataclass(frozen=True, slots=True)
class Call(Asked):
    """A request whose key stands; ``said`` is what its query and its body say together."""

    said: Said


class Door:
    """What all operations share. Made once; used by several threads."""

    def __init__(self, app: Instance) -> None:
        self.app, self._frame = app, Frame(app)
        self.settings = app.settings.surveys.delighted

    def router(self) -> APIRouter:
        """A router whose operations fail as Delighted's do."""
        return APIRouter(route_class=_Route)

    def called(self) -> Any:
        """A dependency: a request that may."""

        def called(request: Request, body: Body) -> Call:
            asked = self.let_in(request)
            query = nested(request.query_params.multi_items())
            said = Said({**query, **_sent(request, body)})
            return Call(request, asked.engine, asked.token_id, asked.name, asked.now, said)

        return Depends(called)

    def let_in(self, request: Request) -> Asked:
        """Who asks; raises ``RefusedError``."""
        return self._frame.admit(request, key_of(request), Scope.DELIGHTED)

    def link(self, path: str, query: Mapping[str, Any]) -> str:
        """The whole address of a page, as a Link header has it."""
        base = self.app.settings.web.base_url.rstrip("/")
        return f'<{base}{quote(path)}?{urlencode(query, doseq=True)}>; rel="next"'


def key_of(request: Request) -> str:
    """The key that a request shows; empty where there is none."""
    kind, _, said = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "basic":
        return ""
    try:
        return b64decode(said.strip(), validate=True).decode("ascii").partition(":")[0]
    except (ValueError, Error):
        return ""


def _sent(request: Request, body: bytes | int) -> Mapping[str, Any]:
    """What the body says: JSON, or a form. A reader's ``{}`` says nothing."""
    if isinstance(body, int):
        said = "is larger than 256 KiB" if body == TOO_LARGE else "came too slowly, or was cut off"
        raise RefusedError(body, f"The body {said}. Nothing was changed.")
    if not body.strip():
        return {}
    return parsed(body, request.headers.get("content-type", ""))


def add(router: APIRouter, method: str, path: str, operation: Operation) -> None:
    """Mounts an operation under its path, and under the same with ``.json``."""
    for end in (".json", ""):
        router.add_api_route(f"/v1{path}{end}", operation, methods=[method])


def say(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Answers with JSON."""
    body = json.dumps(content, ensure_ascii=False).encode("utf-8", "backslashreplace")
    sent = HEADERS | dict(headers or {})
    return Response(body, status, headers=sent, media_type="application/json")


def done() -> Response:
    """What Delighted answers to what is simply done."""
    return say({"ok": True})


def missing(what: str) -> RefusedError:
    """``what`` is not there: raise it."""
    return RefusedError(404, f"There is no {what}.")


def refusal(error: RefusedError) -> Response:
    """A refusal in Delighted's form: of 422 the faults by field, of all others what to do."""
    body: dict[str, Any] = {"status": error.status, "message": HTTPStatus(error.status).phrase}
    if error.faults:
        body["errors"] = _by_field(error.faults)
    elif error.status != 401:
        body["message"] = f"{body['message']}: {error.detail}"
    headers = dict(error.headers)
    if error.status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="perennial"'
    return say(body, error.status, headers)


def _by_field(faults: Iterable[Fault]) -> Mapping[str, Sequence[str]]:
    found: dict[str, list[str]] = {}
    for fault in faults:
        found.setdefault(fault.where, []).append(fault.expected)
    return found


class _Route(APIRoute):
    """Answers what an operation raises as Delighted would."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        operation = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await operation(request)
            except RefusedError as error:
                return refusal(error)
            except (PerennialError, SQLAlchemyError) as error:
                return refusal(failed(error))

        return handle
