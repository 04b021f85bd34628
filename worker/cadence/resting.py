"""While a client who is not content waits for somebody (``unheard.py``), advertising to that
account rests. Contractual notices go on, and surveys have a rule of their own."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.engine import Connection

from worker.cadence.unheard import waits_for_us
from worker.outbox.rules import Wait
from worker.schedules.calendar import Calendar

OPEN_FEEDBACK = "open-feedback"
"""Why a step waits, or waited, for the answer to a client."""

RESTS = "commercial"
"""The class of mail that rests."""

_DAY = timedelta(days=1)


def at_rest(conn: Connection, actions: Iterable[Any], now: datetime) -> frozenset[int]:
    """The accounts among those of these actions to which advertising rests now; asked only where
    there is some."""
    some = {action.row.account_id for action in actions if action.line.schedule.mail_class == RESTS}
    return waits_for_us(conn, some, now)


def wait(
    conn: Connection, account_id: int, calendar: Calendar, slot: int, now: datetime
) -> Wait | None:
    """Until when a mail of that class to this account waits: it is looked at again each day."""
    if account_id not in waits_for_us(conn, [account_id], now):
        return None
    today = calendar.today(now)
    return Wait(calendar.next_opening(calendar.closes_at(today), slot), OPEN_FEEDBACK)
