"""The table of events: what a provider told, raw and in our own words."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Table, Text, false

from worker.db.types import Id, Json, Moment, metadata

events = Table(
    "events",
    metadata,
    Column("id", Id, primary_key=True),
    Column("channel", Text, nullable=False),
    # The provider's own id of the event: the same one, told again, changes nothing.
    Column("key", Text, nullable=False),
    Column("kind", Text, nullable=False),  # of our vocabulary, or `unknown`
    Column("mail_key", Text),
    Column("address", Text),
    Column("detail", Text),
    Column("at", Moment, nullable=False),
    Column("received_at", Moment, nullable=False),
    Column("machine", Boolean, nullable=False, server_default=false()),  # a scanner's click
    Column("orphan", Boolean, nullable=False, server_default=false()),  # of no mail of ours
    Column("raw", Json, nullable=False),
    Index("uq_events_channel_key", "channel", "key", unique=True),
    Index("ix_events_mail", "mail_key", "address"),
    Index("ix_events_received_at", "received_at"),
)
