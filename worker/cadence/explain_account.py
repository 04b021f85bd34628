"""The story of an account's own walks: as a client that fell silent, in reviews, after answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.engine import Connection

from worker.cadence import ahead, recorded, standing, store
from worker.cadence.ahead import Forecasting
from worker.cadence.decisions import Record, in_order
from worker.cadence.library import library_of
from worker.cadence.recorded import Reading
from worker.cadence.records import steps, walks
from worker.catalogue.records import accounts
from worker.db import bulk
from worker.kernel.dates import Period
from worker.kernel.errors import FindingsError, did_you_mean

AHEAD = timedelta(days=400)
"""Reviews come for ever: what is told of them ends after the next year or so."""


@dataclass(frozen=True, slots=True)
class AccountStory:
    """An account, its own walks, and every decision on them in order of time."""

    key: str
    name: str
    walks: Sequence[Row[Any]]  # walk_ and account_ columns
    records: Sequence[Record]
    interventions: Sequence[Row[Any]] = ()  # what people did with planned mails, as it stands


def explain(conn: Connection, asked: Forecasting, key: str) -> AccountStory:
    """The story of the account with this ``key``; ``FindingsError`` when there is none."""
    row = _find(conn, key)
    ids = conn.scalars(select(walks.c.id).where(walks.c.account_id == row.id).order_by(walks.c.id))
    own = sorted(store.walks_by_id(conn, list(ids)), key=lambda walk: walk.walk_id)
    told = Reading(library_of(conn).active(conn), asked.defaults, asked.now)
    records = in_order([*_decided(conn, told, own), *_to_come(conn, asked, row)])
    by_hand = standing.of_walks(conn, [walk.walk_id for walk in own])
    return AccountStory(row.key, row.name, own, records, by_hand)


def named(conn: Connection, key: str) -> Any:
    """Number, key and name of the account with this ``key``; ``None`` when there is none."""
    columns = (accounts.c.id, accounts.c.key, accounts.c.name)
    return conn.execute(select(*columns).where(accounts.c.key == key)).first()


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
