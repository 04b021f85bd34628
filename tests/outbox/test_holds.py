"""Mails that wait for a person: who is asked, how often, and what an answer lets go."""

from __future__ import annotations

import threading
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select

from tests.outbox.world import NOON, SCHEDULE, World
from tests.staff import OFFICE
from worker.access.records import audit
from worker.cadence import answers
from worker.cadence.machine import Guards
from worker.db.engine import reading
from worker.outbox import holds
from worker.outbox.holds import Answer, Day
from worker.outbox.records import mail_days, messages
from worker.schedules import store as versions

TODAY = date(2026, 11, 20)
DAY = timedelta(days=1)


def _run(world: World, stale: tuple[str, ...] = ()) -> None:
    """As an instance runs it: approvals are asked for, not taken as given."""
    world.run(world.machine(guards=Guards(asks=True, stale=lambda conn, now: stale)))


def _asking(how: str) -> str:
    return SCHEDULE.replace("[limits]", f'[limits]\napprove = "{how}"')


def _waiting(world: World, how: str = "first-day") -> World:
    world.licence()
    world.contact()
    world.apply(_asking(how))
    _run(world)
    return world


def _noted(world: World) -> tuple[str, str, dict[str, Any]]:
    """The last line of the audit log: what, about what, and the detail."""
    with reading(world.engine) as conn:
        row = conn.execute(select(audit).order_by(audit.c.id.desc()).limit(1)).one()
    return row.what, row.about, row.detail


def _next(world: World, key: str) -> None:
    """One more client whose heads-up is due today."""
    end = world.clock.now().date() + timedelta(days=30)
    world.licence(key, start=(end - timedelta(days=365)).isoformat(), end=end.isoformat())
    world.contact(f"C-{key}", licence=key)


# --- approvals ------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["first-day", "always"])
def test_a_mail_waits_until_it_is_approved_and_a_person_is_asked_once(
    world: World, how: str
) -> None:
    _waiting(world, how)
    assert world.states() == [("due", "approval")]
    assert world.ledger()[0].next_at is None
    title = "Approve the mails of 'Licence renewal' of 2026-11-20"
    for _ in range(2):
        world.later(hours=1)
        _run(world)
        assert world.tasks() == [("approval", title)]
    assert answers.approve(world.engine, ["renewal"], world.clock.now(), OFFICE) == [("renewal", 1)]
    assert _noted(world) == ("mails.approved", "schedule renewal", {"mails": 1, "version": 1})
    _run(world)
    assert world.states() == [("accepted", None)]
    assert world.tasks() == []


def test_first_day_asks_once_per_version_and_always_asks_every_day(world: World) -> None:
    _waiting(world, "always")
    answers.approve(world.engine, [], world.clock.now(), OFFICE)
    _run(world)
    _next(world, "L-2")
    _run(world)
    assert len(world.mails()) == 2  # the same day was answered
    world.later(days=1)
    _next(world, "L-3")
    _run(world)
    assert len(world.mails()) == 2
    assert [kind for kind, _ in world.tasks()] == ["approval"]
    answers.approve(world.engine, [], world.clock.now(), OFFICE)
    world.apply(_asking("first-day"))
    _run(world)
    answers.approve(world.engine, [], world.clock.now(), OFFICE)
    _run(world)
    world.later(days=1)
    _next(world, "L-4")
    _run(world)
    assert len(world.mails()) == 4
    assert world.tasks() == []


def test_a_schedule_that_asks_nobody_never_waits(world: World) -> None:
    _waiting(world, "never")
    assert world.states() == [("accepted", None)]
    assert answers.approve(world.engine, [], world.clock.now(), OFFICE) == []


def test_a_rehearsal_takes_approvals_as_given(world: World) -> None:
    world.licence()
    world.contact()
    world.apply(_asking("always"))
    world.run()
    assert world.states() == [("accepted", None)]


def test_a_client_who_renews_while_the_mail_waits_gets_none(world: World) -> None:
    _waiting(world)
    world.licence(start="2026-12-20", end="2027-12-20")
    answers.approve(world.engine, [], world.clock.now(), OFFICE)
    _run(world)
    assert world.mails() == []
    assert world.ledger()[0].state == "cancelled"


def test_an_approval_that_comes_too_late_lets_only_the_step_of_that_day_go(world: World) -> None:
    _waiting(world)
    world.later(days=33)  # 23 December: three days after
    _run(world)
    assert [row.reason for row in world.ledger()] == ["approval", "approval"]
    answers.approve(world.engine, [], world.clock.now(), OFFICE)
    _run(world)
    assert sorted((row.step, row.state) for row in world.ledger()) == [
        ("grace", "accepted"),
        ("heads-up", "superseded"),
    ]
    assert len(world.mails()) == 1


