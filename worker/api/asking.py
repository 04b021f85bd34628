"""What the address of a request may say: keys, filters, the page that is wanted."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated, Any

from fastapi import Path
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
)

from worker.api.paging import MOST, USUAL

LONGEST_KEY = 500
"""Signs of a key in an address."""
MOST_NUMBER = (1 << 53) - 1
"""The largest whole number that every reader of JSON reads as it is."""


def _printable(text: str) -> str:
    if not text.isprintable() or not text.strip():
        raise ValueError("a text that can be printed, and is not blank")
    return text


def _day(value: object) -> object:
    try:
        if isinstance(value, str) and len(value) == len("2027-12-31"):
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise ValueError("a date written like 2027-12-31")


def _moment(value: object) -> object:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        if moment is not None and moment.utcoffset() is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise ValueError("a moment with its offset, written like 2027-12-31T09:00:00Z")


Text = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_KEY)]
Printable = Annotated[Text, AfterValidator(_printable)]
Key = Annotated[str, Path(min_length=1, max_length=LONGEST_KEY), AfterValidator(_printable)]
Number = Annotated[int, Path(ge=1, le=MOST_NUMBER)]
Day = Annotated[date, BeforeValidator(_day), WithJsonSchema({"type": "string", "format": "date"})]
Moment = Annotated[
    AwareDatetime,
    BeforeValidator(_moment),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]


class Query(BaseModel):
    """The query of an address: nothing beside what is named."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Paged(Query):
    """The query of a list."""

    limit: Annotated[int, Field(ge=1, le=MOST, description="how many at most")] = USUAL
    cursor: Annotated[
        str | None, Field(max_length=4000, description="from next of the page before")
    ] = None

    def filters(self) -> dict[str, Any]:
        """What was asked for beside the page, as it goes into an address."""
        said = self.model_dump(mode="json", exclude={"limit", "cursor"})
        return {name: value for name, value in said.items() if value is not None}
