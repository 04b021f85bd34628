"""What every operation of the API stands on: whose token asks, what it may do, how it is answered.

An operation is a plain function that takes an ``Asked`` (or, when it changes something, a ``Sent``)
and returns a response. These are the only two ways in: no request without a token that stands gets
as far as the operation, and none whose token lacks the scope. Cookies are not looked at, so nobody
else's browser can be made to ask.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Generic, Protocol, TypeVar

import structlog
from fastapi import APIRouter, Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from sqlalchemy import Engine
from sqlalchemy.exc import DataError, SQLAlchemyError

from worker.access import store
from worker.access.asking import TOO_LARGE, body_of
from worker.access.audit import Actor
from worker.access.rules import Scope, digest_of
from worker.api import problems
from worker.api.problems import Fault, RefusedError
from worker.config.wiring import Wiring
from worker.db.engine import reading
from worker.kernel.errors import FindingsError, PerennialError, UsageError
from worker.kernel.keys import digest
from worker.worklist.flow import Hears

_SELDOM = timedelta(minutes=5)
"""That a token was used is noted so often, not at every request."""
_LONGEST_TOKEN = 200
_NOT_JSON = "send JSON, with Content-Type: application/json"

HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
}

Body = Annotated[bytes | int, Depends(body_of)]
Model = TypeVar("Model", bound=BaseModel)
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request with a token that may; ``now`` is read once."""

    request: Request
    engine: Engine
    token_id: int
    name: str
    now: datetime

    @property
    def by(self) -> Actor:
        """Who acts, for the audit log."""
        return Actor(self.name, "api")


@dataclass(frozen=True, slots=True)
class Sent(Asked, Generic[Model]):
    """A request that changes something; ``content`` is what it sent, as bytes and as a model."""

    raw: bytes
    content: Model


class Instance(Wiring, Protocol):
    """The wired application, with who hears of tasks that are closed."""

    @property
    def hear_closed(self) -> Hears: ...


class Empty(BaseModel):
    """What is sent where nothing has to be."""


