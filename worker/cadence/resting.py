"""While somebody has still to answer a client who is not content, advertising to that account
rests. Contractual notices go on, and surveys have a rule of their own."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from sqlalchemy.engine import Connection

from worker.outbox.rules import Wait
from worker.schedules.calendar import Calendar
from worker.worklist import store as worklist

OPEN_FEEDBACK = "open-feedback"
"""Why a step waits, or waited, for the answer to a client."""

RESTS = "commercial"
"""The class of mail that rests."""

_DAY = timedelta(days=1)


def at_rest(conn: Connection, actions: Iterable[Any]) -> frozenset[int]:
    """The accounts among those of these actions to which advertising rests now; asked only where
    there is some."""
    some = {action.row.account_id for action in actions if action.line.schedule.mail_class == RESTS}
    return worklist.with_open_feedback(conn, some) if some else frozenset()


def wait(conn: Connection, account_id: int, calendar: Calendar, slot: int, now: Any) -> Wait | None:
    """Until when a mail of that class to this account waits: it is looked at again each day."""
    if account_id not in worklist.with_open_feedback(conn, [account_id]):
        return None
    today = calendar.today(now)
    return Wait(calendar.next_opening(calendar.closes_at(today), slot), OPEN_FEEDBACK)
