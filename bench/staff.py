"""The pages for staff, each asked for twenty times a second, on a large book.

The floor is a bare handler of the same framework, in a process of its own, that writes the same
template from the same values, which it holds in memory: what is left to us is finding them.

``python -m bench.staff [--licences 1000000] [--tasks 10000] [--seconds 15] [--cpu] [PATH …]``
measures the pages alone, or some of them, both sides in turn; ``--cpu`` asks each a few times and
tells what it costs the process, which says something on a machine that others use, too.
``--database URL`` keeps the book for the next time: filling it takes minutes.
"""

from __future__ import annotations

import argparse
import multiprocessing
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from time import perf_counter, sleep
from typing import NamedTuple

import httpx
from sqlalchemy import Engine, select

from bench import book, staff_book
from bench.engine import TEMPLATES, postgresql
from bench.spent import Held, Spent, addressed, spent
from bench.staff_book import SARA
from tests.desk.test_roles import BEARER, OPEN, ROUTES
from tests.processes import free_port, running, write_config
from worker.access import flow, store
from worker.access.records import users
from worker.access.rules import Role
from worker.bootstrap import App
from worker.catalogue.records import accounts
from worker.db.engine import make_engine
from worker.db.migrate import upgrade
from worker.kernel.clock import SystemClock
from worker.templating import texts

A_SECOND = 20
OF_BARE = 4.0
TURN = 5
"""Seconds after which the other side is asked: a slow minute of the machine falls on both."""

PAGES: Mapping[str, Sequence[str]] = {
    "/": ("/",),
    "/me": ("/me",),
    "/worklist": ("/worklist", "/worklist?tab=all"),
    "/worklist/new": ("/worklist/new?account=A7",),
    "/worklist/{number}": ("/worklist/1",),
    "/queue": ("/queue", "/queue?by=urgency"),
    "/accounts": ("/accounts", "/accounts?sort=expiry"),
    "/accounts/{key:path}": ("/accounts/A7",),
    "/accounts/{key:path}/hand-over": ("/accounts/A7/hand-over",),
    "/licences": ("/licences",),
    "/licences/{key:path}": ("/licences/L7",),
    "/search": ("/search?q=Firm+77", "/search?q=anna77"),
    "/schedules": ("/schedules",),
    "/schedules/days/{day}": ("/schedules/days/TOMORROW",),
    "/schedules/{stem}": ("/schedules/ten",),
    "/schedules/{stem}/edit": ("/schedules/ten/edit",),
    "/schedules/{stem}/plan": ("/schedules/ten/plan",),
    "/schedules/{stem}/approve": ("/schedules/ten/approve",),
    "/outbox": ("/outbox",),
    "/outbox/{id_}": ("/outbox/7",),
    "/mails/{walk}/{step}": ("/mails/7/step-2",),
    "/surveys": ("/surveys",),
    "/surveys/answers": ("/surveys/answers",),
    "/surveys/answers/{id_}": ("/surveys/answers/512",),
    "/surveys/digest": ("/surveys/digest",),
    "/reports": ("/reports",),
    "/reports/renewals": ("/reports/renewals",),
    "/reports/promises": ("/reports/promises",),
    "/reports/indicators": ("/reports/indicators",),
    "/reports/matrix": ("/reports/matrix",),
    "/reports/capital": ("/reports/capital",),
    "/reports/attention": ("/reports/attention",),
    "/reports/costs": ("/reports/costs",),
    "/health": ("/health",),
    "/users": ("/users",),
    "/users/{login}": ("/users/sara",),
    "/tokens": ("/tokens",),
    "/audit": ("/audit",),
}
"""Every page that is opened by its address, by its route. Reports, surveys, indicators and the plan
of an edit are counted once and kept for minutes; what is measured is the page."""

