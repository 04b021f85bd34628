"""Two numbers that fit the chances to the supplier's own last closed quarter, and the evidence.

The quarter that just closed is scored as it would have been on its eve, and what became of its
regular clients is known. Slope and intercept are those of a logistic regression of what happened on
the log odds. What happened is retold at the level of the season to come: where next quarter usually
brings a third less than the one that closed, every client's sales in it count a third less.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import log
from typing import NamedTuple

from worker.reactivation.history import Book, Client, Span
from worker.reactivation.house import QUARTER, YEAR, House, look_at
from worker.reactivation.signals import Seen, look
from worker.reactivation.weights import chance, log_odds

REGULAR = 4
"""Order days in a year that make a regular client: only those are judged."""
SAMPLE = 8000
"""Of a larger book so many clients, evenly drawn, tell the two numbers."""
LEAST = 50
"""Fewer regular clients tell nothing: the chances stay as the weights make them."""
ALIKE = 35
"""About so many clients make the evidence of one state."""

_LEAST_OF_EACH = 10
_LEAST_KNOWN = 45  # days of the quarter a year ago
_LEAST_LEVEL, _MOST_LEVEL = 2 / 3, 1.5


class Evidence(NamedTuple):
    """Of ``clients`` in a similar state three months ago, how many ``fell`` by half or more."""

    clients: int
    fell: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """``slope`` and ``intercept`` on the log odds; ``fitted`` on how many clients. ``states``: the
    lowest log odds of each group of the evidence, ascending, beside what became of it."""

    slope: float = 1.0
    intercept: float = 0.0
    fitted: int = 0
    states: tuple[float, ...] = ()
    groups: tuple[Evidence, ...] = ()

    def chance(self, z: float) -> float:
        """The chance of a drop at the log odds ``z``."""
        return chance(self.slope * z + self.intercept)

    def evidence(self, z: float) -> Evidence | None:
        """What became of those in a similar state; ``None`` where too few are known."""
        if not self.groups:
            return None
        return self.groups[max(0, bisect_left(self.states, z) - 1)]


def is_scorable(client: Client, cut: int) -> bool:
    """Whether the client can be scored at all: two order days, one of them in the last year."""
    return len(client.ordered) >= 2 and client.ordered[-1] > cut - YEAR


def is_regular(seen: Seen) -> bool:
    """Whether what becomes of the client is counted: four order days in the year, and sales."""
    return seen.orders_a_year >= REGULAR and seen.net_a_year > 0


def fell(net: float, net_a_year: float) -> bool:
    """Whether a quarter's ``net`` is half of the client's own pace of the year before, or less."""
    return net <= 0.5 * net_a_year * QUARTER / YEAR


class Past(NamedTuple):
    """What the quarter that closed on ``cut`` is looked back at with: the ``house`` on its eve, and
    the ``level`` of the season to come."""

    cut: int
    house: House
    level: float


class Became(NamedTuple):
    """What became of a regular client: its log odds on the eve, whether it fell, and whether it did
    at the level of the season to come."""

    odds: float
    fell: bool
    retold: bool


def calibrate(book: Book, cut: int) -> Calibration:
    """Fits the two numbers on the quarter that closed on ``cut``."""
    return fitted(look_back(book, drawn(book), past_of(book, cut)))


def past_of(book: Book, cut: int) -> Past:
    """What the whole book says of the quarter that closed on ``cut``."""
    return Past(cut, look_at(book, cut - QUARTER), coming_level(book, cut))


def drawn(book: Book) -> list[Span]:
    """The clients of the sample."""
    return book.spans[:: max(1, len(book.spans) // SAMPLE)]


def look_back(book: Book, spans: Iterable[Span], past: Past) -> list[Became]:
    """What became of the regular ones of these clients."""
    cut, house, level = past
    eve = house.cut
    found: list[Became] = []
    for span in spans:
        client = book.client(span, eve)
        if not is_scorable(client, eve):
            continue
        seen = look(client, house)
        if not is_regular(seen):
            continue
        net, year = _net_after(book.client(span, cut), client, eve), seen.net_a_year
        retold = net * level if net > 0 else net
        found.append(Became(log_odds(seen.signals), fell(net, year), fell(retold, year)))
    return found


def fitted(known: Sequence[Became]) -> Calibration:
    """The calibration by what became of these clients."""
    odds = [one.odds for one in known]
    retold = [one.retold for one in known]
    if len(odds) < LEAST or not _LEAST_OF_EACH <= sum(retold) <= len(odds) - _LEAST_OF_EACH:
        return Calibration()
    slope, intercept = fit(odds, retold)
    return Calibration(slope, intercept, len(odds), *_grouped(odds, [one.fell for one in known]))


def _net_after(later: Client, before: Client, eve: int) -> float:
    """What moved since, in the currency that was the client's own then."""
    return later.net(eve, eve + QUARTER) if later.currency == before.currency else 0.0


