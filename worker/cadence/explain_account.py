"""The story of an account's own walks: as a client that fell silent, in reviews, after answers; and
of the letters to its people that no step sends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Row, Select, select
from sqlalchemy.engine import Connection

from worker.cadence import ahead, recorded, standing, store
from worker.cadence.ahead import Forecasting
from worker.cadence.decisions import Record, in_order, outcome
from worker.cadence.library import library_of
from worker.cadence.recorded import Reading
from worker.cadence.records import steps, walks
from worker.catalogue.records import accounts, contacts, licences
from worker.db import bulk
from worker.kernel.dates import Period, zone
from worker.kernel.errors import FindingsError, did_you_mean
from worker.outbox.records import SHOWN, STEP, messages

AHEAD = timedelta(days=400)
"""Reviews come for ever: what is told of them ends after the next year or so."""

MOST_LICENCES = 20
"""So many of an account's licences are named."""


@dataclass(frozen=True, slots=True)
class AccountStory:
    """An account, its own walks, and every decision on them in order of time. Letters to its people
    stand among them, with the cycle 0."""

    key: str
    name: str
    walks: Sequence[Row[Any]]  # walk_ and account_ columns
    records: Sequence[Record]
    interventions: Sequence[Row[Any]] = ()  # what people did with planned mails, as it stands
    licences: Sequence[str] = ()  # keys of its licences, whose stories are their own; some, by key


def explain(conn: Connection, asked: Forecasting, key: str) -> AccountStory:
    """The story of the account with this ``key``; ``FindingsError`` when there is none."""
    row = _find(conn, key)
    ids = conn.scalars(select(walks.c.id).where(walks.c.account_id == row.id).order_by(walks.c.id))
    own = sorted(store.walks_by_id(conn, list(ids)), key=lambda walk: walk.walk_id)
    told = Reading(library_of(conn).active(conn), asked.defaults, asked.now)
    records = in_order(
        [*_decided(conn, told, own), *_letters(conn, asked, row), *_to_come(conn, asked, row)]
    )
    by_hand = standing.of_walks(conn, [walk.walk_id for walk in own])
    query = select(licences.c.key).where(licences.c.account_id == row.id).order_by(licences.c.key)
    keys = conn.scalars(query.limit(MOST_LICENCES)).all()
    return AccountStory(row.key, row.name, own, records, by_hand, keys)


def named(conn: Connection, key: str) -> Any:
    """Number, key, name and zone of the account with this ``key``; ``None`` when there is none."""
    columns = (accounts.c.id, accounts.c.key, accounts.c.name, accounts.c.timezone)
    return conn.execute(select(*columns).where(accounts.c.key == key)).first()


def has_story(conn: Connection, account_id: int) -> bool:
    """Whether there is anything to tell of the account beside its licences."""
    own = select(walks.c.id).where(walks.c.account_id == account_id)
    found = (conn.execute(query.limit(1)).first() for query in (own, _posted(account_id)))
    return any(row is not None for row in found)


def _posted(account_id: int) -> Select[Any]:
    return (
        select(messages)
        .join(contacts, contacts.c.id == messages.c.contact_id)
        .where(contacts.c.account_id == account_id, messages.c.origin != STEP, SHOWN)
        .order_by(messages.c.id)
    )


def _letters(conn: Connection, asked: Forecasting, row: Any) -> Iterator[Record]:
    """What became of letters; those of which nobody may know whom they went to are left out."""
    tz = zone(row.timezone or asked.defaults.timezone)
    for letter in conn.execute(_posted(row.id)):
        decision, reason = outcome("waiting", letter.reason, [letter])
        at = letter.accepted_at or letter.next_at or letter.created_at
        yield Record(
            at=at.astimezone(tz),
            due_on=letter.day,
            schedule=letter.schedule,
            step=letter.step,
            kind="email",
            subject=row.key,
            licence=None,
            account=row.key,
            cycle=0,
            decision=decision,
            reason=reason,
            to=(letter.address,),
            message=letter.mail_key,
        )


def _find(conn: Connection, key: str) -> Any:
    found = named(conn, key)
    if found is None:
        alike = select(accounts.c.key).where(accounts.c.key.startswith(key[:3])).limit(200)
        otherwise = "the key is the one that your source gives it"
        hint = did_you_mean(key, conn.scalars(alike), otherwise=otherwise)
        raise FindingsError(f"No account {key!r} is in the book; {hint}")
    return found


def _decided(conn: Connection, told: Reading, own: Sequence[Row[Any]]) -> list[Record]:
    by_walk = {walk.walk_id: walk for walk in own}
    mine = bulk.among(steps.c.walk_id, sorted(by_walk))
    rows = conn.execute(select(steps).where(mine).order_by(steps.c.id)).all() if by_walk else []
    mails = recorded.mails_of(conn, [row.mail_key for row in rows if row.mail_key])
    return [
        recorded.record(
            row,
            recorded.Walk(by_walk[row.walk_id]),
            by_walk[row.walk_id],
            mails.get(row.mail_key or "", []),
            told,
        )
        for row in rows
    ]


def _to_come(conn: Connection, asked: Forecasting, row: Any) -> list[Record]:
    period = Period(date.min, asked.now.date() + AHEAD)
    coming = ahead.forecast_of(conn, asked, period, [], [row.id])
    return [one for one in coming if one.licence is None and one.subject == row.key and one.step]
