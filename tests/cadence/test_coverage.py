"""The nightly proof that nobody is forgotten: quiet on a healthy book, loud on a damaged one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, delete, insert, select, update

from tests.cadence.conftest import Book, schedule_text
from worker.cadence import coverage
from worker.cadence.coverage import Gap
from worker.cadence.library import Library
from worker.cadence.records import steps, walks
from worker.catalogue import store as catalogue
from worker.catalogue.records import licences
from worker.outbox.records import messages

CADENCE = ("30 days before", "14 days before", "3 days after")


@pytest.fixture
def healthy(book: Book) -> Book:
    """One licence of every fate: mailed today, to be mailed, outside the audience, cancelled, long
    over, unreachable."""
    book.licence("DUE")
    book.licence("AHEAD", start="2026-01-15", end="2027-01-15")
    book.licence("AUTO", auto="yes")
    book.licence("CANCELLED", status="cancelled")
    book.licence("OVER", start="2025-10-20", end="2026-11-01")
    book.licence("ALONE")
    book.licence("FAR", start="2026-11-01", end="2029-11-01")
    for key in ("DUE", "AHEAD", "AUTO", "CANCELLED", "OVER", "FAR"):
        book.contact(f"C-{key}", licence=key)
    book.apply(schedule_text(*CADENCE, audience='[[audience]]\n"licence.auto_renew" = false\n'))
    book.run()
    return book


def _check(book: Book) -> list[tuple[str, str]]:
    with book.engine.begin() as conn:
        found = coverage.check(conn, Library().active(conn), book.now)
    assert {gap.schedule for gap in found} <= {"renewal"}
    return [(gap.licence, gap.reason) for gap in found]


def _walk_of(key: str) -> Any:
    subject = select(licences.c.id).where(licences.c.key == key).scalar_subquery()
    return walks.c.subject_id == subject


def _alarms(book: Book) -> list[str]:
    return [title for kind, title in book.tasks() if kind == "alarm"]


def test_the_schedules_that_ship_leave_no_gap_either(book: Book) -> None:
    book.licence("FIRST")
    book.licence("RENEWED")
    book.licence("AUTO", auto="yes", notice="90")
    book.licence("PAST", auto="yes", notice="30", end="2026-12-05")
    for key in ("FIRST", "RENEWED", "AUTO", "PAST"):
        book.contact(f"C-{key}", licence=key)
    shipped = Path(__file__).parents[2] / "schedules"
    book.apply_all({path.stem: path.read_text() for path in shipped.glob("*.toml")})
    book.run()
    book.licence("RENEWED", start="2026-12-20", end="2027-12-20", closed="2026-11-20")
    for day in ("2026-11-21", "2026-12-01", "2026-12-24", "2027-03-01", "2027-12-01"):
        book.live_until(day)
        with book.engine.begin() as conn:
            assert coverage.check(conn, Library().active(conn), book.now) == [], day


def test_a_healthy_book_has_no_gap_on_any_day(healthy: Book) -> None:
    for day in ("2026-11-21", "2026-12-06", "2026-12-07", "2026-12-24", "2027-01-02", "2027-03-01"):
        healthy.live_until(day)
        healthy.run()
        assert _check(healthy) == []
    assert _alarms(healthy) == []


def test_a_book_that_nothing_looked_at_yet_has_no_gap_while_its_bell_rings(book: Book) -> None:
    book.licence()
    book.apply(schedule_text(*CADENCE))
    assert _check(book) == []


def test_without_a_schedule_nobody_is_owed_anything(book: Book) -> None:
    book.licence()
    assert _check(book) == []


def _lose_walk(conn: Connection) -> None:
    conn.execute(delete(walks).where(_walk_of("AHEAD")))


def _put_to_sleep(conn: Connection) -> None:
    conn.execute(update(walks).where(_walk_of("AHEAD")).values(next_at=None))


@pytest.mark.parametrize(("damage", "reason"), [(_lose_walk, "no-walk"), (_put_to_sleep, "asleep")])
def test_a_lost_or_sleeping_walk_is_an_alarm_once_until_it_is_mended(
    healthy: Book, damage: Callable[[Connection], None], reason: str
) -> None:
    with healthy.engine.begin() as conn:
        damage(conn)
    assert _check(healthy) == [("AHEAD", reason)]
    assert _check(healthy) == [("AHEAD", reason)]
    assert _alarms(healthy) == ["1 licence is neither sent, planned nor explained"]
    with healthy.engine.begin() as conn:
        catalogue.mark_changed(conn, None)
    healthy.run()
    assert _check(healthy) == []
    assert _alarms(healthy) == []
    healthy.live_until("2027-01-02")
    assert "2026-12-16 30-days-before" in healthy.sent()


@pytest.mark.parametrize(("late", "expected"), [(59, []), (61, [("AHEAD", "overdue")])])
def test_a_walk_that_waits_for_more_than_an_hour_is_stuck(
    healthy: Book, late: int, expected: list[tuple[str, str]]
) -> None:
    with healthy.engine.begin() as conn:
        since = healthy.now - timedelta(minutes=late)
        conn.execute(update(walks).where(_walk_of("AHEAD")).values(next_at=since))
    assert _check(healthy) == expected


def test_a_step_that_waits_for_a_mail_that_does_not_exist_is_a_gap(book: Book) -> None:
    book.licence()
    book.contact()
    book.apply(schedule_text(*CADENCE))
    book.decide()
    with book.engine.begin() as conn:
        lost = conn.execute(select(messages)).mappings().one()
        conn.execute(delete(messages))
    assert _check(book) == [("L-1", "no-message")]
    assert _alarms(book) == ["1 licence is neither sent, planned nor explained"]
    with book.engine.begin() as conn:
        conn.execute(insert(messages).values(**lost))
    assert _check(book) == []
    assert _alarms(book) == []


def test_a_mail_that_nobody_picks_up_is_a_gap(book: Book) -> None:
    book.licence()
    book.contact()
    book.apply(schedule_text(*CADENCE))
    book.decide()
    assert _check(book) == []
    book.later(minutes=61)
    assert _check(book) == [("L-1", "stuck-message")]
    book.run()
    assert _check(book) == []


def test_a_decision_that_got_lost_is_a_gap_even_when_the_walk_looks_done(healthy: Book) -> None:
    healthy.live_until("2027-01-02")
    assert healthy.walks("DUE") == [(1, "ended", "completed")]
    with healthy.engine.begin() as conn:
        mine = select(walks.c.id).where(_walk_of("DUE"))
        conn.execute(delete(steps).where(steps.c.walk_id.in_(mine)))
    assert ("DUE", "undecided") in _check(healthy)


@pytest.mark.parametrize("reason", ["cancelled", "renewed", "schedule-removed"])
def test_a_walk_that_ended_although_its_licence_goes_on_is_a_gap(
    healthy: Book, reason: str
) -> None:
    with healthy.engine.begin() as conn:
        ended = {"state": "ended", "reason": reason, "next_at": None}
        conn.execute(update(walks).where(_walk_of("AHEAD")).values(**ended))
    assert _check(healthy) == [("AHEAD", "asleep")]


def test_a_licence_far_beyond_the_horizon_is_not_looked_at(healthy: Book) -> None:
    with healthy.engine.begin() as conn:
        conn.execute(delete(walks).where(_walk_of("FAR")))
        conn.execute(delete(walks).where(_walk_of("AUTO")))
    assert _check(healthy) == [("AUTO", "no-walk")]


def test_the_alarm_names_the_licences_and_says_where_to_look(healthy: Book) -> None:
    with healthy.engine.begin() as conn:
        conn.execute(delete(walks).where(_walk_of("AHEAD")))
        conn.execute(delete(walks).where(_walk_of("AUTO")))
        coverage.check(conn, Library().active(conn), healthy.now)
    (detail,) = healthy.alarm_details()
    assert detail == "AHEAD (no-walk), AUTO (no-walk). See: perennial explain LICENCE"


def test_every_schedule_is_looked_at(healthy: Book) -> None:
    text = schedule_text("21 days before")
    (healthy.root / "schedules/second.toml").write_text(text, encoding="utf-8")
    healthy.apply(schedule_text(*CADENCE))
    healthy.run()
    with healthy.engine.begin() as conn:
        second = walks.c.schedule == "second"
        conn.execute(delete(walks).where(second, _walk_of("DUE")))
        found = coverage.check(conn, Library().active(conn), healthy.now)
    assert found == [Gap("DUE", "second", "no-walk")]
