"""The arithmetic of one question from 0 to 10. Pure; ``docs/surveys.md`` says it in prose.

An answer counts as +1 (9 and 10, promoter), 0 (7 and 8, passive) or −1 (0 to 6, detractor); NPS is
the mean, shown × 100 and rounded last. Whatever is weighted or counted by account is the mean of
such values, too, so one formula serves all.

Sources. Interval: B. Rocks, J. Modern Applied Statistical Methods 15 (2016), adjusted Wald: ¾
promoter, 1½ passives and ¾ detractor are added, then Wald on n + 3. Size of a weighted sample:
L. Kish, Survey Sampling (1965), section 11.7. Bootstrap of whole accounts: A. C. Davison and
D. V. Hinkley, Bootstrap Methods (1997), section 3.8.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import erfc, sqrt
from random import Random

from worker.kernel.estimates import NOTHING, Z95, Estimate, effective_size

PROMOTER, PASSIVE, DETRACTOR = "promoter", "passive", "detractor"
GROUPS = (PROMOTER, PASSIVE, DETRACTOR)
PROMOTES_FROM, DETRACTS_TO = 9, 6

INFLUENCE = ("decision-maker", "procurement", "technical", "end-user")
"""Roles, the most influential first; one that is not known comes last."""

_ADDED, _ADDED_SQUARES = 3, 1.5
_ROUNDS, _DRAWS = 1000, 10_000_000


def group_of(score: int) -> str:
    """The group of a score. Raises ``ValueError`` for anything but a whole number from 0 to 10."""
    if type(score) is not int or not 0 <= score <= 10:
        raise ValueError(f"expected a whole number from 0 to 10, got {score!r}")
    if score >= PROMOTES_FROM:
        return PROMOTER
    return DETRACTOR if score <= DETRACTS_TO else PASSIVE


def vote(score: int) -> int:
    """What a score counts: +1, 0 or −1."""
    return {PROMOTER: 1, PASSIVE: 0, DETRACTOR: -1}[group_of(score)]


@dataclass(frozen=True, slots=True)
class Tally:
    """Answers by group; fractions where accounts vote, whose answers share one vote."""

    promoters: float = 0
    passives: float = 0
    detractors: float = 0

    @property
    def n(self) -> float:
        return self.promoters + self.passives + self.detractors

    @property
    def mean(self) -> float:
        """NPS from −1 to 1; of no answers, 0."""
        return (self.promoters - self.detractors) / self.n if self.n else 0.0

    @property
    def square(self) -> float:
        """The mean of squared votes."""
        return (self.promoters + self.detractors) / self.n if self.n else 0.0

    @property
    def variance(self) -> float:
        """p + d − (p − d)², p and d being shares."""
        return self.square - self.mean**2

    @property
    def error(self) -> float:
        """The standard error, unadjusted: √(variance / n)."""
        return sqrt(self.variance / self.n) if self.n else 0.0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.promoters + other.promoters,
            self.passives + other.passives,
            self.detractors + other.detractors,
        )


def tally(scores: Iterable[int | None]) -> Tally:
    """Counts scores; what was skipped (``None``) does not count."""
    counts = dict.fromkeys(GROUPS, 0)
    for score in scores:
        if score is not None:
            counts[group_of(score)] += 1
    return Tally(counts[PROMOTER], counts[PASSIVE], counts[DETRACTOR])


@dataclass(frozen=True, slots=True)
class Votes:
    """What is known of votes between −1 and 1: their mean, the mean of their squares, and how many
    equal ones they are worth."""

    mean: float
    square: float
    size: float

    @property
    def adjusted(self) -> float:
        return self.mean * self.size / (self.size + _ADDED)

    @property
    def adjusted_error(self) -> float:
        """The standard error after Rocks' 3 answers were added."""
        size = self.size + _ADDED
        square = (self.square * self.size + _ADDED_SQUARES) / size
        return sqrt(max(0.0, square - self.adjusted**2) / size)


def votes_of(counted: Tally) -> Votes:
    """The votes that a tally stands for."""
    return Votes(counted.mean, counted.square, counted.n)


def estimate(votes: Votes, population: float | None = None, z: float = Z95) -> Estimate:
    """NPS with its interval, −1 to 1: adjusted Wald, clipped.

    ``population`` is how many could have answered, where that is known: the error shrinks by
    √((N − n) / (N − 1)), and nothing is left to chance once everybody has. The interval always
    holds the value. No votes, no estimate.
    """
    if votes.size <= 0:
        return NOTHING
    factor = finite(votes.size, population)
    if factor == 0.0:
        return Estimate(votes.mean, votes.mean, votes.mean)
    reach = z * votes.adjusted_error * factor
    low, high = votes.adjusted - reach, votes.adjusted + reach
    return Estimate(votes.mean, max(-1.0, min(low, votes.mean)), min(1.0, max(high, votes.mean)))


def finite(size: float, population: float | None) -> float:
    """The factor of a finite population, 1 where it is not known or smaller than the sample."""
    if population is None or population <= 1 or population < size:
        return 1.0
    return sqrt((population - size) / (population - 1))


