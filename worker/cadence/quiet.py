"""How long nobody is asked again: one quiet time that all surveys share. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Protocol

QUIET = "quiet-time"
"""Why a question waits, or waited: somebody was asked lately."""

FEEDBACK = "open-feedback"
"""Why it waits for people: they have not dealt yet with what a client of ours was unhappy about."""


@dataclass(frozen=True, slots=True)
class Quiet:
    """So many civil days after a question a person is asked no other one, and a company none of
    its people."""

    contact_days: int = 90
    account_days: int = 30


USUAL_QUIET = Quiet()


class Setting(Protocol):
    """The settings of ``[surveys]``."""

    @property
    def quiet_contact(self) -> timedelta: ...
    @property
    def quiet_account(self) -> timedelta: ...


def quiet_of(surveys: Setting) -> Quiet:
    """The quiet times of an instance."""
    return Quiet(surveys.quiet_contact.days, surveys.quiet_account.days)


def free_on(asked_on: date | None, days: int, today: date) -> date:
    """The first day from ``today`` on that comes ``days`` after the last question, if there was."""
    if asked_on is None:
        return today
    return max(today, asked_on + timedelta(days=days))
