"""What other systems may hear of tasks: keys, titles and days; no detail, which may name people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.engine import Connection

from worker.catalogue.records import accounts, licences
from worker.db import bulk, notices
from worker.db.notices import Notice
from worker.worklist.records import tasks

_PLAIN = ("id", "kind", "title", "assignee")


def opened(conn: Connection, ids: Sequence[int], now: datetime) -> None:
    """Notes that these tasks were opened, if anybody listens."""
    _note(conn, "task.opened", ids, now)


def closed(conn: Connection, ids: Sequence[int], now: datetime) -> None:
    """Notes that these tasks were closed, if anybody listens."""
    _note(conn, "task.closed", ids, now)


def _note(conn: Connection, type_: str, ids: Sequence[int], now: datetime) -> None:
    if not ids or not notices.is_heard(conn):
        return
    wanted = (
        select(tasks, accounts.c.key.label("account"), licences.c.key.label("licence"))
        .outerjoin(accounts, accounts.c.id == tasks.c.account_id)
        .outerjoin(licences, licences.c.id == tasks.c.licence_id)
        .order_by(tasks.c.id)
    )
    for chunk in bulk.chunks(ids):
        rows = conn.execute(wanted.where(bulk.among(tasks.c.id, chunk)))
        notices.note(conn, [_notice(type_, row) for row in rows], now)


def _notice(type_: str, row: Any) -> Notice:
    body = {name: row._mapping[name] for name in _PLAIN}
    body |= {"account": row.account, "licence": row.licence}
    body |= {
        "due_on": row.due_on.isoformat() if row.due_on else None,
        "opened_at": row.opened_at.isoformat(),
        "closed_at": row.closed_at.isoformat() if row.closed_at else None,
    }
    return Notice(f"{type_}:{row.id}", type_, body)
