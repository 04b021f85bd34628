"""The rhythm in which a client orders, and what its silence says.

Gaps between order days are taken to follow a gamma distribution: its shape from how regular the
client is, its scale learned from the client's own gaps and one gap of the house. The chance that a
client who still buys is silent for so long is then a tail of a beta distribution (section 4 of the
field's notes; the predictive distribution of a gamma with a gamma prior on its rate).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log, sqrt
from operator import mul, sub
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
    known, whole = len(gaps), sum(gaps)
    cv = 1.0
    if known > 1 and whole > 0:
        squares = sum(map(mul, gaps, gaps)) - whole * whole / known
        cv = sqrt(max(0.0, squares) / (known - 1)) * known / whole
    pulled = (known * cv + _PSEUDO_GAPS) / (known + _PSEUDO_GAPS)
    return float(1 / min(_MOST_CV, max(_LEAST_CV, pulled)) ** 2)


def still_silent(gaps: Sequence[float], house_gap: float, *silences: float) -> list[float]:
    """s(r): the chance that a client with these gaps who still buys is silent for r days, for each
    of ``silences``. s(r) = 1 − I_{r/(r+S)}(k, k(n+1)) with S the sum of the gaps and one of the
    house."""
    k, scale = shape(gaps), sum(gaps) + house_gap
    return upper(k, k * (len(gaps) + 1), *[silence / (silence + scale) for silence in silences])


def rhythm(days: Sequence[int], house_gap: float, silence: float) -> Rhythm:
    """The rhythm of a client with these order days, two at least, silent for ``silence`` days."""
    last = days[-MOST_GAPS - 1 :]
    gaps = list(map(sub, last[1:], last))
    now, later = still_silent(gaps, house_gap, silence, silence + QUARTER)
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
