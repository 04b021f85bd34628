"""The arithmetic of the question from 0 to 10, against published figures and what must hold."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.surveys import numbers
from worker.surveys.numbers import Tally, Votes, estimate, votes_of

SCORES = st.lists(st.integers(0, 10), min_size=1, max_size=60)
TALLIES = st.tuples(*[st.integers(0, 10_000)] * 3).filter(any).map(lambda each: Tally(*each))
WEIGHTED = st.lists(st.tuples(st.integers(0, 10), st.floats(0.01, 10**6)), min_size=1, max_size=40)


def of(detractors: int, passives: int, promoters: int) -> Tally:
    return Tally(promoters, passives, detractors)


def ends(counted: Tally) -> tuple[float, float]:
    found = estimate(votes_of(counted))
    assert found.low is not None
    assert found.high is not None
    return round(found.low, 4), round(found.high, 4)


@pytest.mark.parametrize(
    ("counted", "mean", "error", "interval"),
    [
        (of(1, 2, 3), 1 / 3, 0.304, (-0.2674, 0.7119)),
        (of(54, 108, 162), 1 / 3, 0.0414, (0.2495, 0.4111)),
        (of(30, 45, 120), 0.4615, 0.0534, (0.3504, 0.5586)),
        (of(0, 0, 10), 1.0, 0.0, (0.4750, 1.0)),
    ],
)
def test_published_samples_give_their_published_intervals(
    counted: Tally, mean: float, error: float, interval: tuple[float, float]
) -> None:
    assert counted.mean == pytest.approx(mean, abs=5e-5)
    assert counted.error == pytest.approx(error, abs=5e-4 if error == 0.304 else 5e-5)
    assert ends(counted) == interval


def test_rounding_comes_last() -> None:
    assert of(1, 2, 3).variance == pytest.approx(5 / 9)
    assert round(of(30, 45, 120).mean * 100, 2) == 46.15
    assert round(of(6, 13, 32).mean * 100) == 51


def test_what_was_skipped_does_not_count() -> None:
    scores = [10] * 50 + [7] * 20 + [0] * 30
    assert round(numbers.tally([*scores, *[None] * 25]).mean * 100) == 20


def test_two_samples_are_compared_by_their_adjusted_scores() -> None:
    found = numbers.change(votes_of(of(10, 0, 20)), votes_of(of(18, 0, 12)))
    assert found is not None
    assert found.z is not None
    assert round(found.value, 4) == 0.4848
    assert round(found.error, 4) == 0.2325
    assert round(found.z, 3) == 2.085
    assert round(found.p, 4) == 0.0371
    assert numbers.change(votes_of(Tally()), votes_of(of(1, 1, 1))) is None


def test_revenue_weighs_and_counts_as_fewer_answers() -> None:
    found = numbers.weighted(zip((10, 2, 9, 8, 7), (2, 8, 2, 2, 8), strict=True))
    assert round(found.mean * 100, 2) == -18.18
    assert round(found.size, 2) == 3.46


@pytest.mark.parametrize("score", [11, -1, 9.5, "9", True, None])
def test_a_score_is_a_whole_number_from_0_to_10(score: object) -> None:
    with pytest.raises(ValueError, match="whole number from 0 to 10"):
        numbers.group_of(score)  # type: ignore[arg-type]  # on purpose


def test_the_groups_meet_at_6_7_8_and_9() -> None:
    groups = [numbers.group_of(score) for score in range(11)]
    assert groups == ["detractor"] * 7 + ["passive"] * 2 + ["promoter"] * 2


def test_a_large_client_with_many_voices_has_one_vote() -> None:
    answers = [("big", 0)] * 8 + [("one", 10), ("two", 10)]
    assert numbers.tally(score for _, score in answers).mean == pytest.approx(-0.6)
    found = numbers.by_account(answers)
    assert (found.mean, found.size) == (pytest.approx(1 / 3), 3)


def test_the_most_influential_role_that_answered_speaks_for_its_account() -> None:
    answers = [
        ("one", "end-user", 0),
        ("one", "decision-maker", 10),
        ("one", "decision-maker", 8),
        ("two", "technical", 3),
        ("two", None, 10),
        ("three", "a role that nobody knows", 9),
    ]
    found = numbers.by_influence(answers)
    assert (found.mean, found.size) == (pytest.approx((0.5 - 1 + 1) / 3), 3)


def test_nothing_is_left_to_chance_once_everybody_answered() -> None:
    counted = votes_of(of(10, 20, 30))
    whole, half = estimate(counted, 60), estimate(counted, 120)
    alone = estimate(counted)
    assert (whole.low, whole.value, whole.high) == (1 / 3, 1 / 3, 1 / 3)
    assert alone.low < half.low < half.high < alone.high  # type: ignore[operator]
    assert estimate(counted, 59) == alone, "a population smaller than the sample is none"


def test_waves_of_the_same_accounts_are_compared_account_by_account() -> None:
    """Every account rises by as much: samples apart would not see it, accounts drawn anew do."""
    low, high = (0, 1, 1), (1, 1, 0)
    rising = [(low, (0, 2, 0)), ((0, 2, 0), high)] * 10
    found = numbers.bootstrap(rising)
    earlier, later = (sum((Tally(*p[at]) for p in rising), Tally()) for at in (0, 1))
    apart = numbers.change(votes_of(later), votes_of(earlier))
    assert found is not None
    assert apart is not None
    assert found.value == pytest.approx(later.mean - earlier.mean)
    assert found.high - found.low < apart.high - apart.low
    assert found.p < 0.01
    assert numbers.bootstrap([(low, (0, 0, 0))]) is None


def test_an_unchanged_book_shows_no_change() -> None:
    same = [((2, 1, 0), (2, 1, 0)), ((0, 1, 3), (0, 1, 3))] * 20
    found = numbers.bootstrap(same)
    assert found is not None
    assert (found.value, found.low, found.high, found.p) == (0, 0, 0, 1)


# --- what must hold of any answers ---


@given(SCORES, st.randoms(use_true_random=False))
def test_the_order_of_answers_tells_nothing(scores: list[int], random: Random) -> None:
    answers = [(f"A-{score % 3}", "technical" if score % 2 else None, score) for score in scores]
    shuffled = answers[:]
    random.shuffle(shuffled)
    assert numbers.tally(s for *_, s in answers) == numbers.tally(s for *_, s in shuffled)
    assert numbers.by_influence(answers) == numbers.by_influence(shuffled)
    one, other = (numbers.by_account((a, s) for a, _, s in each) for each in (answers, shuffled))
    assert one == other
    waves = [((1, 0, s % 2), (s % 3, 1, 0)) for s in scores]
    moved = waves[:]
    random.shuffle(moved)
    assert numbers.bootstrap(waves, rounds=20) == numbers.bootstrap(moved, rounds=20)


@given(TALLIES)
def test_twice_the_answers_say_the_same_more_surely(counted: Tally) -> None:
    once, twice = estimate(votes_of(counted)), estimate(votes_of(counted + counted))
    assert once.value == pytest.approx(twice.value)
    width = once.high - once.low  # type: ignore[operator]
    assert twice.high - twice.low <= width + 1e-9  # type: ignore[operator]


@given(TALLIES, st.integers(1, 100_000))
def test_an_interval_holds_its_value_and_stays_within_bounds(counted: Tally, more: int) -> None:
    for population in (None, counted.n, counted.n + more):
        found = estimate(votes_of(counted), population)
        assert found.low is not None
        assert found.high is not None
        assert found.value is not None
        assert -1 <= found.low <= found.value <= found.high <= 1


@given(SCORES)
def test_equal_weights_weigh_nothing(scores: list[int]) -> None:
    plain, found = votes_of(numbers.tally(scores)), numbers.weighted((s, 2.5) for s in scores)
    assert found.mean == pytest.approx(plain.mean)
    assert found.square == pytest.approx(plain.square)
    assert found.size == pytest.approx(plain.size)


@given(WEIGHTED, st.floats(0.001, 1000))
def test_the_unit_of_weights_does_not_matter(answers: list[tuple[int, float]], by: float) -> None:
    one, other = numbers.weighted(answers), numbers.weighted((s, w * by) for s, w in answers)
    assert one.mean == pytest.approx(other.mean)
    assert one.size == pytest.approx(other.size)
    assert one.size <= len(answers) + 1e-9


@given(SCORES)
def test_accounts_of_one_answer_each_vote_as_answers_do(scores: list[int]) -> None:
    found = numbers.by_account((str(place), score) for place, score in enumerate(scores))
    plain = votes_of(numbers.tally(scores))
    assert found.mean == pytest.approx(plain.mean)
    assert (found.square, found.size) == (pytest.approx(plain.square), plain.size)


def test_no_answers_are_no_estimate() -> None:
    assert estimate(Votes(0, 0, 0)).value is None
    assert numbers.weighted([]).size == 0
