"""The rhythm in which a client orders, and what its silence says.

Gaps between order days are taken to follow a gamma distribution: its shape from how regular the
client is, its scale learned from the client's own gaps and one gap of the house. The chance that a
client who still buys is silent for so long is then a tail of a beta distribution (section 4 of the
field's notes; the predictive distribution of a gamma with a gamma prior on its rate).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log, sqrt
from typing import NamedTuple

from worker.reactivation.beta import upper
from worker.reactivation.house import QUARTER

MOST_GAPS = 8
"""So many gaps tell the rhythm; older ones are forgotten."""
LEAST, MOST = -6.0, 9.0
"""Between these the signal is cut."""

_PSEUDO_GAPS = 3  # of a house in which orders fall as they may (CV = 1)
_LEAST_CV, _MOST_CV = 0.3, 2.5
_GONE_UNSEEN = 0.02  # of those who just ordered: who will not come back


class Rhythm(NamedTuple):
    """How a client orders: its median gap in days, the chance that a client who still buys is
    silent for so long, and the signal: the log odds that no order comes in the next quarter."""

    usual_gap: float
    chance: float
    signal: float


def shape(gaps: Sequence[float]) -> float:
    """The shape k = 1/CV² of the gaps' gamma distribution. The coefficient of variation is pulled
    to 1 by three pseudo-gaps and cut to 0.3–2.5."""
    mean = sum(gaps) / len(gaps)
    cv = 1.0
    if len(gaps) > 1 and mean > 0:
        squares = sum([(gap - mean) ** 2 for gap in gaps])
        cv = sqrt(squares / (len(gaps) - 1)) / mean
    pulled = (len(gaps) * cv + _PSEUDO_GAPS) / (len(gaps) + _PSEUDO_GAPS)
    return float(1 / min(_MOST_CV, max(_LEAST_CV, pulled)) ** 2)


def still_silent(gaps: Sequence[float], house_gap: float, silence: float, k: float) -> float:
    """s(r): the chance that a client with these gaps who still buys has been silent for ``silence``
    days. s(r) = 1 − I_{r/(r+S)}(k, k(n+1)) with S the sum of the gaps and one of the house."""
    scale = sum(gaps) + house_gap
    return upper(k, k * (len(gaps) + 1), silence / (silence + scale))


def rhythm(days: Sequence[int], house_gap: float, silence: float) -> Rhythm:
    """The rhythm of a client with these order days, two at least, silent for ``silence`` days."""
    last = days[-MOST_GAPS - 1 :]
    gaps = [later - earlier for earlier, later in zip(last, last[1:], strict=False)]
    k = shape(gaps)
    now = still_silent(gaps, house_gap, silence, k)
    later = still_silent(gaps, house_gap, silence + QUARTER, k)
    gone = _GONE_UNSEEN / (_GONE_UNSEEN + (1 - _GONE_UNSEEN) * now)
    none = gone + (1 - gone) * (later / now if now > 0 else 0.0)
    return Rhythm(_median(gaps), now, _log_odds(none))


def _median(gaps: list[int]) -> float:
    ranked, middle = sorted(gaps), len(gaps) // 2
    return ranked[middle] if len(gaps) % 2 else (ranked[middle - 1] + ranked[middle]) / 2


def _log_odds(chance: float) -> float:
    if chance >= 1:
        return MOST
    return min(MOST, max(LEAST, log(chance / (1 - chance))))
