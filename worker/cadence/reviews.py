"""On which anniversaries an account comes up for a review. Pure."""

from __future__ import annotations

from calendar import monthrange
from datetime import date
from typing import NamedTuple

_YEAR = 12


class Review(NamedTuple):
    """Which review of an account it is, from 1, and the anniversary that it falls on."""

    cycle: int
    day: date


def first(base: date, every: int, today: date) -> Review:
    """The first review from ``today`` on of an account known since ``base``, every so many months.

    ``base`` itself is none: the first comes ``every`` months later.
    """
    return _from(base, every, today, 1)


def following(here: Review, base: date, every: int, today: date) -> Review:
    """The review after ``here``: on the next anniversary from ``today`` on. Those that were missed
    meanwhile are left out, and a number is never given twice, also when ``every`` has changed."""
    found = _from(base, every, max(today, here.day), 1)
    if found.day <= here.day:
        found = _from(base, every, max(today, here.day), found.cycle + 1)
    return found._replace(cycle=max(found.cycle, here.cycle + 1))


def _from(base: date, every: int, day: date, least: int) -> Review:
    """The first anniversary on or after ``day``, of the number ``least`` or later."""
    months = (day.year - base.year) * _YEAR + day.month - base.month
    number = max(least, months // every)
    while anniversary(base, number * every) < day:
        number += 1
    return Review(number, anniversary(base, number * every))


def anniversary(base: date, months: int) -> date:
    """The same day so many months later, or that month's last."""
    year, month = divmod(base.year * _YEAR + base.month - 1 + months, _YEAR)
    return date(year, month + 1, min(base.day, monthrange(year, month + 1)[1]))
