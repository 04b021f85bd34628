"""Throw-away databases in memory, used again: making all tables takes longer than many a forecast,
and a statement that is prepared already costs a fraction of one that is not."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from sqlalchemy import Engine

from worker.db.engine import lay_tables, make_scratch
from worker.db.prepared import driving
from worker.db.types import metadata

_IDLE: deque[Engine] = deque()
_MOST_IDLE = 8
_LARGE = 2000  # pages of 4 KB; a larger one is emptied slowly, and its memory is missed elsewhere


@contextmanager
def borrowed() -> Iterator[Engine]:
    """An empty database with all tables, for one thread; what is written there is gone afterwards.

    SQLite keeps it in memory as long as that is small, and in a file that nobody sees beyond.
    """
    engine = _taken()
    try:
        yield engine
        kept = len(_IDLE) < _MOST_IDLE and _emptied(engine)
    except BaseException:
        engine.dispose()
        raise
    if kept:
        _IDLE.append(engine)
    else:
        engine.dispose()


def _taken() -> Engine:
    try:
        return _IDLE.pop()
    except IndexError:
        engine = make_scratch(None)
        lay_tables(engine)
        return engine


def _emptied(engine: Engine) -> bool:
    """Deletes all rows, unless there are very many; whether it did."""
    with engine.begin() as conn, driving(conn) as cursor:
        if cursor.execute("PRAGMA page_count").fetchone()[0] > _LARGE:
            return False
        for (name,) in cursor.execute(_filled()).fetchall():
            cursor.execute(f"DELETE FROM {name}")  # noqa: S608 -- names are ours
    return True


@cache
def _filled() -> str:
    """A query for the tables that hold anything, in an order in which they can be emptied."""
    names = [table.name for table in reversed(metadata.sorted_tables)]
    return " UNION ALL ".join(
        f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM {name})"  # noqa: S608
        for name in names
    )
