"""Serves the web application from a thread of this process."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
import uvicorn

from worker.bootstrap import App
from worker.kernel.errors import ConfigError
from worker.kernel.memory import settled
from worker.web.app import make_app

_GRACE_SECONDS = 2

log = structlog.get_logger(__name__)


@contextmanager
def serving(app: App, ended: Callable[[], None]) -> Iterator[None]:
    """Answers requests until the block is left; calls ``ended`` when the server gives up earlier.

    Raises ``ConfigError`` when the port cannot be had, or a key of signed events is none.
    """
    web, pages = app.settings.web, make_app(app)
    listener = _listen(web.host, web.port)
    server = uvicorn.Server(
        uvicorn.Config(
            pages,
            log_config=None,
            access_log=False,  # paths will carry clients' links
            lifespan="off",
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
    )
    thread = threading.Thread(
        target=_serve, args=(server, listener, ended), name="web", daemon=True
    )
    thread.start()
    log.info("web.started", host=web.host, port=web.port)
    try:
        with settled():
            yield
    finally:
        server.should_exit = True
        thread.join(_GRACE_SECONDS + 1)
        listener.close()


def _serve(server: uvicorn.Server, listener: socket.socket, ended: Callable[[], None]) -> None:
    try:
        server.run(sockets=[listener])
    except Exception:
        log.exception("web.failed")
    finally:
        ended()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host.strip("[]"), port), family=family)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        raise ConfigError(
            f"web.host {host}, web.port {port}: cannot listen there ({why}); "
            "stop whatever uses the port, or choose another under [web] in config.toml"
        ) from None
    # asyncio does so for sockets that it made itself. Without it an answer in two pieces, head and
    # body, waits 40 ms for the other side to say that it has the first one.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
