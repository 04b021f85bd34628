"""Queries of the page of health: a few rows each."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.engine import Connection

from worker.db.prepared import Prepared
from worker.db.records import endpoints, heartbeats

_BEATS = Prepared(select(heartbeats).order_by(heartbeats.c.name))
_ENDPOINTS = Prepared(select(endpoints).order_by(endpoints.c.failures.desc(), endpoints.c.name))


def beats(conn: Connection) -> list[Any]:
    """When each recurring duty was last done: name, at."""
    return _BEATS.rows(conn)


def endpoints_listed(conn: Connection) -> list[Any]:
    """How each declared endpoint fares; those that fail first."""
    return _ENDPOINTS.rows(conn)
