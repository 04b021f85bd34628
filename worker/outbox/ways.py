"""How each way out fares: whether it is open, since when it is not, and how fast it may be used.

A way that turns every mail away (a revoked key, a server that lets nobody in) is shut for all
mails at once: no mail is tried on it, none is burnt, and staff are told once. After a rest one mail
is let through; what becomes of it opens the way or shuts it for longer.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from worker.db.prepared import Prepared
from worker.outbox.records import ways

IN_A_ROW = 3
"""Mails of one batch that surely did not go out, one after another, before the rest waits."""


@dataclass(frozen=True, slots=True)
class Way:
    """A way out as it stands. ``failures`` in a row have shut it; 0: it is open."""

    paused_until: datetime | None = None
    why: str | None = None
    failures: int = 0

    def is_open(self, now: datetime) -> bool:
        """Whether a mail may be tried on it."""
        return self.paused_until is None or self.paused_until <= now


_OF = Prepared(
    select(ways.c.paused_until, ways.c.why, ways.c.failures).where(
        ways.c.channel == bindparam("channel")
    )
)


def of(conn: Connection, channel: str) -> Way:
    """The way out ``channel``; one that never gave trouble is open."""
    rows = _OF.rows(conn, channel=channel)
    return Way(*rows[0]) if rows else Way()


def rest_of(failures: int, lease: timedelta) -> timedelta:
    """How long a way rests after so many failures in a row: 1, 2, 4, 8, then 15 leases of a mail,
    which are minutes as a rule."""
    doublings: int = 2 ** max(0, min(failures, 10) - 1)
    return lease * min(doublings, 15)


def shut(conn: Connection, channel: str, why: str, lease: timedelta, now: datetime) -> datetime:
    """Notes that the way turned a mail away that might have been any; until when it rests."""
    _note(conn, channel)
    known = of(conn, channel)
    # Several workers may run into one shut door at once: that is one failure, not several.
    failures = known.failures if not known.is_open(now) else known.failures + 1
    until = now + rest_of(failures, lease)
    _set(conn, channel, paused_until=until, why=why, failures=failures)
    return until


def pause(conn: Connection, channel: str, until: datetime, why: str) -> None:
    """Lets the way rest until then, as the provider asked; that is no failure."""
    _note(conn, channel)
    later = ways.c.paused_until.is_(None) | (ways.c.paused_until < until)
    mine = update(ways).where(ways.c.channel == channel, later)
    conn.execute(mine.values(paused_until=until, why=why))


def reopen(conn: Connection, channel: str) -> None:
    """Notes that mails get through again."""
    _set(conn, channel, paused_until=None, why=None, failures=0)


def reserve(
    conn: Connection, channel: str, gap: timedelta, most: int, now: datetime, within: timedelta
) -> tuple[datetime, int]:
    """Takes up to ``most`` places in the queue of a way whose mails leave ``gap`` apart.

    Returns the moment of the first and how many there are before ``now + within``; all workers
    share the queue. The places are kept only when the transaction is.
    """
    _note(conn, channel)
    row = conn.execute(select(ways.c.free_at).where(ways.c.channel == channel).with_for_update())
    start = max(row.scalar() or now, now)
    left = (now + within - start) / gap
    count = max(0, min(most, int(left)))
    if count:
        _set(conn, channel, free_at=start + count * gap)
    return start, count


def give_back(conn: Connection, channel: str, start: datetime, gap: timedelta, used: int) -> None:
    """Gives places back that ``reserve`` took last and nobody needs."""
    _set(conn, channel, free_at=start + used * gap)


_LISTED = Prepared(
    select(*[ways.c[name] for name in ("channel", "paused_until", "why", "failures")]).order_by(
        ways.c.channel
    )
)


def listed(conn: Connection) -> list[Any]:
    """Every way that gave trouble or keeps a pace: channel, paused_until, why, failures."""
    return _LISTED.rows(conn)


def _note(conn: Connection, channel: str) -> None:
    dialect = postgresql if conn.dialect.name == "postgresql" else sqlite
    conn.execute(dialect.insert(ways).on_conflict_do_nothing(), {"channel": channel})


def _set(conn: Connection, channel: str, **values: Any) -> None:
    conn.execute(update(ways).where(ways.c.channel == channel).values(**values))