PARTS: Mapping[str, Sequence[str]] = {
    "/accounts/{key:path}/to-come": ("/accounts/A7/to-come", "/accounts/A{n}/to-come"),
    "/licences/{key:path}/to-come": ("/licences/L7/to-come", "/licences/L{n}/to-come"),
    "/schedules/days/{day}/clients": ("/schedules/days/TOMORROW/clients",),
    "/search": ("/search?q=Firm+7",),
    "/search/words": ("/search/words?q=Firm+77",),
    "/surveys/shared": ("/surveys/shared",),
}
"""Parts that htmx puts on a page that is there already. What is to come is worked out once while
nothing changes; under ``{n}`` for another client each time."""

LEFT_OUT: Mapping[str, str] = {
    "/queue.csv": "a file",
    "/surveys/{table}.csv": "a file",
    "/reports/renewals/{table}.csv": "a file",
    **{
        f"/reports/{name}/{{table}}.{{form}}": "a file"
        for name in ("indicators", "matrix", "capital", "attention", "costs")
    },
    "/outbox/{id_}/html": "the mail itself, which no template of a page writes",
    "/mails/{walk}/{step}/html": "the mail itself, which no template of a page writes",
    "/schedules/{stem}/approve/mails/{key}": "a mail that waits for an approval; none does",
}
"""What is no page, and why it is not measured."""


def unmeasured() -> list[str]:
    """The routes for staff that stand in none of the lists above: there must be none."""
    for_staff = {
        route.removeprefix("GET ")
        for route, least in ROUTES.items()
        if route.startswith("GET ") and least not in (OPEN, BEARER)
    }
    return sorted(for_staff - PAGES.keys() - PARTS.keys() - LEFT_OUT.keys())


def asked_for() -> list[tuple[str, bool]]:
    """Every address, and whether htmx asks for it."""
    tomorrow = (SystemClock().now().date() + timedelta(days=1)).isoformat()
    return [
        (path.replace("TOMORROW", tomorrow), is_part)
        for listed, is_part in ((PAGES, False), (PARTS, True))
        for paths in listed.values()
        for path in paths
    ]


class Page(NamedTuple):
    """The 99th percentile of one page, in seconds: of the bare handler and of ours. Or the least
    CPU time of one request."""

    path: str
    floor: float
    ours: float


def run(
    fresh: Callable[[], Engine],
    count: int,
    work: int,
    seconds: int,
    *,
    cpu: bool = False,
    only: Sequence[str] = (),
) -> list[Page]:
    """Every page, or ``only`` some addresses, with ``count`` licences and ``work`` open tasks, for
    ``seconds`` each. Raises ``LookupError`` when a page for staff is in no list."""
    forgotten = unmeasured()
    if forgotten:
        raise LookupError(f"pages that bench/staff.py has to list: {', '.join(forgotten)}")
    engine = fresh()
    if not _is_filled(engine):
        began = perf_counter()
        staff_book.fill(engine, staff_book.Size(count, work))
        print(f"  a book of {count:,} in {perf_counter() - began:.0f} s", file=sys.stderr)
    asked = [one for one in asked_for() if not only or one[0] in only]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        cookie = _house(root, engine)
        known = spent(root, cookie, asked)
        if cpu:
            found = [
                Page(_named(*one), at.floor, at.ours) for one, at in zip(asked, known, strict=True)
            ]
        else:
            found = _timed(root, cookie, asked, known, seconds)
    engine.dispose()
    return found


def _is_filled(engine: Engine) -> bool:
    with engine.connect() as conn:
        return conn.execute(select(accounts.c.id).limit(1)).first() is not None


def _named(path: str, is_part: bool) -> str:
    return f"{path} (a part)" if is_part else path


