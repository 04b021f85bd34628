"""Answers that another system brings: entered, changed, and what it says beside them.

Only named answers come this way, and only they can be changed or say more: what was promised to
others holds for programs, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from worker.catalogue.records import accounts, contacts
from worker.surveys import rules, store
from worker.surveys.flow import LONGEST_COMMENT, Given, draw_id, record
from worker.surveys.numbers import vote
from worker.surveys.records import answer_extras, invitations, responses
from worker.surveys.themes import Reader

FRESH = timedelta(days=7)
"""For so long an answer is news."""


@dataclass(frozen=True, slots=True)
class Brought:
    """An answer of a contact. ``at`` is when it was given, ``on`` that day in the zone of the book;
    ``key`` is what a second import knows it by."""

    contact_id: int
    score: int
    comment: str | None
    at: datetime
    on: date
    key: str | None = None
    follow_up: Mapping[str, str] | None = None
    source: str = "api"


def enter(
    conn: Connection, one: Brought, texts: tuple[str, str], now: datetime, reader: Reader
) -> int:
    """Enters an answer, as that to the latest open question of its schedule where there is one; its
    number. ``texts`` are that schedule and the survey that was asked.

    A fresh one is heard by all who hear of answers; one of long ago, or from an import, calls
    nobody. Raises ``ValueError`` for a score that is none.
    """
    asked = _open_question(conn, one, texts[0])
    if one.key is None and now - one.at <= FRESH:
        open_ = asked is not None and (asked.closes_at is None or asked.closes_at > one.at)
        invitation = asked.id if asked is not None and open_ else _question(conn, one, texts)
        given = Given(one.score, one.comment, one.follow_up, "api")
        record(conn, invitation, given, one.at, one.on, reader)
        return int(store.response_to(conn, invitation).id)  # type: ignore[union-attr]  # it is named
    row = _row(conn, one, *texts)
    if asked is not None:
        row["invitation_id"] = asked.id
        store.mark_answered(conn, asked.id)
    store.add_response(conn, row)
    read(conn, row, reader)
    return int(row["id"])


def _question(conn: Connection, one: Brought, texts: tuple[str, str]) -> int:
    """An answer that comes by itself was asked for somewhere else, just before."""
    row: dict[str, Any] = {"schedule": texts[0], "survey": texts[1], "promise": rules.NAMED}
    row |= {"asked_at": one.at, "asked_on": one.on, **of_person(conn, one.contact_id)}
    return store.invite(conn, row)


def _open_question(conn: Connection, one: Brought, schedule: str) -> Any | None:
    mine = (
        invitations.c.contact_id == one.contact_id,
        invitations.c.schedule == schedule,
        invitations.c.promise == rules.NAMED,
        invitations.c.asked_at <= one.at,
        ~invitations.c.answered,
    )
    free = ~select(responses.c.id).where(responses.c.invitation_id == invitations.c.id).exists()
    query = select(invitations).where(*mine, free).order_by(invitations.c.asked_at.desc()).limit(1)
    return conn.execute(query).first()


def _row(conn: Connection, one: Brought, schedule: str, survey: str) -> dict[str, Any]:
    return {
        **of_person(conn, one.contact_id),
        **said(one.score, one.comment),
        "id": draw_id(),
        "schedule": schedule,
        "survey": survey,
        "promise": rules.NAMED,
        "answered_on": one.on,
        "answered_at": one.at,
        "follow_up": dict(one.follow_up) if one.follow_up else None,
        "source": one.source,
        "key": one.key,
    }


def of_person(conn: Connection, contact_id: int) -> dict[str, Any]:
    """What an answer says of who gave it, as the book has it today."""
    query = (
        select(contacts.c.account_id, contacts.c.role, contacts.c.language, accounts.c.segment)
        .join(accounts, accounts.c.id == contacts.c.account_id)
        .where(contacts.c.id == contact_id)
    )
    return {"contact_id": contact_id, **conn.execute(query).one()._mapping}


def said(score: int, comment: str | None) -> dict[str, Any]:
    """Score and comment as they are kept."""
    kept = (comment or "").strip()[:LONGEST_COMMENT] or None
    return {"score": score, "vote": vote(score), "comment": kept}


def read(conn: Connection, row: Mapping[str, Any], reader: Reader) -> None:
    """Finds the themes of an answer's comment."""
    comment = row["comment"]
    found = reader.themes_of(comment, row["language"]) if comment else []
    store.set_themes(conn, {row["id"]: (row["answered_on"], found)}, reader.digest)


def hold(conn: Connection, number: int) -> Any | None:
    """The named answer of that number, held until the transaction ends."""
    mine = (responses.c.id == number, responses.c.promise == rules.NAMED)
    query = select(responses).where(*mine, responses.c.judged == rules.HUMAN)
    return conn.execute(query.with_for_update()).first()


def change(
    conn: Connection,
    before: Any,
    values: Mapping[str, Any],
    now: datetime,
    today: date,
    reader: Reader,
) -> None:
    """Changes a named answer that is held, as its person might do: while the question is open, all
    who hear of answers hear of it."""
    became = "gone"
    if before.invitation_id is not None and "contact_id" not in values:
        given = Given(values["score"], values["comment"], before.follow_up, "api")
        became = record(conn, before.invitation_id, given, now, today, reader)
    if became != "changed":
        store.change_response(conn, before.id, {**values, "changed_at": now})
        read(conn, {**before._mapping, **values}, reader)


def put_extras(
    conn: Connection,
    number: int,
    properties: Mapping[str, str] | None = None,
    tags: Sequence[str] | None = None,
    notes: Sequence[Mapping[str, Any]] | None = None,
) -> None:
    """Keeps what was said beside an answer; what is ``None`` stays as it was."""
    told = {"properties": properties, "tags": tags, "notes": notes}
    given = {name: value for name, value in told.items() if value is not None}
    if not given:
        return
    dialect = postgresql if conn.dialect.name == "postgresql" else sqlite
    row: dict[str, Any] = {"properties": {}, "tags": [], "notes": [], **given}
    row["response_id"] = number
    new = dialect.insert(answer_extras).values(**row)
    conn.execute(new.on_conflict_do_update(index_elements=["response_id"], set_=given))
