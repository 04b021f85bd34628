"""Tables of what clients told us on their pages."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, Table, Text

from worker.db.types import Id, Json, Moment, metadata

# Every answer that was given, in order; the last one about a licence's term is the one that counts.
answers = Table(
    "answers",
    metadata,
    Column("id", Id, primary_key=True),
    Column("mail_key", Text, nullable=False, index=True),  # the mail that was answered
    Column("contact_id", Id, ForeignKey("contacts.id"), nullable=False, index=True),
    Column("licence_id", Id, ForeignKey("licences.id"), nullable=False, index=True),
    Column("cycle", Integer, nullable=False),  # the licence's term
    Column("kind", Text, nullable=False),  # renew, quantity, quote, remind, decline, colleague
    Column("detail", Json, nullable=False),
    Column("at", Moment, nullable=False),
)

# Who opened which page when, scanners included. Only GETs write here, and nothing reads it but
# people: it is no business row.
visits = Table(
    "visits",
    metadata,
    Column("id", Id, primary_key=True),
    Column("page", Text, nullable=False),
    Column("mail_key", Text),
    Column("agent", Text),
    Column("at", Moment, nullable=False),
)

# Scores that were opened from mails: a click on a number chooses it on the page, and no more. Only
# GETs write here. Nothing is kept of an anonymous survey.
preselections = Table(
    "preselections",
    metadata,
    Column("id", Id, primary_key=True),
    Column("invitation_id", Id, ForeignKey("invitations.id"), nullable=False),
    Column("score", Integer, nullable=False),  # 0 to 10
    Column("at", Moment, nullable=False),
    Column("judged", Text, nullable=False),  # machine, possible; see events/rules.is_machine
    Index("ix_preselections_invitation", "invitation_id", "at"),
)
