"""Tables of surveys: what the comments speak of, what people were told. Who was asked stands in
``cadence/records.py``, because steps of walks ask, and what was said in ``cadence/subjects.py``,
because answers walk.

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
from worker.cadence.subjects import responses
from worker.db.types import Id, Json, Moment, metadata

__all__ = [
    "answer_extras",
    "asked_for",
    "invitations",
    "response_themes",
    "responses",
    "telling_letters",
    "tellings",
]

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
