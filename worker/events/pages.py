"""``POST /events/CHANNEL``: where a provider tells what became of our mails.

The only proof is the signature; there is no session and no token. Nothing is answered but a status,
and 2xx only once all that was told is committed: whatever else comes, the provider tells it again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, HTTPException, Request, Response
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from worker.channels.told import Ear, ForgedError, GarbledError, Told
from worker.events import flow
from worker.kernel.clock import Clock
from worker.kernel.errors import PerennialError

MOST_BYTES = 8 << 20
"""A batch may be as large as this; SendGrid's are far below a megabyte."""

_PATIENCE_SECONDS = 30
_RETRY_SECONDS = "60"
_HANG_UP = {"Connection": "close"}  # else the server would read on, to nobody's good

log = structlog.get_logger(__name__)


def make_router(engine: Callable[[], Engine], clock: Clock, ears: Mapping[str, Ear]) -> APIRouter:
    """The doors for events; ``ears`` by channel. A channel without one does not exist."""
    router = APIRouter()
    for channel, ear in ears.items():
        _open_door(router, channel, ear, engine, clock)
    return router


def _open_door(
    router: APIRouter, channel: str, ear: Ear, engine: Callable[[], Engine], clock: Clock
) -> None:
    @router.post(f"/events/{channel}", status_code=204)
    def take(request: Request, body: Annotated[bytes, Depends(read_body)]) -> Response:
        """Keeps a batch of events and does what follows from it."""
        told = _heard(ear, channel, request, body, clock)
        try:
            with engine().begin() as conn:
                taken = flow.take(conn, channel, told, clock.now())
        except (SQLAlchemyError, PerennialError) as error:
            log.error("events.failed", channel=channel, error=type(error).__name__)
            raise HTTPException(503, headers={"Retry-After": _RETRY_SECONDS}) from None
        log.info("events.taken", channel=channel, told=len(told), **taken._asdict())
        return Response(status_code=204)


def _heard(ear: Ear, channel: str, request: Request, body: bytes, clock: Clock) -> Sequence[Told]:
    try:
        return ear.hear(request.headers, body, clock.now())
    except ForgedError as error:
        log.warning("events.forged", channel=channel, why=str(error))
        raise HTTPException(403) from None
    except GarbledError as error:
        log.warning("events.garbled", channel=channel, why=str(error))
        raise HTTPException(400, str(error)) from None


async def read_body(request: Request) -> bytes:
    """The raw body: it is what was signed. One that is longer or slower than any provider's is
    not read to its end."""
    body = bytearray()
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            more = True
            while more:
                part = await request.receive()
                if part["type"] == "http.disconnect":
                    raise HTTPException(400)
                body += part.get("body", b"")
                more = part.get("more_body", False)
                if len(body) > MOST_BYTES:
                    raise HTTPException(413, headers=_HANG_UP)
    except TimeoutError:
        raise HTTPException(408, headers=_HANG_UP) from None
    return bytes(body)
