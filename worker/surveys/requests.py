"""Surveys that other systems ask for: rows until their time has come, then put to their people.

Whether somebody may be asked at this moment is decided when it has come, by whoever asks: quiet
time puts a request off, an opt-out ends it, and either is written down.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Engine, insert, select, update
from sqlalchemy.engine import Connection

from worker.cadence.addressed import OPENS
from worker.cadence.asked_letters import Question, Terms, ask
from worker.db import bulk
from worker.kernel.dates import civil_date
from worker.schedules.calendar import wall_moment
from worker.surveys import rules, store
from worker.surveys.outside import of_person
from worker.surveys.records import asked_for, invitations

ASKED, CANCELLED, ERASED = "asked", "cancelled", "erased"
PRODUCT = "question_product_name"
"""The property that says what a question is about."""
_BATCH, _SOON = 100, timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Request:
    """A survey to put to a contact. ``product`` is what it is about, where that was said."""

    number: int
    contact_id: int
    schedule: str
    survey: str
    product: str | None


@dataclass(frozen=True, slots=True)
class Became:
    """What came of a request: it was asked (``invitation_id``), it is looked at again at
    ``again_at``, or it ended because of ``why``."""

    invitation_id: int | None = None
    again_at: datetime | None = None
    why: str | None = None


Ask = Callable[[Connection, Request, datetime], Became]
"""Puts a question to a person in this transaction, or says why not."""


def by_letter(terms: Terms) -> Ask:
    """Asks by a letter, with the quiet times and opt-outs of all surveys. Whoever may not be asked
    yet is looked at again on the morning on which it may be."""

    def put(conn: Connection, request: Request, now: datetime) -> Became:
        question = Question(
            request.schedule, request.survey, request.contact_id, product=request.product
        )
        found = ask(conn, question, terms, now)
        if found.free_on is None:
            return Became(found.invitation_id, why=found.why)
        morning = wall_moment(found.free_on, OPENS, ZoneInfo(terms.defaults.timezone))
        return Became(again_at=morning, why=found.why)

    return put


def ask_for(
    conn: Connection,
    contact_id: int,
    texts: tuple[str, str],
    properties: Mapping[str, str],
    send_at: datetime,
    now: datetime,
) -> int:
    """Keeps a request; its number. ``texts`` are the schedule whose name it bears, and the survey
    that it asks."""
    schedule, survey = texts
    row = {"contact_id": contact_id, "schedule": schedule, "survey": survey, "made_at": now}
    row |= {"properties": dict(properties), "send_at": send_at, "next_at": send_at}
    made = conn.execute(insert(asked_for).values(**row)).inserted_primary_key
    assert made is not None
    return int(made[0])


def cancel(conn: Connection, contact_ids: Sequence[int], now: datetime) -> int:
    """Ends the requests of these contacts that were not put to them yet; how many."""
    mine = bulk.among(asked_for.c.contact_id, list(contact_ids)) & asked_for.c.next_at.is_not(None)
    ended = update(asked_for).where(mine)
    return conn.execute(ended.values(next_at=None, ended_at=now, ended_why=CANCELLED)).rowcount


def note_sent(
    conn: Connection, contact_id: int, at: datetime, texts: tuple[str, str], zone: ZoneInfo
) -> None:
    """Notes that somebody else asked a contact at that moment, so that it counts for quiet time.
    Nothing is noted where the contact was asked then or later, as far as is known already."""
    later = (invitations.c.contact_id == contact_id, invitations.c.asked_at >= at)
    if conn.execute(select(invitations.c.id).where(*later).limit(1)).first() is not None:
        return
    schedule, survey = texts
    row = {"schedule": schedule, "survey": survey, "promise": rules.NAMED, "closes_at": at}
    row |= {"asked_at": at, "asked_on": civil_date(at, zone), **of_person(conn, contact_id)}
    store.invite(conn, row)


def put_due(engine: Engine, ask: Ask, now: datetime) -> int:
    """Puts the requests whose time has come to their people; how many were looked at.

    A batch is a transaction. What another process looks at in this moment is left to it.
    """
    done = 0
    while True:
        with engine.begin() as conn:
            due = select(asked_for).where(asked_for.c.next_at <= now)
            some = due.order_by(asked_for.c.next_at, asked_for.c.id).limit(_BATCH)
            rows = conn.execute(some.with_for_update(skip_locked=True)).all()
            for row in rows:
                _settle(conn, row, _put(conn, row, ask, now), now)
        done += len(rows)
        if len(rows) < _BATCH:
            return done


def _put(conn: Connection, row: Any, ask: Ask, now: datetime) -> Became:
    if row.contact_id is None:
        return Became(why=ERASED)
    product = row.properties.get(PRODUCT)
    return ask(conn, Request(row.id, row.contact_id, row.schedule, row.survey, product), now)


def _settle(conn: Connection, row: Any, became: Became, now: datetime) -> None:
    values: dict[str, Any]
    if became.again_at is not None:
        values = {"next_at": max(became.again_at, now + _SOON)}
    else:
        values = {"next_at": None, "ended_at": now, "invitation_id": became.invitation_id}
        values["ended_why"] = ASKED if became.invitation_id is not None else became.why
    conn.execute(update(asked_for).where(asked_for.c.id == row.id).values(**values))
