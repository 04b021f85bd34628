"""Queries of the outbox. Each list is read along an index, whatever the number of mails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Select,
    Text,
    bindparam,
    func,
    literal,
    or_,
    select,
    text,
    tuple_,
)
from sqlalchemy.engine import Connection

from worker.cadence.records import of_licence, steps, walks
from worker.catalogue.records import accounts, contacts, licences
from worker.clients.records import answers
from worker.db import bulk
from worker.db.prepared import Prepared
from worker.events.records import events
from worker.outbox.records import ODD, SHOWN, messages
from worker.outbox.rules import ACCEPTED, DUE, SENDING
from worker.schedules.records import versions

MOST = 50
"""Mails on a page."""
MOST_SPOKEN = 200
"""Licences that are listed of one mail."""
COUNTED = 100
"""Mails of a state are counted up to here."""
TO_LEAVE, HELD = "to-leave", "held"
"""Not states of a row: what has a moment and is to leave; what waits for a person or a source."""

_HAS_MOMENT = messages.c.next_at.is_not(None)


@dataclass(frozen=True, slots=True)
class Filters:
    """What is listed; an empty filter does not count."""

    state: str = ""
    schedule: str = ""
    step: str = ""
    address: str = ""
    first: date | None = None
    last: date | None = None

    @property
    def given(self) -> dict[str, str]:
        """The filters as fields of an address."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: str(value) for name, value in values.items() if value}


class Mark(NamedTuple):
    """Where a page ended: the place of its last mail in the order, and its id."""

    place: date | datetime
    id: int


_account = accounts.c.key.label("account"), accounts.c.name.label("account_name")


def _rows(*more: Any) -> Select[Any]:
    """Mails with their account."""
    return (
        select(messages, *_account, *more)
        .outerjoin(contacts, contacts.c.id == messages.c.contact_id)
        .outerjoin(accounts, accounts.c.id == contacts.c.account_id)
    )


def listed(conn: Connection, asked: Filters, after: Mark | None) -> list[Any]:
    """A page of mails and one more: the newest first; what is to leave, the next first."""
    return list(conn.execute(query_of(asked, after)))


def query_of(asked: Filters, after: Mark | None) -> Select[Any]:
    """The statement behind ``listed``."""
    query = _rows().where(*_conditions(asked)).limit(MOST + 1)
    if asked.state == TO_LEAVE:
        place = (messages.c.next_at, messages.c.id)
        if after:
            query = query.where(tuple_(*place) > _typed(place, after))
        return query.order_by(*place)
    place = (messages.c.day, messages.c.id)
    if after:
        query = query.where(tuple_(*place) < _typed(place, after))
    return query.order_by(*(column.desc() for column in place))


def _typed(place: Sequence[Any], after: Mark) -> Any:
    pairs = zip(place, after, strict=True)
    return tuple_(*(literal(value, column.type) for column, value in pairs))


def mark_of(asked: Filters, row: Any) -> Mark:
    """Where the page goes on after ``row``."""
    return Mark(row.next_at if asked.state == TO_LEAVE else row.day, row.id)


def _conditions(asked: Filters) -> list[ColumnElement[bool] | Any]:
    found: list[Any] = [SHOWN, *_of_state(asked.state)]
    for name in ("schedule", "step", "address"):
        value = getattr(asked, name)
        if value:
            found.append(messages.c[name] == value)
    if asked.first:
        found.append(messages.c.day >= asked.first)
    if asked.last:
        found.append(messages.c.day <= asked.last)
    return found


def _of_state(state: str) -> list[Any]:
    if state == TO_LEAVE:
        return [_HAS_MOMENT, messages.c.state.in_((DUE, SENDING))]
    if state == HELD:
        return [text("state = 'due' AND next_at IS NULL")]
    if not state:
        return []
    mine = messages.c.state == state
    if state == SENDING:
        return [mine, _HAS_MOMENT]
    if state == DUE:  # each half has an index of its own
        return [or_(text("(state = 'due' AND next_at IS NULL)"), mine & _HAS_MOMENT)]
    return [mine] if state == ACCEPTED else [mine, text(ODD)]  # the index of the few says so, too


