"""The shape of a schedule file: every key there is, what it means, and what may stand behind it.

The JSON Schema for editors is generated from these models, so descriptions are written for those
who edit schedules. The keys of each kind of step stand in ``kinds/``.
"""

from __future__ import annotations

from datetime import date, time
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, InstanceOf, WithJsonSchema, create_model
from pydantic.fields import FieldInfo

from worker.schedules import conditions
from worker.schedules.fields import (
    Chance,
    CivilDays,
    Days,
    Handful,
    Happenings,
    Hours,
    Identifier,
    Lanes,
    Line,
    Months,
    Shape,
    Stake,
    When,
    Whose,
    Zone,
)
from worker.schedules.kinds.table import KINDS
from worker.schedules.model import Span

TRIGGERS = (
    "licence-expiry",
    "notice-deadline",
    "licence-renewed",
    "account-dormant",
    "relationship-review",
    "survey-answered",
)
TriggerWord = Literal[
    "licence-expiry",
    "notice-deadline",
    "licence-renewed",
    "account-dormant",
    "relationship-review",
    "survey-answered",
]


class CalendarShape(Shape):
    """When a client may be written to."""

    timezone: Zone = Field(
        default="account", description='"account" or a zone, e.g. "Europe/Warsaw"'
    )
    hours: Hours = Field(
        default=(time(9), time(17)),
        description="the window in which mails go out, in the client's own time",
    )
    days: Days = Field(
        default=frozenset({0, 1, 2, 3, 4}), description="the days on which mails go out"
    )
    holidays: Whose = Field(
        default="account",
        description='whose public holidays are closed: "account", a country as "PL", or "none"',
    )
    extra_holidays: list[date] = Field(
        default=[], description="more closed days, e.g. [2027-05-04], without quotes"
    )
    when_closed: Literal["earlier", "later"] = Field(
        default="earlier", description="where a step goes that falls on a closed day"
    )


class LimitsShape(Shape):
    """How steps behave when many fall together, or when time has run away."""

    group_by: Literal["contact", "licence"] = Field(
        default="licence", description="a mail per contact with a table of licences, or per licence"
    )
    gather: CivilDays | None = Field(
        default=None, description='pull in licences whose same step falls within, e.g. "5 days"'
    )
    late: Literal["latest", "skip", "all"] = Field(
        default="latest",
        description="after a late import or a standstill: which of the steps past are done",
    )
    valid_for: CivilDays = Field(
        default=Span(3, "days"), description='a step not out by then is skipped, e.g. "3 days"'
    )
    approve: Literal["never", "first-day", "always"] = Field(
        default="never", description="when a person is asked before mails go out"
    )


def _optional(field: FieldInfo) -> tuple[Any, Any]:
    """A key of one kind of step: the steps of other kinds go without it."""
    told: Any = field.annotation
    if field.metadata:
        told = Annotated[told, *field.metadata]
    return told | None, Field(default=None, description=field.description)


def _step() -> type[Shape]:
    keys: dict[str, Any] = {}
    for kind in KINDS.values():
        keys |= {name: _optional(field) for name, field in kind.keys.model_fields.items()}
    return create_model("StepShape", __base__=_AnyStep, __doc__=_AnyStep.__doc__, **keys)


class _AnyStep(Shape):
    """One thing to do: an e-mail, a survey, a task or a webhook."""

    id: Identifier = Field(description='a name of the step\'s own, e.g. "heads-up"; never changed')
    when: When = Field(description="an offset such as '60 days before'")
    unless: Happenings = Field(default=(), description="not done if any of these has happened")
    only_if: Happenings = Field(default=(), description="done only if one of these has happened")


StepShape = _step()


def _audience() -> type[Shape]:
    fields: dict[str, Any] = {}
    for name, kind in conditions.FIELDS.items():
        condition = Annotated[
            InstanceOf[conditions.Given],
            BeforeValidator(conditions.reader(kind)),
            WithJsonSchema({}),  # schema.py knows how it looks
        ]
        field = Field(default=None, validation_alias=name)
        fields[name.replace(".", "_")] = (condition | None, field)
    return create_model("AudienceShape", __base__=Shape, **fields)


AudienceShape = _audience()


class ScheduleShape(Shape):
    """A schedule: who is written to, when, and what about."""

    name: Line = Field(description='what people call it, e.g. "Licence renewal"')
    trigger: TriggerWord = Field(
        description='what brings a client into this schedule, e.g. "licence-expiry"'
    )
    mail_class: Literal["contractual", "commercial", "survey"] = Field(
        validation_alias="class",
        description='the class of its mails: "contractual", "commercial" or "survey"',
    )
    every: Months | None = Field(
        default=None, description='how often a relationship-review comes, e.g. "6 months"'
    )
    at_least_score: Chance = Field(
        default=0.5,
        description="account-dormant: from which chance of a real drop on a client is flagged",
    )
    at_least_stake: Stake = Field(
        default=0,
        description="account-dormant: from which amount a year on, in the client's own currency",
    )
    lanes: Lanes = Field(default=(), description="account-dormant: these kinds of silence only")
    per_week: Handful = Field(
        default=15,
        description="account-dormant: so many clients a week for each account manager at most",
    )
    pause: CivilDays = Field(
        default=Span(90, "days"),
        description='account-dormant: how long a client rests after an episode, e.g. "90 days"',
    )
    audience: list[AudienceShape] = Field(  # type: ignore[valid-type]  # made from the table of fields
        default=[],
        description="who it is for: any one of these tables; inside a table all must hold",
    )
    calendar: CalendarShape = Field(
        default=CalendarShape(), description="when clients are written to"
    )
    limits: LimitsShape = Field(default=LimitsShape(), description="how many, how late")
    steps: list[StepShape] = Field(  # type: ignore[valid-type]  # made from the kinds of steps
        description="at least one [[steps]] table"
    )
