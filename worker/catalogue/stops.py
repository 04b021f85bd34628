"""Stops: what staff want nobody to be written about, or to, for a while or until they lift it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Table, insert, select, update
from sqlalchemy.engine import Connection

from worker.catalogue.records import accounts, contacts, licences, stops
from worker.db.prepared import Prepared

SCOPES: Mapping[str, tuple[Table, ColumnElement[str]]] = {
    "licence": (licences, licences.c.key),
    "account": (accounts, accounts.c.key),
    "contact": (contacts, contacts.c.email),
}
"""What can be stopped, and by what it is called."""

_STANDING = Prepared(
    select(stops.c.scope, stops.c.subject_id, stops.c.until).where(stops.c.lifted_at.is_(None))
)


@dataclass(frozen=True, slots=True)
class Stops:
    """The stops that stand, by scope and subject, each with its last day (``None``: no end)."""

    until: Mapping[tuple[str, int], date | None] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.until)

    def hold(self, scope: str, subject_id: int, today: date) -> bool:
        """Whether this subject is stopped on the client's civil day ``today``."""
        place = scope, subject_id
        if place not in self.until:
            return False
        last = self.until[place]
        return last is None or today <= last


def standing(conn: Connection) -> Stops:
    """Every stop that was not lifted; one small query."""
    return Stops({(row.scope, row.subject_id): row.until for row in _STANDING.rows(conn)})


def find(conn: Connection, scope: str, key: str) -> list[int]:
    """The ids of what ``key`` names; a contact is named by address and may stand more than once."""
    table, named = SCOPES[scope]
    return list(conn.execute(select(table.c.id).where(named == key).order_by(table.c.id)).scalars())


def put(
    conn: Connection, scope: str, ids: list[int], reason: str, until: date | None, now: datetime
) -> None:
    """Stops these subjects; a stop that stands already is replaced."""
    lift(conn, scope, ids, now)
    rows = [
        {"scope": scope, "subject_id": id_, "reason": reason, "until": until, "made_at": now}
        for id_ in ids
    ]
    conn.execute(insert(stops), rows)


def lift(conn: Connection, scope: str, ids: list[int], now: datetime) -> int:
    """Ends the stops of these subjects; how many stood."""
    mine = (stops.c.scope == scope) & stops.c.subject_id.in_(ids) & stops.c.lifted_at.is_(None)
    return conn.execute(update(stops).where(mine).values(lifted_at=now)).rowcount


def listed(conn: Connection, today: date) -> list[Any]:
    """The stops that stand on ``today``: scope, subject (as people call it), reason, until,
    made_at."""
    stands = stops.c.lifted_at.is_(None) & (stops.c.until.is_(None) | (stops.c.until >= today))
    found: list[Any] = []
    for scope, (table, named) in SCOPES.items():
        query = (
            select(stops.c.scope, named.label("subject"), stops.c.reason, stops.c.until)
            .add_columns(stops.c.made_at)
            .join(table, table.c.id == stops.c.subject_id)
            .where(stops.c.scope == scope, stands)
        )
        found += conn.execute(query.order_by(stops.c.id)).all()
    return found
