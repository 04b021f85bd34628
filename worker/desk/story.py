"""A story of many sources, newest first, as a page tells it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, NamedTuple

from worker.channels.told import Kind
from worker.clients.tasks import ASKS
from worker.outbox.rules import ACCEPTED, FAILED, GIVEN_UP, UNKNOWN

TONES: Mapping[str, str] = {
    "sent": "good",
    "planned": "",
    "waiting": "",
    "unknown": "warn",
    "failed": "bad",
    "blocked": "bad",
    "put-off": "warn",
    "superseded": "soft",
    "skipped": "soft",
    "suppressed": "soft",
    "cancelled": "soft",
    "nothing": "soft",
}
"""How each decision looks."""
NAMED = 3
"""Keys that a line names before it counts the rest."""
_GOOD = frozenset({Kind.DELIVERED, Kind.ACCEPTED, Kind.OPENED, Kind.CLICKED})
_FATES = {
    UNKNOWN: ("not known whether it left", "warn"),
    GIVEN_UP: ("not known whether it left", "warn"),
    FAILED: ("refused", "bad"),
    "blocked": ("its text could not be written", "bad"),
}


class Place(NamedTuple):
    """Where an entry stands: newest first, then by source, then the later row first."""

    at: datetime
    source: int
    id: int

    @property
    def order(self) -> tuple[float, int, int]:
        """Sorts places as a story tells them."""
        return (-self.at.timestamp(), self.source, -self.id)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a story. ``what`` is a word for its kind, ``links`` are (address, text); ``day``
    stands for the moment where only a civil day is known."""

    place: Place
    what: str
    text: str
    note: str = ""
    state: str = ""
    tone: str = ""
    links: Sequence[tuple[str, str]] = field(default=())
    day: date | None = None


def page(found: Iterable[Entry], most: int) -> tuple[list[Entry], Place | None]:
    """The first ``most`` entries, and the place to go on from when there are more."""
    entries = sorted(found, key=lambda one: one.place.order)
    more = len(entries) > most
    return entries[:most], entries[most - 1].place if more else None


def fate(mail: Any) -> tuple[str, str]:
    """What became of one copy of a mail, in a word or two, and how that looks."""
    if mail.state == ACCEPTED and mail.fate:
        return str(mail.fate), "good" if mail.fate in _GOOD else "bad"
    if mail.state == ACCEPTED:
        return "sent", "good"
    return _FATES.get(mail.state, (str(mail.state), "soft"))


ORIGINS: Mapping[str, str] = {
    "first": "came into the book",
    "renewal": "renewed",
    "return": "came back",
    "history": "got an older term",
}
"""What a new term says of a licence."""


def asked(kind: str) -> str:
    """What a client's answer asks for."""
    return ASKS.get(kind, kind)