def coming_level(book: Book, cut: int) -> float:
    """What the quarter to come usually brings, against the one that closed: by last year's orders,
    grown as the house has grown since; 1 while that is not known."""
    orders = book.order_days
    known = min(QUARTER, cut - YEAR - orders.days[0] + 1) if orders.days else 0
    if known < _LEAST_KNOWN:
        return 1.0
    then = orders.between(cut - YEAR - known, cut - YEAR)
    closed = orders.between(cut - QUARTER, cut)
    if not then or not closed:
        return 1.0
    grown = orders.between(cut - known, cut) / then
    coming = orders.between(cut - YEAR, cut - YEAR + QUARTER) * grown
    return min(_MOST_LEVEL, max(_LEAST_LEVEL, coming / closed))


def fit(odds: Sequence[float], dropped: Sequence[bool]) -> tuple[float, float]:
    """Slope and intercept of a logistic regression, by Newton's method; the slope is pulled to 1
    with the weight of one client, and stays above 0."""
    slope, intercept = 1.0, _log_odds(sum(dropped) / len(dropped)) - sum(odds) / len(odds)
    for _ in range(60):
        step_slope, step_intercept = _step(odds, dropped, slope, intercept)
        largest = max(abs(step_slope), abs(step_intercept))
        scale = min(1.0, 1.0 / largest) if largest else 1.0  # or a far start would overshoot
        slope, intercept = slope + scale * step_slope, intercept + scale * step_intercept
        if largest < 1e-9:
            break
    return max(0.05, slope), intercept


def _step(
    odds: Sequence[float], dropped: Sequence[bool], slope: float, intercept: float
) -> tuple[float, float]:
    by_slope, by_intercept = 1.0 - slope, 0.0
    bend_slope, bend_both, bend_intercept = 1.0, 0.0, 1e-9
    for z, was in zip(odds, dropped, strict=True):
        p = chance(slope * z + intercept)
        off, spread = was - p, p * (1 - p)
        by_slope += off * z
        by_intercept += off
        bend_slope += spread * z * z
        bend_both += spread * z
        bend_intercept += spread
    whole = bend_slope * bend_intercept - bend_both * bend_both
    return (
        (by_slope * bend_intercept - by_intercept * bend_both) / whole,
        (by_intercept * bend_slope - by_slope * bend_both) / whole,
    )


def _log_odds(share: float) -> float:
    return log(share / (1 - share))


def _grouped(
    odds: Sequence[float], dropped: Sequence[bool]
) -> tuple[tuple[float, ...], tuple[Evidence, ...]]:
    """Clients of similar log odds together, about ``ALIKE`` in each group."""
    ranked = sorted(zip(odds, dropped, strict=True))
    parts = max(1, len(ranked) // ALIKE)
    edges = [len(ranked) * part // parts for part in range(parts + 1)]
    groups = [ranked[a:b] for a, b in itertools.pairwise(edges)]
    return (
        tuple(group[0][0] for group in groups),
        tuple(Evidence(len(group), sum(was for _, was in group)) for group in groups),
    )
