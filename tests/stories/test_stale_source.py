"""A source that cannot be read any more: nobody is chased on old data, and nothing is forgotten."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from sqlalchemy import Engine, select

from tests.outbox.world import ACCOUNT, LICENCE, NOON, World
from worker.bootstrap import App
from worker.config.loading import load
from worker.kernel.clock import VirtualClock
from worker.outbox.records import messages
from worker.worklist.store import open_ones

CONFIG = """
[database]
url = "{url}"
[mail.file]
folder = "mails"
[sources.licences]
kind = "csv"
path = "licences.csv"
every = "1 day"
stale_after = "2 days"
"""


def config(url: str) -> str:
    loads = [
        "[[sources.licences.load]]\n" + "".join(f'{key} = "{text}"\n' for key, text in one.items())
        for one in (ACCOUNT, LICENCE)
    ]
    return CONFIG.format(url=url) + "\n".join(loads)


def test_mails_of_a_stale_source_wait_and_go_out_once_it_is_read_again(
    engine: Engine, database_url: str, root: Path
) -> None:
    clock = VirtualClock(NOON - timedelta(days=3))  # the mail is due at NOON's day
    world = World(engine, root, clock)
    world.licence()
    world.contact()
    world.apply()
    (root / "config.toml").write_text(config(database_url), encoding="utf-8")
    app = App(root, load(root, {}), clock)

    def alarms() -> list[str]:
        with engine.begin() as conn:
            return [task.key for task in open_ones(conn, ["alarm"]) if "source" in task.key]

    app.tick()
    assert alarms() == []
    good = (root / "licences.csv").read_text(encoding="utf-8")
    (root / "licences.csv").write_text("out of order\n", encoding="utf-8")

    clock.advance_to(NOON)
    app.tick()
    assert alarms() == ["source-failed:licences", "source-stale:licences"]
    with engine.begin() as conn:
        held = conn.execute(select(messages.c.state, messages.c.reason, messages.c.next_at)).all()
    assert [tuple(row) for row in held] == [("due", "stale-source", None)]
    assert world.mails() == []

    (root / "licences.csv").write_text(good, encoding="utf-8")
    clock.advance(timedelta(hours=1))
    app.tick()
    assert alarms() == []
    assert world.addresses() == ["c-1@example.com"]
    app.close()
