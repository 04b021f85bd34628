"""In which lane a client stands, and the lane of those who buy once a year."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

from worker.reactivation.cadence_signal import Rhythm
from worker.reactivation.history import Client, count
from worker.reactivation.signals import Seen

OVERDUE, QUIET, LESS, YEARLY = "just-overdue", "gone-quiet", "buying-less", "yearly"
LANES = (OVERDUE, QUIET, LESS, YEARLY)
"""Two lanes of silence; those who still order, but half as much; those who buy once a year."""

YEARLY_GAP = (320, 410)
"""Days between two purchases of a yearly buyer."""
SETTLED = ((30, 0.75), (90, 0.93))
"""So many days after its due date, that share of silent yearly buyers is lost (the field's
notes); nothing can be said before the first."""

_OVERDUE_AT, _QUIET_AT = 0.25, 0.05
_HALF = 0.5
_ONE_OCCASION = 30  # days: what is ordered within them belongs to one purchase


class Yearly(NamedTuple):
    """A yearly buyer: the day on which its next purchase is due, and the usual gap."""

    due: int
    gap: int


def lane_of(seen: Seen) -> str | None:
    """The lane of a client who buys more than once a year; ``None`` for one who buys as usual.

    A silence that one in four who still buy reach is overdue, one that one in twenty reach is gone
    quiet.
    """
    beat: Rhythm = seen.rhythm
    if beat.chance <= _QUIET_AT:
        return QUIET
    if beat.chance <= _OVERDUE_AT and seen.silence > beat.usual_gap:
        return OVERDUE
    return LESS if drop_of(seen) >= _HALF else None


def drop_of(seen: Seen) -> float:
    """How far the last quarter lies below what is usual at this time of year, from 0 to 1."""
    return share_missing(seen.net, seen.usual_net)


def share_missing(net: float, usual: float) -> float:
    """How far ``net`` lies below ``usual``, from 0 to 1."""
    return min(1.0, max(0.0, 1 - net / usual)) if usual > 0 else 0.0


def yearly(client: Client, *, licensed: bool) -> Yearly | None:
    """The rhythm of a client who buys once a year: its last two gaps are of 320 to 410 days, or the
    last one is and it has a licence. ``None`` for everybody else."""
    if _orders_between(client.ordered):
        return None
    first = _occasions(client.ordered)
    gaps = [later - earlier for earlier, later in itertools.pairwise(first)][-2:]
    if len(gaps) < (1 if licensed else 2):
        return None
    gaps = gaps[-1:] if licensed else gaps
    if not all(YEARLY_GAP[0] <= gap <= YEARLY_GAP[1] for gap in gaps):
        return None
    usual = round(sum(gaps) / len(gaps))
    return Yearly(first[-1] + usual, usual)


def lost_yearly(late: int) -> float | None:
    """The chance that a yearly buyer so many days after its due date is lost; ``None`` while that
    is too early to say."""
    (early, low), (settled, high) = SETTLED
    if late < early:
        return None
    return low + (high - low) * min(1.0, (late - early) / (settled - early))


def _orders_between(days: Sequence[int]) -> bool:
    """Whether there are orders between the last purchase and where the one before would have to
    end: most clients have, and need no closer look."""
    earliest = YEARLY_GAP[0] - _ONE_OCCASION
    return bool(days) and count(days, days[-1] - earliest, days[-1] - _ONE_OCCASION - 1) > 0


def _occasions(days: Sequence[int]) -> list[int]:
    """The first days of purchases; what follows within a month of one belongs to it."""
    found: list[int] = []
    for day in days:
        if not found or day - found[-1] > _ONE_OCCASION:
            found.append(day)
    return found
