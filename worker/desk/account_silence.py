"""When an account fell silent and what became of it, as its story tells it.

Episodes have civil days, no moments: one begins as its day begins, and ends as its day ends. An
account has a handful, so all of them are read and the place in the story is found here.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, time
from typing import Any

from sqlalchemy import select
from sqlalchemy.engine import Connection

from worker.db.prepared import Prepared
from worker.desk.account_store import RETURNED, SILENT, UNSILENCED, this_account
from worker.desk.queue import LANE_WORDS, sentence
from worker.desk.story import Entry, Place
from worker.desk.writing import day
from worker.reactivation.closing import ORDERED
from worker.reactivation.records import episodes
from worker.worklist.kinds import DORMANT, kind_of

_MOST = 200
_EPISODES = Prepared(
    select(episodes)
    .where(episodes.c.account_id == this_account)
    .order_by(episodes.c.id.desc())
    .limit(_MOST)
)


def entries(conn: Connection, account_id: int, before: Place | None) -> list[Entry]:
    """What the story of an account says of its silences behind the place ``before``."""
    rows = _EPISODES.rows(conn, account=account_id)
    found = [entry for row in rows for entry in _told(row)]
    return [one for one in found if before is None or one.place.order > before.order]


def _told(row: Any) -> Iterator[Entry]:
    begun = datetime.combine(row.flagged_on, time.min, UTC)
    goes_on = row.ended_on is None
    yield Entry(
        Place(begun, SILENT, row.id),
        "silence",
        f"Found silent: {LANE_WORDS.get(row.lane, row.lane)}",
        note=sentence(row),
        state="open" if goes_on else "closed",
        tone="warn" if goes_on else "soft",
        day=row.flagged_on,
    )
    if row.back_on is not None:
        back = datetime.combine(row.back_on, time.max, UTC)
        place = Place(back, RETURNED, row.id)
        yield Entry(place, "back", "Ordered again", tone="good", day=row.back_on)
    if not goes_on and row.ended_why != ORDERED:
        yield _closed(row)


def _closed(row: Any) -> Entry:
    """What the person said who closed it."""
    rests = f"to be looked at again from {day(row.rests_until)}" if row.rests_until else ""
    by = f"by {row.closed_by}" if row.closed_by else ""
    return Entry(
        Place(datetime.combine(row.ended_on, time.max, UTC), UNSILENCED, row.id),
        "silence",
        f"Silence closed: {kind_of(DORMANT).outcomes.get(row.outcome, row.outcome)}",
        note=" · ".join(filter(None, (row.outcome_why, rests, by))),
        tone="soft",
        day=row.ended_on,
    )
