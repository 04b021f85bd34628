"""Accounts, contacts, licences and orders: entered, each as an import of one row would be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema
from sqlalchemy.engine import Connection

from worker.access import audit
from worker.api import problems, repeats, store
from worker.api.asking import MOST_NUMBER, Key
from worker.api.book import NAMES, standing
from worker.api.frame import Frame, Sent, must_match, tag_of
from worker.api.problems import Fault, RefusedError
from worker.api.repeats import Done
from worker.api.shapes import Account, Contact, Entered, Licence, Order, Shape
from worker.cadence import brakes
from worker.catalogue.entry import Entry, enter
from worker.catalogue.report import Report
from worker.worklist import handing

_LONGEST = 2000


def _said(text: str) -> str:
    if not text.strip():
        raise ValueError("a text that is not blank; null empties a field")
    return text


Said = Annotated[str, Field(min_length=1, max_length=_LONGEST), AfterValidator(_said)]
Maybe = Said | None
Fixed = Said | SkipJsonSchema[None]
Day = Annotated[Said, Field(json_schema_extra={"format": "date"}, examples=["2027-12-31"])]
FixedDay = Day | SkipJsonSchema[None]
Amount = Annotated[Said, Field(examples=["1200.00"], pattern=r"^\s*-?\d{1,16}(\.\d+)?\s*$")] | None
Number = Annotated[Said, Field(examples=["2.5"], pattern=r"^\s*-?\d{1,12}(\.\d+)?\s*$")]
Count = Annotated[int, Field(ge=0, le=MOST_NUMBER)] | None
Truth = bool | None
Tag = Annotated[Said, Field(pattern=r"^[^,]*$")]


class Given(BaseModel):
    """A record as it is sent: a field that is left out stays as it is, ``null`` empties one."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    def fields(self) -> dict[str, str | None]:
        """What was said, as the cells of a file say it."""
        said = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: _cell(said[name]) for name in said if name in self.model_fields_set}


def _cell(value: object) -> str | None:
    if value is None or value == []:
        return None
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(value) if isinstance(value, list) else str(value)


class AccountGiven(Given):
    """An account to enter."""

    name: Fixed = None
    segment: Maybe = None
    country: Maybe = None
    timezone: Maybe = None
    language: Maybe = None
    account_manager: Maybe = None
    renewal_manager: Maybe = None
    reseller: Maybe = None
    tags: Annotated[list[Tag], Field(max_length=100)] | None = None
    cost_to_serve: Amount = None


class ContactGiven(Given):
    """A contact to enter; a new one needs its account."""

    account: Fixed = None
    email: Maybe = None
    name: Maybe = None
    role: Maybe = None
    language: Maybe = None
    opt_out: Truth = None


class LicenceGiven(Given):
    """A licence to enter; a new one needs its account and its expiry. Dates tell a renewal from a
    correction, as in an import."""

    account: Fixed = None
    product: Maybe = None
    vendor: Maybe = None
    quantity: Count = None
    amount: Amount = None
    currency: Maybe = None
    next_amount: Amount = None
    auto_renew: Truth = None
    notice_days: Count = None
    renew_url: Maybe = None
    status: Fixed = None
    owner: Maybe = None
    starts_on: FixedDay = None
    expires_on: FixedDay = None
    closed_on: FixedDay = None


class OrderGiven(Given):
    """A line of a sale to enter; a new one needs its account, its day and its amount. A credit
    note or a return is negative; what was no sale at all is corrected to 0."""

    account: Fixed = None
    product_line: Maybe = None
    ordered_on: FixedDay = None
    quantity: Number | None = None
    amount: Number | SkipJsonSchema[None] = None
    currency: Maybe = None


def mount(router: APIRouter, frame: Frame) -> None:
    """The operations that write the book."""
    account, contact = frame.sent(AccountGiven), frame.sent(ContactGiven)
    licence, order = frame.sent(LicenceGiven), frame.sent(OrderGiven)

    @router.put("/accounts/{key:path}", response_model=Entered[Account], tags=["book"])
    def put_account(key: Key, asked: Sent[AccountGiven] = account) -> Response:
        """Enters an account."""
        return _put(frame, asked, Account, key)

    @router.put("/contacts/{key:path}", response_model=Entered[Contact], tags=["book"])
    def put_contact(key: Key, asked: Sent[ContactGiven] = contact) -> Response:
        """Enters a contact."""
        return _put(frame, asked, Contact, key)

    @router.put("/licences/{key:path}", response_model=Entered[Licence], tags=["book"])
    def put_licence(key: Key, asked: Sent[LicenceGiven] = licence) -> Response:
        """Enters a licence: new, corrected, or renewed."""
        return _put(frame, asked, Licence, key)

    @router.put("/orders/{key:path}", response_model=Entered[Order], tags=["book"])
    def put_order(key: Key, asked: Sent[OrderGiven] = order) -> Response:
        """Enters an order: new, or corrected."""
        return _put(frame, asked, Order, key)


def _put(frame: Frame, asked: Sent[Any], shape: type[Shape], key: str) -> Response:
    given: Given = asked.content
    if key != key.strip():
        raise problems.unfit([Fault("path: key", "a key without blanks around it", ascii(key))])

    def change(conn: Connection) -> Done:
        before = store.by_key(conn, shape, key)
        must_match(asked.request, before)
        fields = given.fields()
        entry = Entry(NAMES[shape], key, fields)
        report = enter(conn, entry, asked.now, brakes.pull, handing.open_for)
        if report.problems:
            raise problems.unfit(problems.of_rows(report.problems, list(fields)))
        if report.erased:
            raise RefusedError(409, "This person was erased on request, and does not come back.")
        item = standing(conn, shape, key)
        outcome = _outcome(report, NAMES[shape])
        _note(conn, asked, shape, key, outcome, fields)
        status = 201 if before is None else 200
        headers = {"Location": f"/api/v1/{NAMES[shape]}s/{quote(key)}"}
        return Done({"outcome": outcome, "item": item}, status, tag_of(item), headers)

    return repeats.once(frame, asked, change)


def _outcome(report: Report, entity: str) -> str:
    """The one thing that happened: what became of a term says more than that a row changed."""
    counts = report.entities[entity]
    if counts.created:
        return "created"
    for name, count in (
        ("renewal", report.renewals),
        ("return", report.returns),
        ("correction", report.corrections),
        ("history", report.history),
        ("updated", counts.updated),
    ):
        if count:
            return name
    return "unchanged"


def _note(
    conn: Connection,
    asked: Sent[Any],
    shape: type[Shape],
    key: str,
    outcome: str,
    fields: Mapping[str, str | None],
) -> None:
    """The names of the fields are noted, not what was said; a contact's key may be an address."""
    name = NAMES[shape]
    about = f"contact {store.id_of(conn, shape, key)}" if shape is Contact else f"{name} {key}"
    detail = {"outcome": outcome, "fields": sorted(fields)}
    audit.note(conn, asked.by, f"{name}.entered", about, asked.now, detail)
