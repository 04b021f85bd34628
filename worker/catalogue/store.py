"""Queries on the book. Nothing here commits."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select, update
from sqlalchemy.engine import Connection

from worker.catalogue.records import licences
from worker.db import bulk

_LOCK = 0x5045_5245_4E_01  # any number that no other lock of ours uses


def lock_book(conn: Connection) -> None:
    """Makes two imports wait for each other until the transaction ends.

    SQLite needs nothing: its transactions begin as writers.
    """
    if conn.dialect.name == "postgresql":
        conn.execute(select(func.pg_advisory_xact_lock(_LOCK)))


def take_changed(conn: Connection, limit: int) -> list[int]:
    """Ids of at most ``limit`` licences whose bell has rung, lowest first; their bells are reset.

    What another transaction is taking at this moment is left to it.
    """
    wanted = select(licences.c.id).where(licences.c.changed).order_by(licences.c.id).limit(limit)
    if conn.dialect.name == "postgresql":
        wanted = wanted.with_for_update(skip_locked=True)
    picked = wanted.cte("picked")  # evaluated once: a plain subquery may lock more than it returns
    taken = conn.execute(
        update(licences)
        .where(licences.c.id.in_(select(picked.c.id)))
        .values(changed=False)
        .returning(licences.c.id)
    )
    return sorted(taken.scalars())


def mark_changed(conn: Connection, ids: Sequence[int] | None) -> None:
    """Rings the bell of these licences, or of all (``None``)."""
    if ids is None:
        conn.execute(update(licences).where(~licences.c.changed).values(changed=True))
        return
    for chunk in bulk.chunks(ids):
        listed = bulk.among(conn, licences.c.id, chunk)
        conn.execute(update(licences).where(listed, ~licences.c.changed).values(changed=True))


def mark_accounts_changed(conn: Connection, account_ids: Sequence[int]) -> None:
    """Rings the bell of every licence of these accounts."""
    for chunk in bulk.chunks(account_ids):
        listed = bulk.among(conn, licences.c.account_id, chunk)
        conn.execute(update(licences).where(listed, ~licences.c.changed).values(changed=True))
