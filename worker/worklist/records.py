"""The table of tasks. An alarm is a task that nobody asked for."""

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
    text,
)

from worker.db.types import FOR_PEOPLE, Id, Json, Moment, metadata

tasks = Table(
    "tasks",
    metadata,
    Column("id", Id, primary_key=True),
    # What this task is about, built from stable ids: at most one open task per key.
    Column("key", Text, nullable=False),
    Column("kind", Text, nullable=False),  # a word of kinds.py
    Column("title", Text, nullable=False),
    Column("detail", Text),
    Column("account_id", Id, ForeignKey("accounts.id"), index=True),
    Column("licence_id", Id, ForeignKey("licences.id")),
    Column("assignee", Text),  # a key of staff, or what a schedule wrote; empty: its pool's
    Column("pool", Text),  # who may claim it while nobody has it: sales, renewals, admin
    Column("due_on", Date),
    Column("snoozed_until", Date),  # shown again from that day on
    Column("claimed_at", Moment),
    Column("opened_at", Moment, nullable=False),
    Column("opened_by", Text),  # a login, for what a person opened
    Column("closed_at", Moment),
    Column("closed_by", Text),
    Column("outcome", Text),
    # Grows with every change: who changes what they did not see is shown the difference.
    Column("version", Integer, nullable=False, server_default="1"),
    Index(
        "ix_tasks_open_assignee",
        "assignee",
        "due_on",
        postgresql_where=text("closed_at IS NULL"),
        sqlite_where=text("closed_at IS NULL"),
        info=FOR_PEOPLE,
    ),
    Index(
        "ix_tasks_open_due",
        "due_on",
        "id",
        postgresql_where=text("closed_at IS NULL"),
        sqlite_where=text("closed_at IS NULL"),
        info=FOR_PEOPLE,
    ),
    Index(
        "ix_tasks_open_pool",
        "pool",
        "due_on",
        "id",
        postgresql_where=text("closed_at IS NULL AND assignee IS NULL"),
        sqlite_where=text("closed_at IS NULL AND assignee IS NULL"),
        info=FOR_PEOPLE,
    ),
    Index(
        "ix_tasks_open_kind",
        "kind",
        "due_on",
        "id",
        postgresql_where=text("closed_at IS NULL"),
        sqlite_where=text("closed_at IS NULL"),
        info=FOR_PEOPLE,
    ),
    Index(
        "ix_tasks_snoozed",
        "snoozed_until",
        "id",
        postgresql_where=text("closed_at IS NULL AND snoozed_until IS NOT NULL"),
        sqlite_where=text("closed_at IS NULL AND snoozed_until IS NOT NULL"),
        info=FOR_PEOPLE,
    ),
    Index(
        "ix_tasks_promises",
        "due_on",
        postgresql_where=text("kind = 'promise'"),
        sqlite_where=text("kind = 'promise'"),
        info=FOR_PEOPLE,
    ),
    Index("ix_tasks_closed_at", "closed_at", "id", info=FOR_PEOPLE),
    Index(
        "uq_tasks_open_key",
        "key",
        unique=True,
        postgresql_where=text("closed_at IS NULL"),
        sqlite_where=text("closed_at IS NULL"),
    ),
)

# What happened to each task after it was opened, in order: claimed, given-back, assigned, snoozed,
# noted, closed.
task_history = Table(
    "task_history",
    metadata,
    Column("id", Id, primary_key=True),
    Column("task_id", Id, ForeignKey("tasks.id"), nullable=False, index=True),
    Column("at", Moment, nullable=False),
    Column("who", Text),  # a login; empty: the machine
    Column("what", Text, nullable=False),
    Column("note", Text),
)

# Morning mails to our own people: one for each of them and day, decided before it is sent.
briefings = Table(
    "briefings",
    metadata,
    Column("id", Id, primary_key=True),
    Column("staff", Text, nullable=False),
    Column("day", Date, nullable=False),
    Column("state", Text, nullable=False),  # due, sending, sent, nothing-new, failed, unknown
    Column("detail", Json, nullable=False),
    Column("at", Moment, nullable=False),
    UniqueConstraint("staff", "day"),
)
