"""How often a flag was right, as the people say who made the calls."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, func, select
from sqlalchemy.engine import Connection

from worker.db.prepared import Prepared
from worker.kernel.estimates import Estimate, share_of
from worker.reactivation.records import episodes
from worker.worklist.kinds import FALSE_ALARM

LATELY = 50
_over = episodes.c.ended_on.is_not(None)
_ENDED = Prepared(
    select(episodes.c.outcome, func.count().label("episodes"))
    .where(_over)
    .group_by(episodes.c.outcome)
)
_SAID = Prepared(
    select(episodes.c.outcome)
    .where(_over, episodes.c.outcome.is_not(None))
    .order_by(episodes.c.ended_on.desc(), episodes.c.id.desc())
    .limit(bindparam("most"))
)


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
    counts = {row.outcome: row.episodes for row in _ENDED.rows(conn)}
    returned = counts.pop(None, 0)
    last = _SAID.scalars(conn, most=lately)
    closed, false = sum(counts.values()), counts.get(FALSE_ALARM, 0)
    right = len(last) - last.count(FALSE_ALARM)
    return Precision(closed, closed - false, returned, len(last), share_of(right, len(last)))
