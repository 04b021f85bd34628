"""The pages for staff, each asked for twenty times a second, on a large book.

The floor is a bare handler of the same framework, in a process of its own, that writes the same
template from the same values, which it holds in memory: what is left to us is finding them.

``python -m bench.staff [--licences 1000000] [--tasks 10000] [--seconds 5] [--cpu]`` measures the
pages alone; ``--cpu`` asks each a few times and tells what it costs the process, which says
something on a machine that others use, too.
"""

from __future__ import annotations

import argparse
import multiprocessing
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from time import perf_counter, sleep
from typing import NamedTuple

import httpx
from sqlalchemy import Engine

from bench import book
from bench.engine import TEMPLATES, Heartbeat, postgresql
from bench.spent import Held, Spent, spent
from tests.processes import free_port, running, write_config
from worker.access import flow, store
from worker.access.rules import Role
from worker.bootstrap import App
from worker.catalogue.records import staff
from worker.db import bulk
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
    "/schedules/ten/plan",
    "/schedules/ten/approve",
    "/outbox",
    "/outbox/7",
    "/mails/7/step-2",
    "/reports",
    "/reports/renewals",
    "/reports/promises",
    "/health",
    "/me",
    "/users",
    "/users/sara",
    "/tokens",
    "/audit",
)
"""Every page that is opened by its address. The report on renewals and the plan of an edit are
counted once and kept for minutes; what is measured is the page."""

PARTS = (
    "/accounts/A7/to-come",
    "/accounts/A7/to-come?soonest=1",
    "/licences/L7/to-come",
    "/search/words?q=Firm+77",
    "/search?q=Firm+7",
)
"""Parts that htmx puts on a page that is there already."""

ASKED = [*((path, False) for path in PATHS), *((path, True) for path in PARTS)]


class Page(NamedTuple):
    """The 99th percentile of one page, in seconds: of the bare handler and of ours. Or the least
    CPU time of one request."""

    path: str
    floor: float
    ours: float


def run(
    fresh: Callable[[], Engine], count: int, work: int, seconds: int, *, cpu: bool = False
) -> list[Page]:
    """Every page with ``count`` licences and ``work`` open tasks, for ``seconds`` each."""
    engine = fresh()
    began = perf_counter()
    Heartbeat(engine, count, 0, per_account=5)
    _work(engine, work, count // 5)
    print(f"  a book of {count:,} in {perf_counter() - began:.0f} s", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        cookie = _house(root, engine)
        known = spent(root, cookie, ASKED)
        if cpu:
            found = [Page(_named(*one), at.floor, at.ours) for one, at in _pairs(known)]
        else:
            found = _timed(root, cookie, known, seconds)
    engine.dispose()
    return found


def _pairs(known: Sequence[Spent]) -> Iterator[tuple[tuple[str, bool], Spent]]:
    return zip(ASKED, known, strict=True)


def _named(path: str, is_part: bool) -> str:
    return f"{path} (a part)" if is_part else path


def _timed(root: Path, cookie: str, known: Sequence[Spent], seconds: int) -> list[Page]:
    with _bare([one.held for one in known]) as bare, running(root, "web") as web:
        web.wait_for("web.started")
        ours = f"http://127.0.0.1:{_port(root)}"
        found = []
        for number, (path, is_part) in enumerate(ASKED):
            floor = _slowest(f"{bare}/{number}", "", seconds)
            took = _slowest(ours + path, cookie, seconds, is_part=is_part)
            found.append(Page(_named(path, is_part), floor, took))
            print(f"  {found[-1]}", file=sys.stderr)
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
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.exec_driver_sql("VACUUM ANALYZE tasks")  # as autovacuum would in a minute


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


def _client(cookie: str, *, is_part: bool = False) -> httpx.Client:
    headers = {"HX-Request": "true"} if is_part else {}
    return httpx.Client(
        timeout=120, trust_env=False, cookies={"perennial": cookie}, headers=headers
    )


@contextmanager
def _bare(pages: Sequence[Held]) -> Iterator[str]:
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


def _serve(port: int, pages: Sequence[Held]) -> None:
    import uvicorn
    from fastapi import FastAPI
    from fastapi.responses import HTMLResponse

    bare = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @bare.get("/{number}")
    def read(number: int) -> HTMLResponse:
        writing, name, values = pages[number]
        return HTMLResponse(writing.write(name, **values))

    uvicorn.run(bare, host="127.0.0.1", port=port, log_config=None, access_log=False)


def _slowest(url: str, cookie: str, seconds: int, *, is_part: bool = False) -> float:
    """Asks ``A_SECOND`` times a second; the 99th percentile of the seconds from the moment at which
    a request was to be made to the end of its answer. A page that falls far behind is asked less:
    its percentile is then that of those that were answered."""
    asked, patience = seconds * A_SECOND, 4.0 * seconds
    with _client(cookie, is_part=is_part) as http, ThreadPoolExecutor(16) as pool:
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


def main(words: list[str]) -> None:
    """Prints floor, ours and ratio of each page, in milliseconds."""
    asked = argparse.ArgumentParser(prog="python -m bench.staff")
    asked.add_argument("--licences", type=int, default=1_000_000)
    asked.add_argument("--tasks", type=int, default=10_000)
    asked.add_argument("--seconds", type=int, default=5, help="of asking each page")
    asked.add_argument("--cpu", action="store_true", help="CPU time of one request")
    given = asked.parse_args(words)
    with postgresql() as fresh:
        found = run(fresh, given.licences, given.tasks, given.seconds, cpu=given.cpu)
    what = "CPU of one request" if given.cpu else f"99th percentile at {A_SECOND} a second"
    print(f"{what}, ms, {given.licences:,} licences".ljust(50), " floor    ours   ratio")
    for one in found:
        floor, ours = one.floor * 1000, one.ours * 1000
        mark = "" if one.ours <= OF_BARE * one.floor else "  above"
        print(f"{one.path:50} {floor:6.1f} {ours:7.1f} {ours / floor:7.1f}{mark}")


if __name__ == "__main__":
    main(sys.argv[1:])
