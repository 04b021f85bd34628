"""The cadence formula, against another implementation and against common sense."""

from __future__ import annotations

from math import log

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import betainc, betaincc

from worker.reactivation.beta import upper
from worker.reactivation.cadence_signal import LEAST, MOST, rhythm, shape, still_silent

shapes = st.floats(0.16, 100)
shares = st.floats(0, 1)
gap_lists = st.lists(st.integers(1, 400), min_size=1, max_size=8)


@settings(deadline=None)
@given(shapes, shapes, shares)
def test_the_tail_of_a_beta_distribution_is_that_of_scipy(a: float, b: float, x: float) -> None:
    (found,) = upper(a, b, x)
    assert found == pytest.approx(float(betaincc(a, b, x)), rel=1e-6, abs=1e-12)


def test_a_tiny_tail_keeps_its_digits() -> None:
    (found,) = upper(11, 99, 0.9)
    assert 0 < found == pytest.approx(float(betaincc(11, 99, 0.9)), rel=1e-7)


@pytest.mark.parametrize(("a", "b", "x"), [(0, 1, 0.5), (1, -1, 0.5), (1, 1, -0.1), (1, 1, 1.1)])
def test_outside_of_its_bounds_there_is_no_such_chance(a: float, b: float, x: float) -> None:
    with pytest.raises(ValueError, match="no incomplete beta"):
        upper(a, b, x)


@settings(deadline=None)
@given(gap_lists, st.integers(0, 2000))
def test_the_signal_is_the_fields_formula_with_scipys_function(
    gaps: list[int], silence: int
) -> None:
    """Written down a second time, word by word, from section 4 of the field's notes."""
    days = [0]
    for gap in gaps:
        days.append(days[-1] + gap)
    n, mean = len(gaps), sum(gaps) / len(gaps)
    cv = (sum((gap - mean) ** 2 for gap in gaps) / (n - 1)) ** 0.5 / mean if n > 1 else 1.0
    k = 1 / min(2.5, max(0.3, (n * cv + 3) / (n + 3))) ** 2
    scale = n * mean + 60.0

    def s(r: float) -> float:
        return 1 - float(betainc(k, k * (n + 1), r / (r + scale)))

    gone = 0.02 / (0.02 + 0.98 * s(silence))
    p = gone + (1 - gone) * s(silence + 90) / s(silence) if s(silence) > 1e-12 else 1.0
    signal = min(9.0, max(-6.0, log(p / (1 - p)))) if p < 1 else 9.0
    assert rhythm(days, 60.0, silence).signal == pytest.approx(signal, abs=2e-3)


@settings(deadline=None)
@given(gap_lists, st.integers(0, 1000), st.integers(0, 1000))
def test_the_longer_the_silence_the_less_likely_it_is_for_one_who_still_buys(
    gaps: list[int], silence: int, more: int
) -> None:
    now, later = still_silent(gaps, 60.0, silence, silence + more)
    assert 0 <= later <= now <= 1


@settings(deadline=None)
@given(gap_lists, st.integers(0, 1000))
def test_the_signal_stays_within_its_bounds(gaps: list[int], silence: int) -> None:
    days = [sum(gaps[:at]) for at in range(len(gaps) + 1)]
    assert LEAST <= rhythm(days, 60.0, silence).signal <= MOST


def test_a_silence_means_more_for_a_regular_buyer() -> None:
    every_ten = rhythm(range(0, 100, 10), 60.0, 30)
    now_and_then = rhythm([0, 2, 4, 30, 31, 60, 61, 90], 60.0, 30)
    assert every_ten.chance < now_and_then.chance
    assert (every_ten.usual_gap, now_and_then.usual_gap) == (10, 2)


def test_how_regular_a_client_is_is_pulled_to_the_middle() -> None:
    assert shape([7]) == 1  # one gap tells nothing of it
    assert shape([7, 7, 7]) == pytest.approx(1 / 0.5**2)  # (3 · 0 + 3 · 1) / 6
    assert shape([1] * 7 + [400]) == pytest.approx(1 / ((8 * 2.7729 + 3) / 11) ** 2, rel=1e-3)


def test_only_the_last_eight_gaps_count() -> None:
    slow_then_quick = [0, 300, 600, *range(610, 700, 10)]
    assert rhythm(slow_then_quick, 60.0, 20) == rhythm(slow_then_quick[2:], 60.0, 20)
