"""Queries on the ledger. Every write of an attempt is fenced by its attempt id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, bindparam, func, literal, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from worker.channels.contract import Envelope
from worker.db import bulk
from worker.db.prepared import Prepared
from worker.db.types import Moment
from worker.outbox.records import messages
from worker.outbox.rules import ACCEPTED, BLOCKED, DUE, FAILED, GIVEN_UP, SENDING, UNKNOWN

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
    def envelope(self) -> Envelope:
        return Envelope(self.mail_key, self.address, self.day, self.schedule, self.step)


_CLAIMED = [messages.c[name] for name in Message._fields]


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


_due = (
    select(messages.c.id)
    .where(messages.c.next_at <= bindparam("now"), messages.c.state == DUE)
    .order_by(messages.c.next_at)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
    .cte("due")  # evaluated once: a plain subquery may lock more than it returns
)
_CLAIM = Prepared(
    update(messages)
    .where(messages.c.id.in_(select(_due.c.id)), messages.c.state == DUE)
    .values(
        state=SENDING,
        attempt_id=bindparam("attempt"),
        lease_until=bindparam("until"),
        next_at=bindparam("until"),
        attempts=messages.c.attempts + 1,
        started_at=None,
    )
    .returning(*_CLAIMED)
)


def claim(
    conn: Connection, now: datetime, lease_until: datetime, attempt_id: str, limit: int
) -> list[Message]:
    """Takes up to ``limit`` due messages for this attempt; nobody else gets them meanwhile."""
    values = {"now": now, "until": lease_until, "attempt": attempt_id, "most": limit}
    return [Message(*row) for row in sorted(_CLAIM.rows(conn, **values))]


_OURS = (
    bulk.listed(messages.c.id),
    messages.c.attempt_id == bindparam("attempt"),
    messages.c.state == SENDING,
)
_START = Prepared(
    update(messages)
    .where(*_OURS)
    .values(started_at=bindparam("started"), channel=bindparam("way"))
    .returning(messages.c.id)
)


def mark_started(
    conn: Connection, ids: Sequence[int], attempt_id: str, channel: str, now: datetime
) -> set[int]:
    """Records that the first byte of these mails is about to leave by ``channel``; the ids that are
    still ours."""
    return set(_START.scalars(conn, ids=ids, attempt=attempt_id, way=channel, started=now))


def finish(conn: Connection, ids: Sequence[int], attempt_id: str, values: dict[str, Any]) -> int:
    """Writes the same result for ``ids`` where the attempt still holds them; how many it held."""
    given = {f"to_{name}": value for name, value in values.items()}
    statement = _finishing(tuple(sorted(values)))
    return statement.run(conn, ids=ids, attempt=attempt_id, **given)


class Left(NamedTuple):
    """A mail that was accepted, under which id of the provider's, and what it said."""

    id: int
    provider_id: str | None
    subject: str | None
    language: str | None


def accept(conn: Connection, left: Sequence[Left], attempt_id: str, now: datetime) -> None:
    """Writes that these mails were accepted, where the attempt still holds them."""
    ours = set(_HELD.scalars(conn, ids=[one.id for one in left], attempt=attempt_id))
    rows = [(*one, ACCEPTED, now, None, None, None, None) for one in left if one.id in ours]
    bulk.update(conn, messages, (*Left._fields[1:], *_ENDED), rows)


_ENDED = ("state", "accepted_at", "next_at", "reason", "attempt_id", "lease_until")
_HELD = Prepared(select(messages.c.id).where(*_OURS).with_for_update())


@cache
def _finishing(names: tuple[str, ...]) -> Prepared:
    settings = {name: bindparam(f"to_{name}", type_=messages.c[name].type) for name in names}
    return Prepared(update(messages).where(*_OURS).values(settings))


def reword(conn: Connection, id_: int, version_id: int | None, template: str) -> None:
    """Notes that a message is sent with the words of another version than it was decided under."""
    conn.execute(
        update(messages)
        .where(messages.c.id == id_)
        .values(version_id=version_id, template=template)
    )


