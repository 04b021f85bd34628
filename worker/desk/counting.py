"""Figures that were counted lately, for pages whose counting takes a while in a large book."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from threading import Lock
from typing import Generic, TypeVar

from sqlalchemy import Engine
from sqlalchemy.engine import Connection

from worker.catalogue import store as catalogue
from worker.db.engine import reading

MOST = 8
"""So many answers are kept, those asked for last."""

Key = TypeVar("Key")
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Counted(Generic[Found]):
    """What was found, when it was counted, and the last import that it knows of."""

    found: Found
    at: datetime
    imported_at: datetime | None


class Counting(Generic[Key, Found]):
    """Answers by what was asked. One is counted at a time, so that an impatient reader does not
    count it twice; it stands for ``lasts``, and until something is imported. The ``engine`` is
    asked for at the first answer: pages are mounted before the database has to be there."""

    def __init__(
        self,
        engine: Callable[[], Engine],
        lasts: timedelta,
        count: Callable[[Connection, Key, datetime], Found],
    ) -> None:
        self._engine, self._lasts, self._count = engine, lasts, count
        self._found: dict[Key, Counted[Found]] = {}
        self._lock = Lock()

    def of(self, asked: Key, now: datetime) -> Counted[Found]:
        """The answer as it was counted lately, or counted now."""
        with self._lock, reading(self._engine()) as conn:
            moments = [one.read_at for one in catalogue.reads(conn).values() if one.read_at]
            imported_at = max(moments, default=None)
            known = self._found.pop(asked, None)
            if known is None or known.imported_at != imported_at or now - known.at >= self._lasts:
                known = Counted(self._count(conn, asked, now), now, imported_at)
            self._found[asked] = known
            while len(self._found) > MOST:
                del self._found[next(iter(self._found))]
            return known


def day_in(query: Mapping[str, str], name: str, otherwise: date, wrong: list[str]) -> date:
    """The day that an address gives under ``name``, else ``otherwise``; what is no day is added to
    what is ``wrong``."""
    if not query.get(name):
        return otherwise
    try:
        return date.fromisoformat(query[name])
    except ValueError:
        wrong.append(f"{name}: expected a day such as 2026-03-31, got {query[name]!r}")
        return otherwise
