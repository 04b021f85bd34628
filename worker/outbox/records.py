"""The ledger of mails. See ``rules.py`` for the states and how a message moves through them."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    literal_column,
    text,
)

from worker.db.types import FOR_PEOPLE, Id, Moment, metadata

STEP = "step"
"""The origin of a mail that a step of a walk sends."""

QUIETLY = "told-quietly"
"""The origin of letters that no list or page tells of: whoever was promised to stay unseen would be
known by the address."""

ODD = "state NOT IN ('accepted', 'due', 'sending')"
"""Few mails are in these states, and people ask for them: written as their index has it."""

_LETTER = "origin <> 'step'"

messages = Table(
    "messages",
    metadata,
    Column("id", Id, primary_key=True),
    # One id for all that travels in one mail; a mail to two contacts is two rows, one each.
    Column("mail_key", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("contact_id", Id, ForeignKey("contacts.id")),
    Column("schedule", Text, nullable=False),
    Column("step", Text, nullable=False),
    # The version that pins its text; letters that no step sends have none.
    Column("version_id", Id, ForeignKey("schedule_versions.id")),
    Column("template", Text, nullable=False),
    Column("kind", Text, nullable=False),  # contractual, commercial, survey
    # What it comes from: a step of a walk, or whoever judges the letters of that name.
    Column("origin", Text, nullable=False, server_default=STEP),
    Column("day", Date, nullable=False),  # the client's civil day it was decided for
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("next_at", Moment),  # when a worker should look at it; empty in a final state
    Column("valid_until", Moment, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    # Workers that died after they had marked it as started: the third one is its last.
    Column("deaths", Integer, nullable=False, server_default="0"),
    Column("attempt_id", Text),
    Column("lease_until", Moment),
    Column("started_at", Moment),
    Column("accepted_at", Moment),
    Column("channel", Text),  # the way out of the last attempt: an unknown never changes it
    Column("provider_id", Text),
    Column("unknown_since", Moment),  # of an unknown: since when it waits for evidence
    # Sent again after its hold without a proof that it had not left: extra copies are possible.
    Column("resends", Integer, nullable=False, server_default="0"),
    # What the provider told of it last, see events/rules.py; the ledger's state is its own.
    Column("fate", Text),
    Column("fate_at", Moment),
    Column("language", Text),  # as sent
    Column("subject", Text),  # as sent
    Column("created_at", Moment, nullable=False),
    UniqueConstraint("mail_key", "address"),
    Index(
        "ix_messages_next_at",
        "next_at",
        postgresql_where=text("next_at IS NOT NULL"),
        sqlite_where=text("next_at IS NOT NULL"),
    ),
    # The budget counts what an address got lately.
    Index("ix_messages_address_day", "address", "day"),
    # When a schedule's mails left last.
    Index(
        "ix_messages_schedule_accepted",
        "schedule",
        "accepted_at",
        postgresql_where=text("accepted_at IS NOT NULL"),
        sqlite_where=text("accepted_at IS NOT NULL"),
    ),
    # People look through mails the newest first: all, those of a schedule or step, the odd ones.
    Index("ix_messages_day", "day", "id", info=FOR_PEOPLE),
    Index("ix_messages_schedule", "schedule", "day", "id", info=FOR_PEOPLE),
    Index("ix_messages_step", "schedule", "step", "day", "id", info=FOR_PEOPLE),
    Index(
        "ix_messages_odd",
        "state",
        "day",
        "id",
        postgresql_where=text(ODD),
        sqlite_where=text(ODD),
        info=FOR_PEOPLE,
    ),
    # Letters are few beside the mails of steps, and are looked for by whom they went to.
    Index(
        "ix_messages_letters",
        "contact_id",
        postgresql_where=text(_LETTER),
        sqlite_where=text(_LETTER),
        info=FOR_PEOPLE,
    ),
    # Mails that wait for a person or a source have no moment of their own.
    Index(
        "ix_messages_held",
        "reason",
        postgresql_where=text("state = 'due' AND next_at IS NULL"),
        sqlite_where=text("state = 'due' AND next_at IS NULL"),
        info=FOR_PEOPLE,
    ),
)

LETTER = messages.c.origin != literal_column("'step'")
"""No step sent it: written as its index has it."""

SHOWN = messages.c.origin != QUIETLY
"""What lists and pages tell of."""

# How each way out fares: when it may be used again, and why it rests.
ways = Table(
    "ways",
    metadata,
    Column("channel", Text, primary_key=True),
    Column("paused_until", Moment),
    Column("why", Text),
    Column("failures", Integer, nullable=False, server_default="0"),  # in a row
    Column("free_at", Moment),  # when the pace lets the next mail leave
)

# A person is asked before the mails of a schedule's version go out; one row for each question.
approvals = Table(
    "approvals",
    metadata,
    Column("id", Id, primary_key=True),
    Column("version_id", Id, ForeignKey("schedule_versions.id"), nullable=False),
    Column("day", Date, nullable=False),  # the first day (of all, for `first-day`) it is about
    Column("asked_at", Moment, nullable=False),
    Column("approved_at", Moment),
    UniqueConstraint("version_id", "day"),
)

# What stops all sending until a person has looked.
brakes = Table(
    "brakes",
    metadata,
    Column("id", Id, primary_key=True),
    Column("kind", Text, nullable=False),  # forecast, import, clock, copy
    Column("about", Text, nullable=False),  # the day, the source: what it is about
    Column("detail", Text, nullable=False),
    Column("pulled_at", Moment, nullable=False),
    Column("released_at", Moment),
    Column("note", Text),
    Index(
        "uq_brakes_pulled",
        "kind",
        "about",
        unique=True,
        postgresql_where=text("released_at IS NULL"),
        sqlite_where=text("released_at IS NULL"),
    ),
)

# What was foreseen for a day, and how much of it was really decided on.
mail_days = Table(
    "mail_days",
    metadata,
    Column("day", Date, primary_key=True),
    Column("foreseen", Integer),
    Column("foreseen_at", Moment),
    Column("decided", Integer, nullable=False, server_default="0"),
)
