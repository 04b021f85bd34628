"""What is the whole house's doing, and the protocol's care about time."""

from __future__ import annotations

import random
from datetime import date

import pytest

from tests.reactivation.books import CUT, book_of, credit, rows_of
from worker.reactivation.calibration import calibrate, coming_level, fit
from worker.reactivation.history import Book, Row
from worker.reactivation.house import look_at
from worker.reactivation.lanes import QUIET
from worker.reactivation.rules import Measure, last_full_day, verdicts


def trade(accounts: int = 80, seed: int = 1, years: int = 2, *, first: int = 1) -> list[Row]:
    """Clients who order every 10 to 40 days; one in five stopped some time ago."""
    draw = random.Random(seed)
    rows: list[Row] = []
    for account in range(first, first + accounts):
        every, day, days = draw.randrange(10, 40), years * 365 - draw.randrange(30), []
        last = draw.randrange(0, 300) if account % 5 == 0 else 0
        while day >= last:
            days.append(day)
            day -= max(1, round(draw.gammavariate(2, every / 2)))
        rows += rows_of(account, days, amount=float(draw.randrange(50, 500)))
    return rows


def judged(book: Book, cut: int = CUT) -> list:
    by = Measure(look_at(book, cut), calibrate(book, cut))
    return list(verdicts(book.clients(cut), by))


def test_nothing_after_the_cut_off_is_ever_read() -> None:
    honest = trade()
    absurd = [
        *rows_of(1, [-1, -2, -89], amount=9e9, line="Tomorrow's line"),
        *rows_of(2, [-400], amount=-9e9, currency="XAU"),
        *rows_of(999, range(-3000, -1), amount=1e12, line="Tomorrow's line"),
        credit(3, -1, 9e12),
    ]
    assert judged(book_of(honest, absurd)) == judged(book_of(honest))


def test_a_calibration_does_not_look_past_its_cut_off_either() -> None:
    honest, later = trade(), trade(first=200, seed=2)
    future = [(account, day + 800, *rest) for account, day, *rest in later]
    assert calibrate(book_of(honest, future), CUT) == calibrate(book_of(honest), CUT)


@pytest.mark.parametrize("shift", [1, 9, 10, 20, 21, 30, 31])
def test_the_same_rolling_window_gives_the_same_verdicts_on_any_day_of_the_month(
    shift: int,
) -> None:
    moved = [(account, day + shift, *rest) for account, day, *rest in trade()]
    here, there = judged(book_of(trade())), judged(book_of(moved), CUT + shift)
    strip = [(v.account, v.score, v.lane, v.drop, v.reasons) for v in here]
    assert [(v.account, v.score, v.lane, v.drop, v.reasons) for v in there] == strip


def test_a_house_that_stood_still_flags_nobody_for_it() -> None:
    """A strike of five weeks: nobody could order, so nobody is late."""
    steady = trade(accounts=150)
    on_strike = [row for row in steady if row[1] <= CUT - 35]
    quiet = sum(v.lane == QUIET for v in judged(book_of(steady)))
    during = sum(v.lane == QUIET for v in judged(book_of(on_strike)))
    assert look_at(book_of(on_strike), CUT).lost_in(90) >= 28
    assert during <= quiet + 8


def test_a_client_that_stops_while_the_house_sells_on_is_flagged() -> None:
    stopped = [row for row in trade(accounts=150) if row[0] > 20 or row[1] <= CUT - 120]
    lanes = {v.account: v.lane for v in judged(book_of(stopped))}
    assert sum(lanes.get(account) == QUIET for account in range(1, 21)) >= 17


def test_a_season_of_the_house_is_known_after_a_year() -> None:
    summer = [
        row
        for account in range(1, 41)
        for row in rows_of(account, range(0, 1000, 10), amount=10)
        if not 365 <= CUT - row[1] < 455 or account % 2
    ]
    assert look_at(book_of(summer), CUT).season["EUR"] == pytest.approx(0.57, abs=0.02)
    young = [row for row in summer if row[1] > CUT - 300]
    assert look_at(book_of(young), CUT).season["EUR"] == 1


def test_a_quarter_is_retold_at_the_level_of_the_season_to_come() -> None:
    """Winters bring a third of a summer: the quarter after the cut-off was poor last year."""
    rows = [
        row
        for account in range(1, 41)
        for row in rows_of(account, range(0, 900, 5), amount=10)
        if not 275 <= CUT - row[1] < 365 or account % 3 == 0
    ]
    assert coming_level(book_of(rows), CUT) == pytest.approx(2 / 3)  # never further than that
    assert coming_level(book_of(trade(years=1)), CUT) == 1


def test_the_calibration_finds_the_numbers_that_made_the_drops() -> None:
    draw = random.Random(7)
    odds = [draw.gauss(0, 1.5) for _ in range(6000)]
    dropped = [draw.random() < 1 / (1 + 2.718281828 ** -(0.6 * z - 0.8)) for z in odds]
    slope, intercept = fit(odds, dropped)
    assert slope == pytest.approx(0.6, abs=0.05)
    assert intercept == pytest.approx(-0.8, abs=0.06)


def test_the_evidence_counts_clients_of_the_closed_quarter() -> None:
    calibration = calibrate(book_of(trade(accounts=200)), CUT)
    assert calibration.fitted == sum(group.clients for group in calibration.groups)
    low, high = calibration.evidence(-99.0), calibration.evidence(99.0)
    assert low is not None
    assert high is not None
    assert low.fell / low.clients < high.fell / high.clients


def test_too_few_clients_calibrate_nothing() -> None:
    calibration = calibrate(book_of(trade(accounts=12)), CUT)
    assert (calibration.slope, calibration.intercept, calibration.fitted) == (1.0, 0.0, 0)
    assert calibration.evidence(0.5) is None


# --- the last full day ----------------------------------------------------------------------------


def day(text: str) -> int:
    return date.fromisoformat(text).toordinal()


@pytest.mark.parametrize(
    ("as_of", "today", "newest", "read_on", "last"),
    [
        # today is not over, and what was imported today lacks the rest of it
        ("2026-06-10", "2026-06-10", "2026-06-10", "2026-06-10", "2026-06-09"),
        # imported on Monday: Friday is full, and so is the quiet weekend after it
        ("2026-06-08", "2026-06-08", "2026-06-05", "2026-06-08", "2026-06-07"),
        # the import stopped a month ago: the book ends where it does
        ("2026-06-10", "2026-06-10", "2026-05-05", "2026-05-06", "2026-05-05"),
        # a day of the past
        ("2011-01-31", "2026-06-10", "2011-01-31", "2026-05-06", "2011-01-31"),
        # a file of old orders, imported today
        ("2026-06-10", "2026-06-10", "2011-07-31", "2026-06-10", "2011-07-31"),
        # orders come another way since the last import of a file
        ("2026-06-10", "2026-06-10", "2026-06-10", "2026-05-06", "2026-06-09"),
        # nobody knows when it was imported
        ("2026-06-10", "2026-06-10", "2026-06-10", None, "2026-06-09"),
    ],
)
def test_scores_stand_on_the_last_day_whose_orders_are_all_there(
    as_of: str, today: str, newest: str, read_on: str | None, last: str
) -> None:
    found = last_full_day(day(as_of), day(today), day(newest), day(read_on) if read_on else None)
    assert date.fromordinal(found).isoformat() == last
