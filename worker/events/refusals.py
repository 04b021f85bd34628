"""Mails that the way out refused on the spot: as good as a bounce where the address is to blame."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.engine import Connection

from worker.cadence import people_store
from worker.channels.contract import Result
from worker.channels.told import Kind, Told, copy_mark
from worker.events import flow
from worker.outbox import mending
from worker.outbox.store import Message
from worker.worklist import store as worklist
from worker.worklist.kinds import BLOCKED_MAIL
from worker.worklist.store import NewTask


def hear(conn: Connection, channel: str, message: Message, result: Result, now: datetime) -> None:
    """Follows a refusal in the transaction that records it. Never commits.

    A bad address falls silent and the next rung of the ladder gets the mail; about any other
    refusal a person is told, because the mail is not tried again by itself.
    """
    if not result.bad_address:
        account_id = people_store.account_of(conn, message.seen_contact)
        worklist.open_tasks(conn, [_task(channel, message, result, account_id)], now)
        return
    mark = copy_mark(message.address)
    told = Told(
        key=f"refused:{message.mail_key}:{mark}",
        kind=Kind.BOUNCED,
        at=now,
        mail_key=message.mail_key,
        copy=mark,
        address=message.address,
        detail=result.detail,
    )
    flow.take(conn, channel, [told], now, proves=False)


def _task(channel: str, message: Message, result: Result, account_id: int | None) -> NewTask:
    return NewTask(
        key=f"{mending.REFUSED}:{message.mail_key}:{copy_mark(message.address)}",
        kind=BLOCKED_MAIL,
        title=f"A mail was refused by {channel}",
        detail=f"To {message.named}, step {message.step}, mail {message.mail_key}: {result.detail}"
        ". It is tried again only once this is closed as mended",
        account_id=account_id,
    )