def count(conn: Connection, state: str) -> int:
    """Mails in one of the states that few are in, up to ``COUNTED``."""
    few = select(messages.c.id).where(*_of_state(state)).limit(COUNTED).subquery()
    return conn.scalar(select(func.count()).select_from(few)) or 0


_SCHEDULES = Prepared(select(versions.c.schedule).distinct().order_by(versions.c.schedule))
_SPOKEN_OF = Prepared(
    select(steps.c.mail_key, licences.c.key)
    .join(walks, walks.c.id == steps.c.walk_id)
    .join(licences, of_licence)
    .where(bulk.listed(steps.c.mail_key, "keys"))
    .order_by(licences.c.key)
)
_ONE = Prepared(
    _rows(contacts.c.name.label("contact_name")).where(messages.c.id == bindparam("id"), SHOWN)
)
_MAIL = bindparam("mail", type_=Text())
_COPIES = Prepared(select(messages).where(messages.c.mail_key == _MAIL).order_by(messages.c.id))
_DECISIONS = Prepared(
    select(
        *[steps.c[name] for name in ("walk_id", "step", "due_on", "decision", "reason")],
        *[licences.c[name] for name in ("key", "product", "expires_on")],
        accounts.c.key.label("account"),
    )
    .join(walks, walks.c.id == steps.c.walk_id)
    .outerjoin(licences, of_licence)
    .outerjoin(accounts, accounts.c.id == walks.c.account_id)
    .where(steps.c.mail_key == _MAIL)
    .order_by(licences.c.key, walks.c.id)
    .limit(MOST_SPOKEN + 1)
)
_TOLD = Prepared(
    select(events)
    .where(events.c.mail_key == _MAIL, events.c.address == bindparam("address"))
    .order_by(events.c.at, events.c.id)
)
_ANSWERED = Prepared(
    select(answers.c.kind, answers.c.at, answers.c.detail, licences.c.key)
    .join(licences, licences.c.id == answers.c.licence_id)
    .where(answers.c.mail_key == _MAIL)
    .order_by(answers.c.id)
)


def schedules(conn: Connection) -> list[str]:
    """The schedules that run or ran, for a list to choose from."""
    return _SCHEDULES.scalars(conn)


def spoken_of(conn: Connection, mail_keys: Sequence[str]) -> dict[str, list[str]]:
    """The keys of the licences in each of these mails."""
    found: dict[str, list[str]] = {key: [] for key in mail_keys}
    for row in _SPOKEN_OF.rows(conn, keys=sorted(found)):
        found[row.mail_key].append(row.key)
    return found


def one(conn: Connection, id_: int) -> Any:
    """A mail with its account and contact; ``None`` when there is none."""
    return next(iter(_ONE.rows(conn, id=id_)), None)


def copies(conn: Connection, mail_key: str) -> list[Any]:
    """Every copy of a mail: one for each address."""
    return _COPIES.rows(conn, mail=mail_key)


def decisions(conn: Connection, mail_key: str) -> list[Any]:
    """The steps that travel in a mail, each with its licence, or the account where
    the walk is about none: ``MOST_SPOKEN`` and one more."""
    return _DECISIONS.rows(conn, mail=mail_key)


def told(conn: Connection, mail_key: str, address: str) -> list[Any]:
    """What the provider told of a copy, in order of time."""
    return _TOLD.rows(conn, mail=mail_key, address=address)


def tellings(conn: Connection, mail_keys: Sequence[str]) -> dict[str, int]:
    """How many events there are of each of these mails."""
    mine = bulk.among(events.c.mail_key, sorted(set(mail_keys)))
    query = select(events.c.mail_key, func.count()).where(mine).group_by(events.c.mail_key)
    return {row[0]: row[1] for row in conn.execute(query)}


def answered(conn: Connection, mail_key: str) -> list[Any]:
    """What the client answered to a mail, in order, with the licence that it is about."""
    return _ANSWERED.rows(conn, mail=mail_key)
