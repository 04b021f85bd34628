"""Tables of reactivation."""

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

# One row per day on which the book was scored: what the two numbers of the calibration were.
score_runs = Table(
    "score_runs",
    metadata,
    Column("as_of", Date, primary_key=True),  # the last full day of orders
    Column("scored_at", Moment, nullable=False),
    Column("clients", Integer, nullable=False),  # how many have a row below
    Column("slope", Float, nullable=False),
    Column("intercept", Float, nullable=False),
    Column("fitted", Integer, nullable=False),  # on how many clients; 0: not fitted
)

# What was known of each account on such a day. Of older days one of a month is kept.
scores = Table(
    "scores",
    metadata,
    Column("as_of", Date, ForeignKey("score_runs.as_of"), primary_key=True),
    Column("account_id", Id, ForeignKey(accounts.c.id), primary_key=True),
    Column("place", Integer, nullable=False),  # in the queue, from 1
    Column("score", Float),  # 0 to 1; empty: too early to say
    Column("at_stake", Money, nullable=False),  # of a year
    Column("currency", Text, nullable=False),  # empty: of none
    Column("lane", Text),  # just-overdue, gone-quiet, buying-less, yearly; empty: as usual
    Column("last_order_on", Date, nullable=False),
    Column("usual_gap_days", Integer, nullable=False),
    Column("drop_share", Float, nullable=False),  # of the last 90 days against what is usual
    Column("product_lines", Json, nullable=False),
    Column("reasons", Json, nullable=False),
    Column("evidence", Json),  # how many were in a similar state, and how many of them fell
    Index("ix_scores_account_id", "account_id", "as_of"),
    Index("ix_scores_as_of_place", "as_of", "place"),
)

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

# The product lines of an open or ended episode: what the list is filtered by.
episode_lines = Table(
    "episode_lines",
    metadata,
    Column("product_line", Text, primary_key=True),
    Column("episode_id", Id, ForeignKey(episodes.c.id), primary_key=True),
    Index("ix_episode_lines_episode_id", "episode_id"),
)