@dataclass(frozen=True, slots=True)
class Change:
    """The later NPS minus the earlier: its interval, and how likely as large a one is by chance.

    ``z`` is empty where the test is no z-test.
    """

    value: float
    low: float
    high: float
    error: float
    p: float
    z: float | None
    method: str


def change(later: Votes, earlier: Votes, z: float = Z95) -> Change | None:
    """Two samples apart: z on the adjusted values. ``None`` when there is nothing in one."""
    if later.size <= 0 or earlier.size <= 0:
        return None
    value = later.adjusted - earlier.adjusted
    error = sqrt(later.adjusted_error**2 + earlier.adjusted_error**2)
    score = value / error
    return Change(
        value,
        max(-2.0, value - z * error),
        min(2.0, value + z * error),
        error,
        erfc(abs(score) / sqrt(2)),
        score,
        "z",
    )


# --- weights, and accounts with one vote each ---


def weighted(answers: Iterable[tuple[int, float]]) -> Votes:
    """Scores with weights (0 or more): Σwx / Σw, worth (Σw)² / Σw² answers."""
    total = squares = first = second = 0.0
    for score, weight in answers:
        if weight < 0:
            raise ValueError(f"expected a weight of 0 or more, got {weight}")
        worth = vote(score)
        total, squares = total + weight, squares + weight * weight
        first, second = first + worth * weight, second + worth * worth * weight
    return of_sums(total, squares, first, second)


def of_sums(total: float, squares: float, first: float, second: float) -> Votes:
    """Votes from Σw, Σw², Σwx and Σwx²."""
    if total <= 0:
        return Votes(0.0, 0.0, 0.0)
    return Votes(first / total, second / total, effective_size(total, squares))


def by_account(answers: Iterable[tuple[str, int]]) -> Votes:
    """One vote for each account: the mean of its answers."""
    found: dict[str, list[int]] = {}
    for account, score in answers:
        found.setdefault(account, []).append(vote(score))
    means = [sum(each) / len(each) for each in found.values()]
    size = len(means)
    return of_sums(size, size, sum(sorted(means)), sum(sorted(mean * mean for mean in means)))


def by_influence(
    answers: Iterable[tuple[str, str | None, int]], order: Sequence[str] = INFLUENCE
) -> Votes:
    """One vote for each account: the mean of those of its most influential role that answered."""
    rank: Mapping[str | None, int] = {role: place for place, role in enumerate(order)}
    found: dict[str, dict[int, list[int]]] = {}
    for account, role, score in answers:
        found.setdefault(account, {}).setdefault(rank.get(role, len(order)), []).append(score)
    first = ((account, score) for account, by in found.items() for score in by[min(by)])
    return by_account(first)


# --- waves that share accounts ---

Wave = tuple[int, int, int]
"""What one account answered in one period: promoters, passives, detractors."""


def rounds_for(accounts: int) -> int:
    """How many times so many accounts are drawn anew: 1,000, fewer of very many, 200 at least."""
    return max(200, min(_ROUNDS, _DRAWS // max(accounts, 1)))


def bootstrap(
    pairs: Sequence[tuple[Wave, Wave]], seed: int = 1, rounds: int | None = None
) -> Change | None:
    """The change between two periods of the same accounts: whole accounts are drawn anew.

    ``pairs`` are (earlier, later) of each account, in any order: they are sorted. Percentiles of
    the draws make the interval; p is twice the smaller share of draws on the other side of 0.
    ``None`` when there is nothing in one of the periods.
    """
    whole = _packed_change(sum(map(_pack, pairs)))
    if whole is None:
        return None
    packed, draw = sorted(map(_pack, pairs)), Random(seed)  # noqa: S311 -- nothing secret
    rounds = rounds or rounds_for(len(packed))
    drawn = (_packed_change(sum(draw.choices(packed, k=len(packed)))) for _ in range(rounds))
    found = sorted(each for each in drawn if each is not None)
    if not found:
        return None
    below, above = sum(each <= 0 for each in found), sum(each >= 0 for each in found)
    middle = sum(found) / len(found)
    error = sqrt(sum((each - middle) ** 2 for each in found) / max(len(found) - 1, 1))
    return Change(
        whole,
        _percentile(found, 0.025),
        _percentile(found, 0.975),
        error,
        min(1.0, 2 * (min(below, above) + 1) / (len(found) + 1)),
        None,
        f"bootstrap-{rounds}",
    )


_BITS = 40
_MASK = (1 << _BITS) - 1


def _pack(pair: tuple[Wave, Wave]) -> int:
    """An account as one number: adding such numbers adds up all its counts at once."""
    packed = 0
    for promoters, passives, detractors in pair:
        for count in (promoters, promoters + passives + detractors, detractors):
            packed = packed << _BITS | count
    return packed


def _packed_change(packed: int) -> float | None:
    counts = [packed >> _BITS * place & _MASK for place in range(6)]
    less, size, more, less_before, size_before, more_before = counts
    if not size or not size_before:
        return None
    return (more - less) / size - (more_before - less_before) / size_before


def _percentile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
