"""What a schedule is, once it has been read and checked: frozen values, no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, time
from typing import Any, Literal

MailClass = Literal["contractual", "commercial", "survey"]
Unit = Literal["days", "business days", "weeks", "months"]
Side = Literal["before", "on", "after"]
MAILING = ("email", "survey")
SURVEYS = "survey/"
"""Where the mails of questions lie under ``templates/``."""
Scalar = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Offset:
    """How far a step stands from its anchor: ``60 days before``, ``on the day``."""

    count: int
    unit: Unit
    side: Side

    def __str__(self) -> str:
        if self.side == "on":
            return "on the day"
        unit = self.unit if self.count != 1 else self.unit.removesuffix("s")
        return f"{self.count} {unit} {self.side}"


@dataclass(frozen=True, slots=True)
class Span:
    """A number of civil or business days, as in ``due_in = "2 business days"``."""

    count: int
    unit: Literal["days", "business days"]


@dataclass(frozen=True, slots=True)
class Condition:
    """One line of an audience table. ``field`` is ``licence.amount``, ``account.segment`` …

    Exactly one operator holds: ``any_of`` for a value or a list; ``at_least``/``at_most``;
    ``none_of`` for ``not``; ``like`` (``*`` and ``?``); ``is_set``.
    """

    field: str
    any_of: tuple[Scalar, ...] | None = None
    none_of: tuple[Scalar, ...] | None = None
    at_least: float | None = None
    at_most: float | None = None
    like: str | None = None
    is_set: bool | None = None


@dataclass(frozen=True, slots=True)
class CalendarSpec:
    """When a client may be written to. ``account`` means: as the account's own row says."""

    timezone: str = "account"
    opens: time = time(9)
    closes: time = time(17)
    days: frozenset[int] = frozenset({0, 1, 2, 3, 4})  # Monday is 0
    holidays: str = "account"  # account, an ISO country code, or none
    extra_holidays: frozenset[date] = frozenset()
    when_closed: Literal["earlier", "later"] = "earlier"


@dataclass(frozen=True, slots=True)
class Limits:
    """How steps behave when many fall together or time has run away. Spans are in days."""

    group_by: Literal["contact", "licence"] = "licence"
    gather_days: int = 0
    late: Literal["latest", "skip", "all"] = "latest"
    valid_days: int = 3
    approve: Literal["never", "first-day", "always"] = "never"


@dataclass(frozen=True, slots=True)
class Dormancy:
    """Which silent clients enter an ``account-dormant`` schedule, and how many.

    ``at_least_score`` is a chance from 0 to 1, ``at_least_stake`` an amount a year in the client's
    own currency; no ``lanes`` means all. At most ``per_week`` for each account manager, and none
    within ``pause_days`` of the end of the last episode.
    """

    at_least_score: float = 0.5
    at_least_stake: float = 0
    lanes: tuple[str, ...] = ()
    per_week: int = 15
    pause_days: int = 90


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a schedule. ``keys`` are those of its kind: ``kinds/email.py`` for an email."""

    id: str
    when: Offset
    kind: str
    keys: Any = None
    unless: frozenset[str] = frozenset()
    only_if: frozenset[str] = frozenset()

    @property
    def mails(self) -> bool:
        """Whether it writes to a client: at most one such step a day."""
        return self.kind in MAILING

    @property
    def template(self) -> str | None:
        """The mail that it sends, a folder under ``templates/``."""
        if self.kind == "survey":
            return f"{SURVEYS}{self.keys.survey}"
        return getattr(self.keys, "email", None)


@dataclass(frozen=True, slots=True)
class Schedule:
    """A checked schedule. Its identity is ``stem``, the name of its file without ``.toml``.

    ``dormancy`` are the keys of ``account-dormant``, ``every_months`` those of
    ``relationship-review``; other triggers leave them as they are.
    """

    stem: str
    name: str
    trigger: str
    mail_class: MailClass
    audience: tuple[tuple[Condition, ...], ...]  # any table; inside a table all must hold
    calendar: CalendarSpec
    limits: Limits
    steps: tuple[Step, ...]
    dormancy: Dormancy = Dormancy()
    every_months: int = 0

    @property
    def templates(self) -> frozenset[str]:
        """The mails that this schedule sends, as folders under ``templates/``."""
        return frozenset(step.template for step in self.steps if step.template)

    def asking(self, step: Step) -> Step:
        """The step that asks the question of ``step``: itself, or the one that it reminds of."""
        same = [one for one in self.steps if one.kind == "survey" and one.template == step.template]
        return same[0] if same else step
