"""Tables of who may do what. No password, session or token stands in them as it is."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, Table, Text, text

from worker.db.types import Id, Json, Moment, metadata

users = Table(
    "users",
    metadata,
    Column("id", Id, primary_key=True),
    Column("login", Text, nullable=False, unique=True),  # in lower case
    Column("name", Text, nullable=False),
    Column("email", Text),
    Column("role", Text, nullable=False),  # viewer, sales, renewals, admin
    # The key of the member of staff that this user is: whose tasks are "mine".
    Column("staff", Text),
    Column("password_hash", Text),  # empty: signs in by a link or by OpenID Connect only
    Column("subject", Text, unique=True),  # who it is to the OpenID provider: issuer and subject
    Column("made_at", Moment, nullable=False),
    Column("disabled_at", Moment),
)

# Who is signed in, and links that sign in once. Only a digest of the cookie or the link is kept.
sessions = Table(
    "sessions",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("kind", Text, nullable=False),  # session, link
    Column("user_id", Id, ForeignKey("users.id"), nullable=False, index=True),
    Column("made_at", Moment, nullable=False),
    Column("seen_at", Moment, nullable=False),
    Column("ends_at", Moment, nullable=False, index=True),
    Column("revoked_at", Moment),
    Column("agent", Text),
)

# Failed sign-ins, by login and by address of the network: who has to wait, and until when.
sign_ins = Table(
    "sign_ins",
    metadata,
    Column("key", Text, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("failed_at", Moment, nullable=False, index=True),
    Column("waits_until", Moment),
)

# What other systems show to be let in. Only a digest is kept.
tokens = Table(
    "tokens",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False),
    Column("digest", Text, nullable=False, unique=True),
    Column("scopes", Json, nullable=False),  # a list of words, see rules.py
    Column("made_by", Text, nullable=False),
    Column("made_at", Moment, nullable=False),
    Column("used_at", Moment),
    Column("ends_at", Moment),
    Column("revoked_at", Moment),
    Index(
        "uq_tokens_name",
        "name",
        unique=True,
        postgresql_where=text("revoked_at IS NULL"),
        sqlite_where=text("revoked_at IS NULL"),
    ),
)

# What a token's request was answered with, so that a second one with its key gets the same.
requests = Table(
    "requests",
    metadata,
    Column("token_id", Id, ForeignKey("tokens.id"), primary_key=True),
    Column("key", Text, primary_key=True),
    Column("digest", Text, nullable=False),  # of what was asked
    Column("status", Integer, nullable=False),
    Column("body", Json, nullable=False),
    Column("at", Moment, nullable=False, index=True),
)

# Every change that a person or another system made. The database refuses to alter or delete a row.
audit = Table(
    "audit",
    metadata,
    Column("id", Id, primary_key=True),
    Column("at", Moment, nullable=False, index=True),
    Column("who", Text, nullable=False),  # a login, a token's name, an account of the machine
    Column("via", Text, nullable=False),  # page, api, command
    Column("what", Text, nullable=False),  # noun.verb
    Column("about", Text, nullable=False),  # e.g. "licence L-1": keys and ids, no personal data
    Column("detail", Json, nullable=False),
    Index("ix_audit_about", "about", "id"),
    Index("ix_audit_what", "what", "id"),
    Index("ix_audit_who", "who", "id"),
)
