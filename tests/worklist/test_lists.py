"""The lists: whose they are, in which order, page by page, and along which index."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, insert, text
from sqlalchemy.dialects import postgresql

from tests.worklist.conftest import NOW, Office, hand, on
from worker.db.engine import make_engine, reading
from worker.worklist import flow, lists, store
from worker.worklist.flow import Today
from worker.worklist.lists import TABS, Asked
from worker.worklist.records import tasks

ASKED = Asked("SARA", ["sales", "renewals"], NOW.date(), NOW - timedelta(days=14))


def titles(engine: Engine, tab: str, asked: Asked = ASKED) -> list[str]:
    with reading(engine) as conn:
        return [row.title for row in lists.page(conn, tab, asked).rows]


def test_each_list_holds_what_its_name_says_due_first_and_undated_last(office: Office) -> None:
    for name, more in {
        "late": {"assignee": "SARA", "due_on": on(20)},
        "soon": {"assignee": "SARA", "due_on": on(26)},
        "some day": {"assignee": "SARA"},
        "toms": {"assignee": "TOM", "due_on": on(1), "account_id": office.account},
        "free": {"due_on": on(25)},
        "alarm": {"kind": "alarm"},
        "promised": {"kind": "promise", "assignee": "TOM", "due_on": on(30)},
    }.items():
        office.open(name, title=name, **more)  # type: ignore[arg-type]  # as open takes them
    rest = office.open("rest", title="resting", assignee="SARA", due_on=on(10))
    flow.snooze(office.engine, hand(), rest, 1, on(28), Today(NOW, NOW.date()))
    with office.engine.begin() as conn:
        store.open_tasks(conn, [store.NewTask("gone", "step", "gone")], NOW)
        store.close(conn, "gone", "done", NOW)
    engine = office.engine
    assert titles(engine, "mine") == ["late", "soon", "some day"]
    assert titles(engine, "pools") == ["free"], "an alarm is for admins"
    every = ["toms", "late", "free", "soon", "promised", "some day", "alarm"]
    assert titles(engine, "all") == every
    assert titles(engine, "snoozed") == ["resting"]
    assert titles(engine, "promises") == ["promised"]
    assert titles(engine, "closed") == ["gone"]
    with reading(engine) as conn:
        counts = lists.counts(conn, ASKED)
    assert counts == {name: len(titles(engine, name)) for name in TABS}
    assert titles(engine, "all", replace(ASKED, kind="alarm")) == ["alarm"]
    assert titles(engine, "all", replace(ASKED, account="A/1 x")) == ["toms"]
    assert titles(engine, "all", replace(ASKED, assignee="TOM")) == ["toms", "promised"]
    later = replace(ASKED, today=on(28))
    assert titles(engine, "mine", later)[0] == "resting", "back on its day"


@pytest.mark.parametrize("tab", ["mine", "closed"])
def test_pages_show_every_task_once_whatever_days_they_share(office: Office, tab: str) -> None:
    rows = [
        {
            "key": f"k{place}",
            "kind": "step",
            "title": str(place),
            "assignee": "SARA",
            "due_on": None if place % 7 == 0 else on(1 + place % 5),
            "opened_at": NOW,
            "closed_at": NOW - timedelta(hours=place % 4) if tab == "closed" else None,
        }
        for place in range(60)
    ]
    with office.engine.begin() as conn:
        conn.execute(insert(tasks), rows)
    seen, after = [], ""
    for _ in range(20):
        with reading(office.engine) as conn:
            page = lists.page(conn, tab, ASKED, after, 7)
        seen += [row.title for row in page.rows]
        after = page.after
        if not after:
            break
    assert len(seen) == 60
    assert len(set(seen)) == 60
    assert seen == titles(office.engine, tab)[:50] + seen[50:]


@pytest.mark.parametrize("after", ["", "x", "_", "2026-13-01_4", "-_x", "9" * 40, "2026-11-01T1_7"])
def test_a_place_that_is_none_of_ours_begins_at_the_beginning(office: Office, after: str) -> None:
    office.open("a", assignee="SARA", due_on=on(20))
    for tab in ("mine", "closed"):
        with reading(office.engine) as conn:
            assert lists.page(conn, tab, ASKED, after) == lists.page(conn, tab, ASKED)


@pytest.fixture
def busy(postgresql_url: str) -> Iterator[Engine]:
    """10,000 open tasks of 200 people, and 50,000 that are closed."""
    engine = make_engine(postgresql_url)
    chance = random.Random(7)
    with engine.begin() as conn:
        conn.execute(insert(tasks), [_some(chance, place) for place in range(60_000)])
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.execute(text("ANALYZE tasks"))
    yield engine
    engine.dispose()


def _some(chance: random.Random, place: int) -> dict[str, Any]:
    free = chance.random() < 0.3
    is_open = place % 6 == 0
    return {
        "key": f"k{place}",
        "kind": chance.choice(["step", "answer", "promise", "alarm"]),
        "title": "t",
        "assignee": None if free else f"P{chance.randrange(200)}",
        "pool": chance.choice(["sales", "renewals", "admin"]) if free else None,
        "due_on": on(1) + timedelta(days=chance.randrange(300)),
        "snoozed_until": on(28) if is_open and chance.random() < 0.05 else None,
        "opened_at": NOW,
        "closed_at": None if is_open else NOW - timedelta(hours=chance.randrange(9000)),
    }


@pytest.mark.parametrize("tab", TABS)
def test_every_list_is_read_along_an_index(busy: Engine, tab: str) -> None:
    asked = replace(ASKED, staff="P7")
    for after in ("", "2026-11-20T00:00:00+00:00_9" if tab == "closed" else "2026-12-01_9"):
        query = lists.statement(tab, asked, after, 51)
        words = query.compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True})
        with busy.connect() as conn:
            plan = "\n".join(conn.exec_driver_sql(f"EXPLAIN {words}").scalars())
        assert "ix_tasks_" in plan, plan
        assert "Seq Scan on tasks" not in plan, plan
