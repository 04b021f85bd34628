"""What other systems may want to hear of. Any room notes it in the transaction in which it happens;
``worker/webhooks`` makes calls of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import exists, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from worker.db.records import endpoints, notices


class Notice(NamedTuple):
    """Something that happened: ``key`` is built from stable ids and names it, so that it is told
    once; ``type`` is noun.verb; ``body`` holds keys and facts of the book, no mail addresses."""

    key: str
    type: str
    body: Mapping[str, Any]


def note(conn: Connection, happened: Sequence[Notice], now: datetime) -> None:
    """Keeps what happened until the calls about it are made; nothing when nobody listens."""
    if not happened or not is_heard(conn):
        return
    dialect = postgresql if conn.dialect.name == "postgresql" else sqlite
    rows = [{**one._asdict(), "body": dict(one.body), "at": now} for one in happened]
    conn.execute(dialect.insert(notices).on_conflict_do_nothing(), rows)


def is_heard(conn: Connection) -> bool:
    """Whether anybody listens: else nobody need put a notice together."""
    return bool(conn.execute(select(exists().select_from(endpoints))).scalar())
