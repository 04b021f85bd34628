"""What the beat rings for: how much is due, and one heartbeat in the foreground."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Engine, func, select

from worker.bootstrap import database
from worker.cadence.records import walks
from worker.catalogue.records import licences
from worker.db import heartbeats
from worker.db.engine import reading
from worker.db.records import notices
from worker.outbox.records import messages
from worker.webhooks.records import calls

if TYPE_CHECKING:
    from worker.bootstrap.app import App

MOST_DUE = 10_000
"""Due rows are counted up to here: enough to know how many bells to ring."""


@dataclass(frozen=True, slots=True)
class Due:
    """How many walks (changed licences included), mails and calls to other systems are due, each up
    to ``MOST_DUE``."""

    walks: int
    messages: int
    calls: int = 0


def due(engine: Engine, now: datetime) -> Due:
    """What is due now; cheap, whatever the size of the book."""
    with reading(engine) as conn:
        counts: list[int] = [
            conn.scalar(select(func.count()).select_from(rows.limit(MOST_DUE).subquery())) or 0
            for rows in (
                select(walks.c.id).where(walks.c.next_at <= now),
                select(licences.c.id).where(licences.c.changed),
                select(messages.c.id).where(messages.c.next_at <= now),
                select(calls.c.id).where(calls.c.next_at <= now),
                select(notices.c.id),
            )
        ]
    planning, calling = counts[0] + counts[1], counts[3] + counts[4]
    return Due(min(planning, MOST_DUE), counts[2], min(calling, MOST_DUE))


def tick(app: App) -> tuple[int, int, int]:
    """One heartbeat in the foreground: read sources, settle, then plan, send and call until nothing
    is due; the daily proofs last.

    Returns how many walks and changes were handled, and how many mails and calls were claimed.
    """
    app.refresh()
    app.machine.sweep()
    planned = sent = called = 0
    while not app.stopping.is_set():
        handled, claimed = app.plan_batch(), app.send_batch()
        if not handled and not claimed:
            break
        planned, sent = planned + handled, sent + claimed
    while not app.stopping.is_set() and (claimed := app.call_batch()):
        called += claimed
    app.upkeep.sweep(caught_up=True)
    with app.engine.begin() as conn:
        heartbeats.beat(conn, "beat", app.clock.now())
    database.note_seen(app)
    if (ping := app.after_beat()) is not None:
        ping.wait()
    return planned, sent, called
