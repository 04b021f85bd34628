"""Shares and their intervals: what is estimated from a sample, and how surely. Pure.

Sources. Interval of a share: E. B. Wilson, J. Am. Stat. Assoc. 22 (1927) 209, without a correction
for continuity. Interval of a difference: R. G. Newcombe, Statistics in Medicine 17 (1998) 873,
method 10. Size of a weighted sample: L. Kish, Survey Sampling (1965), section 11.7.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

Z95 = 1.959963984540054
"""The normal quantile of two-sided 95 %."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with the interval around it; all empty where there is nothing to divide by."""

    value: float | None
    low: float | None = None
    high: float | None = None


NOTHING = Estimate(None)


def wilson(share: float, size: float, z: float = Z95) -> Estimate:
    """The interval of ``share`` (0 to 1) seen in a sample of ``size``; it never leaves 0 to 1.

    ``size`` may be fractional: the effective size of a weighted sample. No sample, no estimate.
    """
    if size <= 0:
        return NOTHING
    share = min(1.0, max(0.0, share))
    middle = share + z * z / (2 * size)
    reach = z * sqrt(share * (1 - share) / size + z * z / (4 * size * size))
    below, above = [(middle + side * reach) / (1 + z * z / size) for side in (-1, 1)]
    # At the ends the formula gives 0 and 1 exactly; arithmetic of floats misses by a hair.
    return Estimate(share, min(share, max(0.0, below)), max(share, min(1.0, above)))


def share_of(hits: int, size: int) -> Estimate:
    """``hits`` out of ``size`` with Wilson's interval."""
    return wilson(hits / size, size) if size else NOTHING


def difference(hits: int, size: int, other_hits: int, other_size: int) -> Estimate:
    """The first share minus the second, of two samples apart, with Newcombe's interval."""
    one, two = share_of(hits, size), share_of(other_hits, other_size)
    if one.value is None or two.value is None:
        return NOTHING
    value = one.value - two.value
    below = _distance(one.value, one.low, two.value, two.high)
    above = _distance(one.value, one.high, two.value, two.low)
    return Estimate(value, max(-1.0, value - below), min(1.0, value + above))


def _distance(one: float, one_end: float | None, two: float, two_end: float | None) -> float:
    assert one_end is not None
    assert two_end is not None
    return sqrt((one - one_end) ** 2 + (two - two_end) ** 2)


def effective_size(total: float, squares: float) -> float:
    """How many equal weights say as much as these: (Σw)² / Σw²; 0 where all weights are 0."""
    return total * total / squares if squares > 0 else 0.0


def weighted_share(part: int, total: int, squares: float) -> Estimate:
    """The share of ``total`` that ``part`` makes, both sums of weights; ``squares`` is Σw².

    Wilson's interval on the effective size: one large contract tells less than many small ones.
    """
    if total <= 0:
        return NOTHING
    return wilson(part / total, effective_size(total, squares))
