"""How the signals add up to one chance.

z = intercept + Σ weight · signal; the chance of a drop within 90 days is 1 / (1 + e^−z), before two
numbers fit it to the supplier's own last closed quarter (``calibration.py``).

The weights begin at those of the field's notes, which were fitted on other suppliers. They were
drawn a little towards the CDNOW buyers, and towards those quarters of UCI's wholesaler and of
Oxford's suppliers that closed before the first cut-off on which ``bench/dormancy.py`` measures. No
weight may be negative: no signal can argue against common sense.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import exp
from operator import mul

from worker.reactivation.signals import Signals

INTERCEPT = -0.5
WEIGHTS = Signals(
    cadence=0.31,
    orders_down=0.36,
    volume=0.07,
    one_big_order=1.96,
    lines_lapsed=0.99,
    young=0.43,
    swings=0.20,
)


def log_odds(signals: Signals) -> float:
    """z: the weighted sum of the signals."""
    parts: Iterable[float] = map(mul, WEIGHTS, signals)
    return INTERCEPT + sum(parts)


def chance(z: float) -> float:
    """1 / (1 + e^−z), for any z."""
    if z < -700:
        return 0.0
    return 1.0 / (1.0 + exp(-z))
