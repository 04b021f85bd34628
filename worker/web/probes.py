"""``/healthz``, ``/readyz`` and ``/metrics``: what a supervisor and Prometheus ask."""

from __future__ import annotations

import hmac
from typing import Annotated

from fastapi import APIRouter, Header, Response
from fastapi.responses import JSONResponse

from worker.bootstrap import App
from worker.telemetry.metrics import CONTENT_TYPE, exposition, make_registry
from worker.web.figures import read_figures


def make_router(app: App) -> APIRouter:
    """The probes of ``app``. None of them writes, and none needs the database to answer."""
    router = APIRouter()
    pulse = app.pulse
    registry = make_registry(lambda: read_figures(app))
    token = app.settings.web.metrics_token

    @router.get("/healthz")
    def healthz() -> JSONResponse:
        """Whether mails keep moving: 503 when no beat came lately, or nobody answers it."""
        health = pulse.health()
        body = {
            "status": "stalled" if health.stalled else "ok",
            "last_beat": health.beat.isoformat() if health.beat else None,
            "seconds_since": round(health.age.total_seconds()),
            "stalled": list(health.stalled),
        }
        return JSONResponse(body, 503 if health.stalled else 200)

    @router.get("/readyz")
    def readyz() -> JSONResponse:
        """Whether requests can be answered: 503 with the reasons when not."""
        found = {"database": app.database_problem(), "broker": app.broker_problem()}
        problems = {name: str(error) for name, error in found.items() if error}
        return JSONResponse(
            {"status": "unready" if problems else "ready", "problems": problems},
            503 if problems else 200,
        )

    @router.get("/metrics")
    def metrics(authorization: Annotated[str, Header()] = "") -> Response:
        """Figures for Prometheus; with the bearer token when one is set."""
        if token is not None:
            expected = f"Bearer {token.get_secret_value()}".encode()
            if not hmac.compare_digest(authorization.encode(), expected):
                return Response(status_code=401, headers={"WWW-Authenticate": "Bearer"})
        return Response(exposition(registry), media_type=CONTENT_TYPE)

    return router
