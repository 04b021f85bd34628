"""Queries of the pages about licences. Each list is served by an index on the day of expiry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import ColumnElement, bindparam, exists, literal, or_, select, tuple_
from sqlalchemy.engine import Connection

from worker.cadence.records import of_licence, walks
from worker.catalogue.records import accounts, licences
from worker.db import bulk
from worker.db.prepared import Prepared
from worker.outbox.records import messages
from worker.schedules.records import versions
from worker.worklist.records import tasks

ACTIVE = "active"
EXPIRED = "expired"
STATES = (ACTIVE, EXPIRED, "cancelled", "ended")
"""``expired``: active, but its last day is over and nobody renewed it."""
_MOST_LINKS = 500


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which licences. ``days``: those that expire within so many days; of the other filters, those
    that are ``None`` leave all in. ``schedule``: those that walk it in their current term."""

    state: str = ACTIVE
    days: int | None = None
    schedule: str | None = None
    auto_renew: bool | None = None
    manager: str | None = None

    @property
    def is_ahead(self) -> bool:
        """Whether they are told in the order in which they expire; what is over, newest first."""
        return self.state == ACTIVE


def by_expiry(
    conn: Connection, wanted: Wanted, today: date, after: tuple[date, int] | None, most: int
) -> Any:
    """A page of licences with the key and name of their account; ``after`` is (day, id) of the last
    one seen."""
    query = (
        select(licences, accounts.c.key.label("account_key"), accounts.c.name.label("account_name"))
        .join(accounts, accounts.c.id == licences.c.account_id)
        .where(*_where(wanted, today))
    )
    place = tuple_(licences.c.expires_on, licences.c.id)
    if after is not None:
        seen = tuple_(*map(literal, after))
        query = query.where(place > seen if wanted.is_ahead else place < seen)
    order = [licences.c.expires_on, licences.c.id]
    if not wanted.is_ahead:
        order = [column.desc() for column in order]  # type: ignore[misc]  # columns in a direction
    return conn.execute(query.order_by(*order).limit(most)).all()


def _where(wanted: Wanted, today: date) -> list[ColumnElement[bool]]:
    state = ACTIVE if wanted.state == EXPIRED else wanted.state
    found: list[ColumnElement[bool]] = [licences.c.status == literal(state)]
    if wanted.state == ACTIVE:
        found.append(licences.c.expires_on >= today)
        if wanted.days is not None:
            found.append(licences.c.expires_on <= today + timedelta(days=wanted.days))
    if wanted.state == EXPIRED:
        found.append(licences.c.expires_on < today)
    if wanted.auto_renew is not None:
        found.append(licences.c.auto_renew.is_(wanted.auto_renew))
    if wanted.manager:
        mine = accounts.c.account_manager == wanted.manager
        found.append(or_(mine, accounts.c.renewal_manager == wanted.manager))
    if wanted.schedule:
        found.append(_walks(wanted.schedule))
    return found


def _walks(schedule: str) -> ColumnElement[bool]:
    return exists().where(
        walks.c.schedule == schedule,
        of_licence,
        walks.c.cycle == licences.c.term,
        walks.c.state != "parked",
    )


_SCHEDULES = Prepared(select(versions.c.schedule).distinct().order_by(versions.c.schedule))


def schedules(conn: Connection) -> list[str]:
    """The schedules that were ever applied, by name."""
    return _SCHEDULES.scalars(conn)


_OF_ACCOUNT = ("key", "name", "account_manager", "renewal_manager")
_LICENCE = Prepared(
    select(licences, *[accounts.c[name].label(f"account_{name}") for name in _OF_ACCOUNT])
    .join(accounts, accounts.c.id == licences.c.account_id)
    .where(licences.c.key == bindparam("key"))
)


def licence(conn: Connection, key: str) -> Any | None:
    """The licence of that key with its account's columns (``account_``), or ``None``."""
    return next(iter(_LICENCE.rows(conn, key=key)), None)


# The account's index finds them: it has no more tasks than a person can see.
_TASKS = Prepared(
    select(tasks)
    .where(tasks.c.account_id == bindparam("account"), tasks.c.licence_id == bindparam("licence"))
    .order_by(tasks.c.id.desc())
    .limit(_MOST_LINKS)
)
_MAILS = Prepared(
    select(messages).where(bulk.listed(messages.c.mail_key, "keys")).order_by(messages.c.id)
)


def tasks_of(conn: Connection, licence_id: int, account_id: int) -> Sequence[Any]:
    """The newest tasks about this licence."""
    return _TASKS.rows(conn, account=account_id, licence=licence_id)


def mails_of(conn: Connection, mail_keys: Sequence[str]) -> dict[str, list[Any]]:
    """The copies of these mails in the ledger, by the key of the mail."""
    found: dict[str, list[Any]] = {}
    for row in _MAILS.rows(conn, keys=list(mail_keys)) if mail_keys else ():
        found.setdefault(row.mail_key, []).append(row)
    return found
