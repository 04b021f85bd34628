"""Queries of the list of accounts. Each is served by an index, whatever the size of the book."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    and_,
    bindparam,
    exists,
    func,
    literal,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.engine import Connection

from worker.catalogue.records import accounts, licences, staff
from worker.db import bulk
from worker.db.folding import folded
from worker.db.prepared import Prepared
from worker.worklist.records import tasks

FEW = 2000
"""So many accounts are sorted at once; of more, the licences are walked in order of expiry."""
WALK = 10_000
"""So many licences are walked for one page, which may then be shorter and go on from there."""
ACTIVE = "active"
_CHOICES = 200
_COLUMNS = [
    accounts.c[name]
    for name in ("id", "key", "name", "segment", "country", "account_manager", "renewal_manager")
]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which accounts: ``manager`` is a key of staff, in either role."""

    manager: str | None = None
    segment: str | None = None

    def where(self) -> list[ColumnElement[bool]]:
        """The conditions on accounts."""
        found: list[ColumnElement[bool]] = []
        if self.manager:
            # Each half is served by an index of its own; an OR would walk all names instead.
            roles = (accounts.c.account_manager, accounts.c.renewal_manager)
            other = accounts.alias()
            found.append(
                accounts.c.id.in_(
                    union_all(
                        *(select(other.c.id).where(other.c[r.name] == self.manager) for r in roles)
                    )
                )
            )
        if self.segment:
            found.append(accounts.c.segment == self.segment)
        return found


class Sums(NamedTuple):
    """What a list says of one account besides its own row."""

    licences: int = 0
    next_expiry: date | None = None
    tasks: int = 0


def by_name(conn: Connection, wanted: Wanted, after: tuple[str, int] | None, most: int) -> Any:
    """Accounts in the order of their names; ``after`` is (folded name, id) of the last one seen.

    Rows have ``folded``, to go on from.
    """
    name = folded(accounts.c.name)
    query = select(*_COLUMNS, name.label("folded")).where(*wanted.where())
    if after is not None:
        query = query.where(tuple_(name, accounts.c.id) > tuple_(*map(literal, after)))
    return conn.execute(query.order_by(name, accounts.c.id).limit(most)).all()


Place = tuple[date, int]
"""A day of expiry and the licence on it."""


def by_expiry(
    conn: Connection, wanted: Wanted, today: date, after: Place | None, most: int
) -> tuple[Any, Place | None]:
    """Accounts by the next day on which an active licence of theirs expires, the soonest first;
    those without one are not there. ``after`` is the place of the last one seen.

    Rows have ``expires_on`` and ``licence_id``, to go on from; with them comes where the walk ended
    when it was cut short.
    """
    if _are_few(conn, wanted):
        row = _of_few(wanted, today).subquery()
        few = select(row)
        if after is not None:
            few = few.where(tuple_(row.c.expires_on, row.c.licence_id) > _at(after))
        ordered = few.order_by(row.c.expires_on, row.c.licence_id)
        return conn.execute(ordered.limit(most)).all(), None
    walked = tuple_(licences.c.expires_on, licences.c.id)
    query, end = _of_many(wanted, today), _end_of_walk(conn, today, after)
    if after is not None:
        query = query.where(walked > _at(after))
    if end is not None:
        query = query.where(walked <= _at(end))
    ordered = query.order_by(licences.c.expires_on, licences.c.id)
    return conn.execute(ordered.limit(most)).all(), end


def _at(place: Place) -> Any:
    return tuple_(*map(literal, place))


def _end_of_walk(conn: Connection, today: date, after: Place | None) -> Place | None:
    """Where a walk from ``after`` has seen ``WALK`` licences; ``None`` when there are fewer."""
    place = licences.c.expires_on, licences.c.id
    ahead = select(*place).where(licences.c.expires_on >= today)
    if after is not None:
        ahead = ahead.where(tuple_(*place) > _at(after))
    last = conn.execute(ahead.order_by(*place).offset(WALK - 1).limit(1)).first()
    return (last.expires_on, last.id) if last else None


def _are_few(conn: Connection, wanted: Wanted) -> bool:
    where = wanted.where()
    if not where:
        return False
    some = select(accounts.c.id).where(*where).limit(FEW + 1).subquery()
    return (conn.scalar(select(func.count()).select_from(some)) or 0) <= FEW


def _ahead(today: date, table: Any = licences) -> ColumnElement[bool]:
    return and_(table.c.status == ACTIVE, table.c.expires_on >= today)


