"""Trends: at Delighted a part of the answers under a number, here the answers of a schedule."""

from __future__ import annotations

from sqlalchemy.engine import Connection

from worker.api.delighted import store
from worker.api.delighted.said import Said
from worker.config.settings import DelightedSettings


def schedule_of(conn: Connection, said: Said, settings: DelightedSettings) -> str | None:
    """The schedule that ``trend`` stands for: as declared, else the one of that name. ``None``: all
    of them. Faults are noted and raised."""
    trend = said.text("trend")
    found = settings.trends.get(trend) if trend is not None else None
    if trend is not None and found is None:
        if store.knows_schedule(conn, trend):
            found = trend
        else:
            said.fault("trend", "is not known: declare it in [surveys.delighted.trends]")
    said.check()
    return found