def test_an_approval_of_one_schedule_lets_no_other_go(world: World) -> None:
    (world.root / "schedules/second.toml").write_text(_asking("first-day"), encoding="utf-8")
    _waiting(world)
    answers.approve(world.engine, ["second"], world.clock.now(), OFFICE)
    _run(world)
    states = {row.schedule: row.state for row in world.ledger()}
    assert states == {"renewal": "due", "second": "accepted"}


def test_two_workers_that_ask_at_once_ask_one_question(world: World) -> None:
    world.apply(_asking("first-day"))
    now, answered = world.clock.now(), []
    with reading(world.engine) as conn:
        (version,) = versions.active_ids(conn)

    def ask() -> None:
        with world.engine.begin() as conn:
            answered.append(holds.ask(conn, version, TODAY, now, each_day=False))

    with world.engine.begin() as conn:
        assert holds.ask(conn, version, TODAY, now, each_day=False) == Answer(False, asked=True)
        other = threading.Thread(target=ask)
        other.start()
        other.join(0.3)
        assert answered == []  # it waits for us
    other.join(10)
    assert answered == [Answer(approved=False, asked=False)]


# --- old data -------------------------------------------------------------------------------------


def test_mails_about_a_source_that_is_too_old_wait_and_nobody_is_asked(world: World) -> None:
    world.licence()
    world.contact()
    world.apply()
    _run(world, stale=("licences",))
    assert world.states() == [("due", "stale-source")]
    assert world.tasks() == []
    with world.engine.begin() as conn:
        assert holds.wake(conn, holds.APPROVAL, world.clock.now()) == 0
        assert holds.wake(conn, holds.STALE, world.clock.now()) == 1
    _run(world)
    assert world.states() == [("accepted", None)]


def test_held_mails_are_listed_by_reason_and_schedule_with_their_days(world: World) -> None:
    _waiting(world)
    world.later(days=1)
    _next(world, "L-2")
    _run(world)
    with reading(world.engine) as conn:
        (group,) = holds.held(conn)
    assert (group.reason, group.schedule, group.mails) == ("approval", "renewal", 2)
    assert (group.first, group.last) == (TODAY, TODAY + DAY)


def test_a_mail_that_waits_for_its_turn_is_not_held(world: World) -> None:
    world.licence()
    world.contact()
    world.apply()
    world.decide()
    with reading(world.engine) as conn:
        assert holds.held(conn) == []
        assert conn.execute(select(messages.c.next_at)).scalar() is not None


# --- days and their forecasts ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("foreseen", "decided", "far"),
    [
        (None, 10_000, False),  # nobody looked ahead
        (0, 49, False),
        (0, 50, True),
        (16, 66, True),
        (17, 66, False),  # not fifty more
        (25, 75, False),  # three times as many, not more
        (25, 76, True),
        (100, 300, False),
        (100, 301, True),
    ],
)
def test_a_day_is_far_above_at_more_than_three_times_and_fifty_more(
    foreseen: int | None, decided: int, far: bool
) -> None:
    assert Day(TODAY, foreseen, decided).is_far_above is far


def _foreseen(engine: Engine) -> dict[date, int | None]:
    with reading(engine) as conn:
        return {row.day: row.foreseen for row in conn.execute(select(mail_days))}


def test_what_was_foreseen_once_only_grows(engine: Engine) -> None:
    with engine.begin() as conn:
        holds.foresee(conn, {TODAY + DAY: 10}, TODAY, NOON)
        holds.foresee(conn, {TODAY + DAY: 4}, TODAY, NOON)
    assert _foreseen(engine) == {TODAY + DAY: 10}
    with engine.begin() as conn:
        holds.foresee(conn, {TODAY + DAY: 12}, TODAY, NOON)
    assert _foreseen(engine) == {TODAY + DAY: 12}


def test_a_day_that_has_begun_is_not_foreseen_after_the_fact(engine: Engine) -> None:
    with engine.begin() as conn:
        holds.count(conn, {TODAY: 70})
        holds.foresee(conn, {TODAY: 70}, TODAY, NOON)
    assert _foreseen(engine) == {TODAY: None}


def test_mails_of_a_day_add_up(engine: Engine) -> None:
    with engine.begin() as conn:
        holds.foresee(conn, {TODAY + DAY: 3}, TODAY, NOON)
        assert holds.count(conn, {TODAY + DAY: 40}) == [Day(TODAY + DAY, 3, 40)]
        assert holds.count(conn, {TODAY + DAY: 20, TODAY: 1}) == [
            Day(TODAY, None, 1),
            Day(TODAY + DAY, 3, 60),
        ]
