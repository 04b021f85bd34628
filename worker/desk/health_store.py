"""Queries of the page of health: a few rows each."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.engine import Connection

from worker.db.records import endpoints, heartbeats


def beats(conn: Connection) -> list[Any]:
    """When each recurring duty was last done: name, at."""
    return list(conn.execute(select(heartbeats).order_by(heartbeats.c.name)))


def endpoints_listed(conn: Connection) -> list[Any]:
    """How each declared endpoint fares; those that fail first."""
    order = (endpoints.c.failures.desc(), endpoints.c.name)
    return list(conn.execute(select(endpoints).order_by(*order)))
