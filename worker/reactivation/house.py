"""What is the whole house's doing, not a client's: its season, its standstills, its dips, product
lines that lapse for most who bought them.

All of it is read from rows up to the cut-off.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from math import exp, log
from statistics import median

from worker.reactivation.history import Book, Client, Line

QUARTER, YEAR = 90, 365
"""Days. Quarters roll: they end on the cut-off, whatever the month."""
SAMPLE = 3000
"""So many clients, evenly drawn, tell what is usual in the house."""
LAPSES_AFTER = 2.5
"""A line has lapsed once it is silent for so many of its own intervals."""

_WEEK = 7
_WEEKS = 60
_LEAST_A_WEEK = 10.0  # order days; with fewer, an empty week says nothing
_STILL = 0.5  # of a usual week: what lies below is a standstill
_LEAST_BEFORE = 100.0  # order days in three quarters; with fewer, a dip may be chance
_DIPS_BELOW = 0.8  # of what is usual: what lies above is chance
_LEAST_BUYERS = 10
_MOSTLY = 0.5


@dataclass(frozen=True)
class House:
    """The house at the end of the day ``cut``.

    ``gap``: the geometric mean of all clients' mean gaps, in days. ``season``: by currency, what
    a quarter like the last one is of a usual quarter. ``dip``: 1, or less where the whole house
    sold less. ``lost``: days that stood still in the last so many weeks. ``muted``: product lines
    that lapsed for most.
    """

    cut: int
    gap: float
    season: dict[str, float] = field(default_factory=dict)
    dip: float = 1.0
    lost: tuple[float, ...] = (0.0,)
    muted: frozenset[str] = frozenset()

    def lost_in(self, days: int) -> float:
        """How many of the last ``days`` days were lost to the house."""
        weeks, rest = divmod(days, _WEEK)
        if weeks + 1 >= len(self.lost):
            return self.lost[-1]
        return self.lost[weeks] + (self.lost[weeks + 1] - self.lost[weeks]) * rest / _WEEK

    @cached_property
    def open_share(self) -> float:
        """The part of the last quarter in which the house sold as usual."""
        return self.own_time(QUARTER) / QUARTER

    def own_time(self, days: int) -> float:
        """``days`` up to the cut-off on the house's clock, which stops while the house stands
        still and goes slower while it sells less."""
        if len(self.lost) == 1 and self.dip == 1:
            return days
        active = days - self.lost_in(days)
        return max(0.0, active - min(active, QUARTER) * (1 - self.dip))


def look_at(book: Book, cut: int) -> House:
    """The house as its rows up to ``cut`` show it."""
    every = max(1, len(book.spans) // SAMPLE)
    gaps: list[float] = []
    buyers: dict[str, list[int]] = {}
    for client in book.clients(cut, every):
        gap = _mean_gap(client)
        if gap is not None:
            gaps.append(log(gap))
        _count_lapses(client, cut, buyers)
    lost = _lost_weeks(book, cut)
    return House(
        cut,
        exp(sum(gaps) / len(gaps)) if gaps else float(QUARTER),
        {currency: _season(book, currency, cut) for currency in book.moved},
        _dip(book, cut, lost),
        lost,
        frozenset(name for name, counted in buyers.items() if _lapsed_for_most(*counted)),
    )


def has_lapsed(line: Line, cut: int, lost: float = 0.0) -> bool:
    """Whether a line that was bought three times or more is silent for 2.5 of its intervals;
    ``lost`` days of the silence do not count."""
    days = line.ordered
    if len(days) < 3:
        return False
    return cut - days[-1] - lost > LAPSES_AFTER * (days[-1] - days[0]) / (len(days) - 1)


def _mean_gap(client: Client) -> float | None:
    days = client.ordered
    return (days[-1] - days[0]) / (len(days) - 1) if len(days) > 1 else None


def _count_lapses(client: Client, cut: int, buyers: dict[str, list[int]]) -> None:
    """Notes, line by line, who bought it three times or more, and for whom it lapsed."""
    for name, line in client.lines.items():
        if len(line.ordered) >= 3:
            counted = buyers.setdefault(name, [0, 0])
            counted[0] += 1
            counted[1] += has_lapsed(line, cut)


def _lapsed_for_most(bought: int, lapsed: int) -> bool:
    return bought >= _LEAST_BUYERS and lapsed > _MOSTLY * bought


def _season(book: Book, currency: str, cut: int) -> float:
    """What the quarter that ended a year ago was of a usual one; 1 while that is not known."""
    moved = book.moved[currency]
    if not moved.days or moved.days[0] > cut - YEAR - QUARTER + 5:
        return 1.0
    whole = moved.days[0] <= cut - 2 * YEAR + 5
    year = moved.between(cut - 2 * YEAR, cut - YEAR) if whole else moved.between(cut - YEAR, cut)
    then = moved.between(cut - YEAR - QUARTER, cut - YEAR)
    if year <= 0 or then <= 0:
        return 1.0
    return min(2.0, max(0.5, then / (year * QUARTER / YEAR)))


def _lost_weeks(book: Book, cut: int) -> tuple[float, ...]:
    """How many days stood still in the last 0, 1, 2 … weeks."""
    orders = book.order_days
    known = (cut - orders.days[0]) // _WEEK if orders.days else 0
    ends = [cut - _WEEK * week for week in range(min(_WEEKS, known))]
    weeks = [orders.between(end - _WEEK, end) for end in ends]
    usual = median(weeks) if weeks else 0.0
    if usual < _LEAST_A_WEEK:
        return (0.0,)
    lost = [0.0]
    for orders_then in weeks:
        lost.append(lost[-1] + _WEEK * max(0.0, 1 - orders_then / (_STILL * usual)))
    return tuple(lost)


def _dip(book: Book, cut: int, lost: tuple[float, ...]) -> float:
    """What the house sold on the days of the last quarter that did not stand still, against what
    is usual at this time of year."""
    orders = book.order_days
    if not orders.days:
        return 1.0
    first = max(cut - YEAR, orders.days[0] - 1)
    before, days = orders.between(first, cut - QUARTER), cut - QUARTER - first
    active = QUARTER - lost[min(QUARTER // _WEEK, len(lost) - 1)]
    if before < _LEAST_BEFORE or active <= 0:
        return 1.0
    level = orders.between(cut - QUARTER, cut) / (before / days * active)
    return min(1.0, level / (_DIPS_BELOW * min(1.0, _order_season(book, cut))))


def _order_season(book: Book, cut: int) -> float:
    """What the quarter that ended a year ago was of the three before it, by orders; 1 while that is
    not known."""
    orders, then = book.order_days, cut - YEAR
    if orders.days[0] > then - YEAR + 5:
        return 1.0
    before = orders.between(then - YEAR, then - QUARTER) / (YEAR - QUARTER)
    return orders.between(then - QUARTER, then) / QUARTER / before if before else 1.0
