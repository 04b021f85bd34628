"""How good an order of clients is, against what became of them.

Each function takes equally long lists: what was said of every client, and what happened.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Top(NamedTuple):
    """Of the first clients of a queue: the share who fell, and the share of all lost value."""

    precision: float
    value: float


def auc(said: Sequence[float], fell: Sequence[bool]) -> float:
    """The chance that one who fell stands before one who did not; ties count half. Both must
    occur. (The Mann–Whitney statistic, from ranks.)"""
    ranked = sorted(range(len(said)), key=said.__getitem__)
    ranks, at = 0.0, 0
    while at < len(ranked):
        end = at
        while end < len(ranked) and said[ranked[end]] == said[ranked[at]]:
            end += 1
        ranks += (at + end + 1) / 2 * sum(fell[place] for place in ranked[at:end])
        at = end
    yes = sum(fell)
    return (ranks - yes * (yes + 1) / 2) / (yes * (len(fell) - yes))


def average_precision(said: Sequence[float], fell: Sequence[bool]) -> float:
    """The mean, over those who fell, of the precision down to each of them."""
    found, precisions = 0, 0.0
    for at, place in enumerate(first(said, len(said)), start=1):
        if fell[place]:
            found += 1
            precisions += found / at
    return precisions / found


def calibration_error(said: Sequence[float], fell: Sequence[bool], groups: int = 10) -> float:
    """The mean distance between what was said and what happened, over groups of equal size from the
    lowest chances to the highest (the expected calibration error)."""
    ranked = sorted(range(len(said)), key=said.__getitem__)
    off = 0.0
    for group in range(groups):
        part = ranked[len(ranked) * group // groups : len(ranked) * (group + 1) // groups]
        off += abs(sum(said[place] for place in part) - sum(fell[place] for place in part))
    return off / len(said)


def first(said: Sequence[float], most: int) -> list[int]:
    """The places of the highest values, the highest first; of equal ones the earlier first."""
    return sorted(range(len(said)), key=lambda place: (-said[place], place))[:most]


def top(places: Sequence[int], fell: Sequence[bool], lost: Sequence[float]) -> Top:
    """What the clients at these ``places`` hold; ``lost`` is what each one's drop cost."""
    whole = sum(value for value, was in zip(lost, fell, strict=True) if was)
    held = sum(lost[place] for place in places if fell[place])
    return Top(
        sum(fell[place] for place in places) / len(places) if places else 0.0,
        held / whole if whole else 0.0,
    )