def release_dead(conn: Connection, now: datetime) -> int:
    """Ends leases that ran out: what had not started is due again, the rest is unknown."""
    dead = (messages.c.next_at <= now) & (messages.c.state == SENDING)
    fresh = conn.execute(
        update(messages)
        .where(dead, messages.c.started_at.is_(None))
        .values(state=DUE, attempt_id=None, lease_until=None, next_at=now)
    )
    lost = conn.execute(
        update(messages)
        .where(dead, messages.c.started_at.is_not(None))
        .values(
            state=UNKNOWN,
            reason="worker-died",
            attempt_id=None,
            unknown_since=messages.c.started_at,
            next_at=now,
            deaths=messages.c.deaths + 1,
        )
    )
    return fresh.rowcount + lost.rowcount


def unknown(conn: Connection, now: datetime, limit: int) -> list[Message]:
    """Unknown messages whose evidence should be looked for now."""
    rows = conn.execute(
        select(*_CLAIMED)
        .where(messages.c.next_at <= now, messages.c.state == UNKNOWN)
        .order_by(messages.c.next_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return [Message(*row) for row in rows]


def settle(conn: Connection, id_: int, values: dict[str, Any]) -> None:
    """Moves an unknown message on."""
    conn.execute(
        update(messages).where(messages.c.id == id_, messages.c.state == UNKNOWN).values(**values)
    )


def set_aside(conn: Connection, ids: Sequence[int], values: dict[str, Any]) -> None:
    """Writes a person's word on mails that nobody is sending."""
    for some in bulk.chunks(ids):
        mine = bulk.among(messages.c.id, some) & (messages.c.state != SENDING)
        conn.execute(update(messages).where(mine).values(**values))


def prove(conn: Connection, ids: Sequence[int], now: datetime) -> int:
    """Moves mails on of which there is proof that they left: whatever was not known of them is
    known now. How many moved. One that is being sent is left to whoever sends it."""
    return sum(_prove(conn, some, _IN_DOUBT, now) for some in bulk.chunks(ids))


def prove_told(conn: Connection, ids: Sequence[int], now: datetime) -> int:
    """``prove`` for those of these mails that the provider told of while they were being sent."""
    return _prove(conn, ids, _IN_DOUBT & messages.c.fate.is_not(None), now)


_IN_DOUBT = messages.c.state.in_((UNKNOWN, GIVEN_UP)) | (
    messages.c.state.in_((DUE, FAILED, BLOCKED)) & messages.c.unknown_since.is_not(None)
)


def _prove(conn: Connection, ids: Sequence[int], which: ColumnElement[bool], now: datetime) -> int:
    left = func.coalesce(messages.c.unknown_since, literal(now, Moment()))
    done = {"state": ACCEPTED, "accepted_at": left, "reason": None, "next_at": None}
    mine = update(messages).where(bulk.among(messages.c.id, ids), which)
    return conn.execute(mine.values(**done)).rowcount


_ABOUT = timedelta(minutes=10)


def others_told(conn: Connection, message: Message) -> bool:
    """Whether the provider told of mails that it took around the time of this one's attempt."""
    since = message.unknown_since
    if since is None:
        return False
    near = messages.c.accepted_at.between(since - _ABOUT, since + _ABOUT)
    told = (messages.c.channel == message.channel) & messages.c.fate.is_not(None)
    query = select(messages.c.id).where(near, told, messages.c.id != message.id).limit(1)
    return conn.execute(query).first() is not None


def doubtful(conn: Connection) -> list[Any]:
    """Mails of which nobody knows whether they left, and those that were sent again in doubt: the
    oldest first."""
    asked = messages.c.state.in_((UNKNOWN, GIVEN_UP)) | (messages.c.resends > 0)
    return list(conn.execute(select(messages).where(asked).order_by(messages.c.id)))


def whole(conn: Connection, mail_key: str) -> list[Any]:
    """Every copy of a mail with all columns; nobody else may change them meanwhile."""
    mine = select(messages).where(messages.c.mail_key == mail_key).order_by(messages.c.id)
    return list(conn.execute(mine.with_for_update()))


_NEXT_DUE = Prepared(
    select(messages.c.next_at)
    .where(messages.c.next_at.is_not(None))
    .order_by(messages.c.next_at)
    .limit(1)
)


def next_due(conn: Connection) -> datetime | None:
    """When the next message wants attention."""
    return next(iter(_NEXT_DUE.scalars(conn)), None)


def counts(conn: Connection) -> dict[str, int]:
    """Messages by state."""
    query = select(messages.c.state, func.count()).group_by(messages.c.state)
    return {row[0]: row[1] for row in conn.execute(query.order_by(messages.c.state))}


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
