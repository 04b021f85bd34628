"""The regularised incomplete beta function, by the standard library alone."""

from __future__ import annotations

from math import exp, lgamma, log, log1p

_TINY = 1e-300
_ENOUGH = 1e-12
_MOST_TERMS = 400


def upper(a: float, b: float, x: float) -> float:
    """1 − I_x(a, b): the chance that a Beta(a, b) variable lies above ``x``.

    ``a`` and ``b`` are above 0, ``x`` lies in 0..1. Each tail is summed from its own side, so that
    a small chance keeps its digits. Source: W. H. Press et al., Numerical Recipes, section 6.4 (the
    continued fraction, by Lentz's method). Raises ``ValueError`` outside of these bounds.
    """
    if not (a > 0 and b > 0 and 0 <= x <= 1):
        raise ValueError(f"no incomplete beta of a={a}, b={b} at x={x}")
    if x in (0, 1):
        return 1.0 - x
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x))
    if x < (a + 1) / (a + b + 2):
        return 1.0 - front * _fraction(a, b, x) / a
    return front * _fraction(b, a, 1 - x) / b


def _fraction(a: float, b: float, x: float) -> float:
    """The continued fraction of I_x(a, b)."""
    c, d = 1.0, 1.0 / _away(1.0 - (a + b) * x / (a + 1))
    found = d
    for m in range(1, _MOST_TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d = 1.0 / _away(1.0 + even * d)
        c = _away(1.0 + even / c)
        found *= c * d
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d = 1.0 / _away(1.0 + odd * d)
        c = _away(1.0 + odd / c)
        step = c * d
        found *= step
        if abs(step - 1.0) < _ENOUGH:
            break
    return found


def _away(value: float) -> float:
    """The value, kept away from zero."""
    return value if abs(value) > _TINY else _TINY
