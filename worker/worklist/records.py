"""The table of tasks. An alarm is a task that nobody asked for."""

from __future__ import annotations

from sqlalchemy import Column, Date, ForeignKey, Index, Table, Text, text

from worker.db.types import Id, Moment, metadata

tasks = Table(
    "tasks",
    metadata,
    Column("id", Id, primary_key=True),
    # What this task is about, built from stable ids: at most one open task per key.
    Column("key", Text, nullable=False),
    Column("kind", Text, nullable=False),  # step, no-contact, blocked-mail, failed-call, alarm
    Column("title", Text, nullable=False),
    Column("detail", Text),
    Column("account_id", Id, ForeignKey("accounts.id"), index=True),
    Column("licence_id", Id, ForeignKey("licences.id")),
    Column("assignee", Text),
    Column("due_on", Date),
    Column("opened_at", Moment, nullable=False),
    Column("closed_at", Moment),
    Column("outcome", Text),
    Index(
        "uq_tasks_open_key",
        "key",
        unique=True,
        postgresql_where=text("closed_at IS NULL"),
        sqlite_where=text("closed_at IS NULL"),
    ),
)
