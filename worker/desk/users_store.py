"""Queries of the pages about users and of the audit log, each page by an index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.engine import Connection

from worker.access.records import audit, users
from worker.catalogue.records import staff as staff_table

MOST_STAFF = 200


def some(conn: Connection, after: str, most: int) -> Sequence[Any]:
    """Users whose login comes behind ``after``, by login."""
    query = select(users).where(users.c.login > after).order_by(users.c.login).limit(most)
    return conn.execute(query).all()


def staff(conn: Connection) -> Sequence[Any]:
    """Keys and names of the book's staff, to choose from."""
    columns = staff_table.c.key, staff_table.c.name
    return conn.execute(select(*columns).order_by(staff_table.c.key).limit(MOST_STAFF)).all()


def lines_about(conn: Connection, about: str, most: int) -> Sequence[Any]:
    """The newest lines of the audit log about one thing."""
    return lines(conn, {"about": about}, None, most)


def lines(
    conn: Connection, only: Mapping[str, str], before: int | None, most: int
) -> Sequence[Any]:
    """Lines of the audit log, the newest first; ``only`` maps columns to what must stand there,
    ``before`` is the id that they come behind."""
    query = select(audit).order_by(audit.c.id.desc()).limit(most)
    for column, text in only.items():
        query = query.where(audit.c[column] == text)
    if before is not None:
        query = query.where(audit.c.id < before)
    return conn.execute(query).all()
