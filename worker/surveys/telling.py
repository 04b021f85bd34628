"""Letters that tell what came of answers: to whoever gave one, or to all who were asked.

They are no steps of a walk. The words stand in ``tellings``; what is mailed is written from them
when it leaves (``cadence/addressed.py``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, insert, select
from sqlalchemy.engine import Connection

from worker.cadence.addressed import Addressed, Judge
from worker.catalogue.records import accounts, contacts
from worker.db import bulk
from worker.kernel.dates import Period, zone
from worker.kernel.keys import new_mail_key
from worker.outbox import store as outbox
from worker.outbox.records import QUIETLY
from worker.outbox.rules import Drop, Verdict
from worker.outbox.store import Letter
from worker.schedules.calendar import Calendar
from worker.schedules.model import CalendarSpec
from worker.surveys import rules
from worker.surveys.records import invitations, responses, telling_letters, tellings
from worker.templating.context import FeedbackView

TOLD, DIGEST = "told", "digest"
"""Origins of letters, beside ``QUIETLY``: to one by name; to all who were asked."""

TEMPLATES = {TOLD: "feedback/told", QUIETLY: "feedback/told", DIGEST: "feedback/digest"}
VALID = timedelta(days=14)
"""For so long after it was written a letter may leave."""


def tell_one(conn: Connection, response_id: int, words: str, who: str, now: datetime) -> None:
    """Keeps what was done about an answer, and writes to whoever gave it, where that is known and
    has an address. Of a confidential one the person stands in the invitation alone."""
    answer = conn.execute(select(responses).where(responses.c.id == response_id)).one()
    named = answer.promise == rules.NAMED
    person = answer.contact_id if named else _asked(conn, answer.invitation_id)
    people = _people(conn, [person] if person else [])
    _write(
        conn,
        {"schedule": answer.schedule, "response_id": response_id, "words": words, "made_by": who},
        people,
        TOLD if named else QUIETLY,
        now,
    )


def tell_all(
    conn: Connection, schedule: str, period: Period, words: str, who: str, now: datetime
) -> int:
    """Writes to all who were asked by a schedule in a period, whatever they were promised; to how
    many. Who answered plays no part, so that nobody is known by it."""
    row = {"schedule": schedule, "first": period.first, "last": period.last}
    row |= {"words": words, "made_by": who}
    return _write(conn, row, to_be_told(conn, schedule, period), DIGEST, now)


def to_be_told(conn: Connection, schedule: str, period: Period) -> Sequence[Any]:
    """Those who were asked by a schedule in a period and have an address, each address once."""
    asked = select(invitations.c.contact_id).where(
        invitations.c.schedule == schedule,
        invitations.c.asked_on.between(period.first, period.last),
        invitations.c.contact_id.is_not(None),
    )
    rows = conn.execute(_PEOPLE.where(contacts.c.id.in_(asked))).all()
    first = {row.email: row for row in reversed(rows)}
    return list(first.values())[::-1]


def told_before(conn: Connection, schedule: str, period: Period) -> Row[Any] | None:
    """What all who were asked in exactly this period were told already."""
    mine = (
        tellings.c.schedule == schedule,
        tellings.c.first == period.first,
        tellings.c.last == period.last,
    )
    return conn.execute(select(tellings).where(*mine)).first()


_PEOPLE = (
    select(contacts.c.id, contacts.c.email, accounts.c.timezone, accounts.c.country)
    .join(accounts, accounts.c.id == contacts.c.account_id)
    .where(contacts.c.email.is_not(None))
    .order_by(contacts.c.id)
)


def _people(conn: Connection, ids: Sequence[int]) -> Sequence[Any]:
    return conn.execute(_PEOPLE.where(contacts.c.id.in_(ids))).all() if ids else []


def _asked(conn: Connection, invitation_id: int | None) -> int | None:
    """Whom an invitation asked, while that is known."""
    query = select(invitations.c.contact_id).where(invitations.c.id == invitation_id)
    return conn.execute(query).scalar() if invitation_id else None


def _write(
    conn: Connection,
    row: Mapping[str, Any],
    people: Sequence[Any],
    origin: str,
    now: datetime,
) -> int:
    made = conn.execute(insert(tellings).values(**row, made_at=now, letters=len(people)))
    assert made.inserted_primary_key is not None
    number = int(made.inserted_primary_key[0])
    letters = [_letter(person, row["schedule"], origin, now) for person in people]
    links = [(letter.mail_key, number) for letter in letters]
    bulk.insert(conn, telling_letters, ("mail_key", "telling_id"), links)
    outbox.add_letters(conn, letters, now)
    return len(letters)


def _letter(person: Row[Any], schedule: str, origin: str, now: datetime) -> Letter:
    """One that leaves in the client's own office hours, Monday to Friday."""
    calendar = Calendar(CalendarSpec(), zone(person.timezone or "UTC"), person.country or None)
    at = now if calendar.is_open_at(now) else (calendar.next_opening(now, 0) or now)
    return Letter(
        mail_key=new_mail_key(now),
        address=person.email,
        contact_id=person.id,
        origin=origin,
        schedule=schedule,
        step=DIGEST if origin == DIGEST else TOLD,
        template=TEMPLATES[origin],
        kind="survey",
        day=calendar.today(at),
        at=at,
        valid_until=at + VALID,
    )


# --- what they say when they leave ---


def judge(conn: Connection, some: Sequence[Addressed], now: datetime) -> Mapping[int, Verdict]:
    """A letter goes with the words that were written for it, and the answer that it is about."""
    said = _said(conn, [one.message.mail_key for one in some])
    return {one.message.id: _verdict(one, said.get(one.message.mail_key)) for one in some}


JUDGES: Mapping[str, Judge] = dict.fromkeys((TOLD, QUIETLY, DIGEST), judge)


def _verdict(one: Addressed, row: Row[Any] | None) -> Verdict:
    if row is None:
        return Drop("cancelled", "withdrawn")
    said = {name: getattr(row, name) for name in ("score", "comment", "answered_on")}
    unseen = one.message.origin == QUIETLY
    return one.go(feedback=FeedbackView.of(row.words, **said, unseen=unseen))


def _said(conn: Connection, keys: Sequence[str]) -> dict[str, Row[Any]]:
    answer = [responses.c[name] for name in ("score", "comment", "answered_on")]
    query = (
        select(telling_letters.c.mail_key, tellings.c.words, *answer)
        .join(tellings, tellings.c.id == telling_letters.c.telling_id)
        .outerjoin(responses, responses.c.id == tellings.c.response_id)
        .where(bulk.among(telling_letters.c.mail_key, sorted(keys)))
    )
    return {row.mail_key: row for row in conn.execute(query)}
