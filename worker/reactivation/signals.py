"""The signals of one client, each of them a sentence for sales. Section 4 of the field's notes.

Six are the field's. The seventh, ``swings``, was added here: how often the client's own quarters
fell by half before, so that a lumpy buyer's quiet quarter says little about it and much about the
next one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from math import log, sqrt
from operator import add
from typing import NamedTuple

from worker.reactivation.cadence_signal import Rhythm, rhythm
from worker.reactivation.history import Client, Line, count, total
from worker.reactivation.house import QUARTER, YEAR, House, has_lapsed

_HALF_QUARTER = 45
_BINS = 16  # half quarters: two years
_BLOCKS = 8  # quarters
_WINDOWS = 15  # quarters that overlap by half
_LEAST_TENURE, _MOST_TENURE = 30, 1500
_ORDERS = 0.7  # added to both sides: no order is no reason for infinity
_LEAST_VOLATILITY = 0.25  # of a usual quarter
_LEAST_Z, _MOST_Z = -1.0, 4.0
_PRIOR_LOW, _PRIOR = 0.9, 2.0  # 45 % of quarters fall by half, with the weight of two


class Signals(NamedTuple):
    """The signals; the more of each, the more likely a drop."""

    cadence: float
    orders_down: float
    volume: float
    one_big_order: float
    lines_lapsed: float
    young: float
    swings: float


class Seen(NamedTuple):
    """A client's signals, and the facts behind them: days, orders and amounts as sales knows them.

    ``silence`` counts days of the calendar. ``usual_orders`` and ``usual_net`` are of a quarter at
    this time of year. ``lows`` of ``quarters`` fell by half.
    """

    signals: Signals
    rhythm: Rhythm
    silence: int
    tenure: int
    orders: int
    usual_orders: float
    orders_a_year: int
    net: float
    usual_net: float
    net_a_year: float
    lapsed: tuple[str, ...]
    lapsed_share: float
    lows: int
    quarters: int


def look(client: Client, house: House) -> Seen:
    """What is seen of a client with two order days at least, and sales in the last year."""
    cut, ordered = house.cut, client.ordered
    silence, tenure = cut - ordered[-1], cut - ordered[0]
    beat = rhythm(ordered, house.gap, house.own_time(silence))
    orders = count(ordered, cut - QUARTER, cut)
    orders_a_year = count(ordered, cut - YEAR, cut)
    year = client.nets[bisect_right(client.days, cut - YEAR) :]
    net_a_year = sum(year)
    # What is usual is that of a year; of less where the client is younger.
    share = QUARTER / min(YEAR, max(QUARTER, tenure))
    usual_orders = orders_a_year * share * house.open_share
    usual = net_a_year * share
    quarters = _quarters(client, cut)
    net = quarters[0]
    usual_net = usual * house.season.get(client.currency, 1.0) * house.open_share
    lapsed, lapsed_share = _lapsed(client, house) if client.lines else ((), 0.0)
    lows, known = _lows(quarters, tenure, usual)
    signals = Signals(
        beat.signal,
        -log((orders + _ORDERS) / (usual_orders + _ORDERS)),
        _volume(quarters, tenure, usual, usual_net - net),
        min(1.0, max(year) / net_a_year) if net_a_year > 0 else 1.0,
        lapsed_share,
        -log(min(_MOST_TENURE, max(_LEAST_TENURE, tenure)) / YEAR),
        _swings(lows, known),
    )
    seen = beat, silence, tenure, orders, usual_orders, orders_a_year
    return Seen(signals, *seen, net, usual_net, net_a_year, lapsed, lapsed_share, lows, known)


def _quarters(client: Client, cut: int) -> list[float]:
    """What moved in the quarters back from the cut-off, the latest first; each overlaps the next by
    half."""
    halves = [0.0] * (_BINS + 1)
    for day, net in zip(reversed(client.days), reversed(client.nets), strict=True):
        place = (cut - day) // _HALF_QUARTER
        if place > _BINS:
            break
        halves[place] += net
    return list(map(add, halves, halves[1:]))


def _lows(quarters: Sequence[float], tenure: int, usual: float) -> tuple[int, int]:
    """How many of the client's quarters fell to half of what is usual or less, and how many there
    are."""
    known = min(_WINDOWS, max(0, (tenure + 1) // _HALF_QUARTER - 1))
    half = 0.5 * usual
    return len([1 for net in quarters[:known] if net <= half]), known


def _swings(lows: int, quarters: int) -> float:
    share = (lows + _PRIOR_LOW) / (quarters + _PRIOR)
    return log(share / (1 - share))


def _volume(quarters: Sequence[float], tenure: int, usual: float, missing: float) -> float:
    """What is missing from the last quarter, in the client's own standard deviations."""
    apart = quarters[: 2 * min(_BLOCKS, (tenure + _HALF_QUARTER) // QUARTER) : 2]
    spread = usual
    if len(apart) > 1:
        mean = sum(apart) / len(apart)
        spread = sqrt(sum([(one - mean) ** 2 for one in apart]) / (len(apart) - 1))
    spread = max(spread, _LEAST_VOLATILITY * usual)
    return min(_MOST_Z, max(_LEAST_Z, missing / spread)) if spread > 0 else 0.0


def _lapsed(client: Client, house: House) -> tuple[tuple[str, ...], float]:
    """The product lines that lapsed, the largest first, and their share of the year's sales; lines
    that lapsed for most clients are not counted."""
    whole, gone = 0.0, []
    for name, line in client.lines.items():
        value = _year_of(line, house.cut)
        whole += value
        if value > 0 and name not in house.muted and _is_gone(line, house):
            gone.append((value, name))
    gone.sort(reverse=True)
    return tuple(name for _, name in gone), sum(value for value, _ in gone) / (whole or 1.0)


def _year_of(line: Line, cut: int) -> float:
    return max(0.0, total(line.days, line.nets, cut - YEAR, cut))


def _is_gone(line: Line, house: House) -> bool:
    if len(line.ordered) < 3:
        return False
    silence = house.cut - line.ordered[-1]
    return has_lapsed(line, house.cut, silence - house.own_time(silence))
