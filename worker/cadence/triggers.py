"""Who enters a schedule, from which day its steps count, and when a walk on it is over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from worker.cadence.records import ACCOUNT, ANSWER, LICENCE


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


def _review_left(row: Any, cycle: int) -> str | None:
    return "answered" if row.walk_answered else None


def _answer_left(row: Any, cycle: int) -> str | None:
    """What was to be done about an answer is done when its tasks are closed."""
    return "closed" if row.answer_done else None


def _silence(row: Any) -> str:
    return f"orders less than usual, flagged on {row.walk_anchor_on}"


def _review(row: Any) -> str:
    return f"review {row.walk_cycle}, on {row.walk_anchor_on}"


def _answer(row: Any) -> str:
    return f"answered {row.answer_score} of 10 ({row.answer_group}) on {row.walk_anchor_on}"


def _licence(row: Any) -> str:
    return f"licence {row.licence_key} expires on {row.licence_expires_on}"


@dataclass(frozen=True, slots=True)
class Trigger:
    """What brings a subject into a schedule.

    ``anchor`` reads the day off a row with licence_ columns; ``None`` when there is none yet, and
    ``missing`` says why. ``fixed``: the day is settled when the walk begins and never moves.
    ``in_term``: a step due on or before the term's start makes no sense. ``left`` reads off a row
    why a walk on that cycle is over; ``None`` while it goes on. ``tasks`` is the kind of the tasks
    that its steps open, ``says`` what they are about, in words.
    """

    anchor: Callable[[Any], date | None]
    missing: str = ""
    fixed: bool = False
    in_term: bool = True
    subject: str = LICENCE
    left: Callable[[Any, int], str | None] = _licence_left
    tasks: str = "step"
    says: Callable[[Any], str] = _licence


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


def _own(row: Any) -> date:
    """The same, known before it is there: steps may come before it."""
    day: date = row.walk_anchor_on
    return day


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
        says=_silence,
    ),
    # Counted from an anniversary of the account.
    "relationship-review": Trigger(
        _own, in_term=False, subject=ACCOUNT, left=_review_left, says=_review
    ),
    # Counted from the day of the answer.
    "survey-answered": Trigger(
        _settled,
        fixed=True,
        in_term=False,
        subject=ANSWER,
        left=_answer_left,
        tasks="feedback",
        says=_answer,
    ),
}
