"""The regularised incomplete beta function, by the standard library alone."""

from __future__ import annotations

from math import exp, lgamma, log, log1p

_ENOUGH = 1e-9
_TERMS = [float(m) for m in range(1, 400)]  # adding an int to a float takes longer


def upper(a: float, b: float, *points: float) -> list[float]:
    """1 − I_x(a, b) at each x of ``points``: the chance that a Beta(a, b) variable lies above it,
    to nine digits.

    ``a`` and ``b`` are above 0, ``points`` lie in 0..1. Each tail is summed from its own side, so
    that a small chance keeps its digits. Source: W. H. Press et al., Numerical Recipes, section 6.4
    (the continued fraction). Raises ``ValueError`` outside of these bounds.
    """
    if not (a > 0 and b > 0 and min(points) >= 0 and max(points) <= 1):
        raise ValueError(f"no incomplete beta of a={a}, b={b} at x={points}")
    scale, turn = lgamma(a + b) - lgamma(a) - lgamma(b), (a + 1) / (a + b + 2)
    found = []
    for x in points:
        if x in (0, 1):
            found.append(1.0 - x)
            continue
        front = exp(scale + a * log(x) + b * log1p(-x))
        below = x < turn
        part = front * (_fraction(a, b, x) / a if below else _fraction(b, a, 1.0 - x) / b)
        found.append(1.0 - part if below else part)
    return found


def _fraction(a: float, b: float, x: float) -> float:
    """The continued fraction of I_x(a, b): numerators and denominators step by step, two terms at
    a time, scaled so that the denominator stays 1."""
    both = a + b
    numerator, denominator = 1.0, 1.0 - both * x / (a + 1.0)
    before, under = 1.0, 1.0
    for m in _TERMS:
        on = a + m
        top = on + m
        even = m * (b - m) * x / ((top - 1.0) * top)
        odd = -on * (both + m) * x / (top * (top + 1.0))
        middle, middle_under = numerator + even * before, denominator + even * under
        scale = middle_under + odd * denominator
        old = numerator
        before, under = middle / scale, middle_under / scale
        numerator = (middle + odd * numerator) / scale
        denominator = 1.0
        if -_ENOUGH < (numerator - old) / numerator < _ENOUGH:
            break
    return numerator
