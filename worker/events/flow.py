"""A batch of events, in the caller's transaction: kept once, matched with our mails, followed.

What follows is worked out from all that is known by then, never from the order it came in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy.engine import Connection

from worker.channels.addresses import is_same
from worker.channels.told import Kind, Told, copy_mark
from worker.events import effects, store
from worker.events.effects import Known
from worker.events.store import Copy


class Taken(NamedTuple):
    """What a batch came to: ``new`` events, and how many of them are of no mail of ours or of no
    kind that we know."""

    new: int
    orphans: int
    unknown: int


def take(
    conn: Connection,
    channel: str,
    told: Sequence[Told],
    now: datetime,
    *,
    proves: bool = True,
) -> Taken:
    """Keeps what a provider told and does what follows from it. Never commits.

    What was told before is left out, whatever else the batch holds. ``proves``: whether it shows
    that the provider has the mails.
    """
    once = {one.key: one for one in reversed(told)}
    copies = _Copies.around(conn, list(once.values()))
    matched = [(one, copies.of(one)) for one in once.values()]
    fresh = store.add(conn, [_row(channel, one, copy, now) for one, copy in matched])
    new = [(one, copy) for one, copy in matched if one.key in fresh]
    known = [Known(one, copy) for one, copy in new if copy is not None and _says(one)]
    if known:
        effects.follow(conn, known, now, proves=proves)
    return Taken(
        len(new),
        sum(copy is None for _, copy in new),
        sum(not _says(one) for one, _ in new),
    )


def _says(told: Told) -> bool:
    return told.kind is not Kind.UNKNOWN


def _row(channel: str, told: Told, copy: Copy | None, now: datetime) -> tuple[Any, ...]:
    """A row for ``store.add``."""
    # Of somebody else's mailbox: not under our copy's address, or it would count as the client's.
    theirs = copy is not None and Known(told, copy).is_theirs
    return (
        told.key,
        channel,
        told.kind.value,
        copy.mail_key if copy else told.mail_key,
        copy.address if copy and theirs else told.address,
        told.detail,
        told.at,
        now,
        copy is None,
        {} if told.raw is None else told.raw,  # a provider may say null
    )


class _Copies:
    """The messages that a batch may tell of."""

    def __init__(
        self, by_mail: Mapping[str, Sequence[Copy]], by_name: Mapping[tuple[str, str], Copy]
    ) -> None:
        self._by_mail = by_mail
        self._by_name = by_name

    @classmethod
    def around(cls, conn: Connection, told: Sequence[Told]) -> _Copies:
        by_mail: dict[str, list[Copy]] = {}
        for copy in store.copies(conn, (one.mail_key for one in told if one.mail_key)):
            by_mail.setdefault(copy.mail_key, []).append(copy)
        names = list(_names(told))
        by_name = {(c.address, c.provider_id or ""): c for c in store.sent_as(conn, names)}
        return cls(by_mail, by_name)

    def of(self, told: Told) -> Copy | None:
        """The message that an event is about; ``None`` when it is none of ours."""
        if told.mail_key is None:
            return self._by_name.get((told.address or "", told.provider_id or ""))
        copies = self._by_mail.get(told.mail_key, ())
        for copy in copies:
            if told.copy == copy_mark(copy.address):
                return copy
        if told.copy is not None:
            return None
        return _only(copies, told.address)


def _only(copies: Sequence[Copy], address: str | None) -> Copy | None:
    """The copy for that address; where there is but one copy, it is that one."""
    for copy in copies:
        if address is not None and is_same(copy.address, address):
            return copy
    return copies[0] if len(copies) == 1 else None


def _names(told: Sequence[Told]) -> Iterator[tuple[str, str]]:
    for one in told:
        if one.mail_key is None and one.address and one.provider_id:
            yield one.address, one.provider_id
