"""The coming days as the pages show them: counted beside the work, the same as the plan."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import select

from tests.cadence.conftest import Book, day, schedule_text
from worker.cadence import ahead, brakes, edits, foreseen
from worker.cadence.ahead import Sample
from worker.db.engine import reading
from worker.kernel.dates import Period
from worker.outbox.records import mail_days
from worker.schedules.flow import read_drafts

TODAY = day("2026-11-20")


@pytest.fixture
def known(book: Book) -> Book:
    """Four clients, two of whom are due on one day."""
    book.apply(schedule_text("30 days before", "3 days after"))
    for key, end in (("L-1", "2027-01-12"), ("L-2", "2027-01-12"), ("L-3", "2027-02-01")):
        book.licence(key, end=end, start=f"2026{end[4:]}")
        book.contact(f"C-{key}", licence=key)
    book.decide()
    return book


def _counted(book: Book) -> foreseen.Foreseen:
    foreseen.count(book.engine, book.asked())
    with reading(book.engine) as conn:
        return foreseen.read(conn)["renewal"]


def test_each_day_has_the_mails_that_the_plan_has(known: Book) -> None:
    found = _counted(known)
    with reading(known.engine) as conn:
        plan = ahead.forecast(conn, known.asked(), Period(TODAY, TODAY + timedelta(days=89)))
    mails = {(r.at.date(), r.message) for r in plan if r.decision == "planned" and r.at}
    expected = Counter(on for on, _ in mails)
    assert sum(expected.values()) >= 5
    assert {on: c.mails for on, c in found.days.items() if c.mails} == expected
    assert len(found.days) == 90, "days with nothing are known to have nothing"
    assert (found.one_in, found.at) == (1, known.now)
    assert found.mails(TODAY, 30) == sum(n for on, n in expected.items() if on < day("2026-12-20"))


def test_walks_are_counted_by_state(known: Book) -> None:
    foreseen.count(known.engine, known.asked())
    with reading(known.engine) as conn:
        assert foreseen.walks_of(conn) == {"renewal": {"active": 3}}


def test_it_is_counted_once_a_day_and_after_each_application(known: Book) -> None:
    def is_due() -> bool:
        with reading(known.engine) as conn:
            return foreseen.is_due(conn, known.now)

    assert is_due()
    _counted(known)
    assert not is_due()
    known.later(hours=23)
    assert not is_due()
    known.apply(schedule_text("20 days before"))
    assert is_due()
    _counted(known)
    known.later(hours=24)
    assert is_due()


def test_a_schedule_that_ended_is_forgotten(known: Book) -> None:
    _counted(known)
    (known.root / "schedules/renewal.toml").unlink()
    known.apply_all({})
    foreseen.count(known.engine, known.asked())
    with reading(known.engine) as conn:
        assert foreseen.read(conn) == {}


def test_a_sample_takes_whole_accounts_and_always_the_same(known: Book) -> None:
    with reading(known.engine) as conn:
        ids = ahead.touched(conn, known.asked(), Period(TODAY, TODAY + timedelta(days=89)))
        parts = [Sample(2).of(conn, ids), Sample(1).of(conn, ids)]
        assert Sample(2).of(conn, ids) == parts[0]
    assert set(parts[0]) < set(parts[1])
    assert len(parts[0]) in (1, 2)


@pytest.mark.parametrize(("licences", "one_in"), [(0, 1), (2000, 1), (2001, 2), (1_000_000, 500)])
def test_a_sample_is_no_larger_than_was_asked_for(licences: int, one_in: int) -> None:
    assert ahead.sample_for(licences, 2000) == Sample(one_in)


def test_an_outlook_on_a_part_of_the_book_speaks_of_that_part_only(known: Book) -> None:
    (known.root / "schedules/renewal.toml").write_text(schedule_text("20 days before"))
    drafts, _ = read_drafts(known.root)
    period = Period(TODAY, TODAY + timedelta(days=89))
    with reading(known.engine) as conn:
        whole = edits.outlook(conn, drafts, known.asked(), period)
        part = edits.outlook(conn, drafts, known.asked(), period, Sample(2))
    said = {change.licence for change in whole.effects}
    assert said == {"L-1", "L-2", "L-3"}
    assert {change.licence for change in part.effects} < said


def test_a_forecast_of_a_part_is_multiplied_before_it_is_remembered(known: Book) -> None:
    known.licence("L-9", end="2026-12-24", start="2025-12-24")
    known.contact("C-9", licence="L-9")
    with reading(known.engine) as conn:
        records = ahead.forecast(conn, known.asked(), Period(TODAY, TODAY + timedelta(days=6)))
    with known.engine.begin() as conn:
        brakes.note(conn, records, known.now, times=40)
        row = conn.execute(select(mail_days).where(mail_days.c.day == day("2026-11-24"))).one()
    assert row.foreseen == 40
