"""How far schedules reach around a day, and where a period of civil days begins and ends."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta

from worker.kernel.dates import Period
from worker.schedules.model import Offset, Schedule

_DAYS = {"days": 1, "business days": 2, "weeks": 7, "months": 31}
SHIFT = timedelta(days=31)
"""The farthest that a step is moved by closed days."""


def reach(offset: Offset) -> timedelta:
    """The farthest an offset can lie from its anchor, in civil days."""
    return timedelta(days=offset.count * _DAYS[offset.unit])


def warm_up(schedules: Iterable[Schedule]) -> timedelta:
    """How long before a replay's first day its steps may still matter."""
    longest = timedelta(0)
    for schedule in schedules:
        farthest = max(reach(step.when) for step in schedule.steps)
        longest = max(longest, farthest + timedelta(days=schedule.limits.valid_days))
    return longest + SHIFT


def start_of(period: Period) -> datetime:
    """00:00 UTC of the first day."""
    return datetime.combine(period.first, time(0), UTC)


def end_of(period: Period) -> datetime:
    """A moment at which the period is over in every zone."""
    return datetime.combine(period.last, time(0), UTC) + timedelta(hours=38)
