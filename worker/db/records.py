"""Tables about the installation itself."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Integer, Table, Text

from worker.db.types import Id, Json, Moment, metadata

# One row: whose database this is. Two environments never share one.
instance = Table(
    "instance",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("environment", Text, nullable=False),
    Column("created_at", Moment, nullable=False),
    # Where this database lives. A copy finds itself elsewhere and sends nothing until confirmed.
    Column("place", Text),
    Column("pepper", Text),  # the key of the hashes that stay of erased people
    CheckConstraint("id = 1", name="ck_instance_one_row"),
)

# When each recurring duty was last done to its end, and to what, where that matters.
heartbeats = Table(
    "heartbeats",
    metadata,
    Column("name", Text, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("done_to", Text),
)

# What other systems may want to hear of, written in the transaction in which it happened. The beat
# makes a call of it for each endpoint that listens, and takes it away.
notices = Table(
    "notices",
    metadata,
    Column("id", Id, primary_key=True),
    Column("key", Text, nullable=False, unique=True),  # of what happened: told once
    Column("type", Text, nullable=False),  # licence.renewed, licence.lapsed, task.opened …
    Column("body", Json, nullable=False),
    Column("at", Moment, nullable=False),
)

# How each declared endpoint fares: one that keeps failing rests, and its calls wait.
endpoints = Table(
    "endpoints",
    metadata,
    Column("name", Text, primary_key=True),
    Column("url", Text, nullable=False),
    Column("types", Json, nullable=False),  # what it wants to hear of
    Column("failures", Integer, nullable=False, server_default="0"),  # in a row
    Column("failing_since", Moment),
    Column("paused_until", Moment),
    Column("why", Text),
    Column("changed_at", Moment, nullable=False),
)
