"""Who enters a schedule, from which day its steps count, and when a walk on it is over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any


@dataclass(frozen=True, slots=True)
class Trigger:
    """What brings a licence's term into a schedule.

    ``anchor`` reads the day off a row with licence_ columns; ``None`` when there is none yet, and
    ``missing`` says why. ``fixed``: the day is settled when the walk begins and never moves.
    ``in_term``: a step due on or before the term's start makes no sense.
    """

    anchor: Callable[[Any], date | None]
    missing: str = ""
    fixed: bool = False
    in_term: bool = True


def _expiry(row: Any) -> date | None:
    day: date = row.licence_expires_on
    return day


def _deadline(row: Any) -> date | None:
    """The last day on which an auto-renewing contract can be given notice."""
    if not row.licence_auto_renew or row.licence_notice_days is None:
        return None
    day: date = row.licence_expires_on - timedelta(days=row.licence_notice_days)
    return day


TRIGGERS: dict[str, Trigger] = {
    "licence-expiry": Trigger(_expiry),
    "notice-deadline": Trigger(_deadline, "no-notice-deadline"),
    # Counted from the day the renewal was seen: the walk's own, which flow.py writes.
    "licence-renewed": Trigger(lambda row: None, fixed=True, in_term=False),
}
