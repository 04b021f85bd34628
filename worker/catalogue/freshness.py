"""How fresh each source is, and when it is read again. Rules; one query at the end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy.engine import Connection

from worker.catalogue import store
from worker.catalogue.store import Read
from worker.config.settings import SourceSettings
from worker.config.values import span_text

UNFINISHED = "a reading began and has not ended"
"""The ``problem`` of a source while it is read."""

ALARMS = "source-"
"""What the keys of all alarms about sources begin with."""

LEASE = timedelta(minutes=15)
"""A reading that takes longer may be begun a second time; that does no harm."""

_SHORTEST = timedelta(minutes=1)
_LONGEST = timedelta(hours=1)
_NEVER_READ = timedelta(minutes=10)


class Alarm(NamedTuple):
    """What staff should know of a source; ``key`` says which source and what about it."""

    key: str
    title: str
    detail: str


def next_try(read: Read | None, every: timedelta) -> datetime | None:
    """When a source should be read again; ``None``: at once, it never was.

    After a failure the pause is as long as the reading is overdue, so it doubles from one failure
    to the next: at least a minute, at most an hour or ``every``. A source that was never read to
    its end is tried every ten minutes.
    """
    if read is None:
        return None
    if read.problem == UNFINISHED:
        return read.tried_at + LEASE
    if _succeeded(read):
        return read.tried_at + every
    overdue = read.tried_at - (read.read_at + every) if read.read_at else _NEVER_READ
    return read.tried_at + max(_SHORTEST, min(overdue, _LONGEST, every))


def _succeeded(read: Read) -> bool:
    return read.read_at is not None and read.read_at >= read.tried_at


def failing(read: Read | None, now: datetime) -> bool:
    """Whether the last reading came to nothing, or died on the way."""
    if read is None or _succeeded(read):
        return False
    return read.problem != UNFINISHED or now - read.tried_at > LEASE


def is_stale(read: Read | None, source: SourceSettings, now: datetime) -> bool:
    """Whether the source was last read longer ago than its ``stale_after``, or never."""
    if source.stale_after is None:
        return False
    return read is None or read.read_at is None or now - read.read_at > source.stale_after


def alarms(
    sources: Mapping[str, SourceSettings], reads: Mapping[str, Read], now: datetime
) -> Iterator[Alarm]:
    """What should be open as an alarm now."""
    for name, source in sources.items():
        read = reads.get(name)
        if read is not None and failing(read, now) and source.every is not None:
            title = f"The source {name!r} cannot be read"
            yield Alarm(f"{ALARMS}failed:{name}", title, read.problem or UNFINISHED)
        elif read is not None and read.problem and _succeeded(read):
            title = f"Rows of the source {name!r} were rejected"
            yield Alarm(f"{ALARMS}rejects:{name}", title, read.problem)
        if is_stale(read, source, now) and source.stale_after is not None:
            title = f"The source {name!r} is stale: mails that depend on it are held"
            yield Alarm(f"{ALARMS}stale:{name}", title, _stale_detail(name, read, source))


def _stale_detail(name: str, read: Read | None, source: SourceSettings) -> str:
    last = read.read_at if read is not None else None
    told = f"It was last read at {last:%Y-%m-%d %H:%M} UTC" if last else "It was never read"
    after = span_text(source.stale_after) if source.stale_after else ""
    return f"{told}; stale_after is {after}. Read it with: perennial import {name}"


def pending(reads: Mapping[str, Read], now: datetime) -> frozenset[str]:
    """The sources that are being read right now: what is known of them may change any moment."""
    return frozenset(
        name
        for name, read in reads.items()
        if read.problem == UNFINISHED and not failing(read, now)
    )


def stale(
    conn: Connection, sources: Mapping[str, SourceSettings], now: datetime
) -> dict[str, datetime | None]:
    """The sources that are older than their ``stale_after``: name to the last reading that
    succeeded, ``None`` when none did. Mails of licences that came from them should be held."""
    reads = store.reads(conn)
    return {
        name: reads[name].read_at if name in reads else None
        for name, source in sources.items()
        if is_stale(reads.get(name), source, now)
    }
