"""The real web process: signed events that are posted to it, and the page that clients answer on.

Events are timed from the first request to the last answer; their floor is the same work without
HTTP. The page is asked for a hundred times a second, whether or not earlier answers have come; its
floor is a handler of the same framework in a process of its own that answers as many bytes from
memory.

``python -m bench.pages PORT BYTES`` is that handler.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter, sleep

import httpx
from sqlalchemy import Engine, func, select

from bench import events as told
from tests.processes import free_port, running, write_config
from tests.stories.instance import Instance
from worker.bootstrap import App
from worker.db.engine import reading
from worker.kernel.clock import SystemClock
from worker.links.rules import Purpose, links_of
from worker.outbox.records import messages

A_SECOND = 100
OF_BARE = 4.0
_KEYS = {
    "PERENNIAL_MAIL__SENDGRID__API_KEY": "SG." + "k" * 40,
    "PERENNIAL_WEB__LINK_KEY": "5f1c2b8e0d9a4763b1e0c4d7a8f93b26",
}


def posted(fresh: Callable[[], Engine], mails: int) -> tuple[int, float, float]:
    """Events, seconds of the floor, seconds through the web process."""
    _, _, floor = told.run(fresh, mails)
    provider = told.Provider.about(mails, SystemClock().now())
    engine = fresh()
    told.fill(engine, mails)
    with tempfile.TemporaryDirectory() as folder:
        url = engine.url.render_as_string(hide_password=False)
        port = write_config(Path(folder), database=url)
        env = _KEYS | {"PERENNIAL_MAIL__SENDGRID__EVENT_KEY": provider.signer.public}
        with running(Path(folder), "web", env=env) as web:
            web.wait_for("web.started")
            took = _post(f"http://127.0.0.1:{port}/events/sendgrid", provider)
    with engine.connect() as conn:
        fates = select(func.count()).select_from(messages).where(messages.c.fate.is_not(None))
        assert conn.execute(fates).scalar_one() == mails
    engine.dispose()
    return provider.events, floor, took


def _post(url: str, provider: told.Provider) -> float:
    with httpx.Client(timeout=60, trust_env=False) as http:
        began = perf_counter()
        for headers, body in provider.requests:
            answer = http.post(url, content=body, headers=headers)
            assert answer.is_success, answer
        return perf_counter() - began


def answer_page(fresh: Callable[[], Engine], seconds: int, times: int = 2) -> tuple[float, float]:
    """The 99th percentile of the bare handler and of ours; the best of some rounds, in turns."""
    engine = fresh()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        urls = _linked(root, engine)
        with running(root, "web", env=_KEYS) as web:
            web.wait_for("web.started")
            size = len(httpx.get(urls[0]).content)
            with _bare(size) as bare:
                floor, ours = 9e9, 9e9
                for _ in range(times):
                    floor = min(floor, _slowest([bare], seconds))
                    ours = min(ours, _slowest(urls, seconds))
    engine.dispose()
    return floor, ours


def _linked(root: Path, engine: Engine) -> list[str]:
    """A book that has mailed its clients, and the addresses that stand in their mails."""
    url = engine.url.render_as_string(hide_password=False)
    instance = Instance(root, database=url)
    from bench.bare import client

    people = [client(number, instance.today) for number in range(200)]
    instance.load(people, people)
    app = App.open(root, _KEYS)
    app.tick()
    links = links_of(app.settings.web)
    assert links is not None
    with reading(app.engine) as conn:
        mailed = conn.execute(select(messages.c.mail_key, messages.c.contact_id)).all()
    now = app.clock.now()
    app.close()
    assert len(mailed) == len(people)
    return [links.url(Purpose.ANSWER, row.mail_key, row.contact_id, now) for row in mailed]


@contextmanager
def _bare(size: int) -> Iterator[str]:
    """The floor's handler, as long as it is needed; its address."""
    port = free_port()
    command = [sys.executable, "-m", "bench.pages", str(port), str(size)]
    process = subprocess.Popen(command)
    url = f"http://127.0.0.1:{port}/"
    try:
        for _ in range(200):
            try:
                httpx.get(url)
                break
            except httpx.ConnectError:
                sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(10)


def _slowest(urls: list[str], seconds: int) -> float:
    """Asks ``A_SECOND`` times a second; the 99th percentile of the seconds from the moment at which
    a request was to be made to the end of its answer."""
    asked = seconds * A_SECOND
    with httpx.Client(timeout=30, trust_env=False) as http, ThreadPoolExecutor(16) as pool:
        for url in urls[:50]:
            http.get(url)
        began = perf_counter() + 0.2

        def ask(number: int) -> float:
            due = began + number / A_SECOND
            sleep(max(0.0, due - perf_counter()))
            assert http.get(urls[number % len(urls)]).status_code == 200
            return perf_counter() - due

        took = sorted(pool.map(ask, range(asked)))
    return took[int(0.99 * asked)]


def _serve(port: int, size: int) -> None:
    import uvicorn
    from fastapi import FastAPI
    from fastapi.responses import HTMLResponse

    bare = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    page = "x" * size

    @bare.get("/")
    def read() -> HTMLResponse:
        return HTMLResponse(page)

    uvicorn.run(bare, host="127.0.0.1", port=port, log_config=None, access_log=False)


if __name__ == "__main__":
    _serve(int(sys.argv[1]), int(sys.argv[2]))
