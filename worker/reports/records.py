"""No tables of their own: the indexes that only those who count need.

They let a report cost what its period holds, and ``/metrics`` what the last day held, whatever the
size of the book and the length of its history.
"""

from __future__ import annotations

from sqlalchemy import Index, text

from worker.catalogue.records import terms
from worker.outbox.records import messages

Index("ix_terms_expires_on", terms.c.expires_on)

Index(
    "ix_messages_accepted_at",
    messages.c.accepted_at,
    postgresql_where=text("accepted_at IS NOT NULL"),
    sqlite_where=text("accepted_at IS NOT NULL"),
)
# A mail leaves this one when it is accepted, so it holds what is open and what came to another end.
Index(
    "ix_messages_unsent",
    messages.c.created_at,
    postgresql_where=text("accepted_at IS NULL"),
    sqlite_where=text("accepted_at IS NULL"),
)
