"""Clients worked by hand for each signal, and what must not move one."""

from __future__ import annotations

from math import log

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reactivation.books import CUT, HOUSE, book_of, client_of, credit, rows_of
from worker.reactivation.house import look_at
from worker.reactivation.signals import look
from worker.reactivation.weights import WEIGHTS, log_odds

WEEKLY = range(3, 400, 7)
"""An order every week for more than a year, the last three days ago."""


def test_fewer_orders_than_usual() -> None:
    # 8 orders in the year, 1 of them in the last 90 days; usual are 8 · 90/365 = 1.97.
    seen = look(client_of(rows_of(1, [80, 120, 150, 180, 210, 240, 270, 300, 400])), HOUSE)
    assert (seen.orders, seen.orders_a_year) == (1, 8)
    assert seen.usual_orders == pytest.approx(8 * 90 / 365)
    assert seen.signals.orders_down == pytest.approx(-log(1.7 / (8 * 90 / 365 + 0.7)))


def test_a_younger_client_is_measured_by_its_own_time() -> None:
    # 4 orders in 180 days: usual are 2 in 90 days, not one.
    seen = look(client_of(rows_of(1, [10, 60, 120, 180])), HOUSE)
    assert seen.usual_orders == pytest.approx(2)
    assert seen.usual_net == pytest.approx(200)
    assert seen.net_a_year == 400


def test_less_bought_than_usual_in_the_clients_own_standard_deviations() -> None:
    # Quarters of 400, 400, 400 and now 0: a usual quarter is 1200 · 90/365, the spread is 200.
    days = [95, 120, 150, 175, 185, 210, 240, 265, 275, 300, 330, 355]
    seen = look(client_of(rows_of(1, days)), HOUSE)
    assert seen.net == 0
    assert seen.usual_net == pytest.approx(1200 * 90 / 355)
    assert seen.signals.volume == pytest.approx(1200 * 90 / 355 / 200)


def test_one_big_order_is_the_largest_day_of_the_year() -> None:
    seen = look(client_of(rows_of(1, [10, 100, 200]), rows_of(1, [50], amount=700)), HOUSE)
    assert seen.signals.one_big_order == pytest.approx(0.7)


def test_a_line_has_lapsed_when_it_is_silent_for_two_and_a_half_of_its_intervals() -> None:
    backup = rows_of(1, range(0, 360, 30), line="Backup", amount=50)
    antivirus = rows_of(1, [76, 106, 136], line="Antivirus", amount=100)
    seen = look(client_of(backup, antivirus), HOUSE)
    assert seen.lapsed == ("Antivirus",)
    assert seen.signals.lines_lapsed == pytest.approx(300 / 900)
    sooner = rows_of(1, [75, 105, 135], line="Antivirus", amount=100)  # 75 = 2.5 · 30
    assert look(client_of(backup, sooner), HOUSE).lapsed == ()


def test_a_line_that_was_bought_twice_has_no_rhythm_to_break() -> None:
    once_more = rows_of(1, [200, 230], line="Antivirus")
    backup = rows_of(1, range(0, 360, 30), line="Backup")
    assert look(client_of(backup, once_more), HOUSE).lapsed == ()


def test_a_line_that_lapsed_for_most_is_the_catalogues_doing() -> None:
    everybody = [
        row
        for account in range(1, 13)
        for row in (
            *rows_of(account, range(0, 360, 30), line="Backup"),
            *rows_of(account, [200, 230, 260], line="Discontinued"),
        )
    ]
    book = book_of(everybody)
    house = look_at(book, CUT)
    assert house.muted == {"Discontinued"}
    assert look(next(book.clients(CUT)), house).lapsed == ()


@pytest.mark.parametrize(("days", "years"), [(73, 0.2), (365, 1), (730, 2)])
def test_young_is_the_time_since_the_first_order(days: int, years: float) -> None:
    seen = look(client_of(rows_of(1, [5, days])), HOUSE)
    assert seen.signals.young == pytest.approx(-log(years))


def test_a_client_of_a_week_is_taken_for_one_of_a_month() -> None:
    assert look(client_of(rows_of(1, [1, 7])), HOUSE).signals.young == pytest.approx(-log(30 / 365))


def test_uneven_buyers_are_told_from_even_ones() -> None:
    even = look(client_of(rows_of(1, WEEKLY)), HOUSE)
    uneven = look(client_of(rows_of(1, [*range(100, 120, 3), *range(370, 390, 3)])), HOUSE)
    assert even.lows == 0
    assert uneven.lows > 0.5 * uneven.quarters
    assert even.signals.swings < uneven.signals.swings


# --- what must not move a signal ------------------------------------------------------------------


@settings(deadline=None)
@given(st.integers(0, 300), st.floats(1, 90))
def test_a_credit_note_alone_changes_no_clock(back: int, amount: float) -> None:
    plain = look(client_of(rows_of(1, range(40, 400, 20))), HOUSE)
    credited = look(client_of(rows_of(1, range(40, 400, 20)), [credit(1, back, amount)]), HOUSE)
    assert credited.rhythm == plain.rhythm
    assert credited.silence == plain.silence == 40
    assert (credited.orders, credited.tenure) == (plain.orders, plain.tenure)
    assert credited.signals.orders_down == plain.signals.orders_down
    assert credited.net_a_year < plain.net_a_year  # it counts in value


@settings(deadline=None)
@given(st.floats(0.001, 100_000))
def test_other_money_changes_no_chance(factor: float) -> None:
    days = [5, 20, 44, 90, 130, 131, 200, 260, 390]
    plain = look(client_of(rows_of(1, days), rows_of(1, [60], amount=400)), HOUSE)
    other = look(
        client_of(rows_of(1, days, amount=100 * factor), rows_of(1, [60], amount=400 * factor)),
        HOUSE,
    )
    assert log_odds(other.signals) == pytest.approx(log_odds(plain.signals), abs=1e-6)


@settings(deadline=None)
@given(st.integers(0, 200), st.integers(0, 200))
def test_the_longer_a_client_is_silent_the_higher_it_stands(silence: int, more: int) -> None:
    """The same gaps, the same money, moved back in time."""
    days = range(0, 150, 10)
    now = look(client_of(rows_of(1, [day + silence for day in days])), HOUSE)
    later = look(client_of(rows_of(1, [day + silence + more for day in days])), HOUSE)
    assert later.signals.cadence >= now.signals.cadence


@settings(deadline=None)
@given(st.integers(0, 8), st.integers(0, 8))
def test_the_fewer_orders_of_the_last_quarter_are_left_the_higher_the_signal(
    left: int, fewer: int
) -> None:
    older = [*range(95, 400, 10)]
    many = look(client_of(rows_of(1, [*older, *range(80, 80 - 10 * left, -10)])), HOUSE)
    few = look(client_of(rows_of(1, [*older, *range(80, 80 - 10 * min(left, fewer), -10)])), HOUSE)
    assert few.signals.orders_down >= many.signals.orders_down


def test_no_signal_argues_against_common_sense() -> None:
    assert all(weight >= 0 for weight in WEIGHTS)
