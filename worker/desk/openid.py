"""Signing in by OpenID Connect: to the provider, and back.

Coming back is a GET, as the protocol has it. It changes nothing without the cookie of a browser
that asked, and without a code that the provider takes once.
"""

from __future__ import annotations

import structlog
from fastapi import APIRouter, Request, Response

from worker.access import flow
from worker.access.asking import own_path
from worker.access.openid import LASTS, NotVouchedError, Provider, provider_of
from worker.desk.frame import Desk, RefusedError
from worker.kernel.errors import DependencyDownError

COOKIE = "perennial-openid"
_PATH = "/sign-in/openid"

log = structlog.get_logger(__name__)


def mount(router: APIRouter, desk: Desk) -> None:
    """The way to the provider and back, when there is one."""
    app = desk.app
    provider = provider_of(app.settings.web.oidc, app.settings.web.base_url, app.clock)
    if provider is not None:
        _mount(router, desk, provider)


def _mount(router: APIRouter, desk: Desk, provider: Provider) -> None:
    app = desk.app

    @router.get(_PATH)
    def leave(request: Request) -> Response:
        try:
            leaving = provider.leave(own_path(request.query_params.get("next", "/")))
        except DependencyDownError as error:
            raise _away(error) from error
        response = Response(status_code=303, headers=desk.headers() | {"Location": leaving.url})
        desk.lend(response, COOKIE, leaving.cookie, LASTS, _PATH)
        return response

    @router.get(f"{_PATH}/back")
    def back(request: Request) -> Response:
        try:
            cookie = request.cookies.get(COOKIE, "")
            vouched, where = provider.come_back(request.query_params, cookie)
        except NotVouchedError as error:
            log.warning("user.not-vouched", why=str(error.__cause__ or error))
            raise RefusedError(403, "Not signed in", str(error)) from error
        except DependencyDownError as error:
            raise _away(error) from error
        agent = request.headers.get("user-agent", "")
        session = flow.sign_in_vouched(app.engine, vouched, agent, app.clock.now())
        if session is None:
            raise RefusedError(403, "Not signed in", _unknown(vouched.email))
        headers = desk.headers() | {"Location": own_path(where)}
        response = Response(status_code=303, headers=headers)
        response.delete_cookie(COOKIE, _PATH)
        desk.keep(response, session)
        return response


def _away(error: DependencyDownError) -> RefusedError:
    log.warning("openid.away", why=str(error))
    return RefusedError(
        503, "Away for a moment", "The provider that signs you in does not answer as it should."
    )


def _unknown(email: str | None) -> str:
    known = f"as {email}" if email else "without an address that it has verified"
    return (
        f"The provider knows you {known}, and no user of Perennial who may sign in is that. "
        "Ask an admin to add you."
    )
