"""Every so many months an account comes up for a review: on which days, and until when."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from tests.cadence.conftest import DAY, schedule_text
from tests.cadence.dormant import SilentBook
from worker.cadence import heard
from worker.cadence.records import walks
from worker.cadence.reviews import Review, anniversary, first, following
from worker.db.engine import reading

BASE = date(2024, 1, 31)


def review(*steps: str, every: str = "6 months", **more: str) -> str:
    """A schedule of reviews in TOML."""
    text = schedule_text(*steps, trigger="relationship-review", mail_class="commercial", **more)
    text = text.replace("renewal/heads-up", "silent/miss-you")
    return text.replace('class = "', f'every = "{every}"\nclass = "')


@pytest.fixture
def book(engine: Engine, root: Path) -> SilentBook:
    """A book on a fresh database; it is Friday, 20 November 2026."""
    return SilentBook(engine, root)


def anchors(book: SilentBook, key: str = "A-1") -> list[tuple[int, str]]:
    query = select(walks.c.cycle, walks.c.anchor_on).where(walks.c.account_id == book.id_of(key))
    with reading(book.engine) as conn:
        found = conn.execute(query.order_by(walks.c.cycle)).all()
    return [(row.cycle, row.anchor_on.isoformat()) for row in found]


# --- the days ---


def test_the_first_review_comes_a_whole_span_after_the_beginning() -> None:
    assert first(BASE, 6, date(2024, 2, 1)) == Review(1, date(2024, 7, 31))


def test_an_anniversary_of_today_is_a_review_of_today() -> None:
    assert first(BASE, 6, date(2026, 7, 31)) == Review(5, date(2026, 7, 31))


def test_a_month_that_is_too_short_ends_earlier_and_the_next_one_does_not() -> None:
    assert [anniversary(BASE, months).isoformat() for months in (1, 2, 3)] == [
        "2024-02-29",
        "2024-03-31",
        "2024-04-30",
    ]


def test_reviews_that_were_missed_are_not_made_up_for() -> None:
    here = Review(2, date(2025, 1, 31))
    assert following(here, BASE, 6, date(2026, 3, 1)) == Review(5, date(2026, 7, 31))


def test_another_span_never_gives_a_number_twice() -> None:
    here = Review(5, date(2026, 7, 31))
    assert following(here, BASE, 12, date(2026, 8, 1)) == Review(6, date(2027, 1, 31))
    assert following(here, BASE, 3, date(2026, 8, 1)) == Review(11, date(2026, 10, 31))


# --- the walks ---


def test_an_account_is_reviewed_on_the_anniversaries_of_its_first_term(book: SilentBook) -> None:
    book.licence(account="A-1", name="Client A-1", start="2024-12-10", end="2027-12-10")
    book.person("A-1", "a-1@example.com")
    book.apply_all({"review": review("ask = 5 days before")})
    book.live_until("Mon 2027-06-14")
    assert book.sent() == ["2026-12-05 ask", "2027-06-05 ask"]
    assert anchors(book) == [(4, "2026-12-10"), (5, "2027-06-10"), (6, "2027-12-10")]


def test_one_without_a_term_counts_from_the_day_on_which_it_was_seen(book: SilentBook) -> None:
    book.client()
    book.apply_all({"review": review("ask = on the day", every="3 months")})
    book.live_until("Fri 2027-08-27")
    assert book.sent() == ["2027-02-20 ask", "2027-05-20 ask", "2027-08-20 ask"]


def test_an_account_that_joins_later_is_reviewed_too(book: SilentBook) -> None:
    book.client()
    book.apply_all({"review": review("ask = on the day")})
    book.run()
    book.clock.advance_to(book.now + 3 * DAY)
    book.client("A-2")
    book.run()
    assert anchors(book, "A-2") == [(1, "2027-05-23")]


def test_an_answer_ends_the_review_and_the_next_one_comes_all_the_same(book: SilentBook) -> None:
    book.client()
    book.apply_all({"review": review("ask = on the day", "again = 5 days after")})
    book.live_until("Fri 2027-05-21")
    assert book.sent() == ["2027-05-20 ask"]
    with book.engine.begin() as conn:
        number = conn.execute(select(walks.c.id).where(walks.c.cycle == 1)).scalar_one()
        heard.note(conn, [number], heard.ANSWERED, book.now)
    book.run()
    assert book.account_walks()[0] == (1, "ended", "answered")
    book.live_until("Mon 2027-11-22")
    assert book.sent() == ["2027-05-20 ask", "2027-11-20 ask"]


def test_outside_the_audience_the_days_go_by_without_a_word(book: SilentBook) -> None:
    audience = '[[audience]]\n"account.segment" = "key"\n'
    book.client(segment="smb")
    book.apply_all({"review": review("ask = on the day", audience=audience)})
    book.live_until("Fri 2027-05-28")
    book.client(segment="key")
    book.live_until("Mon 2027-11-22")
    assert book.sent() == ["2027-11-20 ask"]
