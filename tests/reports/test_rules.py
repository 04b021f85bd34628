"""The arithmetic of reports, against published figures and against what must hold of any sample."""

from __future__ import annotations

from collections import Counter
from datetime import date
from decimal import Decimal
from statistics import median as plain_median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.kernel.dates import Period
from worker.kernel.estimates import (
    Estimate,
    difference,
    effective_size,
    share_of,
    weighted_share,
    wilson,
)
from worker.reports.rules import (
    gross_rate,
    last_full_months,
    median,
    money,
    months_of,
    net_rate,
)

SAMPLES = st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
AMOUNTS = st.decimals(0, 10**9, places=2)


def ends(found: Estimate) -> tuple[float | None, float | None]:
    assert found.low is not None
    assert found.high is not None
    return round(found.low, 4), round(found.high, 4)


# Newcombe, Statistics in Medicine 17 (1998) 857, table I, method 3.
@pytest.mark.parametrize(
    ("hits", "size", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_a_share_has_the_interval_that_newcombe_published_for_wilson(
    hits: int, size: int, low: float, high: float
) -> None:
    assert ends(share_of(hits, size)) == (low, high)


# Newcombe, Statistics in Medicine 17 (1998) 873, table II, method 10.
@pytest.mark.parametrize(
    ("one", "other", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((6, 7), (2, 7), 0.0582, 0.8062),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((0, 10), (0, 20), -0.1611, 0.2775),
        ((0, 10), (0, 10), -0.2775, 0.2775),
        ((10, 10), (0, 20), 0.6791, 1.0),
        ((10, 10), (0, 10), 0.6075, 1.0),
    ],
)
def test_a_difference_has_the_interval_that_newcombe_published(
    one: tuple[int, int], other: tuple[int, int], low: float, high: float
) -> None:
    assert ends(difference(*one, *other)) == (low, high)


def test_without_a_sample_there_is_neither_share_nor_difference() -> None:
    assert share_of(0, 0) == Estimate(None)
    assert difference(1, 2, 0, 0) == difference(0, 0, 1, 2) == Estimate(None)
    assert weighted_share(0, 0, 0.0) == Estimate(None)


@given(SAMPLES)
def test_a_share_lies_inside_its_interval_and_that_inside_0_and_1(sample: tuple[int, int]) -> None:
    found = share_of(*sample)
    assert found.value is not None
    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low <= found.value <= found.high <= 1


@given(SAMPLES)
def test_what_did_not_happen_has_the_mirrored_interval(sample: tuple[int, int]) -> None:
    hits, size = sample
    one, other = share_of(hits, size), share_of(size - hits, size)
    assert one.low is not None
    assert other.high is not None
    assert one.low == pytest.approx(1 - other.high, abs=1e-9)


@given(SAMPLES, SAMPLES)
def test_a_difference_lies_inside_its_interval_and_turns_with_its_samples(
    one: tuple[int, int], other: tuple[int, int]
) -> None:
    found, turned = difference(*one, *other), difference(*other, *one)
    assert found.value is not None
    assert found.low is not None
    assert found.high is not None
    assert turned.high is not None
    assert -1 <= found.low <= found.value <= found.high <= 1
    assert found.low == pytest.approx(-turned.high, abs=1e-9)


def test_equal_weights_are_as_good_as_their_number() -> None:
    assert effective_size(40, 4 * 10**2) == pytest.approx(4)
    # The weights 2, 8, 2, 2, 8 in thousands count as 3.46 equal ones.
    assert effective_size(22, 4 + 64 + 4 + 4 + 64) == pytest.approx(3.457, abs=0.001)


def test_a_weighted_share_of_equal_weights_is_a_plain_one() -> None:
    found, plain = weighted_share(300, 1000, 10 * 100.0**2), wilson(0.3, 10)
    assert found.value == pytest.approx(0.3)
    assert ends(found) == ends(plain)


def test_one_large_contract_widens_the_interval() -> None:
    even = weighted_share(5000, 10_000, 10 * 1000.0**2)
    uneven = weighted_share(5000, 10_000, 5000.0**2 + 9 * (5000 / 9) ** 2)
    assert even.low is not None
    assert uneven.low is not None
    assert uneven.low < even.low


D = Decimal


@pytest.mark.parametrize(
    ("pairs", "gross", "net"),
    [
        ([(D(100), D(100))], "1", "1"),
        ([(D(100), D(0))], "0", "0"),
        ([(D(100), D(150))], "1", "1.5"),
        ([(D(100), D(150)), (D(100), D(50))], "0.75", "1"),
        ([(D(100), D(0)), (D(300), D(360))], "0.75", "0.9"),
    ],
)
def test_growth_counts_in_the_net_rate_and_never_in_the_gross(
    pairs: list[tuple[Decimal, Decimal]], gross: str, net: str
) -> None:
    assert gross_rate(pairs) == D(gross)
    assert net_rate(pairs) == D(net)


def test_without_a_target_above_0_there_is_no_rate() -> None:
    for pairs in ([], [(D(0), D(50))]):
        assert gross_rate(pairs) is None
        assert net_rate(pairs) is None


@given(st.lists(st.tuples(AMOUNTS, AMOUNTS), max_size=30), st.randoms())
def test_net_is_at_least_gross_gross_is_a_share_and_order_is_no_matter(
    pairs: list[tuple[Decimal, Decimal]], chance: object
) -> None:
    gross, net = gross_rate(pairs), net_rate(pairs)
    if gross is None or net is None:
        assert gross is net is None
        return
    assert 0 <= gross <= 1
    assert net >= gross
    turned = list(reversed(pairs))
    assert (gross_rate(turned), net_rate(turned)) == (gross, net)


@given(st.lists(st.integers(-400, 400)))
def test_the_median_of_counts_is_that_of_the_numbers_one_by_one(numbers: list[int]) -> None:
    assert median(Counter(numbers)) == (plain_median(numbers) if numbers else None)


def test_cents_are_money() -> None:
    assert money(123456) == D("1234.56")
    assert str(money(100)) == "1.00"


@pytest.mark.parametrize(
    ("today", "first", "last"),
    [
        ("2026-11-25", "2025-11-01", "2026-10-31"),
        ("2026-01-01", "2025-01-01", "2025-12-31"),
        ("2024-03-31", "2023-03-01", "2024-02-29"),
        ("2026-12-31", "2025-12-01", "2026-11-30"),
    ],
)
def test_the_default_period_is_the_last_twelve_full_months(
    today: str, first: str, last: str
) -> None:
    found = last_full_months(date.fromisoformat(today))
    assert found == Period(date.fromisoformat(first), date.fromisoformat(last))
    assert len(months_of(found)) == 12


def test_months_are_those_that_a_period_touches() -> None:
    touched = months_of(Period(date(2025, 11, 30), date(2026, 1, 1)))
    assert touched == ["2025-11", "2025-12", "2026-01"]
