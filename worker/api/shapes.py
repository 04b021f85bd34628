"""What the API sends: one model for each kind of thing. Keys are the book's, amounts text."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from worker.kernel.clock import require_aware


def _money(value: object) -> object:
    return f"{value:.2f}" if isinstance(value, Decimal) else value


def _plain(value: object) -> object:
    return f"{value.normalize():f}" if isinstance(value, Decimal) else value


def _moment(value: datetime) -> str:
    return require_aware(value).isoformat().replace("+00:00", "Z")


Amount = Annotated[
    str,
    BeforeValidator(_money),
    Field(description="a decimal as text, in the currency beside it", examples=["1200.00"]),
]
Quantity = Annotated[
    str,
    BeforeValidator(_plain),
    Field(description="a decimal as text, without idle zeros", examples=["2.5"]),
]
Moment = Annotated[datetime, PlainSerializer(_moment)]


class Shape(BaseModel):
    """Strict, and nothing beside what is named."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    def json_(self) -> dict[str, Any]:
        """It as JSON has it."""
        return self.model_dump(mode="json")


class Account(Shape):
    """A client company."""

    key: str
    name: str
    segment: str | None
    country: str | None
    timezone: str | None
    language: str | None
    account_manager: str | None
    renewal_manager: str | None
    reseller: str | None
    tags: list[str] | None
    cost_to_serve: Amount | None
    updated_at: Moment


class Contact(Shape):
    """A person at a client company. ``opt_out`` is of commercial mail."""

    key: str
    account: str
    email: str | None
    name: str | None
    role: str | None
    language: str | None
    opt_out: bool
    updated_at: Moment


class Licence(Shape):
    """What expires, with its current term. ``declined``: the client will not renew this term."""

    key: str
    account: str
    product: str | None
    vendor: str | None
    quantity: int | None
    amount: Amount | None
    currency: str | None
    next_amount: Amount | None
    auto_renew: bool
    notice_days: int | None
    renew_url: str | None
    status: str
    owner: str | None
    term: int
    starts_on: date | None
    expires_on: date
    closed_on: date | None
    declined: bool
    updated_at: Moment


class Order(Shape):
    """A line of a sale; a credit note or a return is negative. ``amount`` is of the whole line."""

    key: str
    account: str
    product_line: str | None
    ordered_on: date
    quantity: Quantity | None
    amount: Amount
    currency: str | None
    updated_at: Moment


class Decision(Shape):
    """What was decided or is to come for a step, as ``perennial explain --json`` prints it."""

    at: str | None
    due_on: str | None
    schedule: str | None
    step: str | None
    kind: str | None
    subject: str
    licence: str | None
    account: str
    cycle: int
    decision: str
    reason: str | None
    to: list[str]
    message: str | None


class Message(Shape):
    """A copy of a mail; its text is not sent. ``fate`` is what the provider told last."""

    message: str
    address: str
    contact: str | None
    account: str | None
    schedule: str
    step: str
    kind: str
    day: date
    state: str
    reason: str | None
    fate: str | None
    fate_at: Moment | None
    language: str | None
    subject: str | None
    channel: str | None
    attempts: int
    created_at: Moment
    accepted_at: Moment | None


class Task(Shape):
    """Work for a person."""

    id: int
    key: str
    kind: str
    title: str
    detail: str | None
    account: str | None
    licence: str | None
    assignee: str | None
    pool: str | None
    due_on: date | None
    snoozed_until: date | None
    opened_at: Moment
    opened_by: str | None
    closed_at: Moment | None
    closed_by: str | None
    outcome: str | None
    version: int


class Episode(Shape):
    """A client that fell silent, as on the day on which a schedule found it so, and what became of
    it. ``reasons`` are codes, ``at_stake`` is what it bought in a year, ``score`` a chance from 0
    to 1; ``rests_until``: a person said when to look again; ``back_on``: it ordered again."""

    schedule: str
    account: str
    number: int
    flagged_on: date
    as_of: date
    lane: str
    score: float | None
    at_stake: Amount
    currency: str | None
    reasons: list[str]
    ended_on: date | None
    ended_why: str | None
    outcome: str | None
    outcome_why: str | None
    closed_by: str | None
    rests_until: date | None
    back_on: date | None


class Stop(Shape):
    """What nobody is written about, or to. A contact's ``key`` is its address."""

    scope: str
    key: str
    reason: str
    until: date | None
    made_by: str
    made_at: Moment


class Figure(Shape):
    """A figure of a report, as ``perennial report renewals --json`` prints it."""

    model_config = ConfigDict(extra="allow", frozen=True)


Item = TypeVar("Item", bound=Shape)


class Page(Shape, Generic[Item]):
    """Some of them. ``next`` is the path of those that follow, ``null`` at the end."""

    items: list[Item]
    next: str | None


class Report(Shape):
    """All figures of a report."""

    figures: list[Figure]


class Entered(Shape, Generic[Item]):
    """What came of an entry: ``outcome`` is created, updated, unchanged, or what became of the
    term: renewal, return, correction, history."""

    outcome: str
    item: Item


class Problem(BaseModel):
    """Problem details (RFC 9457); ``errors`` holds every fault."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FaultShape] = Field(default_factory=list)


class FaultShape(BaseModel):
    """Where, what was expected, what came, what to do."""

    where: str
    expected: str
    got: str
    hint: str
