"""What the engine reads of tables that rooms above it keep. They meet in rows: nothing of those
rooms is called here, and only the columns named here are asked for."""

from __future__ import annotations

from importlib import import_module

from sqlalchemy import Boolean, Date, Integer, Text, column, table

from worker.db.types import Id

for _room in ("reactivation", "surveys"):  # so that copies have these tables in every process
    import_module(f"worker.{_room}.records")

# Of reactivation: a client that fell silent, and how that ended.
episodes = table(
    "episodes",
    column("id", Id),
    column("schedule", Text),
    column("account_id", Id),
    column("number", Integer),
    column("flagged_on", Date),
    column("entered", Boolean),
    column("ended_on", Date),
    column("ended_why", Text),
)

# Of surveys: what somebody answered.
responses = table(
    "responses",
    column("id", Id),
    column("schedule", Text),
    column("account_id", Id),
    column("score", Integer),
    column("vote", Integer),
    column("answered_on", Date),
    column("judged", Text),
)
