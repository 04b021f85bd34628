"""Who enters schedules whose walks have no licence: clients that fell silent, that come up for a
review, that answered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Row
from sqlalchemy.engine import Connection

from worker.cadence import arrivals_store, due_store, load, writing_store
from worker.cadence.facts import Timeline
from worker.cadence.gathering import Judged
from worker.cadence.horizon import warm_up
from worker.cadence.library import Defaults, InForce
from worker.cadence.records import LICENCE
from worker.cadence.reviews import Review, first, following
from worker.kernel.dates import civil_date, zone
from worker.schedules import store as versions
from worker.schedules.calendar import DAY, wall_moment

if TYPE_CHECKING:
    from worker.cadence.flow import Planning

_DAILY = timedelta(days=1)


class Arrival(NamedTuple):
    """A walk to begin: its subject, cycle and account, and the day that its steps count from."""

    subject_id: int
    cycle: int
    account_id: int
    anchor_on: date


def _fallen_silent(
    conn: Connection, inforce: InForce, planning: Planning, now: datetime, limit: int
) -> list[Arrival]:
    """The clients that were flagged for this schedule and have not begun to walk. One whose
    episode is over by now never does. Where a client is, it may be the next day already, and the
    engine may have stood still: the steps count from the day on which it sees the flag."""
    rows = arrivals_store.take_flagged(conn, inforce.schedule.stem, limit)
    return [
        Arrival(
            row.account_id,
            row.number,
            row.account_id,
            max(row.flagged_on, _today(inforce, row, planning, now)),
        )
        for row in rows
        if row.ended_on is None
    ]


def _today(inforce: InForce, row: Row[Any], planning: Planning, now: datetime) -> date:
    """The civil day by which an account's steps count."""
    return load.line_of(inforce, row, planning.defaults).calendar.today(now)


def _up_for_review(
    conn: Connection, inforce: InForce, planning: Planning, now: datetime, limit: int
) -> list[Arrival]:
    """Accounts that are new to the schedule, each with its next anniversary."""
    rows = arrivals_store.unreviewed(conn, inforce.schedule.stem, limit)
    bases = arrivals_store.known_since(conn, [row.account_id for row in rows])
    found = []
    for row in rows:
        today = _today(inforce, row, planning, now)
        base = bases.get(row.account_id, today)
        review = first(base, inforce.schedule.every_months, today)
        found.append(Arrival(row.account_id, review.cycle, row.account_id, review.day))
    return found


def _answered(
    conn: Connection, inforce: InForce, planning: Planning, now: datetime, limit: int
) -> list[Arrival]:
    """Answers of which a step may still be done; a walk's cycle says the how manieth of its
    account's it is. One that was given to us while the schedule ran counts from the day on which it
    is seen: it may be past midnight by then, or the next day where the client is. Older ones, and
    those of an import, keep their own day."""
    stem = inforce.schedule.stem
    since = (now - warm_up([inforce.schedule])).date()
    rows = arrivals_store.unheard_answers(conn, stem, since, limit)
    if not rows:
        return []
    cycles = Counter(arrivals_store.answers_heard(conn, stem, {row.account_id for row in rows}))
    ran = civil_date(versions.first_applied(conn, stem), zone(planning.defaults.timezone))
    found = []
    for row in rows:
        cycles[row.account_id] += 1
        day = row.answered_on
        if day >= ran and row.source != "import":
            day = max(day, _today(inforce, row, planning, now))
        found.append(Arrival(row.id, cycles[row.account_id], row.account_id, day))
    return found


Entering = Callable[[Connection, InForce, "Planning", datetime, int], list[Arrival]]
ENTERING: Mapping[str, Entering] = {
    "account-dormant": _fallen_silent,
    "relationship-review": _up_for_review,
    "survey-answered": _answered,
}
"""By trigger: who begins to walk now."""


def follow(conn: Connection, planning: Planning, now: datetime, limit: int) -> int:
    """Begins the walks of whoever entered a schedule since the last look, and wakes the walks that
    have come to their end; how many there were. The next batch judges them."""
    done = 0
    for inforce in planning.library.active(conn).values():
        trigger = inforce.trigger
        if trigger.subject == LICENCE:
            continue
        arrived = ENTERING[inforce.schedule.trigger](conn, inforce, planning, now, limit)
        begin(conn, inforce, arrived, now)
        ended = due_store.over_by_now(conn, inforce.schedule, now)
        writing_store.wake(conn, ended, now)
        done += len(arrived) + len(ended)
    return done


def begin(conn: Connection, inforce: InForce, arrived: Iterable[Arrival], now: datetime) -> None:
    """Writes new walks, which are looked at at once."""
    stem, subject = inforce.schedule.stem, inforce.trigger.subject
    rows = [(*_begun(stem, one, now), subject, one.account_id) for one in arrived]
    writing_store.add_walks(conn, rows, writing_store.NEW_ALONE)


def _begun(stem: str, one: Arrival, now: datetime) -> tuple[object, ...]:
    """In the order of ``writing_store.NEW_WALK``."""
    return stem, one.subject_id, one.cycle, one.anchor_on, now, now, "active", None


def look_again(one: Judged, line: Timeline, now: datetime) -> None:
    """Sees to it that a walk without a licence is looked at when nobody would wake it: one that
    rests, once a day while a step may still come; a review, once its day is over, because then the
    next one begins."""
    if one.state == "parked" and now < line.last_moment(one.anchor_on):
        one.next_at = now + _DAILY
    if line.schedule.every_months and one.anchor_on >= line.calendar.today(now):
        over = wall_moment(one.anchor_on + DAY, time(0), line.calendar.tz)
        one.next_at = min(one.next_at or over, over)


def begin_next_reviews(
    conn: Connection, judged: Sequence[Judged], defaults: Defaults, now: datetime
) -> None:
    """Begins the next review of each account whose last one has had its day."""
    past: dict[str, list[Judged]] = {}
    for one in judged:
        if one.inforce is not None and one.inforce.schedule.every_months:
            line = load.line_of(one.inforce, one.row, defaults)
            if one.anchor_on < line.calendar.today(now):
                past.setdefault(one.inforce.schedule.stem, []).append(one)
    for ones in past.values():
        assert ones[0].inforce is not None
        begin(conn, ones[0].inforce, _next(conn, ones[0].inforce, ones, defaults, now), now)


def _next(
    conn: Connection,
    inforce: InForce,
    ones: Sequence[Judged],
    defaults: Defaults,
    now: datetime,
) -> Iterable[Arrival]:
    ids, every = sorted({one.row.account_id for one in ones}), inforce.schedule.every_months
    walked = arrivals_store.reviews(conn, inforce.schedule.stem, ids)
    bases = arrivals_store.known_since(conn, ids)
    for one in ones:
        account = one.row.account_id
        begun, last = walked[account]
        if one.row.walk_cycle == last:
            today = load.line_of(inforce, one.row, defaults).calendar.today(now)
            here = Review(last, one.anchor_on)
            review = following(here, bases.get(account, begun), every, today)
            yield Arrival(account, review.cycle, account, review.day)
