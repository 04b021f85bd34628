"""Throw-away databases in memory, used again: making all tables takes longer than many a forecast,
and a statement that is prepared already costs a fraction of one that is not."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore

from worker.db.engine import Alone, make_alone

_IDLE: deque[Alone] = deque()
_MOST = 4
_TURNS = BoundedSemaphore(_MOST)  # a forecast is work for Python: more at a time are each slower
_SMALL = 2000  # pages of 4 KB: the memory of a larger one is missed elsewhere


@contextmanager
def borrowed() -> Iterator[Alone]:
    """An empty database with all tables, for one thread; what is written there is gone afterwards.

    One in which something failed, or that grew large, is not used again. Who comes when four are in
    use waits for one.
    """
    with _TURNS:
        try:
            engine = _IDLE.pop()
        except IndexError:
            engine = make_alone()
        try:
            yield engine
            kept = engine.pages <= _SMALL
            if kept:
                engine.begin_anew("ROLLBACK")
        except BaseException:
            engine.dispose()
            raise
        if kept:
            _IDLE.append(engine)
        else:
            engine.dispose()
