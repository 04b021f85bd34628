"""Queries of the worklist's pages; the lists themselves are the worklist's own."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.engine import Connection

from worker.catalogue.records import accounts


def account(conn: Connection, key: str) -> Any | None:
    """Id, key and name of the account of that key, as somebody typed it."""
    if not key or "\x00" in key:  # which PostgreSQL refuses
        return None
    columns = (accounts.c.id, accounts.c.key, accounts.c.name)
    return conn.execute(select(*columns).where(accounts.c.key == key)).first()
