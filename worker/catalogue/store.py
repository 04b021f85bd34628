"""Queries on the book. Nothing here commits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Table, bindparam, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from worker.catalogue.records import accounts, imports, licences, source_reads, terms
from worker.catalogue.rules import Term
from worker.db import bulk
from worker.db.prepared import Prepared

_LOCK = 0x5045_5245_4E_01  # any number that no other lock of ours uses


def lock_book(conn: Connection) -> None:
    """Makes two imports wait for each other until the transaction ends.

    SQLite needs nothing: its transactions begin as writers.
    """
    if conn.dialect.name == "postgresql":
        conn.execute(select(func.pg_advisory_xact_lock(_LOCK)))


_CHANGED_ACCOUNTS = Prepared(
    select(licences.c.account_id)
    .where(licences.c.changed)
    .order_by(licences.c.id)
    .limit(bindparam("most"))
)
_HOLD_ACCOUNTS = Prepared(
    select(accounts.c.id)
    .where(bulk.listed(accounts.c.id))
    .order_by(accounts.c.id)
    .with_for_update(skip_locked=True, key_share=True)
)
_CHANGED = Prepared(
    select(licences.c.id)
    .where(bulk.listed(licences.c.account_id), licences.c.changed)
    .order_by(licences.c.id)
    .with_for_update(skip_locked=True)
)
_RESET = Prepared(update(licences).where(bulk.listed(licences.c.id)).values(changed=False))


def take_changed(conn: Connection, limit: int) -> list[int]:
    """Ids of licences whose bell has rung: of the accounts of the ``limit`` lowest, all; their
    bells are reset.

    An account is one piece of work, as for whoever judges its walks. What another transaction
    holds at this moment is left to it.
    """
    some = _CHANGED_ACCOUNTS.scalars(conn, most=limit)
    held = _HOLD_ACCOUNTS.scalars(conn, ids=sorted(set(some))) if some else []
    taken: list[int] = _CHANGED.scalars(conn, ids=held) if held else []
    if taken:
        _RESET.run(conn, ids=taken)
    return taken


def mark_changed(conn: Connection, ids: Sequence[int] | None) -> None:
    """Rings the bell of these licences, or of all (``None``)."""
    if ids is None:
        conn.execute(update(licences).where(~licences.c.changed).values(changed=True))
        return
    for chunk in bulk.chunks(ids):
        listed = bulk.among(licences.c.id, chunk)
        conn.execute(update(licences).where(listed, ~licences.c.changed).values(changed=True))


def mark_accounts_changed(conn: Connection, account_ids: Sequence[int]) -> None:
    """Rings the bell of every licence of these accounts."""
    for chunk in bulk.chunks(account_ids):
        listed = bulk.among(licences.c.account_id, chunk)
        conn.execute(update(licences).where(listed, ~licences.c.changed).values(changed=True))


def reserve_ids(conn: Connection, table: Table, how_many: int) -> list[int]:
    """Ids that no other row has or will get."""
    if not how_many:
        return []
    if conn.dialect.name == "postgresql":
        sequence = func.pg_get_serial_sequence(table.name, "id")
        drawn = select(func.nextval(sequence)).select_from(func.generate_series(1, how_many))
        return list(conn.execute(drawn).scalars())
    highest = conn.execute(select(func.max(table.c.id))).scalar() or 0  # we hold the write lock
    return list(range(highest + 1, highest + 1 + how_many))


def known(
    conn: Connection, table: Table, columns: Sequence[str], keys: Sequence[str]
) -> dict[str, tuple[Any, ...]]:
    """Rows by key: (id, then the values of ``columns``), of those ``keys`` that there are."""
    if not keys or conn.execute(select(table.c.id).limit(1)).first() is None:
        return {}
    wanted = select(table.c.key, table.c.id, *[table.c[name] for name in columns])
    found: dict[str, tuple[Any, ...]] = {}
    for chunk in bulk.chunks(keys):
        rows = conn.execute(wanted.where(bulk.among(table.c.key, chunk)))
        found.update((row[0], tuple(row[1:])) for row in rows)
    return found


def terms_of(conn: Connection, licence_ids: Sequence[int]) -> dict[int, list[Term]]:
    """All terms of these licences."""
    found: dict[int, list[Term]] = {licence_id: [] for licence_id in licence_ids}
    wanted = select(
        terms.c.licence_id,
        terms.c.expires_on,
        terms.c.starts_on,
        terms.c.closed_on,
        terms.c.number,
        terms.c.origin,
        terms.c.id,
    ).order_by(terms.c.id)
    for chunk in bulk.chunks(licence_ids):
        for row in conn.execute(wanted.where(bulk.among(terms.c.licence_id, chunk))):
            found[row[0]].append(Term(*row[1:]))
    return found


TERM_COLUMNS = (
    "licence_id",
    "number",
    "origin",
    "starts_on",
    "expires_on",
    "closed_on",
    "seen_at",
)


def insert_terms(conn: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    """Adds terms, each in the order of ``TERM_COLUMNS``."""
    bulk.insert(conn, terms, TERM_COLUMNS, rows)


def update_terms(conn: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    """Re-dates terms: (id, starts_on, expires_on, closed_on)."""
    bulk.update(conn, terms, ("starts_on", "expires_on", "closed_on"), rows)


def active_of(conn: Connection, source: str) -> dict[str, int]:
    """Ids by key of the active licences that came from this source."""
    rows = conn.execute(
        select(licences.c.key, licences.c.id).where(
            licences.c.source == source, licences.c.status == "active"
        )
    )
    return {row[0]: row[1] for row in rows}


def count_active(conn: Connection, source: str) -> int:
    """How many active licences came from this source."""
    wanted = select(func.count()).where(licences.c.source == source, licences.c.status == "active")
    return conn.execute(wanted).scalar_one()


class Read(NamedTuple):
    """How fresh a source is: its last reading that succeeded, its last one, what went wrong."""

    read_at: datetime | None
    tried_at: datetime
    problem: str | None


_READS = Prepared(
    select(
        source_reads.c.source,
        source_reads.c.read_at,
        source_reads.c.tried_at,
        source_reads.c.problem,
    )
)


def reads(conn: Connection) -> dict[str, Read]:
    """How fresh each source is that was ever read, or tried."""
    return {row[0]: Read(*row[1:]) for row in _READS.rows(conn)}


def claim_read(
    conn: Connection, source: str, seen: Read | None, now: datetime, problem: str
) -> bool:
    """Whether it is on us to read ``source``: nobody else has tried since it was ``seen``."""
    values = {"source": source, "tried_at": now, "problem": problem}
    if seen is None:
        fresh = _insert_into(conn)(source_reads).values(values).on_conflict_do_nothing()
        return conn.execute(fresh.returning(source_reads.c.source)).first() is not None
    same = (source_reads.c.source == source, source_reads.c.tried_at == seen.tried_at)
    return conn.execute(update(source_reads).where(*same).values(values)).rowcount == 1


def record_read(conn: Connection, source: str, now: datetime, problem: str | None) -> None:
    """Notes that ``source`` was read to its end; ``problem`` is what was wrong with its rows."""
    values = {"read_at": now, "tried_at": now, "problem": problem}
    row = _insert_into(conn)(source_reads).values(source=source, **values)
    conn.execute(row.on_conflict_do_update(index_elements=["source"], set_=values))


def record_failure(conn: Connection, source: str, now: datetime, problem: str) -> None:
    """Notes that the reading of ``source``, which was claimed before, came to nothing."""
    values = {"tried_at": now, "problem": problem}
    conn.execute(update(source_reads).where(source_reads.c.source == source).values(values))


def _insert_into(conn: Connection) -> Any:
    return (postgresql if conn.dialect.name == "postgresql" else sqlite).insert


def record_import(conn: Connection, **row: Any) -> None:
    """Notes that an import wrote something."""
    conn.execute(insert(imports).values(**row))


def last_import(conn: Connection, source: str) -> Any | None:
    """The latest import of ``source`` that wrote anything."""
    mine = select(imports).where(imports.c.source == source)
    return conn.execute(mine.order_by(imports.c.id.desc()).limit(1)).first()


def change_import(conn: Connection, import_id: int, **values: Any) -> None:
    """Changes what is noted of an import."""
    conn.execute(update(imports).where(imports.c.id == import_id).values(**values))


def count_active_up_to(conn: Connection, most: int) -> int:
    """How many licences are active; no more than ``most`` are counted."""
    some = select(licences.c.id).where(licences.c.status == "active").limit(most).subquery()
    return conn.scalar(select(func.count()).select_from(some)) or 0
