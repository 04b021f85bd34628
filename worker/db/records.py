"""Tables about the installation itself."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Integer, Table, Text

from worker.db.types import Moment, metadata

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

# When each recurring duty was last done to its end.
heartbeats = Table(
    "heartbeats",
    metadata,
    Column("name", Text, primary_key=True),
    Column("at", Moment, nullable=False),
)
