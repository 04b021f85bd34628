"""The last look at a mail that asks: may this person still be asked, or reminded, now?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Row
from sqlalchemy.engine import Connection

from worker.cadence import asking
from worker.cadence.quiet import FEEDBACK, QUIET, Quiet, free_on
from worker.cadence.unheard import waits_for_us
from worker.outbox.rules import Drop, Wait
from worker.schedules.calendar import Calendar
from worker.templating.context import Asked

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Copy:
    """One copy of such a mail: to whom it goes, about which account, for which walks, on whose
    calendar."""

    mail_key: str
    contact: Row[Any]
    account_id: int
    walk_ids: Sequence[int]
    calendar: Calendar
    slot: int


def look(conn: Connection, copy: Copy, quiet: Quiet, now: datetime) -> Asked | Wait | Drop:
    """What the mail asks; or until when it waits; or why it goes to nobody."""
    asked = asking.of_walks(conn, copy.walk_ids)
    mine = [one for one in asked if one.contact_id == copy.contact.id]
    if not mine:
        return Drop("cancelled", "withdrawn")
    one = mine[-1]
    if one.answered:
        return Drop("cancelled", "answered")
    if one.closes_at is not None and one.closes_at <= now:
        return Drop("cancelled", "closed")
    today = copy.calendar.today(now)
    if waits_for_us(conn, [copy.account_id], now):
        return Wait(_opening(copy, today + _DAY), FEEDBACK)
    later = one.mail_key != copy.mail_key
    together = [each.id for each in asked if each.mail_key == copy.mail_key]
    free = today if later else _free(conn, copy, min(together), quiet, today)
    if free > today:
        return Wait(_opening(copy, free), QUIET)
    return Asked(one.mail_key, one.promise, later and asking.may_have_arrived(conn, one))


def _free(conn: Connection, copy: Copy, first: int, quiet: Quiet, today: date) -> date:
    """The first day on which this person may be asked, by what was asked before the invitation with
    the number ``first``."""
    email, account = copy.contact.email, copy.account_id
    last = asking.lately(conn, [email], [account], quiet, today, before=first)
    return max(
        free_on(last.addresses.get(email), quiet.contact_days, today),
        free_on(last.accounts.get(account), quiet.account_days, today),
    )


def _opening(copy: Copy, day: date) -> datetime | None:
    return copy.calendar.next_opening(copy.calendar.closes_at(day - _DAY), copy.slot)
