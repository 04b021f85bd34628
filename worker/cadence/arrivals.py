"""Who enters schedules whose walks have no licence: clients that fell silent."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import bindparam, select, update
from sqlalchemy.engine import Connection

from worker.cadence import store
from worker.cadence.elsewhere import episodes
from worker.cadence.library import InForce
from worker.cadence.records import LICENCE
from worker.cadence.triggers import TRIGGERS
from worker.db import bulk
from worker.db.prepared import Prepared

if TYPE_CHECKING:
    from worker.cadence.flow import Planning


class Arrival(NamedTuple):
    """A walk to begin: its subject, cycle and account, and the day that its steps count from."""

    subject_id: int
    cycle: int
    account_id: int
    anchor_on: date


_FLAGGED = Prepared(
    select(*[episodes.c[name] for name in ("id", "account_id", "number", "flagged_on", "ended_on")])
    .where(episodes.c.schedule == bindparam("stem"), ~episodes.c.entered)
    .order_by(episodes.c.id)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)
_ENTERED = Prepared(update(episodes).where(bulk.listed(episodes.c.id)).values(entered=True))


def _fallen_silent(
    conn: Connection, inforce: InForce, planning: Planning, now: datetime, limit: int
) -> list[Arrival]:
    """The clients that were flagged for this schedule and have not begun to walk. One whose
    episode is over by now never does."""
    rows = _FLAGGED.rows(conn, stem=inforce.schedule.stem, most=limit)
    if rows:
        _ENTERED.run(conn, ids=[row.id for row in rows])
    return [
        Arrival(row.account_id, row.number, row.account_id, row.flagged_on)
        for row in rows
        if row.ended_on is None
    ]


Entering = Callable[[Connection, InForce, "Planning", datetime, int], list[Arrival]]
ENTERING: Mapping[str, Entering] = {"account-dormant": _fallen_silent}
"""By trigger: who begins to walk now."""


def follow(conn: Connection, planning: Planning, now: datetime, limit: int) -> int:
    """Begins the walks of whoever entered a schedule since the last look, and wakes the walks that
    have come to their end; how many there were. The next batch judges them."""
    done = 0
    for inforce in planning.library.active(conn).values():
        trigger = TRIGGERS[inforce.schedule.trigger]
        if trigger.subject == LICENCE:
            continue
        arrived = ENTERING[inforce.schedule.trigger](conn, inforce, planning, now, limit)
        rows = [_begun(inforce, trigger.subject, one, now) for one in arrived]
        store.add_walks(conn, rows, store.NEW_ALONE)
        done += len(rows) + _wake_ended(conn, inforce, now)
    return done


def _begun(inforce: InForce, subject: str, one: Arrival, now: datetime) -> tuple[object, ...]:
    """A new walk, in the order of ``store.NEW_ALONE``, which is looked at at once."""
    stem = inforce.schedule.stem
    walk = (stem, one.subject_id, one.cycle, one.anchor_on, now, now, "active", None)
    return (*walk, subject, one.account_id)


def _wake_ended(conn: Connection, inforce: InForce, now: datetime) -> int:
    """Has the walks looked at that are over although their next moment is still to come."""
    if inforce.schedule.trigger != "account-dormant":
        return 0
    ids: Sequence[int] = store.ended_episodes(conn, inforce.schedule.stem, now)
    store.wake(conn, ids, now)
    return len(ids)
