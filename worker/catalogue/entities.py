"""What a source may load, field by field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Table

from worker.catalogue import values
from worker.catalogue.addresses import address
from worker.catalogue.records import accounts, contacts, licences, orders, staff
from worker.catalogue.values import Convert

ROLES = ("decision-maker", "procurement", "technical", "end-user")
STATUSES = ("active", "cancelled", "ended")


@dataclass(frozen=True, slots=True)
class Field:
    """``convert`` is ``None`` for plain text; a word waits for what the source declares.

    ``code``: the field tells things apart (a key, an address), so a pattern with a blank column
    in it is blank as a whole. ``empty`` is what ``clear`` leaves; ``fixed`` fields have none.
    """

    convert: Convert | Literal["date", "amount", "count", "line", "quantity"] | None = None
    code: bool = False
    fixed: bool = False
    empty: object = None


@dataclass(frozen=True, slots=True)
class Entity:
    """A kind of record: its table, and the fields that a load may fill.

    What has no table here is handed on to a room above the book (``answering.py``).
    """

    name: str
    table: Table | None
    fields: Mapping[str, Field]


_KEY = Field(code=True, fixed=True)
_TEXT = Field()
_DATE = Field("date", fixed=True)

ENTITIES: Mapping[str, Entity] = {
    "account": Entity(
        "account",
        accounts,
        {
            "key": _KEY,
            "name": Field(fixed=True),
            "segment": _TEXT,
            "country": Field(values.country),
            "timezone": Field(values.timezone),
            "language": Field(values.language),
            "account_manager": _TEXT,
            "renewal_manager": _TEXT,
            "reseller": Field(code=True),
            "tags": Field(values.tags),
            "cost_to_serve": Field("amount"),
        },
    ),
    "contact": Entity(
        "contact",
        contacts,
        {
            "key": _KEY,
            "account": _KEY,
            "email": Field(address, code=True),
            "name": _TEXT,
            "role": Field(values.word(ROLES)),
            "language": Field(values.language),
            "opt_out": Field(values.truth, empty=False),
        },
    ),
    "licence": Entity(
        "licence",
        licences,
        {
            "key": _KEY,
            "account": _KEY,
            "product": _TEXT,
            "vendor": _TEXT,
            "quantity": Field("count"),
            "amount": Field("amount"),
            "currency": Field(values.currency),
            "next_amount": Field("amount"),
            "auto_renew": Field(values.truth, empty=False),
            "notice_days": Field("count"),
            "renew_url": Field(values.url),
            "status": Field(values.word(STATUSES), fixed=True),
            "owner": _TEXT,
            "starts_on": _DATE,
            "expires_on": _DATE,
            "closed_on": _DATE,
        },
    ),
    "order": Entity(
        "order",
        orders,
        {
            "key": _KEY,
            "account": _KEY,
            "product_line": _TEXT,
            "ordered_on": _DATE,
            "quantity": Field("quantity"),
            "amount": Field("line", fixed=True),
            "currency": Field(values.currency),
            "unit_price": Field("quantity", fixed=True),  # not kept: it makes the amount
        },
    ),
    "staff": Entity(
        "staff",
        staff,
        {
            "key": _KEY,
            "name": Field(fixed=True),
            "email": Field(address, code=True),
            "language": Field(values.language),
        },
    ),
    "answer": Entity(
        "answer",
        None,
        {
            "key": Field(code=True),
            "account": Field(code=True),
            "contact": Field(code=True),
            "score": Field(values.score, fixed=True),
            "comment": _TEXT,
            "answered_on": _DATE,
            "schedule": Field(values.stem, code=True, fixed=True),
        },
    ),
}

LISTED = ", ".join([*ENTITIES][:-1]) + f" or {[*ENTITIES][-1]}"
"""All kinds of record, as messages name them."""