class Frame:
    """What all operations share. Made once; used by several threads."""

    def __init__(self, app: Instance) -> None:
        self.app = app

    def router(self) -> APIRouter:
        """A router whose operations fail as problems."""
        return APIRouter(prefix="/api/v1", route_class=_Route)

    # --- ways in ---

    def asked(self, scope: Scope = Scope.READ) -> Any:
        """A dependency: a request whose token has that scope."""

        def asked(request: Request) -> Asked:
            return self.let_in(request, scope)

        return Depends(asked)

    def sent(self, model: type[Model]) -> Any:
        """A dependency: a request whose token may write, with a body of that model."""
        writing = self.asked(Scope.WRITE)

        def sent(request: Request, body: Body, asked: Asked = writing) -> Sent[Model]:
            raw = _whole(body)
            content = _read(request, raw, model)
            return Sent(request, asked.engine, asked.token_id, asked.name, asked.now, raw, content)

        return Depends(sent)

    def let_in(self, request: Request, scope: Scope | None) -> Asked:
        """Who asks, if the token stands and has the scope (``None``: any); raises
        ``RefusedError``."""
        said = request.headers.get("authorization", "")
        kind, _, secret = said.partition(" ")
        return self.admit(request, secret.strip() if kind.lower() == "bearer" else "", scope)

    def admit(self, request: Request, secret: str, scope: Scope | None) -> Asked:
        """The same for a token that was shown in some other way."""
        now, engine = self.app.clock.now(), self.app.engine
        row = None
        if 0 < len(secret) <= _LONGEST_TOKEN:
            with reading(engine) as conn:
                row = store.token(conn, digest_of(secret), now)
        if row is None:
            raise _unknown(given="authorization" in request.headers)
        if scope is not None and scope not in row.scopes:
            raise _too_narrow(scope, row.scopes)
        if row.used_at is None or now - row.used_at >= _SELDOM:
            with engine.begin() as conn:
                store.token_used(conn, row.id, now)
        return Asked(request, engine, row.id, row.name, now)

    # --- ways out ---

    def say(
        self,
        asked: Asked,
        content: Mapping[str, Any],
        status: int = 200,
        *,
        tag: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Answers with JSON; with a ``tag``, 304 to whoever has that already."""
        sent = HEADERS | dict(headers or {})
        if tag is not None:
            sent["ETag"] = tag
            if status == 200 and asked.request.method == "GET" and _has(asked.request, tag):
                return Response(status_code=304, headers=sent)
        return Response(written(content), status, headers=sent, media_type="application/json")


def written(content: Mapping[str, Any]) -> bytes:
    """JSON as it is sent; halves of characters cannot be written and stand as escapes."""
    return json.dumps(content, ensure_ascii=False).encode("utf-8", "backslashreplace")


def tag_of(content: Mapping[str, Any]) -> str:
    """The entity tag of a resource: equal contents have equal tags."""
    return f'"{digest(json.dumps(content, sort_keys=True))}"'


def must_match(request: Request, standing: Mapping[str, Any] | None) -> None:
    """Raises ``RefusedError`` (412) when ``If-Match`` or ``If-None-Match`` say that the sender did
    not see what stands now; ``None``: nothing does."""
    tag = tag_of(standing) if standing is not None else None
    wanted, unwanted = request.headers.get("if-match"), request.headers.get("if-none-match")
    if wanted is not None and (tag is None or not _among(wanted, tag)):
        stands = f"it is {tag} now" if tag else "there is no such thing yet"
        raise RefusedError(412, f"If-Match: {stands}. Read it again, and retry.")
    if unwanted is not None and tag is not None and _among(unwanted, tag):
        raise RefusedError(412, "If-None-Match: there is one already. Read it, and retry.")


def _has(request: Request, tag: str) -> bool:
    said = request.headers.get("if-none-match")
    return said is not None and _among(said, tag)


def _among(said: str, tag: str) -> bool:
    named = [one.strip().removeprefix("W/") for one in said.split(",")]
    return "*" in named or tag in named


def _unknown(*, given: bool) -> RefusedError:
    if given:
        challenge = 'Bearer realm="perennial", error="invalid_token"'
        said = "This token is not known, was revoked or has ended; make one with: "
    else:
        challenge, said = 'Bearer realm="perennial"', "A token is needed; make one with: "
    said += "perennial token add. Send it as: Authorization: Bearer prn_…"
    return RefusedError(401, said, headers={"WWW-Authenticate": challenge})


def _too_narrow(scope: Scope, has: list[str]) -> RefusedError:
    challenge = f'Bearer realm="perennial", error="insufficient_scope", scope="{scope}"'
    said = f"This needs the scope {scope}; the token has {', '.join(has) or 'none'}."
    return RefusedError(403, said, headers={"WWW-Authenticate": challenge})


def _whole(body: bytes | int) -> bytes:
    if isinstance(body, bytes):
        return body
    said = "too large: 256 KiB are allowed" if body == TOO_LARGE else "too slow, or cut off"
    raise RefusedError(body, f"The body is {said}. Nothing was changed.")


def _read(request: Request, raw: bytes, model: type[Model]) -> Model:
    if model is Empty and not raw:
        return model()
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        got = kind or "none"
        fault = Fault("header: Content-Type", "application/json", problems.shown(got), _NOT_JSON)
        raise RefusedError(415, "The body is of a kind that is not read.", [fault])
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False)
        raise problems.unfit(problems.of_fields(found, "body: ")) from None


class _Route(APIRoute):
    """Answers what an operation raises with a problem."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        operation = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await operation(request)
            except RefusedError as error:
                return told(error)
            except RequestValidationError as error:
                return told(problems.unfit(problems.of_parameters(error.errors())))
            except (PerennialError, SQLAlchemyError) as error:
                return told(failed(error))

        return handle


def told(error: RefusedError) -> Response:
    """A problem, with the headers of every answer."""
    response = problems.answer(error)
    response.headers.update(HEADERS)
    return response


def failed(error: Exception) -> RefusedError:
    """What the database or a rule said, as a refusal."""
    if isinstance(error, FindingsError | UsageError):
        return RefusedError(422, f"Nothing was changed: {error}")
    if isinstance(error, DataError):
        return RefusedError(422, "Nothing was changed: a value is none that the database can hold.")
    log.warning("api.away", error=type(error).__name__)
    said = "The database does not answer right now. Nothing was changed; try again in a minute."
    return RefusedError(503, said, headers={"Retry-After": "60"})
