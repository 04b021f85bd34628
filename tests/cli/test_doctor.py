"""``perennial doctor``: how every dependency is, and what waits for a person."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.events.reports import failed, report
from tests.processes import write_config
from tests.servers import Postgres, Redis
from worker.bootstrap import App
from worker.catalogue import store, suppressions
from worker.catalogue.refresh import Tried
from worker.channels.told import Kind, Told
from worker.cli.main import run
from worker.db import heartbeats
from worker.events import flow
from worker.events.records import events
from worker.schedules.records import versions
from worker.worklist.records import tasks


def _doctor(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> tuple[int, dict[str, dict[str, Any]]]:
    code = run(["--root", str(root), "doctor", "--json"], {})
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return code, {line["name"]: line for line in lines}


def test_all_is_well_when_everything_answers_and_nothing_waits(
    root: Path, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_config(root, database=database_url)
    code, found = _doctor(root, capsys)
    assert code == 0
    assert found["database"]["level"] == found["broker"]["level"] == "ok"
    assert found["mail.channel file"]["level"] == "ok"
    assert found["beat"] == {
        "name": "beat",
        "level": "note",
        "said": "never ran; start perennial up, or perennial scheduler",
    }


def test_a_database_without_tables_is_a_finding(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_config(root)
    code, found = _doctor(root, capsys)
    assert code == 1
    assert found["database"]["level"] == "finding"
    assert "Run: perennial db upgrade" in found["database"]["said"]


def test_a_dependency_that_is_down_is_exit_code_4(
    root: Path, own_postgres: Postgres, own_redis: Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    own_postgres.stop()
    own_redis.kill()
    write_config(root, database=own_postgres.url(), broker=own_redis.url())
    code, found = _doctor(root, capsys)
    assert code == 4
    assert found["database"]["level"] == found["broker"]["level"] == "down"


def test_what_waits_for_a_person_is_a_finding(
    root: Path, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_config(root, database=database_url)
    app = App.open(root, {})
    now = app.clock.now()
    with app.engine.begin() as conn:
        for kind in ("alarm", "step"):
            row = {"key": kind, "kind": kind, "title": kind, "opened_at": now}
            conn.execute(tasks.insert().values(row))
        heartbeats.beat(conn, "beat", now - timedelta(minutes=10))
    app.close()
    code, found = _doctor(root, capsys)
    assert code == 1
    assert (found["tasks alarm"]["level"], found["tasks step"]["level"]) == ("finding", "note")
    assert found["beat"]["level"] == "finding"

    app = App.open(root, {})
    with app.engine.begin() as conn:
        heartbeats.beat(conn, "beat", now + timedelta(hours=10))
    app.close()
    _, found = _doctor(root, capsys)
    assert found["beat"]["level"] == "note"
    assert found["beat"]["said"].endswith("which is still to come")


SOURCE = """
[sources.book]
kind = "csv"
path = "book.csv"
every = "1 day"
stale_after = "3 days"
[[sources.book.load]]
entity = "account"
key = "{a}"
"""


def test_a_source_that_is_late_or_fails_is_a_finding(
    root: Path, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_config(root, database=database_url)
    with (root / "config.toml").open("a", encoding="utf-8") as file:
        file.write(SOURCE)
    (root / "book.csv").write_text("a\na1\n", encoding="utf-8")
    found = _doctor(root, capsys)[1]["sources.book"]
    assert found["level"] == "finding"
    assert found["said"] == "never read to its end; stale, so mails that depend on it are held"

    app = App.open(root, {})
    assert app.refresh() == [Tried("book")]
    code, answers = _doctor(root, capsys)
    assert (code, answers["sources.book"]["level"]) == (0, "ok")
    assert answers["sources.book"]["said"].startswith("last read at ")

    now = app.clock.now()
    with app.engine.begin() as conn:
        store.record_read(conn, "book", now - timedelta(days=4), None)
        store.record_failure(conn, "book", now, "the server is down\nand more")
    app.close()
    found = _doctor(root, capsys)[1]["sources.book"]
    assert found["level"] == "finding"
    assert found["said"].endswith(
        "; the reading since then failed: the server is down; "
        "stale, so mails that depend on it are held"
    )


def test_a_tick_reads_the_sources_first(
    root: Path, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_config(root, database=database_url)
    with (root / "config.toml").open("a", encoding="utf-8") as file:
        file.write(SOURCE)
    (root / "book.csv").write_text("a\na1\n", encoding="utf-8")
    assert run(["--root", str(root), "tick"], {}) == 0
    assert capsys.readouterr().out == "0 walks and changes handled, 0 mails claimed\n"
    assert _doctor(root, capsys)[1]["sources.book"]["level"] == "ok"


def test_an_import_by_hand_counts_as_a_reading(
    root: Path, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_config(root, database=database_url)
    with (root / "config.toml").open("a", encoding="utf-8") as file:
        file.write(SOURCE)
    (root / "book.csv").write_text("a\na1\n", encoding="utf-8")
    assert run(["--root", str(root), "import", "book", "--dry-run"], {}) == 0
    capsys.readouterr()
    assert _doctor(root, capsys)[1]["sources.book"]["level"] == "finding"
    assert run(["--root", str(root), "import", "book"], {}) == 0
    capsys.readouterr()
    assert _doctor(root, capsys)[1]["sources.book"]["level"] == "ok"


def test_a_schedule_that_is_edited_or_not_applied_is_a_finding(
    root: Path, sqlite_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_config(root, database=sqlite_url)
    (root / "schedules").mkdir()
    for stem in ("applied", "edited", "new"):
        (root / f"schedules/{stem}.toml").write_text(f'name = "{stem}"\n')
    app = App.open(root, {})
    with app.engine.begin() as conn:
        for stem, text in (("applied", 'name = "applied"\n'), ("edited", "old"), ("gone", "old")):
            row = {
                "schedule": stem,
                "number": 1,
                "digest": "d",
                "text": text,
                "templates": {},
                "steps_since": {},
                "applied_at": app.clock.now(),
                "active": True,
            }
            conn.execute(versions.insert().values(row))
    app.close()
    code, found = _doctor(root, capsys)
    assert code == 1
    assert {
        name.removeprefix("schedules/"): (line["level"], line["said"].split(":")[0])
        for name, line in found.items()
        if name.startswith("schedules/")
    } == {
        "applied.toml": ("ok", "applied"),
        "edited.toml": ("finding", "edited since it was applied"),
        "gone.toml": ("finding", "runs, but its file is gone"),
        "new.toml": ("finding", "not applied"),
    }


def test_what_providers_told_is_said_and_what_was_odd_among_it(
    root: Path, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_config(root, database=database_url)
    assert "events" not in _doctor(root, capsys)[1]
    app = App.open(root, {})
    now = app.clock.now()
    told = [
        Told("a", Kind.DELIVERED, now, mail_key="0" * 16, copy="0" * 12),
        Told("b", Kind.UNKNOWN, now),
    ]
    with app.engine.begin() as conn:
        flow.take(conn, "sendgrid", told, now)
        conn.execute(events.update().where(events.c.key == "b").values(orphan=False))
        suppressions.suppress(conn, "anna@example.com", suppressions.BOUNCED, None, now)
    app.close()
    found = _doctor(root, capsys)[1]
    assert found["events"] == {
        "name": "events",
        "level": "note",
        "said": "2 over the last day, 1 of no mail of ours, 1 of no known kind",
    }
    assert found["silent addresses"]["said"] == "1 bounced"


def test_sendgrid_without_the_key_of_its_events_is_a_finding(
    root: Path, sqlite_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_config(root, database=sqlite_url)
    with (root / "config.toml").open("a", encoding="utf-8") as file:
        file.write(
            '[mail]\nchannel = "sendgrid"\n[mail.sendgrid]\nbase_url = "http://127.0.0.1:9"\n'
        )
    key = {"PERENNIAL_MAIL__SENDGRID__API_KEY": "SG.0123456789"}
    assert run(["--root", str(root), "doctor", "--json"], key) in (1, 4)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (found,) = [line for line in lines if line["name"] == "events"]
    assert found["level"] == "finding"
    assert found["said"].startswith("mail.sendgrid.event_key is not set: nothing tells what")


def test_a_mailbox_of_bounces_is_read_with_the_sources_and_says_when(
    root: Path, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_config(root, database=database_url)
    with (root / "config.toml").open("a", encoding="utf-8") as file:
        file.write('[mail.smtp]\nbounces = "bounces"\n')
    assert _doctor(root, capsys)[1]["mail.smtp.bounces"]["said"] == "never read yet"
    app = App.open(root, {})
    app.refresh()
    app.close()
    capsys.readouterr()  # what it logged
    code, found = _doctor(root, capsys)
    assert (code, found["tasks alarm"]["level"]) == (1, "finding")
    (root / "bounces" / "new").mkdir(parents=True)
    (root / "bounces" / "new" / "1.mx").write_bytes(report(failed()))
    app = App.open(root, {})
    app.refresh()
    assert not list((root / "bounces" / "new").iterdir())
    (root / "bounces" / "new" / "2.mx").write_bytes(report(failed()))
    app.refresh()  # too soon: it is read every five minutes
    assert list((root / "bounces" / "new").iterdir())
    app.close()
    capsys.readouterr()
    code, found = _doctor(root, capsys)
    assert code == 0
    assert found["mail.smtp.bounces"]["said"].startswith("last read at ")
