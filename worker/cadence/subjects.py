"""Tables of what walks beside licences: clients that fell silent, and answers to surveys.

The engine reads a few of their columns; what they mean is said, and all of them are written, by the
rooms of reactivation and of surveys, which offer them under ``records`` of their own. The promises
to those who answer stand in ``surveys/records.py``.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    Float,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

from worker.catalogue.records import accounts
from worker.db.types import FOR_PEOPLE, Id, Json, Moment, Money, metadata

# An account that a schedule found to fall silent, and what became of it. Its figures are those of
# the day on which it was flagged.
episodes = Table(
    "episodes",
    metadata,
    Column("id", Id, primary_key=True),
    Column("schedule", Text, nullable=False),
    Column("account_id", Id, ForeignKey(accounts.c.id), nullable=False, index=True),
    Column("number", Integer, nullable=False),  # of this schedule and account, from 1
    Column("flagged_on", Date, nullable=False),
    Column("as_of", Date, nullable=False),  # the last day whose orders the score knew
    Column("lane", Text, nullable=False),
    Column("score", Float),
    Column("at_stake", Money, nullable=False),  # of a year
    Column("currency", Text, nullable=False),  # empty: of none
    Column("reasons", Json, nullable=False),
    Column("facts", Json, nullable=False),  # what else its sentence and its bars need
    # What the lists are ordered by: money, counted in what a mean client of its currency
    # buys, and the same times the chance to a power, as in the queue of scores.
    Column("relative_stake", Float, nullable=False, server_default="0"),
    Column("urgency", Float, nullable=False, server_default="0"),
    Column("entered", Boolean, nullable=False, server_default=false()),  # its walk has begun
    Column("ended_on", Date),
    Column("ended_why", Text),  # ordered, closed
    Column("outcome", Text),  # won-back, lost, later, false-alarm: what a person said
    Column("outcome_why", Text),
    Column("closed_by", Text),
    Column("rests_until", Date),  # a person said when to look again: not flagged before that day
    Column("back_on", Date),  # the first order after it was flagged
    UniqueConstraint("schedule", "account_id", "number"),
    Index(
        "ix_episodes_entering",
        "schedule",
        "id",
        postgresql_where=text("NOT entered"),
        sqlite_where=text("entered = 0"),
    ),
    Index(
        "ix_episodes_open",
        "schedule",
        postgresql_where=text("ended_on IS NULL"),
        sqlite_where=text("ended_on IS NULL"),
    ),
    Index(
        "ix_episodes_open_stake",
        "relative_stake",
        "id",
        postgresql_where=text("ended_on IS NULL"),
        sqlite_where=text("ended_on IS NULL"),
        info=FOR_PEOPLE,
    ),
    Index(
        "ix_episodes_open_urgency",
        "urgency",
        "id",
        postgresql_where=text("ended_on IS NULL"),
        sqlite_where=text("ended_on IS NULL"),
        info=FOR_PEOPLE,
    ),
    Index("ix_episodes_flagged_on", "flagged_on"),
    Index("ix_episodes_ended_on", "ended_on", "id"),
)

# One answer. Numbers are drawn by lot for all, so that none tells an order.
responses = Table(
    "responses",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("schedule", Text, nullable=False),
    Column("survey", Text, nullable=False),
    Column("promise", Text, nullable=False),
    # What was asked; empty: anonymous, or it came without a question of ours.
    Column("invitation_id", Id, ForeignKey("invitations.id"), unique=True),
    Column("account_id", Id, ForeignKey("accounts.id")),  # empty: anonymous
    Column("contact_id", Id, ForeignKey("contacts.id"), index=True),  # named answers only
    Column("licence_id", Id, ForeignKey("licences.id")),
    Column("score", Integer, nullable=False),  # 0 to 10
    Column("vote", Integer, nullable=False),  # what it counts: 1, 0, -1
    Column("comment", Text),
    Column("follow_up", Json),  # what was asked further -> the answer
    Column("role", Text),  # as of then; empty where the promise forbids it
    Column("segment", Text),
    Column("product", Text),
    Column("language", Text),
    # The day from which it counts, in the zone of the book. Empty: an anonymous answer that waits
    # for others to come out with.
    Column("answered_on", Date),
    Column("answered_at", Moment),  # empty: anonymous, or only the day is known
    Column("changed_at", Moment),
    Column("source", Text, nullable=False),  # page, import, api
    Column("key", Text, unique=True),  # what a second import knows it by
    # human counts; possible (sent sooner than a person reads) and machine are kept and do not.
    Column("judged", Text, nullable=False, server_default="human"),
    Column("themes_read", Text),  # the declaration its comment was last read by; see themes.py
    Index("ix_responses_answered_on", "answered_on", "id"),
    Index("ix_responses_vote", "vote", "answered_on", "id"),
    Index("ix_responses_segment", "segment", "answered_on", "id"),
    Index("ix_responses_schedule", "schedule", "answered_on", "id"),
    Index("ix_responses_account", "account_id", "answered_on", "id"),
    Index(
        "ix_responses_themes_read",
        "themes_read",
        "id",
        postgresql_where=text("comment IS NOT NULL"),
        sqlite_where=text("comment IS NOT NULL"),
    ),
    # The few that are protected, to know quickly whether there are enough of them.
    Index(
        "ix_responses_protected",
        "schedule",
        "answered_on",
        postgresql_where=text("promise <> 'named' AND judged = 'human'"),
        sqlite_where=text("promise <> 'named' AND judged = 'human'"),
    ),
)
