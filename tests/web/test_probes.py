"""What a supervisor and Prometheus are told."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from tests.processes import write_config
from tests.servers import Postgres, Redis
from tests.waiting import until
from tests.web.conftest import Serve
from worker.bootstrap import App
from worker.cadence.records import walks
from worker.db import heartbeats
from worker.db.engine import make_engine
from worker.db.migrate import upgrade
from worker.kernel.clock import VirtualClock
from worker.kernel.errors import ConfigError
from worker.vitals import Pulse
from worker.web.serving import serving
from worker.worklist.records import tasks

NOON = datetime(2027, 3, 31, 12, tzinfo=UTC)


def test_a_new_instance_is_alive_and_ready(serve: Serve, database_url: str) -> None:
    _, client = serve(database=database_url)
    health = client.get("/healthz")
    assert (health.status_code, health.json()["status"]) == (200, "ok")
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()) == (200, {"status": "ready", "problems": {}})


def test_it_is_not_ready_while_postgresql_is_away_and_ready_after(
    serve: Serve, own_postgres: Postgres
) -> None:
    url = own_postgres.url()
    engine = make_engine(url)
    upgrade(engine)
    engine.dispose()
    _, client = serve(database=url)
    assert client.get("/readyz").status_code == 200
    own_postgres.stop()
    away = client.get("/readyz")
    assert away.status_code == 503
    assert "the database does not answer" in away.json()["problems"]["database"]
    assert client.get("/healthz").status_code == 200
    assert "perennial_database_up 0.0" in client.get("/metrics").text
    own_postgres.start()
    until(lambda: client.get("/readyz").status_code == 200)


def test_it_is_not_ready_while_redis_is_away(
    serve: Serve, sqlite_url: str, own_redis: Redis
) -> None:
    _, client = serve(database=sqlite_url, broker=own_redis.url())
    assert client.get("/readyz").status_code == 200
    own_redis.kill()
    away = client.get("/readyz")
    assert away.status_code == 503
    assert away.json()["problems"] == {"broker": "Redis does not answer (ConnectionError)"}


def test_it_is_not_ready_before_the_tables_are_there(serve: Serve, root: Path) -> None:
    _, client = serve(database=f"sqlite:///{root}/new.db")
    unready = client.get("/readyz")
    assert unready.status_code == 503
    assert "Run: perennial db upgrade" in unready.json()["problems"]["database"]


def test_no_beat_for_three_minutes_turns_health_red(root: Path, database_url: str) -> None:
    write_config(root, database=database_url)
    clock = VirtualClock(NOON)
    app = App.open(root, {}, clock=clock)
    pulse = Pulse(app)
    clock.advance(timedelta(minutes=2))
    with app.engine.begin() as conn:
        heartbeats.beat(conn, "beat", clock.now())
    clock.advance(timedelta(minutes=2, seconds=59))
    assert not pulse.health().stalled
    clock.advance(timedelta(seconds=2))
    assert pulse.health().stalled == ["beat"]
    app.close()


def test_health_is_red_while_nobody_beats_and_green_after_the_next_beat(
    root: Path, sqlite_url: str
) -> None:
    port = write_config(root, database=sqlite_url)
    clock = VirtualClock(NOON)
    app = App.open(root, {}, clock=clock)
    at = f"http://127.0.0.1:{port}"
    with serving(app, lambda: None), httpx.Client(base_url=at, timeout=20) as client:
        assert client.get("/healthz").status_code == 200
        clock.advance(timedelta(minutes=3, seconds=1))
        stalled = client.get("/healthz")
        assert (stalled.status_code, stalled.json()["status"]) == (503, "stalled")
        with app.engine.begin() as conn:
            heartbeats.beat(conn, "beat", clock.now())
        assert client.get("/healthz").status_code == 200
    app.close()


def test_an_old_beat_does_not_turn_a_process_red_that_has_just_begun(
    root: Path, sqlite_url: str
) -> None:
    write_config(root, database=sqlite_url)
    app = App.open(root, {}, clock=VirtualClock(NOON))
    with app.engine.begin() as conn:
        heartbeats.beat(conn, "beat", NOON - timedelta(days=1))
    assert Pulse(app).health().age == timedelta(0)
    app.close()


def test_metrics_count_what_is_due_and_how_long_it_has_waited(
    serve: Serve, database_url: str
) -> None:
    app, client = serve(database=database_url)
    now = app.clock.now()
    walk = {
        "schedule": "renewal",
        "subject_id": 1,
        "cycle": 1,
        "anchor_on": date(2027, 1, 1),
        "first_act_at": now,
        "next_at": now - timedelta(seconds=90),
        "state": "active",
    }
    alarm = {"key": "coverage", "kind": "alarm", "title": "A gap", "opened_at": now}
    with app.engine.begin() as conn:
        conn.execute(walks.insert().values(walk))
        conn.execute(tasks.insert().values(alarm))
        heartbeats.beat(conn, "beat", now)
    text = client.get("/metrics").text
    lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert lines["perennial_due_walks"] == "1.0"
    assert lines["perennial_open_alarms"] == "1.0"
    assert 90 <= float(lines["perennial_oldest_due_age_seconds"]) < 150
    beat = float(lines['perennial_last_success_timestamp_seconds{duty="beat"}'])
    assert beat == pytest.approx(now.timestamp(), abs=1)


def test_metrics_want_the_token_when_there_is_one(serve: Serve, sqlite_url: str) -> None:
    token = "3f9c1f7a52d64b0f8f2f3f0c9d1e5a77"
    _, client = serve(database=sqlite_url, env={"PERENNIAL_WEB__METRICS_TOKEN": token})
    assert client.get("/metrics").status_code == 401
    wrong = client.get("/metrics", headers={"Authorization": "Bearer " + token[:-1]})
    assert wrong.status_code == 401
    right = client.get("/metrics", headers={"Authorization": f"Bearer {token}"})
    assert right.status_code == 200


def test_no_documentation_pages_are_served(serve: Serve, sqlite_url: str) -> None:
    _, client = serve(database=sqlite_url)
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert client.get(path).status_code == 404


def test_a_port_that_is_taken_is_said_plainly(serve: Serve, root: Path, sqlite_url: str) -> None:
    app, _ = serve(database=sqlite_url)
    with pytest.raises(ConfigError) as told, serving(app, lambda: None):
        pass
    port = app.settings.web.port
    assert str(told.value) == (
        f"web.host 127.0.0.1, web.port {port}: cannot listen there (Address already in use); "
        "stop whatever uses the port, or choose another under [web] in config.toml"
    )
