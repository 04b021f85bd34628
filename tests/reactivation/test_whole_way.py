"""From a night's orders to a task for sales, and from an order back: the whole way, by beats."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select

from tests.processes import write_config
from tests.reactivation.test_scoring import NOW, fill, trade
from worker.access.audit import at_the_terminal
from worker.bootstrap import App
from worker.cadence import flow as cadence
from worker.catalogue.records import order_days
from worker.config.loading import load
from worker.db.engine import make_engine, reading
from worker.kernel.clock import VirtualClock
from worker.reactivation.closing import Named, named
from worker.reactivation.records import episodes
from worker.schedules.flow import Draft
from worker.schedules.loader import load_text
from worker.worklist.records import tasks

SCHEDULE = """\
name = "Reactivation"
trigger = "account-dormant"
class = "commercial"
lanes = ["gone-quiet"]
per_week = 3

[calendar]
timezone = "Europe/Warsaw"

[[steps]]
id = "call"
when = "on the day"
task = "Call: they fell silent"
"""


def rows(app: App, table: Any) -> list[Any]:
    with reading(app.engine) as conn:
        return list(conn.execute(select(table).order_by(table.c.id)))


def beat(app: App) -> None:
    app.sweep()
    while app.plan_batch():
        pass


def test_a_client_is_flagged_becomes_a_task_and_an_order_ends_both(
    root: Path, database_url: str
) -> None:
    write_config(root, database=database_url)
    engine = make_engine(database_url)
    fill(engine, trade())
    clock = VirtualClock(NOW)
    app = App(root, load(root, {}, {}), clock)
    try:
        schedule = load_text(SCHEDULE.encode(), "schedules/reactivation.toml", templates=None)
        cadence.apply(engine, clock, [Draft(schedule, SCHEDULE, {})], at_the_terminal())
        beat(app)
        clock.advance(timedelta(hours=6))
        beat(app)
        found, work = rows(app, episodes), rows(app, tasks)
        about = [named(one.key) for one in work if one.kind == "dormant"]
        assert len(found) == 3, "as many as one pair of hands can call in a week"
        assert about == [Named("reactivation", one.account_id, 1) for one in found]
        first, today = found[0], clock.now().date()
        place = {"account_id": first.account_id, "day": today, "product_line": ""}
        amounts = {"net": Decimal(9), "sold": Decimal(9), "orders": 1, "currency": "EUR"}
        with engine.begin() as conn:
            conn.execute(insert(order_days).values(place | amounts))
        beat(app)
        assert [one.ended_why for one in rows(app, episodes)] == ["ordered", None, None]
        closed = [one for one in rows(app, tasks) if one.outcome == "ordered"]
        assert [named(one.key) for one in closed] == [about[0]]
    finally:
        app.close()
        engine.dispose()
