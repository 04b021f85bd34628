"""What Prometheus is told: what waits, how late mails are, what is held, what stands still."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Connection, Engine, event, text

from tests.processes import write_config
from worker.bootstrap import App
from worker.bootstrap.duties import MOST_DUE
from worker.db.engine import make_engine
from worker.events.records import events
from worker.kernel.clock import VirtualClock
from worker.outbox.records import brakes, messages
from worker.schedules.records import versions
from worker.telemetry.metrics import exposition, make_registry
from worker.web.figures import read_figures
from worker.worklist.records import tasks

NOON = datetime(2027, 3, 31, 12, tzinfo=UTC)
DOCS = Path(__file__).parents[2] / "docs"

Sample = dict[tuple[str, str], float]


class Instance:
    """An application at noon, whose ledger a test writes row by row."""

    def __init__(self, root: Path, url: str) -> None:
        write_config(root, database=url)
        self.app = App.open(root, {}, clock=VirtualClock(NOON))
        self._mails = 0
        with self.engine.begin() as conn:
            row = {"id": 1, "schedule": "renewal", "number": 1, "digest": "", "text": ""}
            row |= {"templates": {}, "steps_since": {}, "applied_at": NOON, "active": True}
            conn.execute(versions.insert().values(row))

    @property
    def engine(self) -> Engine:
        return self.app.engine

    def mail(self, state: str, **more: Any) -> None:
        """A message in a state; spans of time are meant from noon on."""
        self._mails += 1
        row = {
            "mail_key": f"m{self._mails}",
            "address": "anna@example.com",
            "schedule": "renewal",
            "step": "grace",
            "version_id": 1,
            "template": "renewal/grace",
            "kind": "contractual",
            "day": date(2027, 3, 31),
            "state": state,
            "valid_until": NOON,
            "created_at": NOON,
        }
        row |= {name: NOON + at if isinstance(at, timedelta) else at for name, at in more.items()}
        with self.engine.begin() as conn:
            conn.execute(messages.insert().values(row))

    def told(self) -> Sample:
        """Every sample as Prometheus reads it, by name and label."""
        read = exposition(make_registry(lambda: read_figures(self.app))).decode()
        return {
            (sample.name.removeprefix("perennial_"), _label(sample.labels)): sample.value
            for family in text_string_to_metric_families(read)
            for sample in family.samples
        }


def _label(labels: Mapping[str, str]) -> str:
    assert len(labels) <= 1
    return next(iter(labels.values()), "")


@pytest.fixture
def instance(root: Path, database_url: str) -> Any:
    made = Instance(root, database_url)
    yield made
    made.app.close()


def ago(**span: float) -> timedelta:
    return -timedelta(**span)


def test_a_quiet_instance_has_nothing_due_held_or_late(instance: Instance) -> None:
    told = instance.told()
    for name in ("due_messages", "overdue_messages", "oldest_due_message_age_seconds"):
        assert told[name, ""] == 0
    assert told["sends_last_day", "accepted"] == 0
    assert told["send_lateness_seconds_bucket", "+Inf"] == 0
    assert not [name for name, _ in told if name in ("held_messages", "brakes", "open_tasks")]


def test_a_mail_is_overdue_once_it_has_been_due_for_more_than_five_minutes(
    instance: Instance,
) -> None:
    instance.mail("due", next_at=ago(minutes=5))
    instance.mail("due", next_at=ago(minutes=5, seconds=1))
    instance.mail("due", next_at=timedelta(minutes=1))
    told = instance.told()
    assert told["due_messages", ""] == 2
    assert told["overdue_messages", ""] == 1


def test_the_oldest_mail_is_one_that_nobody_has_claimed(instance: Instance) -> None:
    instance.mail("sending", next_at=ago(hours=1))
    instance.mail("unknown", next_at=ago(hours=2))
    instance.mail("due", next_at=ago(seconds=90))
    instance.mail("due", next_at=timedelta(hours=1))
    told = instance.told()
    assert told["oldest_due_message_age_seconds", ""] == 90
    assert told["oldest_due_age_seconds", ""] == 7200
    assert told["overdue_messages", ""] == 0


def test_a_mail_that_is_due_later_is_no_negative_age(instance: Instance) -> None:
    instance.mail("due", next_at=timedelta(hours=1))
    told = instance.told()
    assert told["oldest_due_message_age_seconds", ""] == told["oldest_due_age_seconds", ""] == 0


def test_open_mails_are_counted_by_state_and_those_held_by_reason(instance: Instance) -> None:
    instance.mail("due", next_at=NOON)
    instance.mail("sending", next_at=NOON)
    instance.mail("unknown", next_at=NOON)
    instance.mail("due", next_at=None, reason="approval")
    instance.mail("due", next_at=None, reason="approval")
    instance.mail("due", next_at=None, reason="stale-source")
    instance.mail("accepted", accepted_at=NOON)
    told = instance.told()
    open_ones = {state: value for (name, state), value in told.items() if name == "messages"}
    assert open_ones == {"due": 4, "sending": 1, "unknown": 1}
    held = {reason: value for (name, reason), value in told.items() if name == "held_messages"}
    assert held == {"approval": 2, "stale-source": 1}


def test_what_came_to_an_end_is_counted_over_the_last_day(instance: Instance) -> None:
    instance.mail("accepted", created_at=ago(days=9), accepted_at=ago(hours=23))
    instance.mail("delivered", created_at=ago(hours=30), accepted_at=ago(hours=1))
    instance.mail("accepted", created_at=ago(hours=26), accepted_at=ago(hours=25))
    instance.mail("failed", created_at=ago(hours=2))
    instance.mail("failed", created_at=ago(hours=25))
    instance.mail("blocked", created_at=ago(hours=3))
    instance.mail("due", created_at=ago(hours=3), next_at=NOON)
    told = instance.told()
    ended = {state: value for (name, state), value in told.items() if name == "sends_last_day"}
    assert ended == {"accepted": 2, "failed": 1, "blocked": 1}


def test_lateness_is_the_time_from_decision_to_acceptance_in_cumulative_buckets(
    instance: Instance,
) -> None:
    for seconds in (0, 60, 61, 301, 4000, 100_000):
        span = ago(seconds=seconds + 10)
        instance.mail("accepted", created_at=span, accepted_at=ago(seconds=10))
    instance.mail("accepted", created_at=ago(days=3), accepted_at=ago(days=2))
    told = instance.told()
    buckets = {
        end: value for (name, end), value in told.items() if name == "send_lateness_seconds_bucket"
    }
    assert list(buckets.values()) == [2, 3, 4, 4, 5, 5, 6]
    assert buckets["300.0"] == 3
    assert told["send_lateness_seconds_gcount", ""] == 6
    assert told["send_lateness_seconds_gsum", ""] == pytest.approx(104_422, abs=0.1)


def test_pulled_brakes_are_counted_by_kind_and_released_ones_are_not(instance: Instance) -> None:
    rows = [
        ("forecast", "2027-03-31", None),
        ("import", "licences", None),
        ("import", "people", None),
        ("clock", "back", NOON),
    ]
    with instance.engine.begin() as conn:
        for kind, about, released in rows:
            pulled = {"kind": kind, "about": about, "detail": "", "pulled_at": NOON}
            conn.execute(brakes.insert().values(**pulled, released_at=released))
    told = instance.told()
    pulled_now = {kind: value for (name, kind), value in told.items() if name == "brakes"}
    assert pulled_now == {"forecast": 1, "import": 2}


def test_open_work_is_counted_by_kind(instance: Instance) -> None:
    with instance.engine.begin() as conn:
        for key, kind, closed in (("a", "alarm", None), ("b", "step", None), ("c", "step", NOON)):
            row = {"key": key, "kind": kind, "title": "", "opened_at": NOON, "closed_at": closed}
            conn.execute(tasks.insert().values(row))
    told = instance.told()
    assert (told["open_tasks", "alarm"], told["open_tasks", "step"]) == (1, 1)
    assert told["open_alarms", ""] == 1


@pytest.mark.parametrize(("due", "full"), [(MOST_DUE - 1, 0), (MOST_DUE, 1)])
def test_it_is_at_capacity_when_more_is_due_than_is_counted(
    root: Path, sqlite_url: str, due: int, full: int
) -> None:
    instance = Instance(root, sqlite_url)
    instance.mail("due", next_at=NOON)
    copies = (
        "INSERT INTO messages (mail_key, address, schedule, step, version_id, template, kind, day,"
        " state, next_at, valid_until, created_at) WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL"
        f" SELECT i + 1 FROM n WHERE i < {due}) SELECT 'm' || n.i, address, schedule, step,"
        " version_id, template, kind, day, state, next_at, valid_until, created_at"
        " FROM messages, n WHERE mail_key = 'm1'"
    )
    with instance.engine.begin() as conn:
        conn.execute(text(copies))
    told = instance.told()
    assert told["due_messages", ""] == due
    assert told["at_capacity", "messages"] == full
    assert told["at_capacity", "walks"] == 0
    instance.app.close()


def test_no_figure_reads_the_whole_ledger(root: Path, sqlite_url: str) -> None:
    instance = Instance(root, sqlite_url)
    asked: list[tuple[str, Any]] = []

    def hear(_conn: Connection, _cursor: Any, said: str, values: Any, *_: Any) -> None:
        asked.append((said, values))

    event.listen(instance.engine, "before_cursor_execute", hear)
    assert read_figures(instance.app) is not None
    instance.app.close()
    engine = make_engine(sqlite_url)
    with engine.connect() as conn:
        plans = [
            " ".join(row.detail for row in conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {q}", values))
            for q, values in asked
            if "messages" in q
        ]
    engine.dispose()
    assert len(plans) >= 7
    for plan in plans:
        assert "messages USING" in plan, plan


def test_every_metric_is_documented_and_every_documented_one_exists(instance: Instance) -> None:
    instance.mail("due", next_at=None, reason="approval")
    instance.mail("failed")
    with instance.engine.begin() as conn:
        row = {"kind": "copy", "about": "", "detail": "", "pulled_at": NOON}
        conn.execute(brakes.insert().values(row))
        task = {"key": "a", "kind": "alarm", "title": "", "opened_at": NOON}
        conn.execute(tasks.insert().values(task))
    said = exposition(make_registry(lambda: read_figures(instance.app))).decode()
    families = {family.name for family in text_string_to_metric_families(said)}
    ours = {name.removesuffix("_gcount").removesuffix("_gsum") for name in families}
    page = (DOCS / "operating.md").read_text(encoding="utf-8")
    table = page.partition("## Metrics")[2].partition("\n## ")[0]
    named = [
        cell.strip().strip("`").partition("{")[0]
        for line in table.splitlines()
        if line.startswith("| `perennial_")
        for cell in line.split("|")[1:2]
    ]
    assert sorted(named) == sorted(ours)


def test_what_providers_told_over_the_last_day_is_counted_by_kind(instance: Instance) -> None:
    rows = [
        ("a", "delivered", False, ago(hours=1)),
        ("b", "delivered", False, ago(hours=23)),
        ("c", "delivered", False, ago(hours=25)),
        ("d", "bounced", True, ago(hours=1)),
    ]
    with instance.engine.begin() as conn:
        for key, kind, orphan, span in rows:
            row = {"channel": "sendgrid", "key": key, "kind": kind, "orphan": orphan, "raw": {}}
            row |= {"at": NOON, "received_at": NOON + span}
            conn.execute(events.insert().values(row))
    told = instance.told()
    found = {kind: value for (name, kind), value in told.items() if name == "events_last_day"}
    assert found == {"delivered": 2, "orphan": 1}
