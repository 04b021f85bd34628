"""The shape of a schedule file: every key there is, what it means, and what may stand behind it.

The JSON Schema for editors is generated from these models, so descriptions are written for those
who edit schedules.
"""

from __future__ import annotations

from datetime import date, time
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    InstanceOf,
    WithJsonSchema,
    create_model,
)

from worker.schedules import conditions, words
from worker.schedules.model import Offset, Span

ROLES = ("decision-maker", "procurement", "technical", "end-user", "reseller", "any")
ASSIGNEES = ("renewal-manager", "account-manager", "owner")
HAPPENINGS = ("clicked", "answered", "replied", "delivered", "task-open", "quote-asked")
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


class Shape(BaseModel):
    """Strict: a wrong type is told, never turned into the right one."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


def _words_schema(known: tuple[str, ...], least: int = 1) -> dict[str, Any]:
    items = {"type": "string", "enum": list(known)}
    return {"type": "array", "items": items, "minItems": least, "uniqueItems": True}


def _span_schema(pattern: str) -> dict[str, Any]:
    return {"type": "string", "pattern": f"^[1-9][0-9]* {pattern}$"}


When = Annotated[
    InstanceOf[Offset],
    BeforeValidator(words.text(words.offset)),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": "^([1-9][0-9]* (business day|day|week|month)s? (before|after)|on the day)$",
            "examples": ["60 days before", "2 business days before", "on the day", "3 days after"],
        }
    ),
]
Hours = Annotated[
    tuple[time, time],
    BeforeValidator(words.text(words.hours)),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$",
            "examples": ["09:00-17:00"],
        }
    ),
]
Days = Annotated[
    InstanceOf[frozenset[int]],
    BeforeValidator(words.days),
    WithJsonSchema(_words_schema(words.DAYS)),
]
Roles = Annotated[
    tuple[str, ...],
    BeforeValidator(words.words(ROLES, empty="a list of roles")),
    WithJsonSchema(_words_schema(ROLES)),
]
Happenings = Annotated[
    tuple[str, ...],
    BeforeValidator(words.words(HAPPENINGS)),
    WithJsonSchema(_words_schema(HAPPENINGS, 0)),
]
CivilDays = Annotated[
    InstanceOf[Span],
    BeforeValidator(words.text(words.span(365, business=False))),
    WithJsonSchema(_span_schema("(days?|weeks?)")),
]
WorkingDays = Annotated[
    InstanceOf[Span],
    BeforeValidator(words.text(words.span(365, business=True))),
    WithJsonSchema(_span_schema("(business days?|days?|weeks?)")),
]
Identifier = Annotated[
    str,
    AfterValidator(words.identifier),
    WithJsonSchema({"type": "string", "pattern": "^[a-z0-9]+(-[a-z0-9]+)*$", "maxLength": 64}),
]
Zone = Annotated[str, AfterValidator(words.zone_or_account)]
Whose = Annotated[
    str,
    AfterValidator(words.whose_holidays),
    WithJsonSchema({"type": "string", "pattern": "^(account|none|[A-Z]{2})$"}),
]
Line = Annotated[str, AfterValidator(words.line(200))]


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


class StepShape(Shape):
    """One thing to do: an e-mail, a survey, a task or a webhook."""

    id: Identifier = Field(description='a name of the step\'s own, e.g. "heads-up"; never changed')
    when: When = Field(description="an offset such as '60 days before'")
    email: str | None = Field(
        default=None, description='the mail: a folder under templates/, e.g. "renewal/heads-up"'
    )
    survey: str | None = Field(default=None, description="the survey to send")
    task: Line | None = Field(default=None, description="the title of a task for a person")
    webhook: str | None = Field(default=None, description="the address to call")
    to: Roles | None = Field(
        default=None, description="who gets the mail: the first of these roles that can be reached"
    )
    assign_to: Literal["renewal-manager", "account-manager", "owner"] | None = Field(
        default=None, description="who gets the task"
    )
    due_in: WorkingDays | None = Field(
        default=None, description='how long the task may take, e.g. "2 business days"'
    )
    unless: Happenings = Field(default=(), description="not done if any of these has happened")
    only_if: Happenings = Field(default=(), description="done only if one of these has happened")


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
    every: str | None = Field(default=None, description="how often a relationship-review comes")
    audience: list[AudienceShape] = Field(  # type: ignore[valid-type]  # made from the table of fields
        default=[],
        description="who it is for: any one of these tables; inside a table all must hold",
    )
    calendar: CalendarShape = Field(
        default=CalendarShape(), description="when clients are written to"
    )
    limits: LimitsShape = Field(default=LimitsShape(), description="how many, how late")
    steps: list[StepShape] = Field(description="at least one [[steps]] table")