def _timed(
    root: Path,
    cookie: str,
    asked: Sequence[tuple[str, bool]],
    known: Sequence[Spent],
    seconds: int,
) -> list[Page]:
    with _bare([one.held for one in known]) as bare, running(root, "web") as web:
        web.wait_for("web.started")
        ours = f"http://127.0.0.1:{_port(root)}"
        found = []
        for number, (path, is_part) in enumerate(asked):
            both = f"{bare}/{number}", ours + path
            floor, took = in_turn(*both, cookie, seconds, is_part=is_part)
            found.append(Page(_named(path, is_part), floor, took))
            print(f"  {found[-1]}", file=sys.stderr)
    return found


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
        known = conn.scalar(select(users.c.id).where(users.c.login == SARA))
        return flow.begin(conn, known or store.add_user(conn, user, now), "bench", now)


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


def in_turn(
    bare: str, ours: str, cookie: str, seconds: int, *, is_part: bool = False
) -> tuple[float, float]:
    """The 99th percentiles of a bare handler and of our page, in seconds, each asked for so many
    ``seconds``."""
    floor: list[float] = []
    took: list[float] = []
    for start in range(0, seconds, TURN):
        turn = min(TURN, seconds - start)
        floor += _answered(bare, "", turn)
        took += _answered(ours, cookie, turn, is_part=is_part)
    return _slowest(floor), _slowest(took)


def _slowest(took: Sequence[float]) -> float:
    return sorted(took)[int(0.99 * (len(took) - 1))]


def _answered(url: str, cookie: str, seconds: int, *, is_part: bool = False) -> list[float]:
    """Asks ``A_SECOND`` times a second; the seconds from the moment at which each request was to be
    made to the end of its answer. A page that falls far behind is asked less: then it is those
    that were answered."""
    asked, patience = seconds * A_SECOND, 4.0 * seconds
    with _client(cookie, is_part=is_part) as http, ThreadPoolExecutor(16) as pool:
        http.get(addressed(url))
        began = perf_counter() + 0.2

        def ask(number: int) -> float | None:
            due = began + number / A_SECOND
            sleep(max(0.0, due - perf_counter()))
            if perf_counter() - began > patience:
                return None
            assert http.get(addressed(url)).status_code == 200, url
            return perf_counter() - due

        return [each for each in pool.map(ask, range(asked)) if each is not None]


@contextmanager
def _databases(url: str | None) -> Iterator[Callable[[], Engine]]:
    """Empty ones on a server of our own, or the one that is kept."""
    if url is None:
        with postgresql() as fresh:
            yield fresh
        return
    engine = make_engine(url)
    upgrade(engine)
    yield lambda: engine


def main(words: list[str]) -> None:
    """Prints floor, ours and ratio of each page, in milliseconds."""
    asked = argparse.ArgumentParser(prog="python -m bench.staff")
    asked.add_argument("--licences", type=int, default=1_000_000)
    asked.add_argument("--tasks", type=int, default=10_000)
    asked.add_argument("--seconds", type=int, default=15, help="of asking each page")
    asked.add_argument("--cpu", action="store_true", help="CPU time of one request")
    asked.add_argument("--database", help="URL of one that is kept; filled if it is empty")
    asked.add_argument("only", metavar="PATH", nargs="*", help="addresses; all if none is given")
    given = asked.parse_args(words)
    unknown = set(given.only) - {path for path, _ in asked_for()}
    if unknown:
        asked.error(f"no page that is measured: {', '.join(sorted(unknown))}")
    sizes = given.licences, given.tasks, given.seconds
    with _databases(given.database) as fresh:
        found = run(fresh, *sizes, cpu=given.cpu, only=given.only)
    what = "CPU of one request" if given.cpu else f"99th percentile at {A_SECOND} a second"
    print(f"{what}, ms, {given.licences:,} licences".ljust(50), " floor    ours   ratio")
    for one in found:
        floor, ours = one.floor * 1000, one.ours * 1000
        mark = "" if one.ours <= OF_BARE * one.floor else "  above"
        print(f"{one.path:50} {floor:6.1f} {ours:7.1f} {ours / floor:7.1f}{mark}")


if __name__ == "__main__":
    main(sys.argv[1:])