def _of_few(wanted: Wanted, today: date) -> Any:
    """The next licence of each account: one look into an index for each."""
    other = licences.alias()
    next_one = (
        select(other.c.id)
        .where(other.c.account_id == accounts.c.id, _ahead(today, other))
        .order_by(other.c.expires_on, other.c.id)
        .limit(1)
        .correlate(accounts)
        .scalar_subquery()
    )
    return (
        select(*_COLUMNS, licences.c.expires_on, licences.c.id.label("licence_id"))
        .select_from(accounts)
        .join(licences, licences.c.id == next_one)
        .where(*wanted.where())
    )


def _of_many(wanted: Wanted, today: date) -> Any:
    """Licences in their order, each that is the next one of its account."""
    other = licences.alias()
    sooner = exists().where(
        other.c.account_id == licences.c.account_id,
        _ahead(today, other),
        tuple_(other.c.expires_on, other.c.id) < tuple_(licences.c.expires_on, licences.c.id),
    )
    return (
        select(*_COLUMNS, licences.c.expires_on, licences.c.id.label("licence_id"))
        .select_from(licences)
        .join(accounts, accounts.c.id == licences.c.account_id)
        .where(_ahead(today), ~sooner, *wanted.where())
    )


_HELD = Prepared(
    select(
        licences.c.account_id,
        func.count().label("licences"),
        func.min(licences.c.expires_on)
        .filter(licences.c.expires_on >= bindparam("today"))
        .label("ahead"),
    )
    .where(bulk.listed(licences.c.account_id), licences.c.status == ACTIVE)
    .group_by(licences.c.account_id)
)
_WORK = Prepared(
    select(tasks.c.account_id, func.count().label("tasks"))
    .where(bulk.listed(tasks.c.account_id), tasks.c.closed_at.is_(None))
    .group_by(tasks.c.account_id)
)


def sums(conn: Connection, ids: Sequence[int], today: date) -> dict[int, Sums]:
    """Active licences, next expiry and open tasks of these accounts, by id."""
    if not ids:
        return {}
    rows = _HELD.rows(conn, ids=list(ids), today=today)
    held = {id_: (licences_, next_expiry) for id_, licences_, next_expiry in rows}
    work = dict(_WORK.rows(conn, ids=list(ids)))
    found = {}
    for id_ in ids:
        count, next_expiry = held.get(id_, (0, None))
        found[id_] = Sums(count, next_expiry, work.get(id_, 0))
    return found


_NAMES = Prepared(select(staff.c.key, staff.c.name).where(bulk.listed(staff.c.key, "keys")))
_EVERYBODY = Prepared(
    select(staff.c.key, staff.c.name).order_by(staff.c.name, staff.c.key).limit(1000)
)


def names_of_staff(conn: Connection, keys: Sequence[str | None]) -> dict[str, str]:
    """What those of our people are called whom the staff list knows, by key."""
    wanted = sorted({key for key in keys if key})
    if not wanted:
        return {}
    return {row.key: row.name for row in _NAMES.rows(conn, keys=wanted)}


def values_of(column: Any) -> Prepared:
    """The values of an indexed column, hopping from one to the next."""
    first = select(func.min(column).label("value")).cte("hops", recursive=True)
    another = column.table.alias()
    further = (
        select(func.min(another.c[column.name]))
        .where(another.c[column.name] > first.c.value)
        .scalar_subquery()
    )
    hops = first.union_all(select(further).where(first.c.value.is_not(None)))
    return Prepared(select(hops.c.value).where(hops.c.value.is_not(None)).limit(_CHOICES))


_SEGMENTS = values_of(accounts.c.segment)
_ACCOUNT_MANAGERS = values_of(accounts.c.account_manager)
_RENEWAL_MANAGERS = values_of(accounts.c.renewal_manager)


def segments(conn: Connection) -> list[str]:
    """Every segment that an account is in, up to 200."""
    return _SEGMENTS.scalars(conn)


def managers(conn: Connection) -> list[tuple[str, str]]:
    """Everybody who manages an account: (key, name), by name, up to 200 of each role."""
    keys = {
        *_ACCOUNT_MANAGERS.scalars(conn),
        *_RENEWAL_MANAGERS.scalars(conn),
    }
    names = names_of_staff(conn, sorted(keys))
    return sorted(((key, names.get(key, key)) for key in keys), key=lambda pair: pair[1].lower())


def everybody(conn: Connection) -> list[tuple[str, str]]:
    """Our own people, by name: (key, name); the first 1,000."""
    return [(row.key, row.name) for row in _EVERYBODY.rows(conn)]
