"""Whom to flag: of those that the score puts first, as many as people can call. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

from worker.reactivation.lanes import LANES, LESS
from worker.reactivation.rules import EXPONENT
from worker.schedules.model import Dormancy

WEEK = timedelta(days=7)
QUARTER = timedelta(days=90)
PAUSE = timedelta(days=90)
PER_WEEK = 15
_YEAR = 365


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From when on a schedule takes a client for silent, and how many it hands out.

    ``at_least_score`` is a chance from 0 to 1, ``at_least_stake`` an amount a year in the client's
    own currency; no ``lanes`` means all. ``per_week`` clients of one account manager are flagged in
    seven days; ``pause`` is how long a client rests after its episode ended. ``exponent`` is that
    of the queue.
    """

    at_least_score: float = 0.5
    at_least_stake: Decimal | float = 0
    lanes: Sequence[str] = ()
    per_week: int = PER_WEEK
    pause: timedelta = PAUSE
    exponent: float = EXPONENT

    @property
    def taken(self) -> Sequence[str]:
        """The lanes whose clients are taken."""
        return self.lanes or LANES


def thresholds(said: Dormancy, exponent: float = EXPONENT) -> Thresholds:
    """The thresholds that a schedule names."""
    return Thresholds(
        said.at_least_score,
        Decimal(str(said.at_least_stake)),
        said.lanes,
        said.per_week,
        timedelta(days=said.pause_days),
        exponent,
    )


class Candidate(NamedTuple):
    """An account with a score: ``manager`` is the key of its account manager, if it has one."""

    account: int
    manager: str | None
    lane: str | None
    score: float | None
    at_stake: Decimal


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands in the way of flagging, by account, and how full people's hands are.

    ``open`` are accounts with an episode that has not ended, whatever its schedule; ``ordered``
    those with an order that the score does not know yet; ``ended`` says when the last episode of
    an account ended, ``resting`` until when a person let it rest. ``lately`` counts what each
    manager was given in the last seven days.
    """

    open: frozenset[int] = frozenset()
    ordered: frozenset[int] = frozenset()
    ended: Mapping[int, date] = field(default_factory=dict)
    resting: Mapping[int, date] = field(default_factory=dict)
    lately: Mapping[str | None, int] = field(default_factory=dict)


def chosen(
    queue: Iterable[Candidate], standing: Standing, by: Thresholds, today: date
) -> list[Candidate]:
    """Who of ``queue``, those to call first on top, is flagged today.

    Accounts without a manager share one pair of hands.
    """
    given = Counter(dict(standing.lately))
    found = []
    for one in queue:
        if given[one.manager] >= by.per_week or not _is_silent(one, by):
            continue
        if not _is_free(one, standing, by, today):
            continue
        given[one.manager] += 1
        found.append(one)
    return found


def _is_silent(one: Candidate, by: Thresholds) -> bool:
    return (
        one.lane in by.taken
        and one.score is not None
        and one.score >= by.at_least_score
        and one.at_stake >= by.at_least_stake
    )


def _is_free(one: Candidate, standing: Standing, by: Thresholds, today: date) -> bool:
    """Whether the account has no episode now, and rests after none. What a person said of when to
    look again goes before the pause of the schedule."""
    if one.account in standing.open or (one.lane != LESS and one.account in standing.ordered):
        return False
    rests = standing.resting.get(one.account)
    if rests is None and one.account in standing.ended:
        rests = standing.ended[one.account] + by.pause
    return rests is None or today >= rests


def is_back(lane: str, at_stake: float, orders: int, net: float) -> bool:
    """Whether what was ordered since an account was flagged ends its episode.

    ``orders`` counts order days since the last one that the score knew, ``net`` is the money of
    those in the last 90 days. One order ends a silence. Who still orders, but half as much, is back
    once more than half of a usual quarter was bought: then it is a drop no longer.
    """
    if orders <= 0:
        return False
    return lane != LESS or net > at_stake * QUARTER.days / _YEAR / 2
