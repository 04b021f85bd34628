"""The queries of the API. Nothing here writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, select
from sqlalchemy.engine import Connection

from worker.api.shapes import (
    Account,
    Contact,
    Episode,
    Licence,
    Message,
    Order,
    Shape,
    Stop,
    Task,
)
from worker.catalogue.records import accounts, contacts, licences, orders, stops
from worker.catalogue.stops import SCOPES
from worker.outbox.records import messages
from worker.reactivation.records import episodes
from worker.worklist.records import tasks

_declined = and_(licences.c.declined_term.is_not(None), licences.c.declined_term == licences.c.term)
_named: Mapping[type[Shape], Mapping[str, ColumnElement[Any]]] = {
    Account: {},
    Contact: {"account": accounts.c.key},
    Licence: {"account": accounts.c.key, "declined": func.coalesce(_declined, False)},
    Order: {"account": accounts.c.key},
    Message: {
        "message": messages.c.mail_key,
        "contact": contacts.c.key,
        "account": accounts.c.key,
    },
    Task: {"account": accounts.c.key, "licence": licences.c.key},
    Episode: {"account": accounts.c.key},
}
_from = {
    Account: accounts,
    Contact: contacts.join(accounts, accounts.c.id == contacts.c.account_id),
    Licence: licences.join(accounts, accounts.c.id == licences.c.account_id),
    Order: orders.join(accounts, accounts.c.id == orders.c.account_id),
    Message: messages.outerjoin(contacts, contacts.c.id == messages.c.contact_id).outerjoin(
        accounts, accounts.c.id == contacts.c.account_id
    ),
    Task: tasks.outerjoin(accounts, accounts.c.id == tasks.c.account_id).outerjoin(
        licences, licences.c.id == tasks.c.licence_id
    ),
    Episode: episodes.join(accounts, accounts.c.id == episodes.c.account_id),
}
_tables = {
    Account: accounts,
    Contact: contacts,
    Licence: licences,
    Order: orders,
    Message: messages,
    Task: tasks,
    Episode: episodes,
}


def query_of(shape: type[Shape], *order: ColumnElement[Any]) -> Select[Any]:
    """All things of that shape, a column for each field; those of ``order`` stand behind them."""
    named, table = _named[shape], _tables[shape]
    columns = [named[name] if name in named else table.c[name] for name in shape.model_fields]
    fields = [c.label(name) for c, name in zip(columns, shape.model_fields, strict=True)]
    ordered = [column.label(f"order_{at}") for at, column in enumerate(order)]
    return select(*fields, *ordered).select_from(_from[shape])


def shaped(shape: type[Shape], row: Any) -> Shape:
    """A row of ``query_of`` as what it is."""
    values = {name: row._mapping[name] for name in shape.model_fields}
    if shape is Licence:
        values["declined"] = bool(values["declined"])  # SQLite has no truth of its own
    if shape is Episode:
        values["currency"] = values["currency"] or None
        values["reasons"] = [one["code"] for one in values["reasons"]]
    return shape(**values)


def one(conn: Connection, shape: type[Shape], where: ColumnElement[bool]) -> dict[str, Any] | None:
    """The one thing of that shape, as JSON."""
    row = conn.execute(query_of(shape).where(where)).first()
    return shaped(shape, row).json_() if row else None


KEYS: Mapping[type[Shape], ColumnElement[str]] = {
    Account: accounts.c.key,
    Contact: contacts.c.key,
    Licence: licences.c.key,
    Order: orders.c.key,
}


def by_key(conn: Connection, shape: type[Shape], key: str) -> dict[str, Any] | None:
    """The account, contact, licence or order with this key."""
    return one(conn, shape, KEYS[shape] == key)


def id_of(conn: Connection, shape: type[Shape], key: str) -> int | None:
    """The id of the account, contact, licence or order with this key."""
    return conn.scalar(select(_tables[shape].c.id).where(KEYS[shape] == key))


def keys_of_licences(conn: Connection, account_id: int, after: str, limit: int) -> list[str]:
    """The keys of an account's licences behind ``after``."""
    query = select(licences.c.key).where(licences.c.account_id == account_id)
    query = query.where(licences.c.key > after).order_by(licences.c.key).limit(limit)
    return list(conn.execute(query).scalars())


def stop_of(conn: Connection, scope: str, key: str, made_by: str) -> dict[str, Any] | None:
    """The stop that stands for what is called so."""
    table, named = SCOPES[scope]
    query = (
        select(stops)
        .join(table, table.c.id == stops.c.subject_id)
        .where(stops.c.scope == scope, named == key, stops.c.lifted_at.is_(None))
        .where(stops.c.made_by == made_by)
        .order_by(stops.c.id)
        .limit(1)
    )
    row = conn.execute(query).first()
    return stop(row, key).json_() if row else None


def stop(row: Any, key: str) -> Stop:
    """A row of stops as the API has it; ``key`` as people call what is stopped."""
    return Stop(
        scope=row.scope,
        key=key,
        reason=row.reason,
        until=row.until,
        made_by=row.made_by,
        made_at=row.made_at,
    )
