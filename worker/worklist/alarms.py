"""Alarms about sources: open while something is the matter with one, closed when it is over."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Engine

from worker.catalogue import freshness
from worker.catalogue import store as book
from worker.config.settings import SourceSettings
from worker.db.engine import reading
from worker.worklist.store import NewTask, close, open_ones, open_tasks

_OVER = "the source was read"


def watch_sources(engine: Engine, sources: Mapping[str, SourceSettings], now: datetime) -> None:
    """Opens and closes the alarms about ``sources``; writes only when something has changed.

    What is said of a source that is being read right now stays as it is.
    """
    with reading(engine) as conn:
        reads = book.reads(conn)
        keys = {task.key for task in open_ones(conn, ["alarm"])}
    standing = {each.key: each for each in freshness.alarms(sources, reads, now)}
    at_work = freshness.pending(reads, now)
    ended = [
        key
        for key in sorted(keys - standing.keys())
        if key.startswith(freshness.ALARMS) and key.partition(":")[2] not in at_work
    ]
    if standing.keys() <= keys and not ended:
        return
    with engine.begin() as conn:
        new = [NewTask(each.key, "alarm", each.title, each.detail) for each in standing.values()]
        open_tasks(conn, new, now)
        for key in ended:
            close(conn, key, _OVER, now)
