"""Who enters a schedule, from which day its steps count, and when a walk on it is over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from worker.cadence.records import ACCOUNT, LICENCE


def _licence_left(row: Any, cycle: int) -> str | None:
    """A term is over when the next one has begun, or when its licence is."""
    if row.licence_term > cycle:
        return "renewed"
    if row.licence_status != "active":
        return str(row.licence_status)
    return "declined" if row.licence_declined_term == cycle else None


def _episode_left(row: Any, cycle: int) -> str | None:
    """An order ends an episode, or whoever closes its task: what reactivation wrote down."""
    why: str | None = row.episode_ended_why
    return why


@dataclass(frozen=True, slots=True)
class Trigger:
    """What brings a subject into a schedule.

    ``anchor`` reads the day off a row with licence_ columns; ``None`` when there is none yet, and
    ``missing`` says why. ``fixed``: the day is settled when the walk begins and never moves.
    ``in_term``: a step due on or before the term's start makes no sense. ``left`` reads off a row
    why a walk on that cycle is over; ``None`` while it goes on. ``tasks`` is the kind of the tasks
    that its steps open.
    """

    anchor: Callable[[Any], date | None]
    missing: str = ""
    fixed: bool = False
    in_term: bool = True
    subject: str = LICENCE
    left: Callable[[Any, int], str | None] = _licence_left
    tasks: str = "step"


def _expiry(row: Any) -> date | None:
    day: date = row.licence_expires_on
    return day


def _deadline(row: Any) -> date | None:
    """The last day on which an auto-renewing contract can be given notice."""
    if not row.licence_auto_renew or row.licence_notice_days is None:
        return None
    day: date = row.licence_expires_on - timedelta(days=row.licence_notice_days)
    return day


def _settled(row: Any) -> None:
    """The day is the walk's own, written when it began."""


TRIGGERS: dict[str, Trigger] = {
    "licence-expiry": Trigger(_expiry),
    "notice-deadline": Trigger(_deadline, "no-notice-deadline"),
    # Counted from the day the renewal was seen.
    "licence-renewed": Trigger(_settled, fixed=True, in_term=False),
    # Counted from the day on which the client was flagged.
    "account-dormant": Trigger(
        _settled,
        fixed=True,
        in_term=False,
        subject=ACCOUNT,
        left=_episode_left,
        tasks="dormant",
    ),
}
