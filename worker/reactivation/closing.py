"""What ends an episode: a person who closes its task, or an order that arrives."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Engine
from sqlalchemy.engine import Connection

from worker.db import notices
from worker.db.engine import reading
from worker.db.notices import Notice
from worker.kernel.dates import civil_date, zone
from worker.reactivation import closing_store as store
from worker.reactivation.flagging import is_back
from worker.reactivation.lanes import LESS
from worker.worklist import store as worklist
from worker.worklist.kinds import DORMANT
from worker.worklist.rules import Ending

ORDERED, CLOSED = "ordered", "closed"
LOOKED_BACK = timedelta(days=365)
"""For so long after a person ended an episode, its client may still be seen to come back."""
_SUBJECT = "account-"


class Named(NamedTuple):
    """What names an episode in keys."""

    schedule: str
    account_id: int
    number: int


def named(key: str) -> Named | None:
    """The episode that the task of that key is about; ``None`` for tasks about anything else.

    Steps of walks write ``step:SCHEDULE:STEP:account-ID:NUMBER``.
    """
    parts = key.split(":")
    if len(parts) != 5:
        return None
    _, schedule, _, subject, number = parts
    account = subject.removeprefix(_SUBJECT)
    if account == subject or not account.isdigit() or not number.isdigit():
        return None
    return Named(schedule, int(account), int(number))


def hear(conn: Connection, task: Any, ending: Ending, who: str, now: datetime, today: date) -> None:
    """Ends the episode whose task ``who`` closed, in the caller's transaction; its pause counts
    from ``today``. Other tasks of the same episode have nothing left to say and close, too."""
    about = named(task.key) if task.kind == DORMANT else None
    if about is None:
        return
    values = {
        "ended_on": today,
        "ended_why": CLOSED,
        "outcome": ending.outcome,
        "outcome_why": ending.why or None,
        "closed_by": who,
        "rests_until": ending.until,
    }
    if store.end(conn, about, values):
        _close_tasks(conn, [about], ending.outcome, now)


def see_orders(engine: Engine, now: datetime, timezone: str) -> int:
    """Ends the episodes of clients who ordered since they were flagged, closes their tasks and
    tells other systems; how many came back.

    The cost is that of the open episodes and of those that people ended in the last year; nothing
    is written unless somebody came back. ``timezone`` says what day it is.
    """
    today = civil_date(now, zone(timezone))
    with reading(engine) as conn:
        found = _returned(store.ordered(conn, today, today - LOOKED_BACK))
    if not found:
        return 0
    with engine.begin() as conn:
        back = [
            one
            for one in _returned(store.ordered(conn, today, today - LOOKED_BACK))
            if store.bring_back(conn, one.id, _back_on(one), today, ORDERED)
        ]
        about = [Named(one.schedule, one.account_id, one.number) for one in back]
        _close_tasks(conn, about, ORDERED, now)
        notices.note(conn, [_notice(one) for one in back], now)
    return len(back)


def _returned(rows: Iterable[Any]) -> list[Any]:
    return [row for row in rows if is_back(row.lane, float(row.at_stake), row.orders, row.net)]


def _back_on(row: Any) -> date:
    """The day of the order that ended it: the first one, of a drop the latest."""
    day: date = row.last if row.lane == LESS else row.first
    return day


def _close_tasks(conn: Connection, about: Sequence[Named], outcome: str, now: datetime) -> None:
    wanted = set(about)
    keys = store.open_task_keys(conn, [one.account_id for one in about])
    worklist.close_keys(conn, [key for key in keys if named(key) in wanted], outcome, now)


def _notice(row: Any) -> Notice:
    body = {
        "schedule": row.schedule,
        "account": row.account_key,
        "episode": row.number,
        "flagged_on": row.flagged_on.isoformat(),
        "back_on": _back_on(row).isoformat(),
        "outcome": row.outcome,
    }
    key = f"client.back:{row.schedule}:{row.account_key}:{row.number}"
    return Notice(key, "client.back", body)
