"""The commands as real processes: they start, they stop within ten seconds, they survive."""

from __future__ import annotations

import signal
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
import redis
from sqlalchemy import Engine

from tests.processes import Process, running, write_config
from tests.servers import Postgres, Redis
from tests.waiting import until
from worker.cli.main import run
from worker.db import heartbeats
from worker.db.engine import make_engine, reading
from worker.db.migrate import upgrade

pytestmark = pytest.mark.timeout(240)


def _get(port: int, path: str) -> httpx.Response:
    return httpx.get(f"http://127.0.0.1:{port}{path}", timeout=20)


def _last_beat(engine: Engine) -> object:
    with reading(engine) as conn:
        return heartbeats.last(conn, "beat")


def test_everything_in_one_process_starts_on_nothing_and_stops_in_time(root: Path) -> None:
    port = write_config(root)
    with running(root, "up") as up:
        up.wait_for("web.started")
        until(lambda: _get(port, "/readyz").status_code == 200)
        until(lambda: _get(port, "/healthz").json()["last_beat"], what="the first beat")
        assert up.stop() < 10
    assert (root / "var/perennial.db").exists()


def test_one_process_runs_on_either_database_and_either_broker(
    root: Path, database_url: str, redis_url: str, engine: Engine
) -> None:
    write_config(root, database=database_url, broker=redis_url)
    with running(root, "up") as up:
        up.wait_for("web.started")
        until(lambda: _last_beat(engine))
        assert up.stop() < 10


def test_two_schedulers_two_workers_and_the_web_run_apart_and_stop_in_time(
    root: Path, postgresql_url: str, redis_url: str
) -> None:
    port = write_config(root, database=postgresql_url, broker=redis_url)
    with ExitStack() as stack:

        def start(*words: str, name: str) -> Process:
            return stack.enter_context(running(root, *words, name=name))

        workers = [start("worker", name=f"worker-{number}") for number in (1, 2)]
        schedulers = [start("scheduler", name=f"scheduler-{number}") for number in (1, 2)]
        web = start("web", name="web")
        for worker in workers:
            worker.wait_for("worker.started")
        web.wait_for("web.started")
        until(lambda: _get(port, "/healthz").json()["last_beat"], what="the first beat")
        assert _get(port, "/readyz").status_code == 200
        for process in [*workers, *schedulers, web]:
            assert process.stop() < 10


def test_a_worker_outlives_its_redis_and_listens_to_the_next_one(
    root: Path, postgresql_url: str, own_redis: Redis
) -> None:
    write_config(root, database=postgresql_url, broker=own_redis.url())
    with running(root, "worker") as worker:
        worker.wait_for("worker.started")
        own_redis.kill()
        until(lambda: [e for e in worker.events() if "connection error" in e["event"]])
        own_redis.start()
        client = redis.Redis.from_url(own_redis.url())
        until(lambda: client.exists("perennial:__heartbeats__"), what="a sign of the worker")
        client.close()
        assert worker.stop() < 10


def test_processes_that_start_before_their_database_wait_for_it(
    root: Path, own_postgres: Postgres, redis_url: str
) -> None:
    engine = make_engine(own_postgres.url())
    upgrade(engine)
    engine.dispose()  # or what it keeps open fails once, when the server is there again
    own_postgres.stop()
    write_config(root, database=own_postgres.url(), broker=redis_url)
    with running(root, "scheduler") as scheduler:
        scheduler.wait_for("beat.missed")
        own_postgres.start()
        until(lambda: _last_beat(engine), what="the first beat")
        assert scheduler.stop() < 10
    engine.dispose()


def test_a_process_without_tables_says_what_to_run_and_ends(root: Path) -> None:
    write_config(root, broker="redis://127.0.0.1:1/0")
    with running(root, "scheduler") as process:
        assert process.process.wait(60) == 3
        assert "Run: perennial db upgrade" in process.log.read_text()


@pytest.mark.parametrize("command", ["worker", "scheduler"])
def test_a_broker_in_memory_is_refused_by_separate_processes(
    root: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_config(root)
    assert run(["--root", str(root), command], {}) == 3
    assert capsys.readouterr().err == (
        'jobs.broker is "memory", which cannot leave its process: run perennial up, or set '
        'broker = "redis://…" under [jobs] in config.toml\n'
    )


def test_ctrl_c_stops_it_as_well(root: Path) -> None:
    write_config(root)
    with running(root, "up") as up:
        up.wait_for("web.started")
        up.process.send_signal(signal.SIGINT)
        assert up.process.wait(10) == 0
