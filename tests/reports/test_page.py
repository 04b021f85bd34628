"""The page of a report, read back the way a browser reads it."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.cadence.test_summary_page import Page
from tests.reports.conftest import TODAY, YEAR, Book, year
from worker.db.engine import reading
from worker.kernel.dates import Period
from worker.kernel.estimates import Estimate
from worker.reports import figures, page, picture
from worker.reports.cohort import Asked

DUE = "2026-06-30"
BEFORE = ("2025-06-30", DUE)
NOW = datetime(2027, 2, 15, 9, 30, tzinfo=UTC)
EVIL = "</title><script>alert(1)</script>&"


@pytest.fixture
def full(book: Book) -> Book:
    """One licence of every fate, and a step with and without."""
    for number, (closed, segment) in enumerate(
        (("2026-06-01", "smb"), ("2026-07-09", EVIL), ("2026-06-08", "smb"))
    ):
        book.licence(f"R{number}", BEFORE, (*year(DUE), closed), segment=segment)
        book.step(f"R{number}", "reminder", "2026-06-01")
    book.licence("LOST", BEFORE, status="cancelled", currency="PLN")
    book.step("LOST", "reminder", "2026-06-01", decision="superseded")
    book.licence("LEAKED", ("2025-02-01", "2026-02-01"), amount=None)
    book.licence("OPEN", ("2025-12-31", "2026-12-31"))
    return book


def written(
    book: Book, folder: Path, by: str | None = None, period: Period = YEAR, today: date = TODAY
) -> str:
    asked = Asked(period, today, by)
    with reading(book.engine) as conn:
        found, months = figures.read(conn, asked), figures.by_month(conn, asked)
    page.write(folder / "page.html", found, months, NOW)
    return (folder / "page.html").read_text(encoding="utf-8")


def test_the_big_figures_and_the_months_are_those_of_the_report(full: Book, tmp_path: Path) -> None:
    read = Page(written(full, tmp_path, today=date(2027, 1, 10)))
    assert read.by("data-figure") == {
        "due": "6",
        "renewal_rate": "50.0 %",
        "logo_renewal_rate": "50.0 %",
        "on_time_rate": "33.3 %",
        "coverage": "50.0 %",
        "late_days": "−22",
    }
    months = read.by("data-month")
    assert len(months) == 12
    assert "2 renewed on time · 1 renewed late · 1 cancelled or ended" in months["2026-06"]
    assert "1 leaked" in months["2026-02"]
    assert "1 still open" in months["2026-12"]
    assert "nothing due" in months["2026-01"]


def test_behind_each_picture_stands_a_table(full: Book, tmp_path: Path) -> None:
    text = written(full, tmp_path, by="segment")
    assert text.count("<details>") == 4
    for section in re.findall(r"<section.*?</section>", text, re.S):
        assert "<svg" not in section or "<table" in section


def test_every_picture_is_sound_and_says_what_it_shows(full: Book, tmp_path: Path) -> None:
    pictures = re.findall(r"<svg.*?</svg>", written(full, tmp_path, by="segment"), re.S)
    assert len(pictures) > 20
    for drawn in pictures:
        root = ElementTree.fromstring(drawn)
        title = root.find("title")
        hidden = root.get("aria-hidden") == "true"
        assert hidden or (root.get("role") == "img" and title is not None and title.text)
        for rect in root.iter("rect"):
            x, width = float(rect.get("x", "0")), float(rect.get("width", "0"))
            assert -0.1 <= x <= x + width <= 1000.5


def test_words_of_the_book_stay_words(full: Book, tmp_path: Path) -> None:
    text = written(full, tmp_path, by="segment")
    assert "<script" not in text
    assert "&lt;script&gt;" in text


def test_the_page_needs_nothing_from_elsewhere_and_runs_no_script(
    full: Book, tmp_path: Path
) -> None:
    text = written(full, tmp_path, by="product")
    assert not re.findall(r"(?:src|href|url\()\s*=?[\"'(]?\s*(?:https?:)?//", text)
    assert "default-src 'none'" in text
    assert "prefers-color-scheme:dark" in text


def test_a_step_without_anything_to_compare_says_so(book: Book, tmp_path: Path) -> None:
    book.licence("L", BEFORE)
    book.step("L", "reminder", "2026-06-01")
    read = Page(written(book, tmp_path))
    assert "nothing to compare with" in read.by("data-step")["renewal/reminder"]


def test_a_period_with_nothing_due_still_has_a_page(book: Book, tmp_path: Path) -> None:
    read = Page(written(book, tmp_path))
    assert "No licence was due" in read.text
    assert read.by("data-figure")["renewal_rate"] == "–"


def test_an_old_page_stays_until_the_new_one_is_whole(full: Book, tmp_path: Path) -> None:
    written(full, tmp_path)
    full.licence("MORE", BEFORE)
    assert Page(written(full, tmp_path)).by("data-figure")["due"] == "7"
    assert [path.name for path in tmp_path.glob("page*")] == ["page.html"]


# --- pictures -------------------------------------------------------------------------------------


def _rects(drawn: str) -> list[tuple[str, float, float]]:
    return [
        (rect.get("class", ""), float(rect.get("x", "0")), float(rect.get("width", "0")))
        for rect in ElementTree.fromstring(drawn).iter("rect")
    ]


def test_a_bar_is_as_long_as_its_share_of_the_longest_and_its_parts_meet() -> None:
    parts = [("on-time", 30), ("late", 0), ("leaked", 10)]
    (one, two) = _rects(picture.bar("June", parts, 80))
    assert (one[0], two[0]) == ("on-time", "leaked")
    assert two[1] == pytest.approx(one[1] + one[2], abs=0.2)
    assert one[2] / two[2] == pytest.approx(3, abs=0.2)
    assert two[1] + two[2] == pytest.approx(500, abs=10)


def test_what_is_there_is_seen_however_small() -> None:
    ((_, _, width), _) = _rects(picture.bar("June", [("late", 1), ("leaked", 10**6)], 10**6))
    assert width >= 4


def test_a_share_lies_on_its_scale_with_its_interval_around_it() -> None:
    drawn = picture.whisker("Renewed", Estimate(0.5, 0.4, 0.7))
    ((_, x, width),) = _rects(drawn)
    assert (x, x + width) == (400, 700)
    assert 'class="here" x1="500.0"' in drawn


def test_a_difference_lies_on_a_scale_around_nothing() -> None:
    drawn = picture.whisker("Effect", Estimate(0.05, -0.05, 0.1), -0.1, 0.1)
    assert 'class="zero" x1="500.0"' in drawn
    assert 'class="here" x1="750.0"' in drawn


@pytest.mark.parametrize(
    ("end", "scale"), [(0.0, 0.1), (0.1, 0.1), (0.11, 0.25), (0.4, 0.5), (0.7, 1.0)]
)
def test_the_scale_of_differences_holds_all_of_them(end: float, scale: float) -> None:
    assert picture.reach([Estimate(0.0, -end, end / 2)]) == scale
    assert picture.reach([]) == 0.1
