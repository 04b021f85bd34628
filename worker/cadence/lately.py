"""Forecasts that were made lately, for pages that are looked at again and again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Lock

from worker.cadence.decisions import Record

_LASTS = timedelta(minutes=1)  # a forecast also knows what time it is
_MOST = 20_000  # decisions in all: about 20 MB


class Lately:
    """The forecasts of the last minute, by what they were made from; for several threads."""

    def __init__(self) -> None:
        self._made: dict[str, tuple[datetime, list[Record]]] = {}  # the latest last
        self._lock = Lock()

    def of(self, mark: str, now: datetime, foretell: Callable[[], list[Record]]) -> list[Record]:
        """The forecast that was made from the same, else what ``foretell`` says now."""
        with self._lock:
            known = self._made.get(mark)
        if known and _is_fresh(known[0], now):
            return list(known[1])
        found = foretell()
        with self._lock:
            self._made.pop(mark, None)
            self._made[mark] = now, found
            self._forget(now)
        return list(found)

    def _forget(self, now: datetime) -> None:
        """Lets go of what is too old, and of the oldest where there is too much."""
        held = sum(len(found) for _, found in self._made.values())
        for mark, (at, found) in list(self._made.items()):
            if _is_fresh(at, now) and held <= _MOST:
                break
            del self._made[mark]
            held -= len(found)


def _is_fresh(at: datetime, now: datetime) -> bool:
    return timedelta(0) <= now - at < _LASTS
