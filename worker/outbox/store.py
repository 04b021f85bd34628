"""What is put into the ledger, and what the engine asks of it. How senders claim mails stands in
``claims.py``, what becomes of those that nobody knows of in ``doubts.py``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import and_, bindparam, literal, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from worker.channels.contract import Envelope
from worker.db import bulk
from worker.db.prepared import Prepared
from worker.db.types import Moment
from worker.outbox.records import QUIETLY, messages
from worker.outbox.rules import ACCEPTED, DUE, GIVEN_UP, SENDING, UNKNOWN

NEW = (
    "mail_key",
    "address",
    "contact_id",
    "schedule",
    "step",
    "version_id",
    "template",
    "kind",
    "day",
    "state",
    "next_at",
    "valid_until",
    "created_at",
)


class Message(NamedTuple):
    """A row of the ledger, as a worker sees it."""

    id: int
    mail_key: str
    address: str
    contact_id: int | None
    schedule: str
    step: str
    version_id: int | None
    template: str
    day: date
    valid_until: datetime
    attempts: int
    deaths: int
    reason: str | None
    kind: str
    channel: str | None
    unknown_since: datetime | None
    resends: int
    fate: str | None
    origin: str

    @property
    def in_doubt(self) -> bool:
        """Whether a copy of it may be out already."""
        return self.unknown_since is not None

    @property
    def named(self) -> str:
        """The address, unless it would tell who was promised to stay unseen."""
        return "somebody who stays unseen" if self.origin == QUIETLY else self.address

    @property
    def seen_contact(self) -> int | None:
        """The contact, in the same way."""
        return None if self.origin == QUIETLY else self.contact_id

    @property
    def envelope(self) -> Envelope:
        return Envelope(self.mail_key, self.address, self.day, self.schedule, self.step)


SEEN = [messages.c[name] for name in Message._fields]
"""The columns of a ``Message``, in its order."""


def add(conn: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    """Puts messages into the ledger; each tuple is in the order of ``NEW``."""
    bulk.insert(conn, messages, NEW, rows)


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail that is no step of a walk. ``origin`` names who judges it before it leaves; it stands
    under ``schedule`` and ``step`` in lists. ``day`` is the client's civil day, ``at`` the moment
    from which it may leave, and ``valid_until`` the one after which it must not.
    """

    mail_key: str
    address: str
    contact_id: int
    origin: str
    schedule: str
    step: str
    template: str
    kind: str
    day: date
    at: datetime
    valid_until: datetime


_OF_LETTERS = (*NEW, "origin")


def add_letters(conn: Connection, letters: Sequence[Letter], now: datetime) -> None:
    """Puts letters into the ledger; no version pins their templates."""
    rows = [
        (
            *(one.mail_key, one.address, one.contact_id, one.schedule, one.step, None),
            *(one.template, one.kind, one.day, DUE, one.at, one.valid_until, now, one.origin),
        )
        for one in letters
    ]
    bulk.insert(conn, messages, _OF_LETTERS, rows)


def reword(conn: Connection, id_: int, version_id: int | None, template: str) -> None:
    """Notes that a message is sent with the words of another version than it was decided under."""
    conn.execute(
        update(messages)
        .where(messages.c.id == id_)
        .values(version_id=version_id, template=template)
    )


def set_aside(conn: Connection, ids: Sequence[int], values: dict[str, Any]) -> None:
    """Writes a person's word on mails that nobody is sending."""
    for some in bulk.chunks(ids):
        mine = bulk.among(messages.c.id, some) & (messages.c.state != SENDING)
        conn.execute(update(messages).where(mine).values(**values))


def whole(conn: Connection, mail_key: str) -> list[Any]:
    """Every copy of a mail with all columns; nobody else may change them meanwhile."""
    mine = select(messages).where(messages.c.mail_key == mail_key).order_by(messages.c.id)
    return list(conn.execute(mine.with_for_update()))


_OF_A_MAIL = ("mail_key", "address", "state", "reason", "day")
_of_mails = (
    select(*[messages.c[name] for name in (*_OF_A_MAIL, "accepted_at", "id", "unknown_since")])
    .where(bulk.listed(messages.c.mail_key, "keys"))
    .order_by(messages.c.id)
)


