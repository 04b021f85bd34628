"""Forecasts that were made lately, for pages that are looked at again and again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Lock

from worker.cadence.decisions import Record

_MOST = 256
_LASTS = timedelta(minutes=1)  # a forecast also knows what time it is


class Lately:
    """The forecasts of the last minute, by what they were made from; for several threads."""

    def __init__(self) -> None:
        self._made: dict[str, tuple[datetime, list[Record]]] = {}
        self._lock = Lock()

    def of(self, mark: str, now: datetime, foretell: Callable[[], list[Record]]) -> list[Record]:
        """The forecast that was made from the same, else what ``foretell`` says now."""
        with self._lock:
            at, found = self._made.get(mark, (now - _LASTS, []))
        if timedelta(0) <= now - at < _LASTS:
            return list(found)
        found = foretell()
        with self._lock:
            self._made.pop(mark, None)
            self._made[mark] = now, found
            while len(self._made) > _MOST:
                del self._made[next(iter(self._made))]
        return list(found)
