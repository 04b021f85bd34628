"""The tables of calls. A call may arrive twice, under one id; it is never lost."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, Table, Text, text

from worker.db.types import Id, Json, Moment, metadata

calls = Table(
    "calls",
    metadata,
    Column("id", Id, primary_key=True),
    Column("key", Text, nullable=False, unique=True),  # the webhook-id, the same at every attempt
    Column("url", Text, nullable=False),
    Column("type", Text, nullable=False),  # what happened, e.g. licence.step
    Column("body", Json, nullable=False),
    Column("endpoint", Text),  # the declared endpoint that it goes to; empty: a schedule's step
    Column("state", Text, nullable=False),  # due, calling, done, failed
    Column("reason", Text),  # why it failed, or has to be made again
    Column("next_at", Moment),  # when to make it, or when its lease ends; empty in a final state
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("attempt_id", Text),
    Column("lease_until", Moment),
    Column("status", Integer),  # the last HTTP status
    Column("created_at", Moment, nullable=False),
    Column("done_at", Moment),
    Index(
        "ix_calls_next_at",
        "next_at",
        postgresql_where=text("next_at IS NOT NULL"),
        sqlite_where=text("next_at IS NOT NULL"),
    ),
)
