"""What a page costs this process in CPU time: that of the bare handler and ours.

On a machine that others use, too, the clock on the wall tells what they do. What the database does
for a page is not in it.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from pathlib import Path
from time import process_time
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from fastapi import FastAPI
from fastapi.responses import HTMLResponse

from worker.bootstrap import App
from worker.desk.writing import Writing
from worker.web.app import make_app

_ROUNDS = 7
_NUMBERS = itertools.count(1000)
Held = tuple[Writing, str, dict[str, Any]]
"""What a page is written from: its template and the values."""


def addressed(path: str) -> str:
    """The address with another number in place of ``{n}`` whenever it is asked for."""
    return path.replace("{n}", str(next(_NUMBERS)))


class Spent(NamedTuple):
    """Seconds of CPU for one request of a page: of the bare handler and of ours; and from what
    the page is written, or its bytes where no template is."""

    floor: float
    ours: float
    held: Held


def spent(root: Path, cookie: str, asked: list[tuple[str, bool]]) -> list[Spent]:
    """Each page of the instance in ``root``; with ``True`` as htmx asks for it."""
    app = App.open(root, {})
    try:
        return asyncio.run(_all(make_app(app), cookie, asked))
    finally:
        app.close()


async def _all(pages: FastAPI, cookie: str, asked: list[tuple[str, bool]]) -> list[Spent]:
    written, found = Writing.write, []
    last: list[Held] = []

    def note(self: Writing, name: str, **values: Any) -> str:
        last[:] = [(self, name, values)]
        return written(self, name, **values)

    Writing.write = note  # type: ignore[method-assign]  # only here, and put back
    try:
        for path, is_part in asked:
            last.clear()
            status = await _ask(pages, path, cookie, is_part)
            assert status == 200, (path, status)
            assert last, (path, "it is written from no template")
            ours = await _best(lambda p=path, h=is_part: _ask(pages, p, cookie, h))
            held = last[0]
            bare = _bare(lambda h=held: written(h[0], h[1], **h[2]))
            found.append(Spent(await _best(lambda b=bare: _ask(b, "/0", "", False)), ours, held))
    finally:
        Writing.write = written  # type: ignore[method-assign]
    return found


def _bare(write: Callable[[], str]) -> FastAPI:
    bare = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @bare.get("/{number}")
    def read(number: int) -> HTMLResponse:
        return HTMLResponse(write())

    return bare


async def _best(ask: Callable[[], Coroutine[Any, Any, int]]) -> float:
    """The least of some rounds: the others were disturbed."""
    await ask()
    took = []
    for _ in range(_ROUNDS):
        began = process_time()
        await ask()
        took.append(process_time() - began)
    return min(took)


async def _ask(pages: FastAPI, path: str, cookie: str, is_part: bool) -> int:
    """Asks without a network; the status."""
    split = urlsplit(addressed(path))
    headers = [(b"host", b"127.0.0.1"), (b"cookie", f"perennial={cookie}".encode())]
    headers += [(b"hx-request", b"true")] if is_part else []
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": split.path,
        "raw_path": split.path.encode(),
        "query_string": split.query.encode(),
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    status = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            status.append(message["status"])

    await pages(scope, receive, send)
    return int(status[0])
