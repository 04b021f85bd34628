"""How many mails an address may get: one allowance that all schedules share. Pure.

Contractual mail counts and never waits. Of what waits, surveys wait first: where a commercial mail
and a survey want the same place, the commercial mail has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta

from worker.kernel.dates import Allowance
from worker.schedules.model import MailClass

BUDGET = "budget"
"""Why a step waits, or waited, for room."""

ORDER: Sequence[MailClass] = ("contractual", "commercial", "survey")
"""Who comes first where there is room for one."""


def day_with_room(mailed: Iterable[date], today: date, allowance: Allowance) -> date:
    """The first day from ``today`` on with room for one more mail.

    ``mailed`` holds the civil day of each mail that left or may leave. A day has room when fewer
    than ``allowance.mails`` lie in the ``allowance.days`` days that end with it.
    """
    days, day = sorted(mailed), today
    span = timedelta(days=allowance.days)
    while sum(day - span < one <= day for one in days) >= allowance.mails:
        day += timedelta(days=1)
    return day
