"""One coming day, client by client: page by page the same as the plan has it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import pytest

from tests.cadence.conftest import Book, day, schedule_text
from worker.cadence import ahead, daily
from worker.cadence.decisions import Record
from worker.db.engine import reading
from worker.kernel.dates import Period

TODAY = day("2026-11-20")
STEPS = ("30 days before", "task 10 days before", "3 days before", "3 days after")


@pytest.fixture(params=["contractual", "commercial"])
def known(book: Book, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Book:
    """Seven clients, several of whom share a reader and so a budget; two make a page."""
    monkeypatch.setattr(daily, "ACCOUNTS", 2)
    monkeypatch.setattr(daily, "_LOOKED_AT", 3)
    book.apply(schedule_text(*STEPS, mail_class=request.param))
    for number in range(7):
        end = day("2026-12-18") + timedelta(days=number)
        book.licence(f"L-{number}", end=str(end), start=f"2025{str(end)[4:]}")
        book.contact(f"C-{number}", licence=f"L-{number}", email=f"anna{number % 2}@example.com")
    book.decide()
    return book


def _pages(book: Book, on: date, stem: str | None = None) -> Iterator[list[Record]]:
    after: int | None = 0
    with reading(book.engine) as conn:
        while after is not None:
            page = daily.daily(conn, book.asked(), on, stem, after)
            yield list(page.records)
            assert page.after is None or page.after > after
            after = page.after


def _plan(book: Book) -> dict[date, list[Record]]:
    with reading(book.engine) as conn:
        found = ahead.forecast(conn, book.asked(), Period(TODAY, TODAY + timedelta(days=60)))
    days: dict[date, list[Record]] = {}
    for one in found:
        if one.decision == "planned" and one.at is not None:
            days.setdefault(one.at.date(), []).append(one)
    return days


def _said(records: list[Record]) -> list[tuple[str, str | None, str | None]]:
    return sorted((one.subject, one.step, str(one.at)) for one in records)


def test_all_pages_of_a_day_together_say_what_the_plan_says(known: Book) -> None:
    plan = _plan(known)
    assert len(plan) > 8
    quiet = [TODAY + timedelta(days=each) for each in (0, 5, 33)]
    for on in sorted({*plan, *quiet}):
        told = [one for page in _pages(known, on) for one in page]
        assert _said(told) == _said(plan.get(on, [])), on


def test_a_page_holds_whole_clients_and_no_more_than_fit(known: Book) -> None:
    plan = _plan(known)
    on = max(plan, key=lambda one: len(plan[one]))
    pages = list(_pages(known, on))
    clients = [{one.account for one in page} for page in pages]
    assert max(map(len, clients)) <= 2
    assert sum(map(len, clients)) == len(set().union(*clients)), "nobody stands on two pages"


def test_a_schedule_that_is_not_meant_is_left_out(known: Book) -> None:
    on = min(_plan(known))
    assert [one for page in _pages(known, on, "renewal") for one in page]
    assert not [one for page in _pages(known, on, "other") for one in page]
