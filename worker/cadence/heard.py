"""What clients did and said, as far as the walks are concerned.

Whoever hears of it (a provider's event, an answer on a page, a colleague's command) notes it here,
in the transaction that records it; conditions of steps read it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import bindparam, func, literal, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from worker.cadence.records import ANSWER, LICENCE, happenings, steps, walks
from worker.catalogue.records import licences
from worker.catalogue.store import mark_changed
from worker.db import bulk
from worker.db.prepared import Prepared
from worker.db.types import Moment

ANSWERED = "answered"
"""What ends a review."""

_HAPPENED = Prepared(
    select(happenings.c.walk_id, happenings.c.what).where(bulk.listed(happenings.c.walk_id))
)


def happened(conn: Connection, walk_ids: Sequence[int]) -> Sequence[Any]:
    """What happened on these walks: walk_id, what."""
    return _HAPPENED.rows(conn, ids=walk_ids) if walk_ids else []


def note(conn: Connection, walk_ids: Sequence[int], what: str, now: datetime) -> None:
    """Notes that ``what`` happened on these walks; the first time counts."""
    dialect = postgresql if conn.dialect.name == "postgresql" else sqlite
    for some in bulk.chunks(walk_ids):
        rows = [{"walk_id": walk_id, "what": what, "at": now} for walk_id in some]
        conn.execute(dialect.insert(happenings).on_conflict_do_nothing(), rows)
        if what == ANSWERED:
            alone = walks.c.account_id.is_not(None) & (walks.c.state != "ended")
            mine = bulk.among(walks.c.id, some)
            conn.execute(update(walks).where(mine, alone).values(next_at=now))


def note_mails(conn: Connection, mail_keys: Sequence[str], what: str, now: datetime) -> None:
    """Notes that ``what`` happened with these mails, on every walk that they speak of."""
    dialect = postgresql if conn.dialect.name == "postgresql" else sqlite
    for some in bulk.chunks(mail_keys):
        rows = select(steps.c.walk_id, literal(what), literal(now, Moment()))
        told = rows.where(bulk.among(steps.c.mail_key, some)).distinct()
        conn.execute(
            dialect.insert(happenings)
            .from_select(["walk_id", "what", "at"], told)
            .on_conflict_do_nothing()
        )


def answers_changed(conn: Connection, response_ids: Sequence[int], now: datetime) -> None:
    """Has the walks about these answers looked at again: who was content may not be any more."""
    going = (walks.c.subject == ANSWER) & (walks.c.state != "ended")
    for some in bulk.chunks(response_ids):
        mine = bulk.among(walks.c.subject_id, some)
        conn.execute(update(walks).where(going, mine).values(next_at=now))


def forget(conn: Connection, walk_ids: Sequence[int], what: str) -> None:
    """Takes back what turned out not to stand: a client changed the answer."""
    for some in bulk.chunks(walk_ids):
        mine = bulk.among(happenings.c.walk_id, some)
        conn.execute(happenings.delete().where(mine, happenings.c.what == what))


_OF_MAIL = Prepared(
    select(*[walks.c[name] for name in ("id", "schedule", "subject", "subject_id", "cycle")])
    .join(steps, steps.c.walk_id == walks.c.id)
    .where(steps.c.mail_key == bindparam("mail"))
    .order_by(walks.c.id)
)


def walks_of_mail(conn: Connection, mail_key: str) -> list[Any]:
    """The walks that a mail speaks of: id, schedule, subject, subject_id, cycle."""
    return _OF_MAIL.rows(conn, mail=mail_key)


def walks_of_term(conn: Connection, licence_id: int, cycle: int) -> list[int]:
    """Every walk on this term of a licence, whatever its schedule."""
    mine = _term(licence_id, cycle)
    return list(conn.execute(select(walks.c.id).where(mine).order_by(walks.c.id)).scalars())


def _term(licence_id: int, cycle: int) -> Any:
    mine = (walks.c.subject == LICENCE) & (walks.c.subject_id == licence_id)
    return mine & (walks.c.cycle == cycle)


def rest(conn: Connection, licence_id: int, cycle: int, until: date | None) -> None:
    """Has all mails about this term rest until the client's civil day ``until``, when the step
    that fits goes out; ``None`` ends the rest. The engine looks again at the next beat."""
    mine = _term(licence_id, cycle)
    conn.execute(update(walks).where(mine).values(rests_until=until))
    mark_changed(conn, [licence_id])


def decline(conn: Connection, licence_id: int, cycle: int | None) -> None:
    """Notes that the client will not renew this term (``None``: takes it back); its walks end at
    the next beat. Nothing happens when the licence stands at another term by now."""
    known = licences.c.id == licence_id
    if cycle is not None:
        known &= licences.c.term == cycle
    conn.execute(update(licences).where(known).values(declined_term=cycle))
    mark_changed(conn, [licence_id])


def counts(conn: Connection) -> dict[str, int]:
    """How often each thing happened."""
    query = select(happenings.c.what, func.count()).group_by(happenings.c.what)
    return {row[0]: row[1] for row in conn.execute(query.order_by(happenings.c.what))}
