"""How often a flag was right, as the people say who made the calls."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.engine import Connection

from worker.kernel.estimates import Estimate, share_of
from worker.reactivation.records import episodes
from worker.worklist.kinds import FALSE_ALARM

LATELY = 50


@dataclass(frozen=True, slots=True)
class Precision:
    """Of ``closed`` episodes that a person closed, ``right`` were no false alarms; ``lately`` is
    the share of the last ``counted`` of them. ``returned`` ended by an order before anybody said
    anything: they count in no share, since nobody knows whether they would have come anyway."""

    closed: int
    right: int
    returned: int
    counted: int
    lately: Estimate

    @property
    def share(self) -> Estimate:
        """The share of right ones with its interval; empty where there is none."""
        return share_of(self.right, self.closed)


def measured(conn: Connection, lately: int = LATELY) -> Precision:
    """What people said of all episodes so far, and of the last ``lately`` ones."""
    c = episodes.c
    ended = select(c.outcome, func.count()).where(c.ended_on.is_not(None)).group_by(c.outcome)
    counts = {row[0]: row[1] for row in conn.execute(ended)}
    returned = counts.pop(None, 0)
    said = select(c.outcome).where(c.ended_on.is_not(None), c.outcome.is_not(None))
    last = list(conn.scalars(said.order_by(c.ended_on.desc(), c.id.desc()).limit(lately)))
    closed, false = sum(counts.values()), counts.get(FALSE_ALARM, 0)
    right = len(last) - last.count(FALSE_ALARM)
    return Precision(closed, closed - false, returned, len(last), share_of(right, len(last)))