_OF_MAILS = Prepared(_of_mails)
_HELD_OF_MAILS = Prepared(_of_mails.with_for_update())


def of_mails(conn: Connection, keys: Sequence[str], *, hold: bool = False) -> list[Any]:
    """Every row of these mails: mail_key, address, state, reason, day, accepted_at, id and since
    when it is in doubt.

    With ``hold`` nobody else may change them until the transaction ends.
    """
    statement = _HELD_OF_MAILS if hold else _OF_MAILS
    rows: list[Any] = []
    for some in bulk.chunks(keys):
        rows += statement.rows(conn, keys=some)
    return rows


_KEPT = (
    "mail_key",
    "contact_id",
    "schedule",
    "step",
    "version_id",
    "template",
    "kind",
    "origin",
    "day",
    "valid_until",
)


def readdress(conn: Connection, message: Message, address: str, now: datetime) -> None:
    """Puts a copy of the mail for another address beside it, unless there is one."""
    fresh = {"address": address, "state": DUE, "next_at": now, "created_at": now}
    values = [literal(value, messages.c[name].type) for name, value in fresh.items()]
    copied = select(*[messages.c[name] for name in _KEPT], *values)
    dialect = postgresql if conn.dialect.name == "postgresql" else sqlite
    conn.execute(
        dialect.insert(messages)
        .from_select([*_KEPT, *fresh], copied.where(messages.c.id == message.id))
        .on_conflict_do_nothing()
    )


_MAILED = (DUE, SENDING, ACCEPTED, UNKNOWN, GIVEN_UP)
_MAILED_ON = Prepared(
    select(
        *[messages.c[name] for name in ("address", "day", "mail_key", "id", "state", "accepted_at")]
    ).where(
        bulk.listed(messages.c.address, "addresses"),
        or_(
            messages.c.day >= bindparam("since"),
            messages.c.accepted_at >= bindparam("after", type_=Moment()),
        ),
        or_(*[messages.c.state == state for state in _MAILED]),
    )
)


class Mailed(NamedTuple):
    """A mail that left or may leave."""

    day: date
    mail_key: str
    id: int
    state: str
    accepted_at: datetime | None

    @property
    def left(self) -> bool:
        """Whether it is out of our hands."""
        return self.state in (ACCEPTED, UNKNOWN, GIVEN_UP)

    def counts_on(self, tz: ZoneInfo, today: date) -> date:
        """The civil day in ``tz`` on which it left, else the one that it is meant for: never one
        after ``today``, however far east the client lives that it was decided for."""
        day = self.accepted_at.astimezone(tz).date() if self.accepted_at else self.day
        return min(day, today)


def mailed_on(conn: Connection, addresses: Sequence[str], since: date) -> dict[str, list[Mailed]]:
    """By address, every mail that left or may leave from the day ``since`` on."""
    found: dict[str, list[Mailed]] = {}
    after = datetime.combine(since, time(0), UTC)
    for some in bulk.chunks(addresses):
        for address, *row in _MAILED_ON.rows(conn, addresses=some, since=since, after=after):
            found.setdefault(address, []).append(Mailed(*row))
    return found


_LATELY = Prepared(
    select(messages.c.mail_key, messages.c.day, messages.c.accepted_at).where(
        bulk.listed(messages.c.mail_key, "keys"),
        or_(*[messages.c.state == state for state in _MAILED]),
        or_(
            messages.c.accepted_at > bindparam("since"),
            and_(messages.c.accepted_at.is_(None), messages.c.day >= bindparam("day")),
        ),
    )
)


def lately(conn: Connection, keys: Sequence[str], now: datetime) -> list[Any]:
    """Of these mails, those that left or may leave in the last two days: mail_key, day, and
    accepted_at where it left."""
    since = now - timedelta(days=2)
    rows: list[Any] = []
    for some in bulk.chunks(keys):
        rows += _LATELY.rows(conn, keys=some, since=since, day=since.date())
    return rows
