"""What goes on when a person closes a task because its cause is gone. Nothing here commits."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.engine import Connection

from worker.cadence import writing_store
from worker.cadence.records import of_licence, steps, walks
from worker.catalogue.records import licences
from worker.outbox import mending
from worker.worklist.kinds import BLOCKED_MAIL, FOUND, MENDED, NO_CONTACT
from worker.worklist.rules import Ending


def hear(conn: Connection, task: Any, ending: Ending, now: datetime) -> None:
    """A mail that could not be written or was refused is due again once that is mended; steps that
    found nobody to write to are decided anew once somebody is found."""
    if (task.kind, ending.outcome) == (BLOCKED_MAIL, MENDED):
        mending.go_on(conn, task.key, now)
    if (task.kind, ending.outcome) == (NO_CONTACT, FOUND) and task.account_id is not None:
        _decide_anew(conn, task.account_id, now)


def _decide_anew(conn: Connection, account_id: int, now: datetime) -> None:
    """Takes back what was blocked on walks that go on, or that were through with all steps."""
    about = select(walks.c.id).join(licences, of_licence).where(licences.c.account_id == account_id)
    alone = select(walks.c.id).where(walks.c.account_id == account_id)
    goes_on = or_(walks.c.state == "active", walks.c.reason == "completed")
    blocked = (steps.c.decision == "blocked") & (steps.c.reason == "no-reachable-contact")
    found = conn.execute(
        select(steps.c.id, steps.c.walk_id)
        .join(walks, walks.c.id == steps.c.walk_id)
        .where(walks.c.id.in_(about.union_all(alone)), goes_on, blocked)
    )
    writing_store.decide_anew(conn, [(row.id, row.walk_id) for row in found], now)
