"""What may stand behind the keys of a schedule file: types that read, check and describe."""

from __future__ import annotations

from datetime import time
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    InstanceOf,
    WithJsonSchema,
)

from worker.schedules import words
from worker.schedules.model import Offset, Span

ROLES = ("decision-maker", "procurement", "technical", "end-user", "reseller", "any")
TO = (
    "who gets the mail: the first of these roles that can be reached; who may be asked a survey: "
    "everybody of these roles, those named first before the others"
)
ASSIGNEES = ("renewal-manager", "account-manager", "owner")
LANES = ("just-overdue", "gone-quiet", "buying-less", "yearly")
HAPPENINGS = ("clicked", "answered", "replied", "delivered", "task-open", "quote-asked")


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
Months = Annotated[
    int,
    BeforeValidator(words.text(words.months)),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": "^[1-9][0-9]* (months?|years?)$",
            "examples": ["6 months", "1 year"],
        }
    ),
]
Chance = Annotated[
    float,
    BeforeValidator(words.within(0, 1, "a chance from 0 to 1")),
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": 1}),
]
Stake = Annotated[
    float,
    BeforeValidator(words.within(0, 1e12, "an amount of money a year")),
    WithJsonSchema({"type": "number", "minimum": 0}),
]
Handful = Annotated[
    int,
    BeforeValidator(words.within(1, 1000, "a number of clients")),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": 1000}),
]
Lanes = Annotated[
    tuple[str, ...],
    BeforeValidator(words.words(LANES, empty="a list of lanes")),
    WithJsonSchema(_words_schema(LANES)),
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
