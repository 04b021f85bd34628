"""What is told of: each thing once, in the transaction in which it happens, and no person named."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, insert, select

from tests.clients.conftest import Site, opened, sqlite_engine
from tests.outbox.world import World
from tests.webhooks.world import NOON
from worker.catalogue import lapses, renewing
from worker.config.settings import EVENTS
from worker.db.engine import reading
from worker.db.records import endpoints, notices
from worker.kernel.clock import VirtualClock
from worker.worklist import store as worklist
from worker.worklist.store import NewTask

__all__ = ["sqlite_engine"]

DAY = timedelta(days=1)


def listen(engine: Engine) -> None:
    row = {"name": "crm", "url": "https://crm.example.com/", "types": list(EVENTS)}
    with engine.begin() as conn:
        conn.execute(insert(endpoints).values(**row, changed_at=NOON))


def told(engine: Engine) -> list[tuple[str, Any]]:
    with reading(engine) as conn:
        rows = conn.execute(select(notices).order_by(notices.c.id)).all()
    assert {row.type for row in rows} <= set(EVENTS)
    return [(row.type, row.body) for row in rows]


@pytest.fixture
def world(engine: Engine, root: Path) -> World:
    made = World(engine, root)
    made.licence("L-1")  # until 20 December 2026
    listen(engine)
    return made


def test_a_renewal_is_told_once_and_a_correction_or_a_new_licence_is_not(world: World) -> None:
    world.licence("L-2")
    world.licence("L-1", end="2026-12-22")
    assert told(world.engine) == []
    for _ in range(2):
        world.licence("L-1", start="2026-12-23", end="2027-12-22")
    ((type_, body),) = told(world.engine)
    assert (type_, body["licence"], body["term"]) == ("licence.renewed", "L-1", 2)
    assert (body["account"], body["expires_on"]) == ("A-L-1", "2027-12-22")


def test_a_licence_that_renews_by_itself_is_told_of(world: World) -> None:
    world.licence("L-2", auto="yes", end="2026-11-18", start="2025-11-18")
    assert told(world.engine) == []
    with world.engine.begin() as conn:
        renewing.renew_automatically(conn, NOON, "UTC", 100)
    assert [(type_, body["licence"], body["term"]) for type_, body in told(world.engine)] == [
        ("licence.renewed", "L-2", 2)
    ]


def test_a_term_that_ends_unrenewed_is_told_of_on_the_day_after(world: World) -> None:
    world.licence("L-2", auto="yes")
    world.licence("L-3", status="cancelled")
    world.licence("L-4", end="2026-12-21")
    end = NOON.replace(month=12, day=21, hour=0)

    def look(since: Any, now: Any) -> list[str]:
        with world.engine.begin() as conn:
            lapses.note(conn, since, now, "UTC")
        return [f"{type_} {body['licence']}" for type_, body in told(world.engine)]

    assert look(end - 3 * DAY, end - timedelta(seconds=1)) == []
    assert look(end - timedelta(seconds=1), end) == ["licence.lapsed L-1"]
    assert look(end - DAY, end + timedelta(hours=1)) == ["licence.lapsed L-1"]
    both = ["licence.lapsed L-1", "licence.lapsed L-4"]
    assert look(end, end + DAY) == both
    assert look(end + DAY, end + 400 * DAY) == both


def test_the_day_ends_where_the_client_lives(world: World) -> None:
    end = NOON.replace(month=12, day=21, hour=0)
    west = end + timedelta(hours=8)  # Los Angeles
    with world.engine.begin() as conn:
        assert lapses.note(conn, end, west - timedelta(minutes=1), "America/Los_Angeles") == 0
        assert lapses.note(conn, end, west, "America/Los_Angeles") == 1


def test_tasks_are_told_of_when_they_open_and_close_without_their_detail(world: World) -> None:
    new = [NewTask(f"k:{n}", "step", f"Call {n}", "anna@example.com") for n in (1, 2)]
    with world.engine.begin() as conn:
        worklist.open_tasks(conn, new, NOON)
        worklist.open_tasks(conn, new, NOON)
        worklist.close(conn, "k:1", "done", NOON)
    found = told(world.engine)
    assert [type_ for type_, _ in found] == ["task.opened", "task.opened", "task.closed"]
    assert found[0][1]["title"] == "Call 1"
    assert (found[2][1]["task"], found[2][1]["outcome"]) == (found[0][1]["task"], "done")
    assert "anna" not in str(found)


def test_what_is_rolled_back_is_not_told(world: World) -> None:
    with world.engine.connect() as conn, conn.begin() as transaction:
        worklist.open_tasks(conn, [NewTask("k:1", "step", "Call")], NOON)
        transaction.rollback()
    assert told(world.engine) == []


@pytest.fixture
def site(engine: Engine, database_url: str, root: Path) -> Iterator[Site]:
    with opened(engine, database_url, root) as made:
        listen(engine)
        yield made


def test_an_answer_is_told_of_without_who_gave_it_and_in_which_words(site: Site) -> None:
    links = site.mailed()
    with site.engine.begin() as conn:
        conn.execute(notices.delete())
    note = {"note": "Ask for Anna, anna@example.com"}
    site.answer(links["a"], "decline", reason="price", **note)
    found = [body for type_, body in told(site.engine) if type_ == "answer.given"]
    assert found == [{"licence": "L-1", "term": 1, "answer": "decline", "reason": "price"}]
    assert "anna" not in str(told(site.engine))
    site.answer(links["a"], "decline", reason="price", **note)
    assert len([type_ for type_, _ in told(site.engine) if type_ == "answer.given"]) == 1
    assert isinstance(site.clock, VirtualClock)
    site.clock.advance(timedelta(minutes=1))
    site.answer(links["a"], "renew")
    assert len([type_ for type_, _ in told(site.engine) if type_ == "answer.given"]) == 2


def test_a_score_with_a_name_is_told_of_without_who_gave_it_and_once(site: Site) -> None:
    path = site.asked()
    site.clock.advance(timedelta(minutes=5))
    with site.engine.begin() as conn:
        conn.execute(notices.delete())
    for score in (3, 3, 9):
        site.send(path, score=score)
        site.send(f"{path}/more", comment="Ask for Anna")
        site.clock.advance(timedelta(minutes=1))
    found = [body for type_, body in told(site.engine) if type_ == "survey.answered"]
    assert [(one["score"], one["group"]) for one in found] == [(3, "detractor"), (9, "promoter")]
    assert found[0]["account"] == "A-1"
    assert "anna" not in str(found).lower()


@pytest.mark.parametrize("promise", ["confidential", "anonymous"])
def test_nothing_is_told_of_an_answer_that_shall_not_be_known(site: Site, promise: str) -> None:
    path = site.asked(promise)
    site.clock.advance(timedelta(minutes=5))
    site.send(path, score=3)
    assert "survey.answered" not in [type_ for type_, _ in told(site.engine)]
