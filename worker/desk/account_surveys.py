"""What people of an account answered to surveys, as its story tells it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.engine import Connection

from worker.catalogue.records import contacts
from worker.desk.account_store import SURVEYED, Source, this_account
from worker.desk.story import Place
from worker.surveys import rules
from worker.surveys.records import responses

_COLUMNS = ("id", "score", "vote", "comment")
_SURVEYED = Source(
    SURVEYED,
    select(
        *[responses.c[name] for name in _COLUMNS],
        responses.c.answered_at.label("at"),
        contacts.c.name.label("person"),
        contacts.c.email,
    )
    .outerjoin(contacts, contacts.c.id == responses.c.contact_id)
    .where(
        responses.c.account_id == this_account,
        responses.c.promise == rules.NAMED,
        responses.c.judged == rules.HUMAN,
        responses.c.answered_at.is_not(None),
    ),
    responses.c.answered_at,
    responses.c.id,
)


def answers(conn: Connection, account_id: int, before: Place | None, most: int) -> Any:
    """Answers that were given with a name: a story has moments and neighbours, which would tell
    whose a confidential one is."""
    return _SURVEYED.page(conn, account_id, before, most)
