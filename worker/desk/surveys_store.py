"""Queries of the list of answers, and of one. Each page is served by an index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Select, func, literal, select, tuple_
from sqlalchemy.engine import Connection

from worker.catalogue.records import accounts, contacts
from worker.db import bulk
from worker.surveys import rules
from worker.surveys.records import invitations, response_themes, responses

_COLUMNS = (
    *("id", "schedule", "promise", "score", "vote", "comment", "role", "segment", "product"),
    *("answered_on", "account_id"),
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which answers. Nothing of it can be asked of an anonymous answer but what a whole lot of five
    shares, and what was said."""

    vote: int | None = None
    theme: str | None = None
    segment: str | None = None
    schedule: str | None = None
    account: str | None = None


def answers(
    conn: Connection, wanted: Wanted, after: tuple[date, int] | None, most: int
) -> Sequence[Any]:
    """Answers that count, the latest first; ``after`` is (day, number) of the last one seen. Of a
    day they come in an order drawn by lot. A contact's name comes with named answers alone."""
    day, id_ = responses.c.answered_on, responses.c.id
    query = _with_names()
    if wanted.theme:
        query = query.join(response_themes, response_themes.c.response_id == responses.c.id)
        query = query.where(response_themes.c.theme == wanted.theme)
        day, id_ = response_themes.c.answered_on, response_themes.c.response_id
    query = query.where(responses.c.judged == rules.HUMAN, day.is_not(None))
    for name in ("vote", "segment", "schedule"):
        if (value := getattr(wanted, name)) is not None:
            query = query.where(responses.c[name] == value)
    if wanted.account:
        query = query.where(accounts.c.key == wanted.account)
    if after is not None:
        query = query.where(tuple_(day, id_) < tuple_(*map(literal, after)))
    return conn.execute(query.order_by(day.desc(), id_.desc()).limit(most)).all()


def _with_names() -> Select[Any]:
    named = [
        accounts.c.key.label("account"),
        accounts.c.name.label("account_name"),
        func.coalesce(contacts.c.name, contacts.c.email).label("person"),
    ]
    source = responses.outerjoin(accounts, accounts.c.id == responses.c.account_id).outerjoin(
        contacts, contacts.c.id == responses.c.contact_id
    )
    return select(*[responses.c[name] for name in _COLUMNS], *named).select_from(source)


def answer(conn: Connection, id_: int) -> Any | None:
    """One answer that counts, with all that its promise lets be seen."""
    more = [responses.c[name] for name in ("follow_up", "language", "source", "answered_at")]
    query = _with_names().add_columns(*more)
    seen = (responses.c.judged == rules.HUMAN, responses.c.answered_on.is_not(None))
    return conn.execute(query.where(responses.c.id == id_, *seen)).first()


def asked_on(conn: Connection, id_: int) -> date | None:
    """The day on which a named answer was asked for."""
    query = (
        select(invitations.c.asked_on)
        .join(responses, responses.c.invitation_id == invitations.c.id)
        .where(responses.c.id == id_, responses.c.promise == rules.NAMED)
    )
    return conn.scalar(query)


def themes_of(conn: Connection, ids: Sequence[int]) -> dict[int, list[str]]:
    """The themes of these answers."""
    found: dict[int, list[str]] = {}
    if not ids:
        return found
    mine = bulk.among(response_themes.c.response_id, list(ids))
    columns = (response_themes.c.response_id, response_themes.c.theme)
    for id_, theme in conn.execute(select(*columns).where(mine).order_by(*columns)):
        found.setdefault(id_, []).append(theme)
    return found


def others_of(conn: Connection, account_id: int, id_: int, most: int = 10) -> Sequence[Any]:
    """Other answers of an account that may be seen beside it."""
    mine = (responses.c.account_id == account_id, responses.c.id != id_)
    seen = (responses.c.judged == rules.HUMAN, responses.c.answered_on.is_not(None))
    order = (responses.c.answered_on.desc(), responses.c.id.desc())
    return conn.execute(_with_names().where(*mine, *seen).order_by(*order).limit(most)).all()
