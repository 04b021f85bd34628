"""Queries on invitations and answers, one by one. Nothing here commits; ``counting.py`` counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.engine import Connection

from worker.db import bulk
from worker.surveys import rules
from worker.surveys.records import invitations, response_themes, responses

_LOTS = 0x5045_5245_4E_06  # any number that no other lock of ours uses


def hold_invitation(conn: Connection, invitation_id: int) -> Any | None:
    """The invitation, held until the transaction ends; ``None`` when there is none."""
    wanted = select(invitations).where(invitations.c.id == invitation_id)
    return conn.execute(wanted.with_for_update()).first()


def invite(conn: Connection, row: Mapping[str, Any]) -> int:
    """Notes that somebody was asked; the number of the invitation."""
    made = conn.execute(insert(invitations).values(**row)).inserted_primary_key
    assert made is not None
    return int(made[0])


def mark_answered(conn: Connection, invitation_id: int) -> bool:
    """Notes that whoever was asked has answered; whether that was new."""
    fresh = (invitations.c.id == invitation_id, ~invitations.c.answered)
    return conn.execute(update(invitations).where(*fresh).values(answered=True)).rowcount == 1


def count_asked(conn: Connection, schedule: str, segment: str | None) -> int:
    """How many of a segment a schedule has asked, up to what matters; of no segment, none."""
    if segment is None:
        return 0
    mine = (invitations.c.schedule == schedule, invitations.c.segment == segment)
    some = select(invitations.c.id).where(*mine).limit(rules.SEGMENT_KEPT_FROM).subquery()
    return conn.scalar(select(func.count()).select_from(some)) or 0


def response_to(conn: Connection, invitation_id: int) -> Any | None:
    """The answer to an invitation; there is none to an anonymous one."""
    wanted = select(responses).where(responses.c.invitation_id == invitation_id)
    return conn.execute(wanted).first()


def add_response(conn: Connection, row: Mapping[str, Any]) -> None:
    """Adds an answer; its number is drawn by whoever adds it."""
    conn.execute(insert(responses).values(**row))


def change_response(conn: Connection, id_: int, values: Mapping[str, Any]) -> None:
    """Changes an answer."""
    conn.execute(update(responses).where(responses.c.id == id_).values(**values))


# --- anonymous answers come out in lots ---


def lock_lots(conn: Connection) -> None:
    """Makes those who bring out lots wait for each other; SQLite has one writer anyway."""
    if conn.dialect.name == "postgresql":
        conn.execute(select(func.pg_advisory_xact_lock(_LOTS)))


def waiting(conn: Connection, schedule: str, segment: str | None) -> list[int]:
    """Anonymous answers that have not come out yet."""
    mine = (
        responses.c.promise == rules.ANONYMOUS,
        responses.c.answered_on.is_(None),
        responses.c.schedule == schedule,
        responses.c.segment == segment if segment is not None else responses.c.segment.is_(None),
        responses.c.judged == rules.HUMAN,
    )
    return list(conn.execute(select(responses.c.id).where(*mine)).scalars())


def let_out(conn: Connection, ids: Sequence[int], on: date) -> None:
    """Lets these answers count from ``on``."""
    for table, id_ in ((responses, "id"), (response_themes, "response_id")):
        mine = bulk.among(table.c[id_], list(ids))
        conn.execute(update(table).where(mine).values(answered_on=on))


# --- themes ---


def unread(conn: Connection, digest: str, most: int) -> Sequence[Any]:
    """Up to ``most`` answers whose comment was not read by this declaration: three stretches of an
    index, so that it costs what there is to read, not what was read."""
    read = responses.c.themes_read
    columns = [responses.c[name] for name in ("id", "comment", "language", "answered_on")]
    found: list[Any] = []
    for stretch in (read.is_(None), read < digest, read > digest):
        wanted = select(*columns).where(responses.c.comment.is_not(None), stretch)
        left = wanted.limit(most - len(found)).with_for_update(skip_locked=True)
        found += conn.execute(left).all() if len(found) < most else ()
    return found


def set_themes(
    conn: Connection, found: Mapping[int, tuple[date | None, Sequence[str]]], digest: str
) -> None:
    """Replaces the themes of these answers: number -> (day, themes)."""
    ids = list(found)
    conn.execute(delete(response_themes).where(bulk.among(response_themes.c.response_id, ids)))
    rows = [(id_, theme, on) for id_, (on, themes) in found.items() for theme in themes]
    bulk.insert(conn, response_themes, ("response_id", "theme", "answered_on"), rows)
    read = update(responses).where(bulk.among(responses.c.id, ids))
    conn.execute(read.values(themes_read=digest))
