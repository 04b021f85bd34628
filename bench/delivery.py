"""Mails that are due, from the ledger to a provider on this machine, by two worker processes.

The floor are two bare processes that render the same mails and post them, and keep nothing. Beside
it Celery sends them by SendGrid's own client, with one commit a mail. All three send to the same
provider, which tells how long it took from the first mail to the last; PostgreSQL and Redis are of
their own, and commits reach the disk.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from time import sleep

import httpx
from sqlalchemy import text

from bench.bare import client
from tests import servers
from tests.folders import short_folder
from tests.processes import environment, free_port, running
from tests.servers import Postgres, Redis
from tests.stories.instance import Instance
from worker.bootstrap import App
from worker.cadence.watch import check_edits
from worker.db.engine import make_engine
from worker.db.migrate import upgrade

WORKERS = 2
OF_BARE, OF_CELERY = 0.6, 3.0
_KEY = {"PERENNIAL_MAIL__SENDGRID__API_KEY": "SG." + "k" * 40}
_EVENT_KEY = (
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE"
    "83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8eNEc6wEA3F+g=="
)
_MAIL = """
channel = "sendgrid"
[mail.sendgrid]
base_url = "{url}"
event_key = "{key}"
"""


@dataclass
class Town:
    """The servers that every side uses."""

    folder: Path
    postgres: Postgres
    redis: Redis
    provider: str
    numbers: Iterator[int]

    def database(self) -> str:
        """A new, empty database."""
        name = f"bench_{next(self.numbers)}"
        with self.postgres.connect() as conn:
            conn.execute(f"CREATE DATABASE {name}")
        return self.postgres.url(name)

    def wait_for(self, mails: int, parts: Sequence[subprocess.Popen[bytes]]) -> float:
        """Mails a second, once all of them have come and none twice."""
        came = 0
        with httpx.Client(timeout=60) as http:
            while came < mails:
                sleep(0.25)
                assert all(part.poll() in (None, 0) for part in parts), "a part of it ended"
                came = http.get(f"{self.provider}/seen").json()["requests"]
            sleep(0.5)
            found = http.get(f"{self.provider}/counted").json()
        assert found["requests"] == found["mails"] == mails, found
        return mails / float(found["seconds"])


@contextmanager
def town() -> Iterator[Town]:
    """PostgreSQL with the memory that one is usually given, Redis, and the provider."""
    with ExitStack() as stack:
        postgres, redis = Postgres(short_folder(), durable=True), Redis(short_folder())
        for server in (postgres, redis):
            stack.enter_context(servers.running(server))
        with postgres.connect() as conn:
            conn.execute("ALTER SYSTEM SET shared_buffers = '256MB'")
            conn.execute("ALTER SYSTEM SET autovacuum = on")
        postgres.stop()
        postgres.start()
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port = free_port()
        _begun(stack, ["bench.provider", str(port)])
        url = f"http://127.0.0.1:{port}"
        yield Town(folder, postgres, redis, url, iter(range(1000)))


def _begun(stack: ExitStack, words: list[str]) -> subprocess.Popen[bytes]:
    """A process of our own that is ready when it says so; it ends with ``stack``."""
    command = [sys.executable, "-m", *words]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    stack.callback(process.communicate)
    stack.callback(process.kill)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


def bare(it: Town, mails: int) -> float:
    """The floor; mails a second."""
    from worker.kernel.clock import SystemClock

    day = SystemClock().now().date().isoformat()
    with ExitStack() as stack:
        ends = [mails * part // WORKERS for part in range(WORKERS + 1)]
        parts = [
            _begun(stack, ["bench.bare", it.provider, str(first), str(last), day])
            for first, last in pairwise(ends)
        ]
        for part in parts:
            assert part.stdin is not None
            part.stdin.write(b"\n")
            part.stdin.flush()
        return it.wait_for(mails, parts)


def celery(it: Town, mails: int) -> float:
    """Tasks that wait in Redis, taken by two processes of one worker; mails a second."""
    from worker.kernel.clock import SystemClock

    today = SystemClock().now().date()
    rows = [{"number": number, **client(number, today)} for number in range(mails)]
    url = it.database()
    _keep(url, rows)
    names = {"BROKER": it.redis.url(7), "DATABASE": url, "PROVIDER": it.provider}
    given = environment() | {f"BENCH_{name}": value for name, value in names.items()}
    code = (
        "from bench.celery_mails import send\n"
        f"for number in range({mails}): send.delay(number, {today.isoformat()!r})"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=given)
    # fmt: off
    command = [
        sys.executable, "-m", "celery", "-A", "bench.celery_mails", "worker",
        "--concurrency", str(WORKERS), "--loglevel", "ERROR", "-Ofair", "--without-gossip",
        "--without-mingle",
    ]
    # fmt: on
    with (it.folder / "celery.log").open("wb") as log:
        worker = subprocess.Popen(command, env=given, stdout=log, stderr=log)
    try:
        return it.wait_for(mails, [worker])
    finally:
        worker.terminate()
        worker.wait(30)


def _keep(url: str, rows: list[dict[str, object]]) -> None:
    """The mails as rows of a table, as one writes it for such a worker."""
    columns = ", ".join(f'"{name}" text' for name in rows[0] if name != "number")
    more = "sent_at timestamptz, provider_id text"
    engine = make_engine(url)
    with engine.begin() as conn:
        conn.execute(text(f"CREATE TABLE bench_mails (number int PRIMARY KEY, {columns}, {more})"))
        names = ", ".join(f'"{name}"' for name in rows[0])
        values = ", ".join(f":{name}" for name in rows[0])
        conn.execute(text(f"INSERT INTO bench_mails ({names}) VALUES ({values})"), rows)
    engine.dispose()


def ours(it: Town, mails: int) -> float:
    """``perennial worker`` twice, rung by ``perennial scheduler``; mails a second."""
    root = Path(tempfile.mkdtemp(dir=it.folder))
    url = it.database()
    instance = Instance(root, database=url, broker=it.redis.url(8))
    config = root / "config.toml"
    mail = _MAIL.format(url=it.provider, key=_EVENT_KEY)
    lease = 'lease = "60 seconds"\n'
    config.write_text(config.read_text().replace(lease, lease + mail), encoding="utf-8")
    engine = make_engine(url)
    upgrade(engine)
    os.environ |= _KEY
    people = [client(number, instance.today) for number in range(mails)]
    instance.load(people, people)
    app = App.open(root, _KEY)
    while app.plan_batch():
        pass
    check_edits(app.engine, root, app.clock.now())  # as a beat did, long before these are due
    app.close()
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.exec_driver_sql("VACUUM ANALYZE")
    engine.dispose()
    with ExitStack() as stack:
        crew = [
            stack.enter_context(running(root, "worker", name=f"worker-{number}", env=_KEY))
            for number in range(WORKERS)
        ]
        for one in crew:
            one.wait_for("worker.started")
        crew.append(stack.enter_context(running(root, "scheduler", env=_KEY)))
        rate = it.wait_for(mails, [one.process for one in crew])
        for one in crew:
            one.stop()
    return rate


def run(mails: int, times: int = 1) -> tuple[float, float, float]:
    """The best rates of ``times``, in turns: bare, Celery, ours; mails a second."""
    best = [0.0, 0.0, 0.0]
    with town() as it:
        for _ in range(times):
            for place, side in enumerate((bare, celery, ours)):
                best[place] = max(best[place], side(it, mails))
    return best[0], best[1], best[2]


if __name__ == "__main__":
    print(run(int(sys.argv[1])))
