"""The count: what should have been sent, from the book; what was, from the provider's own log.

Nothing here asks the planner or the ledger what should be; the ledger is only asked what it claims.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from tests.chaos.town import LEASE, Town, key_of

_IN_HAND = timedelta(seconds=LEASE + 2)
"""A mail that was claimed before a renewal was known may leave this much later."""


@dataclass(frozen=True)
class Count:
    """``lost``: should have been sent, was not, and is on no list. ``listed``: set aside, refused
    or given up, each on record for staff. ``doubled``: extra copies. ``owned``: those of them that
    the ledger lists as sent again in doubt. ``lies``: recorded as sent, never accepted.
    ``phantoms``: accepted, and nobody should have got it."""

    mails: int
    accepted: int
    lost: int
    listed: int
    doubled: int
    owned: int
    lies: int
    phantoms: int

    @property
    def is_clean(self) -> bool:
        """No promise is broken."""
        return not (self.lost or self.doubled or self.lies or self.phantoms)

    def without_evidence(self) -> bool:
        """No promise is broken where some evidence never comes: copies may be there, on a list."""
        return not (self.lost or self.lies or self.phantoms) and self.doubled <= self.owned


def count(town: Town, renewed: Mapping[str, str]) -> Count:
    """What came of everything in the book. ``renewed``: licence -> when its renewal was known."""
    copies = Counter(key_of(taken.address) for taken in town.taken() if taken.accepted)
    must = {key for key in town.book if key not in renewed}
    ledger = town.ledger()
    states: dict[str, set[str]] = {}
    resends: Counter[str] = Counter()
    for row in ledger:
        states.setdefault(key_of(row.address), set()).add(row.state)
        resends[key_of(row.address)] += row.resends
    listed = {key for key, found in states.items() if found & _LISTED}
    missing = must - set(copies)
    sent = {(taken.mail, taken.address) for taken in town.taken() if taken.accepted}
    claimed = {(row.mail_key, row.address) for row in ledger if row.state == "accepted"}
    return Count(
        mails=len(must),
        accepted=sum(copies.values()),
        lost=len(missing - listed),
        listed=len(missing & listed),
        doubled=sum(number - 1 for number in copies.values()),
        owned=sum(min(number - 1, resends[key]) for key, number in copies.items()),
        lies=len(claimed - sent),
        phantoms=len(set(copies) - set(town.book)) + _late(town, renewed),
    )


_LISTED = {"failed", "blocked", "given-up", "due"}


def _late(town: Town, renewed: Mapping[str, str]) -> int:
    """Mails that left although the renewal had been known for longer than a claim lasts."""
    return sum(
        1
        for taken in town.taken()
        if taken.accepted
        and (known := renewed.get(key_of(taken.address)))
        and datetime.fromisoformat(taken.at) > datetime.fromisoformat(known) + _IN_HAND
    )
