"""Stops: what nobody is written about, or to, for a while or until somebody lifts it.

Staff make them by command; a client's answer makes one that stands until its task is closed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Table, bindparam, func, insert, select, update
from sqlalchemy.engine import Connection

from worker.catalogue.records import accounts, contacts, licences, stops
from worker.catalogue.store import mark_changed
from worker.db import bulk
from worker.db.prepared import Prepared

SCOPES: Mapping[str, tuple[Table, ColumnElement[str]]] = {
    "licence": (licences, licences.c.key),
    "account": (accounts, accounts.c.key),
    "contact": (contacts, contacts.c.email),
}
"""What can be stopped, and by what it is called."""

STAFF, CLIENT = "staff", "client"
"""Who made a stop; a subject bears at most one of each."""

_standing = select(stops.c.scope, stops.c.subject_id, stops.c.made_by, stops.c.until).where(
    stops.c.lifted_at.is_(None)
)
_STANDING = Prepared(_standing)
_ABOUT = Prepared(
    _standing.where(stops.c.scope == bindparam("scope"), bulk.listed(stops.c.subject_id))
)


@dataclass(frozen=True, slots=True)
class Stops:
    """The stops that stand, by scope, subject and maker, each with its last day (``None``: no
    end)."""

    until: Mapping[tuple[str, int, str], date | None] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.until)

    def hold(self, scope: str, subject_id: int, today: date) -> str | None:
        """Why this subject is stopped on the client's civil day ``today``: ``stopped`` by staff,
        else ``answered`` by the client; ``None`` when it is not."""
        for maker, reason in _REASONS:
            place = scope, subject_id, maker
            if place in self.until:
                last = self.until[place]
                if last is None or today <= last:
                    return reason
        return None


_REASONS = ((STAFF, "stopped"), (CLIENT, "answered"))


def standing(conn: Connection) -> Stops:
    """Every stop that was not lifted; one small query."""
    return _stops(_STANDING.rows(conn))


def standing_about(conn: Connection, scope: str, ids: Sequence[int]) -> Stops:
    """Those of them that are about these subjects of one scope."""
    return _stops(_ABOUT.rows(conn, scope=scope, ids=ids) if ids else ())


def _stops(rows: Iterable[Any]) -> Stops:
    return Stops({(row.scope, row.subject_id, row.made_by): row.until for row in rows})


def find(conn: Connection, scope: str, key: str) -> list[int]:
    """The ids of what ``key`` names; a contact is named by address and may stand more than once."""
    table, named = SCOPES[scope]
    return list(conn.execute(select(table.c.id).where(named == key).order_by(table.c.id)).scalars())


def put(
    conn: Connection,
    scope: str,
    ids: Sequence[int],
    reason: str,
    until: date | None,
    now: datetime,
    *,
    made_by: str = STAFF,
    task_key: str | None = None,
) -> None:
    """Stops these subjects; a stop of the same maker that stands already is replaced.

    With ``task_key`` the stop ends when the task with that key is closed.
    """
    lift(conn, scope, ids, now, made_by=made_by)
    shared = {"scope": scope, "reason": reason, "until": until, "made_at": now}
    shared |= {"made_by": made_by, "task_key": task_key}
    if ids:
        conn.execute(insert(stops), [shared | {"subject_id": id_} for id_ in ids])


def lift(
    conn: Connection, scope: str, ids: Sequence[int], now: datetime, *, made_by: str = STAFF
) -> int:
    """Ends the stops of these subjects; how many stood."""
    mine = (stops.c.scope == scope) & stops.c.subject_id.in_(ids) & (stops.c.made_by == made_by)
    ended = update(stops).where(mine, stops.c.lifted_at.is_(None)).values(lifted_at=now)
    return conn.execute(ended).rowcount


def lift_for(conn: Connection, task_keys: Sequence[str], now: datetime) -> int:
    """Ends the stops that wait for these tasks, and rings for their licences; how many stood."""
    if not task_keys:
        return 0
    mine = bulk.among(stops.c.task_key, task_keys) & stops.c.lifted_at.is_(None)
    ended = conn.execute(
        update(stops).where(mine).values(lifted_at=now).returning(stops.c.scope, stops.c.subject_id)
    ).all()
    mark_changed(conn, [row.subject_id for row in ended if row.scope == "licence"])
    return len(ended)


_STANDS = stops.c.lifted_at.is_(None) & (
    stops.c.until.is_(None) | (stops.c.until >= bindparam("today"))
)
_listed = {
    scope: select(stops.c.scope, named.label("subject"), stops.c.reason, stops.c.until)
    .add_columns(stops.c.made_by, stops.c.made_at)
    .join(table, table.c.id == stops.c.subject_id)
    .where(stops.c.scope == scope, _STANDS)
    .order_by(stops.c.id)
    for scope, (table, named) in SCOPES.items()
}
_LISTED = {scope: Prepared(query) for scope, query in _listed.items()}
_LISTED_ABOUT = {
    scope: Prepared(query.where(stops.c.subject_id == bindparam("subject")))
    for scope, query in _listed.items()
}


def listed(conn: Connection, today: date) -> list[Any]:
    """The stops that stand on ``today``: scope, subject (as people call it), reason, until,
    made_by, made_at."""
    return [row for scope in _LISTED for row in _LISTED[scope].rows(conn, today=today)]


def listed_about(conn: Connection, today: date, scope: str, subject_id: int) -> list[Any]:
    """Those of them that are about one subject."""
    return _LISTED_ABOUT[scope].rows(conn, today=today, subject=subject_id)


_COUNTED = Prepared(select(func.count().label("stops")).select_from(stops).where(_STANDS))


def count(conn: Connection, today: date) -> int:
    """How many stand on ``today``."""
    return int(_COUNTED.scalars(conn, today=today)[0])
