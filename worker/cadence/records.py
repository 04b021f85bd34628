"""Tables of walks, of the decisions made on them, and of the questions that they asked."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    and_,
    false,
    text,
)

from worker.catalogue.records import licences
from worker.db.types import Id, Moment, metadata

LICENCE, ACCOUNT, ANSWER = "licence", "account", "answer"
"""What may walk a schedule."""

# One subject walking one schedule for one cycle. The subject of `licence-expiry` is a licence and
# the cycle its term; that of `account-dormant` an account and the cycle its episode.
walks = Table(
    "walks",
    metadata,
    Column("id", Id, primary_key=True),
    Column("schedule", Text, nullable=False),
    Column("subject", Text, nullable=False, server_default=LICENCE),  # licence, account, answer
    Column("subject_id", Id, nullable=False),  # in the table that the subject names
    Column("cycle", Integer, nullable=False),
    Column("account_id", Id, ForeignKey("accounts.id")),  # empty: the licence says whose it is
    Column("anchor_on", Date, nullable=False),
    Column("first_act_at", Moment, nullable=False),  # since when it could act
    Column("next_at", Moment),  # when to look again; empty: never, unless something changes
    Column("state", Text, nullable=False),  # active, parked (not in the audience), ended
    Column("reason", Text),  # why parked or ended
    Column("rests_until", Date),  # the client's day until which its mails rest, as the client asked
    # The subject first, so that it serves who looks for the walks of one, too: every index is
    # written anew with each `next_at`.
    UniqueConstraint("subject_id", "subject", "schedule", "cycle"),
    Index(
        "ix_walks_next_at",
        "next_at",
        postgresql_where=text("next_at IS NOT NULL"),
        sqlite_where=text("next_at IS NOT NULL"),
    ),
    # Walks without a licence are few beside the others, and are looked for on their own.
    Index(
        "ix_walks_account",
        "account_id",
        postgresql_where=text("account_id IS NOT NULL"),
        sqlite_where=text("account_id IS NOT NULL"),
    ),
    Index(
        "ix_walks_without_licence",
        "schedule",
        "next_at",
        postgresql_where=text("account_id IS NOT NULL"),
        sqlite_where=text("account_id IS NOT NULL"),
    ),
)

of_licence = and_(walks.c.subject == LICENCE, walks.c.subject_id == licences.c.id)
"""What joins licences and their walks."""

# What was decided about a step of a walk: at most one row for each, whatever the version. For a
# mail the last word is with the ledger: decision `waiting` here, and the message's state there.
steps = Table(
    "steps",
    metadata,
    Column("id", Id, primary_key=True),
    Column("walk_id", Id, ForeignKey("walks.id"), nullable=False),
    Column("step", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("decision", Text, nullable=False),
    Column("reason", Text),
    Column("due_on", Date, nullable=False),  # the civil date before any shift
    Column("at", Moment, nullable=False),
    Column("decided_at", Moment, nullable=False),
    Column("version_id", Id, ForeignKey("schedule_versions.id"), nullable=False),
    Column("mail_key", Text, index=True),
    Column("recipient", Text),  # the assignee of a task
    UniqueConstraint("walk_id", "step"),
)

# What clients did, as far as we were told, on each walk that it concerns: the first time counts.
happenings = Table(
    "happenings",
    metadata,
    Column("walk_id", Id, ForeignKey("walks.id"), primary_key=True),
    Column("what", Text, primary_key=True),  # clicked, answered, replied, delivered, quote-asked
    Column("at", Moment, nullable=False),
)

# Mails that a step went out with and that came back from everybody: the step was decided anew.
returned = Table(
    "returned",
    metadata,
    Column("walk_id", Id, ForeignKey("walks.id"), primary_key=True),
    Column("step", Text, primary_key=True),
    Column("mail_key", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("due_on", Date, nullable=False),
    Column("at", Moment, nullable=False),  # as the step's row said
    Column("returned_at", Moment, nullable=False),
)

# What each running schedule is expected to do on each of the coming days, as it was counted last.
forecast_days = Table(
    "forecast_days",
    metadata,
    Column("schedule", Text, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("mails", Integer, nullable=False),
    Column("tasks", Integer, nullable=False),
    # One account in so many was looked at, and the counts were multiplied: 1 is the whole book.
    Column("one_in", Integer, nullable=False),
    Column("at", Moment, nullable=False),
)

# How many walks of each schedule stand how, as it was counted last: a book may have millions.
walk_counts = Table(
    "walk_counts",
    metadata,
    Column("schedule", Text, primary_key=True),
    Column("state", Text, primary_key=True),
    Column("walks", Integer, nullable=False),
    Column("at", Moment, nullable=False),
)

# What a person did with one mail that is still to come: held it back, gave it words of their own,
# or took it over. About one step of one walk; asked for before a decision and before a mail.
interventions = Table(
    "interventions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("walk_id", Id, ForeignKey("walks.id"), nullable=False),
    Column("step", Text, nullable=False),
    Column("kind", Text, nullable=False),  # hold, edit, take-over
    Column("reason", Text, nullable=False),
    Column("subject", Text),  # of an edit
    Column("words", Text),  # of an edit: a paragraph above the mail's own text
    Column("until", Date),  # of a hold: its last day; empty: until it is lifted
    Column("who", Text, nullable=False),
    Column("made_at", Moment, nullable=False),
    Column("lifted_at", Moment),
    Index(
        "uq_interventions_standing",
        "walk_id",
        "step",
        "kind",
        unique=True,
        postgresql_where=text("lifted_at IS NULL"),
        sqlite_where=text("lifted_at IS NULL"),
    ),
)

# One question asked of one contact. Quiet time, coverage and response rates are counted from it.
invitations = Table(
    "invitations",
    metadata,
    Column("id", Id, primary_key=True),
    Column("schedule", Text, nullable=False),  # the file stem of the schedule that asks
    Column("survey", Text, nullable=False),  # the texts of its question
    Column("walk_id", Id, ForeignKey("walks.id"), index=True),  # empty: asked by other means
    Column("contact_id", Id, ForeignKey("contacts.id")),  # empty once the person was erased
    Column("account_id", Id, ForeignKey("accounts.id"), nullable=False),
    Column("licence_id", Id, ForeignKey("licences.id")),  # the renewal it is about, if any
    Column("mail_key", Text),  # the mail with the question, which several people may get
    Column("promise", Text, nullable=False),  # named, confidential, anonymous
    Column("role", Text),  # role, segment and product as they were when it was asked
    Column("segment", Text),
    Column("product", Text),
    Column("language", Text),
    Column("asked_on", Date, nullable=False),  # the day in the zone of the book
    Column("asked_at", Moment, nullable=False),
    Column("closes_at", Moment),  # until then an answer may be given, or changed
    Column("answered", Boolean, nullable=False, server_default=false()),
    # The invitation whose person passed the question on; what is answered is shown to neither.
    Column("passed_on_by", Id, index=True),
    UniqueConstraint("mail_key", "contact_id"),
    Index("ix_invitations_account", "account_id", "asked_on"),
    Index("ix_invitations_contact", "contact_id", "asked_at"),
    Index("ix_invitations_asked_on", "asked_on"),
    Index("ix_invitations_schedule", "schedule", "segment"),
)
