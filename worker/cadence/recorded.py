"""Decisions as they stand in the database, put into words for people and programs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select

from worker.cadence import load, store
from worker.cadence.decisions import Record, outcome
from worker.cadence.library import Defaults, InForce
from worker.cadence.records import of_licence, steps, walks
from worker.cadence.rules import FOR_EVER
from worker.catalogue.records import accounts, licences, terms
from worker.db import bulk
from worker.db.prepared import Prepared
from worker.kernel.dates import Period
from worker.outbox import store as outbox

_CHUNK = 2000
_IN_TIME = select(steps.c.id).order_by(steps.c.at, steps.c.walk_id, steps.c.id)
_SINCE = Prepared(_IN_TIME.where(steps.c.decided_at >= bindparam("since")))
_STEPS = Prepared(select(steps).where(bulk.listed(steps.c.id)))
_ENDING = (
    select(
        terms.c.licence_id,
        terms.c.number,
        licences.c.key,
        licences.c.status,
        licences.c.term,
        accounts.c.key.label("account"),
        walks.c.id.label("walk_id"),
        walks.c.schedule,
        walks.c.reason,
    )
    .join(licences, licences.c.id == terms.c.licence_id)
    .join(accounts, accounts.c.id == licences.c.account_id)
    .outerjoin(walks, of_licence & (walks.c.cycle == terms.c.number))
    .where(terms.c.expires_on.between(bindparam("first"), bindparam("last")))
    .where(terms.c.number.is_not(None), terms.c.number <= licences.c.term)
    .order_by(licences.c.key, terms.c.number, walks.c.schedule)
)


@dataclass(frozen=True, slots=True)
class Reading:
    """What rows are read with: the schedules that run, and what counts where an account is mute."""

    schedules: Mapping[str, InForce]
    defaults: Defaults
    now: datetime


def decided(
    conn: Connection, known: Reading, *, since: datetime | None = None
) -> Iterator[tuple[Record, tuple[int, int]]]:
    """Every decision, each with its (licence id, term), in order of time.

    ``since``: only what was decided at this moment or later.
    """
    if since is None:  # after a rehearsal there are millions
        parts: Iterable[Sequence[int]] = conn.execute(_IN_TIME).scalars().partitions(_CHUNK)
    else:
        parts = bulk.chunks(_SINCE.scalars(conn, since=since), _CHUNK)
    for part in parts:
        yield from _of_steps(conn, known, part)


def _of_steps(
    conn: Connection, known: Reading, ids: Sequence[int]
) -> Iterator[tuple[Record, tuple[int, int]]]:
    rows = {row.id: row for row in _STEPS.rows(conn, ids=ids)}
    held = store.walks_by_id(conn, sorted({row.walk_id for row in rows.values()}))
    by_walk = {walk.walk_id: walk for walk in held}
    mails = mails_of(conn, [row.mail_key for row in rows.values() if row.mail_key])
    for step in (rows[id_] for id_ in ids):
        row = by_walk[step.walk_id]
        yield (
            record(step, Walk(row), row, mails.get(step.mail_key or "", []), known),
            (row.licence_id, row.walk_cycle),
        )


def mails_of(conn: Connection, keys: Sequence[str]) -> dict[str, list[Any]]:
    """The rows of these mails in the ledger, by their key."""
    found: dict[str, list[Any]] = defaultdict(list)
    for mail in outbox.of_mails(conn, keys):
        found[mail.mail_key].append(mail)
    return found


class Walk:
    """The walk's part of a joined row, under the names of its own table."""

    __slots__ = ("cycle", "schedule")

    def __init__(self, row: Row[Any]) -> None:
        self.schedule: str = row.walk_schedule
        self.cycle: int = row.walk_cycle


def record(step: Any, walk: Any, row: Any, mails: Sequence[Any], known: Reading) -> Record:
    """A recorded decision, with what the ledger made of it."""
    decision, reason = outcome(step.decision, step.reason, mails)
    inforce = known.schedules.get(walk.schedule)
    line = load.line_of(inforce, row, known.defaults) if inforce else None
    people = tuple(mail.address for mail in mails)
    at = None if step.at >= FOR_EVER else step.at
    return Record(
        at=at.astimezone(line.calendar.tz) if line and at else at,
        due_on=step.due_on,
        schedule=walk.schedule,
        step=step.step,
        kind=step.kind,
        subject=row.licence_key or row.account_key,
        licence=row.licence_key,
        account=row.account_key,
        cycle=walk.cycle,
        decision=decision,
        reason=reason,
        to=people or ((step.recipient,) if step.recipient else ()),
        message=step.mail_key,
    )


def nothing(licence: str, account: str, cycle: int, reason: str | None) -> Record:
    """The record of a licence that gets no step."""
    return Record(
        at=None,
        due_on=None,
        schedule=None,
        step=None,
        kind=None,
        subject=licence,
        licence=licence,
        account=account,
        cycle=cycle,
        decision="nothing",
        reason=reason,
    )


def unspoken(
    conn: Connection,
    period: Period,
    spoken: set[tuple[int, int]],
    active: Mapping[str, InForce],
) -> Iterator[Record]:
    """``nothing`` for every term that expires in the period and is not among ``spoken``."""
    ending = conn.execute(_ENDING, {"first": period.first, "last": period.last})
    for (_, number), group in groupby(ending, key=lambda row: (row.key, row.number)):
        rows = list(group)
        first = rows[0]
        if (first.licence_id, number) not in spoken:
            yield nothing(first.key, first.account, number, _why(rows, active))


def _why(rows: Sequence[Any], active: Mapping[str, InForce]) -> str:
    """Why a term gets nothing, from its walks; one row without a walk when there is none."""
    first = rows[0]
    if not active:
        return "no-schedule"
    known = [row for row in rows if row.walk_id is not None and row.schedule in active]
    if known:
        return weightiest([row.reason or "done" for row in known])
    if first.number < first.term:
        return "renewed"
    return "no-schedule" if first.status == "active" else str(first.status)


_WEIGHT = (
    "renewed",
    "declined",
    "cancelled",
    "ended",
    "done",
    "deadline-past",
    "history",
    "not-in-audience",
)


def weightiest(reasons: Sequence[str]) -> str:
    """The reason that says most of why several schedules have nothing for a licence: that one
    speaks to nobody of its kind says least."""
    found = ["done" if reason == "completed" else reason for reason in reasons]
    return min(found, key=lambda one: _WEIGHT.index(one) if one in _WEIGHT else len(_WEIGHT))
