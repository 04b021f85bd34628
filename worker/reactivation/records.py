"""Tables of reactivation. Episodes stand in ``cadence/subjects.py``, because they walk."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Date,
    Float,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
)

from worker.cadence.subjects import episodes
from worker.catalogue.records import accounts
from worker.db.types import Id, Json, Moment, Money, metadata

__all__ = ["episode_lines", "episodes", "score_runs", "scores"]

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

# The product lines of an open or ended episode: what the list is filtered by.
episode_lines = Table(
    "episode_lines",
    metadata,
    Column("product_line", Text, primary_key=True),
    Column("episode_id", Id, ForeignKey(episodes.c.id), primary_key=True),
    Index("ix_episode_lines_episode_id", "episode_id"),
)
