"""Decisions as they stand in the database, put into words for people and programs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, select

from worker.cadence import load, store
from worker.cadence.decisions import Record, outcome
from worker.cadence.library import Defaults, InForce
from worker.cadence.records import steps, walks
from worker.catalogue.records import accounts, licences, terms
from worker.db import bulk
from worker.kernel.dates import Period
from worker.outbox import store as outbox

_CHUNK = 2000


@dataclass(frozen=True, slots=True)
class Reading:
    """What rows are read with: the schedules that run, and what counts where an account is mute."""

    schedules: Mapping[str, InForce]
    defaults: Defaults
    now: datetime


def decided(
    conn: Connection, known: Reading, *, after_id: int = 0
) -> Iterator[tuple[Record, tuple[int, int]]]:
    """Every decision, each with its (licence id, term), in order of time.

    ``after_id``: only rows that were written after the one with this id.
    """
    ids = select(steps.c.id).where(steps.c.id > after_id)
    ordered = conn.execute(ids.order_by(steps.c.at, steps.c.walk_id, steps.c.id))
    for chunk in ordered.scalars().partitions(_CHUNK):
        yield from _of_steps(conn, known, list(chunk))


def _of_steps(
    conn: Connection, known: Reading, ids: Sequence[int]
) -> Iterator[tuple[Record, tuple[int, int]]]:
    rows = {row.id: row for row in conn.execute(select(steps).where(bulk.among(steps.c.id, ids)))}
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


def record(step: Row[Any], walk: Any, row: Any, mails: Sequence[Any], known: Reading) -> Record:
    """A recorded decision, with what the ledger made of it."""
    decision, reason = outcome(step.decision, step.reason, mails)
    inforce = known.schedules.get(walk.schedule)
    line = load.line_of(inforce, row, known.defaults) if inforce else None
    people = tuple(mail.address for mail in mails)
    return Record(
        at=step.at.astimezone(line.calendar.tz) if line else step.at,
        due_on=step.due_on,
        schedule=walk.schedule,
        step=step.step,
        kind=step.kind,
        subject=row.licence_key,
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
    query = (
        select(
            terms.c.licence_id,
            terms.c.number,
            licences.c.key,
            licences.c.status,
            licences.c.term,
            accounts.c.key.label("account"),
            func.min(walks.c.reason).label("reason"),
            func.count(walks.c.id).label("walks"),
        )
        .join(licences, licences.c.id == terms.c.licence_id)
        .join(accounts, accounts.c.id == licences.c.account_id)
        .outerjoin(
            walks,
            (walks.c.subject_id == terms.c.licence_id) & (walks.c.cycle == terms.c.number),
        )
        .where(terms.c.expires_on.between(period.first, period.last))
        .where(terms.c.number.is_not(None), terms.c.number <= licences.c.term)
        .group_by(
            terms.c.licence_id,
            terms.c.number,
            licences.c.key,
            licences.c.status,
            licences.c.term,
            accounts.c.key,
        )
        .order_by(licences.c.key, terms.c.number)
    )
    for row in conn.execute(query):
        if (row.licence_id, row.number) not in spoken:
            yield nothing(row.key, row.account, row.number, _why(row, active))


def _why(row: Row[Any], active: Mapping[str, InForce]) -> str:
    if not active:
        return "no-schedule"
    if row.walks:
        return row.reason if row.reason and row.reason != "completed" else "done"
    return "renewed" if row.number < row.term else str(row.status)
