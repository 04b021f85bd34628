"""The pages for staff, each asked for twenty times a second, on a large book.

The floor is a bare handler of the same framework, in a process of its own, that writes the same
template from the same values, which it holds in memory: what is left to us is finding them.
"""

from __future__ import annotations

import multiprocessing
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from time import perf_counter, sleep
from typing import Any, NamedTuple

import httpx
from sqlalchemy import Engine

from bench import book
from bench.engine import TEMPLATES, Heartbeat
from tests.processes import free_port, running, write_config
from worker.access import flow, store
from worker.access.rules import Role
from worker.bootstrap import App
from worker.catalogue.records import staff
from worker.db import bulk
from worker.desk.writing import Writing
from worker.kernel.clock import SystemClock
from worker.templating import texts
from worker.worklist.records import tasks

A_SECOND = 20
OF_BARE = 4.0
SARA = "sara"

PATHS = (
    "/",
    "/worklist",
    "/worklist?tab=all",
    "/worklist/1",
    "/worklist/new?account=A7",
    "/accounts",
    "/accounts?sort=expiry",
    "/accounts/A7",
    "/accounts/A7/hand-over",
    "/licences",
    "/licences/L7",
    "/search?q=Firm+77",
    "/schedules",
    "/schedules/ten",
    "/schedules/ten/edit",
    "/outbox",
    "/outbox/7",
    "/mails/7/step-2",
    "/reports",
    "/reports/promises",
    "/health",
    "/me",
    "/users",
    "/tokens",
    "/audit",
)
"""Every page but the report on renewals and the plan of an edit, which are counted for minutes
and kept, and those that follow a form."""


class Page(NamedTuple):
    """The 99th percentile of one page, in seconds: of the bare handler and of ours."""

    path: str
    floor: float
    ours: float


def run(fresh: Callable[[], Engine], count: int, work: int, seconds: int) -> list[Page]:
    """Every page with ``count`` licences and ``work`` open tasks, for ``seconds`` each."""
    engine = fresh()
    Heartbeat(engine, count, 0, per_account=5)
    _work(engine, work, count // 5)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        cookie = _house(root, engine)
        with _bare(_values(root, cookie)) as bare, running(root, "web") as web:
            web.wait_for("web.started")
            ours = f"http://127.0.0.1:{_port(root)}"
            found = [
                Page(
                    path,
                    _slowest(f"{bare}/{number}", "", seconds),
                    _slowest(ours + path, cookie, seconds),
                )
                for number, path in enumerate(PATHS)
            ]
    engine.dispose()
    return found


def _work(engine: Engine, count: int, clients: int) -> None:
    """Open tasks of all clients: one in fifty is Sara's, half of the others are their pool's."""
    today = SystemClock().now().date()
    names = ("key", "kind", "title", "account_id", "assignee", "pool", "due_on", "opened_at")
    rows = []
    for number in range(count):
        whose = SARA if number % 50 == 0 else "ann" if number % 2 else None
        due = today + timedelta(days=number % 30 - 5)
        kind = "promise" if number % 10 == 0 else "step"
        of = number % clients + 1
        rows.append((f"t:{number}", kind, "Call", of, whose, "sales", due, book.NOW))
    with engine.begin() as conn:
        bulk.insert(conn, tasks, names, rows)
        row = {"key": SARA, "name": "Sara Lind", "updated_at": book.NOW}
        conn.execute(staff.insert().values(row))


def _house(root: Path, engine: Engine) -> str:
    """An instance in ``root``; the cookie of its admin."""
    url = engine.url.render_as_string(hide_password=False)
    write_config(root, database=url)
    shutil.copytree(TEMPLATES, root / "templates", dirs_exist_ok=True)
    draft = book.ten_steps(texts.read_folder(TEMPLATES), mail_class="commercial")
    (root / "schedules").mkdir(exist_ok=True)
    (root / "schedules" / "ten.toml").write_text(draft.text)
    now = SystemClock().now()
    user = {"login": SARA, "name": "Sara Lind", "role": Role.ADMIN, "staff": SARA}
    with engine.begin() as conn:
        return flow.begin(conn, store.add_user(conn, user, now), "bench", now)


def _port(root: Path) -> int:
    return App.open(root, {}).settings.web.port


def _values(root: Path, cookie: str) -> list[tuple[Writing, str, dict[str, Any]]]:
    """What each page is written from: its template and the values."""
    found: list[tuple[Writing, str, dict[str, Any]]] = []
    written = Writing.write

    def note(self: Writing, name: str, **values: Any) -> str:
        found.append((self, name, values))
        return written(self, name, **values)

    from worker.web.serving import serving

    app = App.open(root, {})
    Writing.write = note  # type: ignore[method-assign]  # only here, and put back
    try:
        with serving(app, lambda: None), _client(cookie) as http:
            pages = []
            for path in PATHS:
                answer = http.get(f"http://127.0.0.1:{app.settings.web.port}{path}")
                assert answer.status_code == 200, (path, answer.status_code)
                pages.append(found[-1])
    finally:
        Writing.write = written  # type: ignore[method-assign]
        app.close()
    return pages


def _client(cookie: str) -> httpx.Client:
    return httpx.Client(timeout=120, trust_env=False, cookies={"perennial": cookie})


@contextmanager
def _bare(pages: Sequence[tuple[Writing, str, dict[str, Any]]]) -> Iterator[str]:
    """The floor's handlers, ``/0``, ``/1`` …, as long as they are needed; their address."""
    port = free_port()
    forked = multiprocessing.get_context("fork")
    process = forked.Process(target=_serve, args=(port, pages), daemon=True)
    process.start()
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(200):
            try:
                httpx.get(f"{url}/0")
                break
            except httpx.ConnectError:
                sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.join(10)


def _serve(port: int, pages: Sequence[tuple[Writing, str, dict[str, Any]]]) -> None:
    import uvicorn
    from fastapi import FastAPI
    from fastapi.responses import HTMLResponse

    bare = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @bare.get("/{number}")
    def read(number: int) -> HTMLResponse:
        writing, name, values = pages[number]
        return HTMLResponse(writing.write(name, **values))

    uvicorn.run(bare, host="127.0.0.1", port=port, log_config=None, access_log=False)


def _slowest(url: str, cookie: str, seconds: int) -> float:
    """Asks ``A_SECOND`` times a second; the 99th percentile of the seconds from the moment at which
    a request was to be made to the end of its answer. A page that falls far behind is asked less:
    its percentile is then that of those that were answered."""
    asked, patience = seconds * A_SECOND, 4.0 * seconds
    with _client(cookie) as http, ThreadPoolExecutor(16) as pool:
        http.get(url)
        began = perf_counter() + 0.2

        def ask(number: int) -> float | None:
            due = began + number / A_SECOND
            sleep(max(0.0, due - perf_counter()))
            if perf_counter() - began > patience:
                return None
            assert http.get(url).status_code == 200, url
            return perf_counter() - due

        took = sorted(each for each in pool.map(ask, range(asked)) if each is not None)
    return took[int(0.99 * (len(took) - 1))]
