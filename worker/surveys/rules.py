"""What is promised to those who answer, and what may be shown of their answers. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

NAMED, CONFIDENTIAL, ANONYMOUS = "named", "confidential", "anonymous"
PROMISES = (NAMED, CONFIDENTIAL, ANONYMOUS)
HUMAN, POSSIBLE, MACHINE = "human", "possible", "machine"

FEW = 5
"""Fewer protected answers (confidential or anonymous) than these are in no figure of a group."""

SEGMENT_KEPT_FROM = 20
"""An anonymous answer keeps the segment of its account where so many of it were asked: of fewer,
too few would answer, and their answers would wait for ever."""

Group = TypeVar("Group")


def holds_back(inside: int, around: Iterable[int] = ()) -> bool:
    """Whether protected answers must be left out of a figure.

    ``inside`` is how many of them the figure would hold; ``around`` how many each wider figure
    holds that anybody may ask for. Too few are left out, and so are so many that too few remain
    between the two figures: the difference would tell of them.
    """
    if 0 < inside < FEW:
        return True
    return any(0 < wider - inside < FEW for wider in around)


def left_out(protected: Mapping[Group, int]) -> frozenset[Group]:
    """The groups of a split whose protected answers are left out, given how many each has.

    Those with too few; and while all that is left out together is still too few to hide in, the
    smallest group besides. Else the whole minus all groups would tell.
    """
    out = {group for group, count in protected.items() if 0 < count < FEW}
    hidden = sum(protected[group] for group in out)
    if not 0 < hidden < FEW:
        return frozenset(out)
    others = [group for group, count in protected.items() if count >= FEW]
    if others:
        out.add(min(others, key=lambda group: (protected[group], str(group))))
    return frozenset(out)
