"""Who has to wait before the next try to sign in. Nothing here commits.

A try counts as failed from its beginning, before anything is checked, and a success takes it back:
of many at once no more get through than one after the other would.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from worker.access.records import sign_ins
from worker.access.rules import wait_after
from worker.kernel.keys import digest

_FORGOTTEN = timedelta(days=1)


class Try(NamedTuple):
    """``waits``: how long to wait before there may be a try; ``then``: before the next one, should
    this one fail."""

    waits: timedelta
    then: timedelta


def keys_of(login: str, address: str) -> list[str]:
    """Under which keys tries are counted: by login, and by login and address of the network.

    Fingerprints, because people type a password where the login belongs.
    """
    login = login.lower()
    return sorted((f"login {digest(login)}", f"pair {digest(f'{login} {address}')}"))


def begin(conn: Connection, keys: Sequence[str], now: datetime) -> Try:
    """Counts a try, unless one has to wait; two at once are one after the other."""
    conn.execute(delete(sign_ins).where(sign_ins.c.failed_at < now - _FORGOTTEN))
    dialect = postgresql if conn.dialect.name == "postgresql" else sqlite
    new = [{"key": key, "failures": 0, "failed_at": now} for key in keys]
    conn.execute(dialect.insert(sign_ins).on_conflict_do_nothing(), new)
    ours = select(sign_ins).where(sign_ins.c.key.in_(keys)).order_by(sign_ins.c.key)
    rows = conn.execute(ours.with_for_update()).all()
    until = max(row.waits_until or now for row in rows)
    if until > now:
        return Try(until - now, timedelta(0))
    then = timedelta(0)
    for row in rows:
        wait = wait_after(row.failures + 1)
        values = {"failures": row.failures + 1, "failed_at": now, "waits_until": now + wait}
        conn.execute(update(sign_ins).where(sign_ins.c.key == row.key).values(values))
        then = max(then, wait)
    return Try(timedelta(0), then)


def clear(conn: Connection, keys: Sequence[str]) -> None:
    """A try was right: nobody waits any more."""
    conn.execute(delete(sign_ins).where(sign_ins.c.key.in_(keys)))
