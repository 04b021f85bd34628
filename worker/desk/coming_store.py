"""What the page of one account needs to tell what is to come, asked for in one go."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, NamedTuple

from sqlalchemy import and_, bindparam, select
from sqlalchemy.engine import Connection

from worker.cadence.records import walks
from worker.catalogue.records import licences
from worker.db import bulk
from worker.db.prepared import Prepared, together
from worker.desk.account_store import MOST, ON_THE_WAY, OPEN_TASKS, mail_keys, this_account
from worker.kernel.dates import Period
from worker.outbox.records import messages

_EXPIRES = and_(
    licences.c.account_id == this_account,
    licences.c.expires_on.between(bindparam("first"), bindparam("last")),
)
_NEAR = Prepared(select(licences.c.id).where(_EXPIRES).limit(1))
_EXPIRING = Prepared(
    select(licences)
    .where(_EXPIRES, licences.c.status == "active")
    .order_by(licences.c.expires_on, licences.c.id)
    .limit(MOST)
)
_WAITING = Prepared(
    select(messages)
    .where(messages.c.mail_key.in_(mail_keys()), bulk.among(messages.c.state, ON_THE_WAY))
    .order_by(messages.c.next_at, messages.c.id)
    .limit(MOST)
)
_OWN_WALKS = Prepared(
    select(walks.c.id, walks.c.schedule, walks.c.cycle, walks.c.next_at).where(
        walks.c.account_id == this_account
    )
)


class Coming(NamedTuple):
    """What is known of an account that bears on the days ahead."""

    is_moving: bool  # whether the planner may have something to do for it
    expiring: list[Any]  # active licences that expire ahead, the soonest first
    waiting: list[Any]  # mails that are in the ledger and have not left yet
    walks: dict[tuple[str, int], int]  # the account's own: schedule and cycle -> number
    work: list[Any]  # open tasks, those due first


def coming(
    conn: Connection, account_id: int, ahead: Period, margin: timedelta, most: int
) -> Coming:
    """Up to ``most`` of each in the days ``ahead``. The planner may have something to do for a
    licence that expires up to ``margin`` before or after them."""
    mine: dict[str, Any] = {"account": account_id}
    wide: dict[str, date] = {"first": ahead.first - margin, "last": ahead.last + margin}
    near, expiring, waiting, own, work = together(
        conn,
        [
            _NEAR.asking(**mine, **wide),
            _EXPIRING.asking(**mine, first=ahead.first, last=ahead.last, most=most),
            _WAITING.asking(**mine, most=most),
            _OWN_WALKS.asking(**mine),
            OPEN_TASKS.asking(**mine, most=most),
        ],
    )
    return Coming(
        is_moving=bool(near) or any(row.next_at is not None for row in own),
        expiring=expiring,
        waiting=waiting,
        walks={(row.schedule, row.cycle): row.id for row in own},
        work=work,
    )
