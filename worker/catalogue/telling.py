"""What other systems may hear of the book: a term that was renewed, a term that lapsed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.engine import Connection

from worker.catalogue.records import accounts, licences
from worker.db import bulk, notices
from worker.db.notices import Notice

_COLUMNS = ("product", "vendor", "quantity", "currency", "auto_renew")


def renewed(conn: Connection, ids: Sequence[int], now: datetime) -> None:
    """Notes that these licences are in a new term, if anybody listens."""
    if not ids or not notices.is_heard(conn):
        return
    notices.note(conn, [_notice("licence.renewed", row) for row in _rows(conn, ids)], now)


def lapsed(conn: Connection, ids: Sequence[int], now: datetime) -> None:
    """Notes that the current term of these licences is over, and none follows; once a term."""
    notices.note(conn, [_notice("licence.lapsed", row) for row in _rows(conn, ids)], now)


def _rows(conn: Connection, ids: Sequence[int]) -> Iterator[Row[Any]]:
    wanted = select(licences, accounts.c.key.label("account")).join(
        accounts, accounts.c.id == licences.c.account_id
    )
    for chunk in bulk.chunks(ids):
        yield from conn.execute(wanted.where(bulk.among(licences.c.id, chunk)))


def _notice(type_: str, row: Any) -> Notice:
    body = {name: row._mapping[name] for name in _COLUMNS}
    body |= {"licence": row.key, "account": row.account, "term": row.term}
    body |= {
        "starts_on": row.starts_on.isoformat() if row.starts_on else None,
        "expires_on": row.expires_on.isoformat(),
        "amount": None if row.amount is None else f"{row.amount:.2f}",
        "auto_renew": bool(row.auto_renew),
    }
    return Notice(f"{type_}:{row.key}:{row.term}", type_, body)
