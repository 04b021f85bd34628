"""Mails that were set aside or refused go on once a person has mended what stood in their way.

Nothing here commits.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.engine import Connection

from worker.channels.told import copy_mark
from worker.outbox import store
from worker.outbox.records import messages
from worker.outbox.rules import BLOCKED, DUE, FAILED, UNKNOWN

MENDED = "mended"
"""Why a mail is due again that could not leave before."""

UNWRITTEN, QUARANTINED, REFUSED = "blocked-mail", "quarantined", "refused-mail"
"""What the keys of tasks about one mail begin with. ``REFUSED:MAIL:MARK`` is about one copy."""

_STATES = {UNWRITTEN: BLOCKED, QUARANTINED: BLOCKED, REFUSED: FAILED}


def go_on(conn: Connection, task_key: str, now: datetime) -> int:
    """Makes the copies due again that the task of that key is about, as if nothing had been tried;
    how many there were. The last look tells whether each still goes.

    One that may have left is in doubt again instead: proof is looked for, then its class decides.
    """
    about, _, named = task_key.partition(":")
    mail_key, _, mark = named.partition(":")
    copies = [
        copy
        for copy in _lying(conn, mail_key, _STATES.get(about))
        if mark in ("", copy_mark(copy.address))
    ]
    anew = {"reason": MENDED, "next_at": now, "attempts": 0, "deaths": 0, "lease_until": None}
    for then, some in (
        (DUE, [copy.id for copy in copies if copy.unknown_since is None]),
        (UNKNOWN, [copy.id for copy in copies if copy.unknown_since is not None]),
    ):
        store.set_aside(conn, some, {"state": then, **anew})
    return len(copies)


def _lying(conn: Connection, mail_key: str, state: str | None) -> Sequence[Any]:
    """The copies of a mail in that state, held; others may be in the hands of a worker."""
    mine = (messages.c.mail_key == mail_key) & (messages.c.state == state)
    names = ("id", "address", "unknown_since")
    return conn.execute(
        select(*[messages.c[name] for name in names]).where(mine).with_for_update()
    ).all()
