"""Accounts, contacts, licences and orders: read."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from sqlalchemy import ColumnElement, Select
from sqlalchemy.engine import Connection

from worker.api import paging, store
from worker.api.asking import Day, Key, Paged, Printable
from worker.api.frame import Asked, Frame, tag_of
from worker.api.paging import Wanted
from worker.api.problems import missing
from worker.api.shapes import Account, Contact, Licence, Order, Page, Shape
from worker.catalogue.entities import STATUSES
from worker.catalogue.records import accounts, licences, orders
from worker.db.engine import reading

NAMES: dict[type[Shape], str] = {
    Account: "account",
    Contact: "contact",
    Licence: "licence",
    Order: "order",
}


class Accounts(Paged):
    """Which accounts."""

    segment: Printable | None = None
    manager: Annotated[Printable | None, Query(description="account manager")] = None


class Contacts(Paged):
    """Which contacts."""

    account: Printable | None = None


class Licences(Paged):
    """Which licences. Both days are excluded."""

    account: Printable | None = None
    state: Literal[STATUSES] | None = None  # type: ignore[valid-type]  # the words of the book
    expires_after: Day | None = None
    expires_before: Day | None = None


class Orders(Paged):
    """Which orders. Both days are excluded."""

    account: Printable | None = None
    product_line: Printable | None = None
    ordered_after: Day | None = None
    ordered_before: Day | None = None


def mount(router: APIRouter, frame: Frame) -> None:
    """The operations that read the book."""
    reader = frame.asked()

    @router.get("/accounts", response_model=Page[Account], tags=["book"])
    def list_accounts(query: Annotated[Accounts, Query()], asked: Asked = reader) -> Response:
        """Accounts, by key."""
        found = [] if query.segment is None else [accounts.c.segment == query.segment]
        if query.manager is not None:
            found.append(accounts.c.account_manager == query.manager)
        return _listed(frame, asked, query, Account, found)

    @router.get("/accounts/{key:path}", response_model=Account, tags=["book"])
    def read_account(key: Key, asked: Asked = reader) -> Response:
        """One account."""
        return _single(frame, asked, Account, key)

    @router.get("/contacts", response_model=Page[Contact], tags=["book"])
    def list_contacts(query: Annotated[Contacts, Query()], asked: Asked = reader) -> Response:
        """Contacts, by key."""
        found = [] if query.account is None else [accounts.c.key == query.account]
        return _listed(frame, asked, query, Contact, found)

    @router.get("/contacts/{key:path}", response_model=Contact, tags=["book"])
    def read_contact(key: Key, asked: Asked = reader) -> Response:
        """One contact."""
        return _single(frame, asked, Contact, key)

    @router.get("/licences", response_model=Page[Licence], tags=["book"])
    def list_licences(query: Annotated[Licences, Query()], asked: Asked = reader) -> Response:
        """Licences, by key; with a day, by expiry."""
        return _listed(frame, asked, query, Licence, _chosen(query))

    @router.get("/licences/{key:path}", response_model=Licence, tags=["book"])
    def read_licence(key: Key, asked: Asked = reader) -> Response:
        """One licence, with its current term."""
        return _single(frame, asked, Licence, key)

    @router.get("/orders", response_model=Page[Order], tags=["book"])
    def list_orders(query: Annotated[Orders, Query()], asked: Asked = reader) -> Response:
        """Orders, by key; with an account or a day, by day."""
        return _listed(frame, asked, query, Order, _sold(query))

    @router.get("/orders/{key:path}", response_model=Order, tags=["book"])
    def read_order(key: Key, asked: Asked = reader) -> Response:
        """One order."""
        return _single(frame, asked, Order, key)


def _chosen(query: Licences) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if query.account is not None:
        found.append(accounts.c.key == query.account)
    if query.state is not None:
        found.append(licences.c.status == query.state)
    if query.expires_after is not None:
        found.append(licences.c.expires_on > query.expires_after)
    if query.expires_before is not None:
        found.append(licences.c.expires_on < query.expires_before)
    return found


def _sold(query: Orders) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if query.account is not None:
        found.append(accounts.c.key == query.account)
    if query.product_line is not None:
        found.append(orders.c.product_line == query.product_line)
    if query.ordered_after is not None:
        found.append(orders.c.ordered_on > query.ordered_after)
    if query.ordered_before is not None:
        found.append(orders.c.ordered_on < query.ordered_before)
    return found


def _order(query: Paged, shape: type[Shape]) -> paging.Order:
    key = store.KEYS[shape]
    if isinstance(query, Licences) and (query.expires_after or query.expires_before):
        return paging.Order([licences.c.expires_on, key])
    if isinstance(query, Orders) and (query.account or query.ordered_after or query.ordered_before):
        return paging.Order([orders.c.ordered_on, key])
    return paging.Order([key])


def _listed(
    frame: Frame,
    asked: Asked,
    query: Paged,
    shape: type[Shape],
    found: list[ColumnElement[bool]],
) -> Response:
    order = _order(query, shape)
    rows: Select[Any] = store.query_of(shape, *order.columns).where(*found)
    wanted = Wanted(asked.request.url.path, query.filters(), query.cursor, query.limit)
    with reading(asked.engine) as conn:
        return frame.say(
            asked, wanted.page(conn, rows, order, lambda row: store.shaped(shape, row))
        )


def _single(frame: Frame, asked: Asked, shape: type[Shape], key: str) -> Response:
    with reading(asked.engine) as conn:
        found = standing(conn, shape, key)
    return frame.say(asked, found, tag=tag_of(found))


def standing(conn: Connection, shape: type[Shape], key: str) -> dict[str, Any]:
    """What has this key, as JSON; raises ``RefusedError`` (404)."""
    found = store.by_key(conn, shape, key)
    if found is None:
        raise missing(f"{NAMES[shape]} {key!r}")
    return found
