"""Answers on their way into the tables: each promise is kept here, by what is written.

What does not count, and why: ``rules.PROMISES`` and the docstrings of ``records.py``.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from sqlalchemy import Engine
from sqlalchemy.engine import Connection

from worker.cadence import asking
from worker.cadence.heard import answers_changed
from worker.surveys import feedback, heard, rules, store
from worker.surveys.numbers import vote
from worker.surveys.themes import Reader

Became = Literal["recorded", "changed", "final", "closed", "gone"]
"""``final``: an anonymous answer stands already, or a person's, which no machine replaces;
``closed``: the survey is over; ``gone``: there is no such invitation."""

LONGEST_COMMENT = 5000
_BATCH, _BATCHES = 1000, 10


@dataclass(frozen=True, slots=True)
class Given:
    """What somebody answered. ``follow_up`` is question -> answer; ``judged`` a word of
    ``rules`` (``human``, ``possible``, ``machine``)."""

    score: int
    comment: str | None = None
    follow_up: Mapping[str, str] | None = None
    source: Literal["page", "api"] = "page"
    judged: str = rules.HUMAN
    language: str | None = None


def record(
    conn: Connection, invitation_id: int, given: Given, now: datetime, today: date, reader: Reader
) -> Became:
    """Records the answer to an invitation in the caller's transaction, or changes it.

    ``today`` is the day in the zone of the book. Raises ``ValueError`` for a score that is none.
    """
    worth = vote(given.score)
    asked = store.hold_invitation(conn, invitation_id)
    if asked is None:
        return "gone"
    if asked.closes_at is not None and asked.closes_at <= now:
        return "closed"
    said = {
        "score": given.score,
        "vote": worth,
        "comment": (given.comment or "").strip()[:LONGEST_COMMENT] or None,
        "follow_up": dict(given.follow_up) if given.follow_up else None,
        "language": given.language or asked.language,
        "judged": given.judged,
    }
    if asked.promise == rules.ANONYMOUS:
        return _record_anonymous(conn, asked, said, given, now, today, reader)
    return _record_known(conn, asked, said, given, now, today, reader)


def _record_known(
    conn: Connection,
    asked: Any,
    said: dict[str, Any],
    given: Given,
    now: datetime,
    today: date,
    reader: Reader,
) -> Became:
    before = store.response_to(conn, asked.id)
    if before is not None:
        if before.judged == rules.HUMAN and given.judged != rules.HUMAN:
            return "final"
        store.change_response(conn, before.id, {**said, "changed_at": now})
        answers_changed(conn, [before.id], now)
        _read(conn, before.id, said, before.answered_on, reader)
        if given.judged == rules.HUMAN:
            _took_part(conn, asked, now)
            if (before.judged, before.score) != (given.judged, given.score):
                heard.note(conn, asked, before.id, given.score, now)
            feedback.note_change(conn, before.id, given.score, now)
            feedback.open_feedback(conn, before.id, now, today)
        return "changed"
    named = asked.promise == rules.NAMED
    row = {
        **said,
        **{name: getattr(asked, name) for name in ("schedule", "survey", "promise", "role")},
        "id": draw_id(),
        "invitation_id": asked.id,
        "account_id": asked.account_id,
        "contact_id": asked.contact_id if named else None,
        "licence_id": asked.licence_id,
        "segment": asked.segment,
        "product": asked.product,
        "answered_on": today,
        "answered_at": now if named else None,
        "source": given.source,
    }
    store.add_response(conn, row)
    _read(conn, row["id"], said, today, reader)
    if given.judged == rules.HUMAN:
        _took_part(conn, asked, now)
        heard.note(conn, asked, row["id"], given.score, now)
        feedback.open_feedback(conn, row["id"], now, today)
    return "recorded"


def _took_part(conn: Connection, asked: Any, now: datetime) -> bool:
    """Notes that whoever was asked has answered, for reminders and walks too; whether it is new."""
    fresh = store.mark_answered(conn, asked.id)
    if fresh:
        asking.note_answered(conn, asked, now)
    return fresh


def _record_anonymous(
    conn: Connection,
    asked: Any,
    said: dict[str, Any],
    given: Given,
    now: datetime,
    today: date,
    reader: Reader,
) -> Became:
    """Two rows that nothing connects: that the person took part, and what somebody said.

    What is not surely a person's is not kept: it could never be judged again, nor replaced.
    """
    if given.judged != rules.HUMAN:
        return "final"
    if not _took_part(conn, asked, now):
        return "final"
    segment = asked.segment
    if store.count_asked(conn, asked.schedule, segment) < rules.SEGMENT_KEPT_FROM:
        segment = None
    row = {
        **said,
        "id": draw_id(),
        "schedule": asked.schedule,
        "survey": asked.survey,
        "promise": rules.ANONYMOUS,
        "language": None,
        "segment": segment,
        "source": given.source,
    }
    store.add_response(conn, row)
    _read(conn, row["id"], said, None, reader)
    bring_out(conn, asked.schedule, segment, today)
    return "recorded"


def bring_out(conn: Connection, schedule: str, segment: str | None, today: date) -> int:
    """Lets anonymous answers of one schedule and segment count from ``today``, once five or more
    wait; how many came out. They come out together, so that no day tells whose is whose."""
    store.lock_lots(conn)
    waiting = store.waiting(conn, schedule, segment)
    if len(waiting) < rules.FEW:
        return 0
    store.let_out(conn, waiting, today)
    return len(waiting)


def draw_id() -> int:
    """A number for a response: 62 bits by lot, so that it tells no order."""
    return secrets.randbits(62) or 1


def _read(
    conn: Connection, id_: int, said: Mapping[str, Any], on: date | None, reader: Reader
) -> None:
    comment = said["comment"]
    found = reader.themes_of(comment, said["language"]) if comment else []
    store.set_themes(conn, {id_: (on, found)}, reader.digest)


def read_comments(engine: Engine, reader: Reader) -> int:
    """Reads comments that were not read by this declaration of themes, some thousands at a time;
    how many. Each batch is a transaction of its own; without a theme nothing is looked for."""
    if not reader.names:
        return 0
    done = 0
    for _ in range(_BATCHES):
        with engine.begin() as conn:
            rows = store.unread(conn, reader.digest, _BATCH)
            found = {
                row.id: (row.answered_on, reader.themes_of(row.comment, row.language))
                for row in rows
            }
            if found:
                store.set_themes(conn, found, reader.digest)
        done += len(rows)
        if len(rows) < _BATCH:
            break
    return done
