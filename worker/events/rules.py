"""What events make of a mail's fate, and which clicks a machine made. Pure.

    accepted < deferred < delivered < blocked < dropped < bounced < complained

Events come late, twice and in any order. A fate only moves up, and of two equal ones the earlier
moment counts: whatever the order, the same events end in the same fate.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from worker.channels.told import Kind

RANKS = {
    kind: rank
    for rank, kind in enumerate(
        (
            Kind.ACCEPTED,
            Kind.DEFERRED,
            Kind.DELIVERED,
            Kind.BLOCKED,
            Kind.DROPPED,
            Kind.BOUNCED,
            Kind.COMPLAINED,
        )
    )
}
_READ = frozenset({Kind.OPENED, Kind.CLICKED, Kind.UNSUBSCRIBED, Kind.REPLIED})

SILENCING = frozenset({Kind.BOUNCED, Kind.COMPLAINED})
"""After these nobody writes to the address any more."""
UNDELIVERED = frozenset({Kind.BLOCKED, Kind.DROPPED})
"""The mail did not arrive, and the address is not to blame."""

TOO_QUICK = timedelta(seconds=10)
"""Nobody clicks so soon after the server took the mail; what scans it for the server does."""
AT_ONCE = timedelta(seconds=1)
"""Nobody opens two links of a mail within so short a time."""

_MACHINES = (
    "bot",
    "crawler",
    "spider",
    "scanner",
    "preview",
    "prefetch",
    "proofpoint",
    "mimecast",
    "barracuda",
    "safelinks",
    "trendmicro",
    "symantec",
    "fireeye",
    "forcepoint",
    "headless",
    "phantomjs",
    "selenium",
    "curl/",
    "wget",
    "python",
    "java/",
    "go-http-client",
    "okhttp",
    "libwww",
    "httpclient",
    "facebookexternalhit",
)
"""Parts of what programs call themselves that follow links without a person, in lower case."""


class Fate(NamedTuple):
    """What became of a message, and since when."""

    kind: str
    at: datetime


def fate_of(kind: str, at: datetime) -> Fate | None:
    """The fate that an event tells of. Whoever reads a mail has got it."""
    told = Kind.DELIVERED if kind in _READ else Kind(kind)
    return Fate(told.value, at) if told in RANKS else None


def merged(one: Fate | None, other: Fate | None) -> Fate | None:
    """The fate that two tellings make together; the same whichever came first."""
    if one is None or other is None:
        return one or other
    rank, higher = RANKS[Kind(one.kind)], RANKS[Kind(other.kind)]
    if rank == higher:
        return min(one, other, key=lambda fate: fate.at)
    return one if rank > higher else other


class Click(NamedTuple):
    """A click on a link (a fingerprint) of one copy of a mail."""

    id: int
    at: datetime
    link: str
    agent: str


def read_click(id_: int, at: datetime, detail: str | None) -> Click:
    """A click from what ``told.click_detail`` noted."""
    link, _, agent = (detail or "").partition(" ")
    return Click(id_, at, link, agent)


def is_machine(click: Click, all_clicks: Iterable[Click], delivered_at: datetime | None) -> bool:
    """Whether a program made this click: by its name, by its haste, or by its many hands.

    ``all_clicks`` are those of the same copy of the mail.
    """
    agent = click.agent.lower()
    if not agent or any(name in agent for name in _MACHINES):
        return True
    if delivered_at is not None and click.at - delivered_at < TOO_QUICK:
        return True
    return any(
        other.link != click.link and abs(other.at - click.at) <= AT_ONCE for other in all_clicks
    )


class Clicks(NamedTuple):
    """What the clicks on one copy of a mail come to."""

    machines: frozenset[int]
    first: datetime | None
    """When a person clicked first. Nobody did as far as we know while delivery was not told of:
    then a click may be the scan that precedes it."""


def judge_clicks(clicks: Sequence[Click], delivered_at: datetime | None) -> Clicks:
    """Tells people from programs; depends on what is known, not on the order it came in."""
    machines = frozenset(one.id for one in clicks if is_machine(one, clicks, delivered_at))
    people = [one.at for one in clicks if one.id not in machines]
    return Clicks(machines, min(people, default=None) if delivered_at else None)
