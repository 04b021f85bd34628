"""Tables of applied schedules. A version pins every text it was applied with."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, Table, Text, UniqueConstraint, text

from worker.db.types import Id, Json, Moment, metadata

versions = Table(
    "schedule_versions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("schedule", Text, nullable=False),  # the file's stem
    Column("number", Integer, nullable=False),  # from 1, per schedule
    Column("digest", Text, nullable=False),  # of the schedule and all templates it names
    Column("text", Text, nullable=False),  # the TOML as applied
    Column("templates", Json, nullable=False),  # {path under templates/: digest of its text}
    # {step id: moment since which this step has been part of the schedule without a break}
    Column("steps_since", Json, nullable=False),
    Column("applied_at", Moment, nullable=False),
    Column("active", Boolean, nullable=False),
    UniqueConstraint("schedule", "number"),
    Index(
        "uq_schedule_versions_active",
        "schedule",
        unique=True,
        postgresql_where=text("active"),
        sqlite_where=text("active"),
    ),
)

# Texts are kept once, whatever the number of versions that use them.
template_texts = Table(
    "template_texts",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("text", Text, nullable=False),
)
