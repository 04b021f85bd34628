"""Spans of time as people write them, and zones."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

_SPAN = re.compile(r"(\d{1,6}) (second|minute|hour|day|week)s?")
_ALLOWANCE = re.compile(r"(\d{1,4}) per (\d{1,3}) days?")
_NOT_CITIES = ("Etc/", "posix/", "right/", "SystemV/")
_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800}


def parse_span(text: str) -> timedelta:
    """``"30 seconds"``, ``"2 days"`` → a ``timedelta``; ``ValueError`` for anything else."""
    found = _SPAN.fullmatch(text.strip())
    if not found:
        raise ValueError(f"{text!r} is not a span of time")
    return timedelta(seconds=int(found[1]) * _SECONDS[found[2]])


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """The zones that may be named: ``Area/City`` and ``UTC``.

    Abbreviations such as ``CET`` and fixed offsets are left out: they do not say which rules for
    summer time a client lives by.
    """
    return frozenset(
        name
        for name in available_timezones()
        if name == "UTC" or ("/" in name and not name.startswith(_NOT_CITIES))
    )


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """The zone of that name; ``ValueError`` when it is none of ``zone_names()``."""
    if name not in zone_names():
        raise ValueError(f"{name!r} is not a time zone")
    return ZoneInfo(name)


@dataclass(frozen=True, slots=True)
class Period:
    """Civil days from ``first`` to ``last``, both included."""

    first: date
    last: date

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last


@dataclass(frozen=True, slots=True)
class Allowance:
    """So many mails in so many civil days: ``3 per 7 days``."""

    mails: int
    days: int

    def __str__(self) -> str:
        return f"{self.mails} per {self.days} day{'' if self.days == 1 else 's'}"


USUAL_ALLOWANCE = Allowance(3, 7)


def parse_allowance(text: str) -> Allowance:
    """``"3 per 7 days"`` → an ``Allowance``; ``ValueError`` for anything else."""
    found = _ALLOWANCE.fullmatch(text.strip())
    if not found or not 1 <= int(found[2]) <= 366 or not int(found[1]):
        raise ValueError(f"{text!r} is not an allowance")
    return Allowance(int(found[1]), int(found[2]))


@dataclass(frozen=True, slots=True)
class Pace:
    """How many mails may leave in a second, or in a minute."""

    mails: int
    seconds: int

    @property
    def gap(self) -> timedelta:
        """How far apart two mails leave."""
        return timedelta(seconds=self.seconds) / self.mails

    def __str__(self) -> str:
        return f"{self.mails} per {'second' if self.seconds == 1 else 'minute'}"


_PACE = re.compile(r"(\d{1,6})\s+per\s+(second|minute)")


def parse_pace(text: str) -> Pace:
    """``"10 per second"`` → a ``Pace``; ``ValueError`` for anything else."""
    found = _PACE.fullmatch(text.strip())
    if not found or not int(found[1]):
        raise ValueError(f"{text!r} is not a pace")
    return Pace(int(found[1]), 1 if found[2] == "second" else 60)


def civil_date(moment: datetime, tz: ZoneInfo) -> date:
    """The date on the wall in ``tz`` at ``moment``."""
    return moment.astimezone(tz).date()
