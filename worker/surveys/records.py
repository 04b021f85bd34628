"""Tables of surveys: what was said, and what the comments speak of. Who was asked stands in
``cadence/records.py``, because steps of walks ask.

Three promises, kept by what is written and not only by what is shown:

- ``named``: the answer names its contact, and everybody who may see answers sees whose it is.
- ``confidential``: the answer names account and role. The person stands in the invitation alone,
  which no page, figure or file puts beside the answer.
- ``anonymous``: the invitation says that its person took part, without a time; the answer is a row
  that nothing leads to. Its number is drawn by lot, it has no time, and it counts from the day on
  which its lot came out: five or more of one schedule and segment at once (``flow.py``). So no two
  periods and no two filters differ by fewer than five of them.
"""

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

from worker.cadence.records import invitations
from worker.db.types import Id, Json, Moment, metadata

__all__ = ["invitations", "response_themes", "responses"]

# One answer. Numbers are drawn by lot for all, so that none tells an order.
responses = Table(
    "responses",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("schedule", Text, nullable=False),
    Column("survey", Text, nullable=False),
    Column("promise", Text, nullable=False),
    # What was asked; empty: anonymous, or it came without a question of ours.
    Column("invitation_id", Id, ForeignKey("invitations.id"), unique=True),
    Column("account_id", Id, ForeignKey("accounts.id")),  # empty: anonymous
    Column("contact_id", Id, ForeignKey("contacts.id"), index=True),  # named answers only
    Column("licence_id", Id, ForeignKey("licences.id")),
    Column("score", Integer, nullable=False),  # 0 to 10
    Column("vote", Integer, nullable=False),  # what it counts: 1, 0, -1
    Column("comment", Text),
    Column("follow_up", Json),  # what was asked further -> the answer
    Column("role", Text),  # as of then; empty where the promise forbids it
    Column("segment", Text),
    Column("product", Text),
    Column("language", Text),
    # The day from which it counts, in the zone of the book. Empty: an anonymous answer that waits
    # for others to come out with.
    Column("answered_on", Date),
    Column("answered_at", Moment),  # empty: anonymous, or only the day is known
    Column("changed_at", Moment),
    Column("source", Text, nullable=False),  # page, import, api
    Column("key", Text, unique=True),  # what a second import knows it by
    # human counts; possible (sent sooner than a person reads) and machine are kept and do not.
    Column("judged", Text, nullable=False, server_default="human"),
    Column("themes_read", Text),  # the declaration its comment was last read by; see themes.py
    Index("ix_responses_answered_on", "answered_on", "id"),
    Index("ix_responses_vote", "vote", "answered_on", "id"),
    Index("ix_responses_segment", "segment", "answered_on", "id"),
    Index("ix_responses_schedule", "schedule", "answered_on", "id"),
    Index("ix_responses_account", "account_id", "answered_on", "id"),
    Index(
        "ix_responses_themes_read",
        "themes_read",
        "id",
        postgresql_where=text("comment IS NOT NULL"),
        sqlite_where=text("comment IS NOT NULL"),
    ),
    # The few that are protected, to know quickly whether there are enough of them.
    Index(
        "ix_responses_protected",
        "schedule",
        "answered_on",
        postgresql_where=text("promise <> 'named' AND judged = 'human'"),
        sqlite_where=text("promise <> 'named' AND judged = 'human'"),
    ),
)

# What a comment speaks of, as the declared words have it.
response_themes = Table(
    "response_themes",
    metadata,
    Column("response_id", Id, ForeignKey("responses.id"), primary_key=True),
    Column("theme", Text, primary_key=True),
    Column("answered_on", Date),  # that of the answer: a list of one theme goes by it
    Index("ix_response_themes_theme", "theme", "answered_on", "response_id"),
)

# What our people told those who answered: one of them ("you said, we did"), or all who were asked
# in a period.
tellings = Table(
    "tellings",
    metadata,
    Column("id", Id, primary_key=True),
    Column("schedule", Text, nullable=False),
    Column("response_id", Id, ForeignKey("responses.id"), index=True),  # empty: told to all
    Column("first", Date),  # the period of those who were asked; empty: told to one
    Column("last", Date),
    Column("words", Text, nullable=False),
    Column("made_at", Moment, nullable=False),
    Column("made_by", Text, nullable=False),  # a login
    Column("letters", Integer, nullable=False),  # how many were written
    UniqueConstraint("schedule", "first", "last"),
)

# Which mail tells it.
telling_letters = Table(
    "telling_letters",
    metadata,
    Column("mail_key", Text, primary_key=True),
    Column("telling_id", Id, ForeignKey("tellings.id"), nullable=False, index=True),
)

# A survey that another system asks for: put to its person once `next_at` has come (requests.py).
asked_for = Table(
    "asked_for",
    metadata,
    Column("id", Id, primary_key=True),
    Column("contact_id", Id, ForeignKey("contacts.id")),  # empty once the person was erased
    Column("schedule", Text, nullable=False),
    Column("survey", Text, nullable=False),
    Column("properties", Json, nullable=False),  # what the other system says of the occasion
    Column("made_at", Moment, nullable=False),
    Column("send_at", Moment, nullable=False),  # as it was asked for
    Column("next_at", Moment),  # when it is looked at; empty: it has ended
    Column("ended_at", Moment),
    Column("ended_why", Text),  # asked, cancelled, or why nobody was asked
    # Empty as well once its mail went to nobody: nobody was asked.
    Column("invitation_id", Id, ForeignKey("invitations.id", ondelete="SET NULL"), unique=True),
    Index("ix_asked_for_contact_id", "contact_id", "next_at"),
    Index(
        "ix_asked_for_next_at",
        "next_at",
        postgresql_where=text("next_at IS NOT NULL"),
        sqlite_where=text("next_at IS NOT NULL"),
    ),
)

# What other systems say of a named answer beside what counts.
answer_extras = Table(
    "answer_extras",
    metadata,
    Column("response_id", Id, ForeignKey("responses.id"), primary_key=True),
    Column("properties", Json, nullable=False),  # name -> text
    Column("tags", Json, nullable=False),  # a list of words
    Column("notes", Json, nullable=False),  # a list of what was noted, with id, text, moment
)
