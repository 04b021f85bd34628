"""The count: what should have been sent, from the book; what was, from the provider's own log.

Nothing here asks the planner or the ledger what should be; the ledger is only asked what it claims.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta
from typing import Any

from tests.chaos.town import LEASE, Town, key_of

_IN_HAND = timedelta(seconds=LEASE + 2)
"""A mail that was claimed before something was known may leave this much later."""


@dataclass(frozen=True)
class Count:
    """``lost``: should have been sent, was not, and is on no list. ``listed``: not sent, and on
    record for staff. ``doubled``: extra copies. ``excused``: extra copies of which the ledger says
    that there may be one, and whose evidence had not come when they left. ``lies``: recorded as
    sent, never accepted. ``phantoms``: accepted, and nobody should have got it."""

    mails: int = 0
    lost: int = 0
    listed: int = 0
    doubled: int = 0
    excused: int = 0
    lies: int = 0
    phantoms: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(*map(sum, zip(astuple(self), astuple(other), strict=True)))

    @property
    def is_clean(self) -> bool:
        """No promise is broken."""
        return not (self.lost or self.doubled or self.lies or self.phantoms)


def count(town: Town, renewed: Mapping[str, str]) -> Count:
    """What came of everything in the book. ``renewed``: licence -> when its renewal was known."""
    accepted: dict[str, list[datetime]] = defaultdict(list)
    for taken in town.taken():
        if taken.accepted:
            accepted[key_of(taken.address)].append(datetime.fromisoformat(taken.at))
    ledger: dict[str, list[Any]] = defaultdict(list)
    for row in town.ledger():
        ledger[key_of(row.address)].append(row)
    told = town.told()
    extra = {key: _extra(times, ledger[key], told) for key, times in accepted.items()}
    must = {key for key in town.book if key not in renewed}
    missing = must - accepted.keys()
    listed = {key for key in missing if any(row.state in _LISTED for row in ledger[key])}
    return Count(
        mails=len(must),
        lost=len(missing - listed),
        listed=len(listed),
        doubled=sum(doubled for doubled, _ in extra.values()),
        excused=sum(excused for _, excused in extra.values()),
        lies=_lies(town),
        phantoms=len(accepted.keys() - town.book.keys()) + _late(accepted, renewed),
    )


_LISTED = ("failed", "blocked", "given-up", "due")


def _extra(
    times: list[datetime], rows: list[Any], told: Mapping[str, list[datetime]]
) -> tuple[int, int]:
    """Extra copies that nothing excuses, and those that had no evidence against them."""
    heard = [at for row in rows for at in told.get(row.mail_key, ())]
    owned = sum(row.resends for row in rows)
    excused = 0
    for left in sorted(times)[1:]:
        in_time = any(at < left - _IN_HAND for at in heard)
        if not in_time and excused < owned:
            excused += 1
    return len(times) - 1 - excused, excused


def _lies(town: Town) -> int:
    sent = {(taken.mail, taken.address) for taken in town.taken() if taken.accepted}
    return sum(
        row.state == "accepted" and (row.mail_key, row.address) not in sent for row in town.ledger()
    )


def _late(accepted: Mapping[str, list[datetime]], renewed: Mapping[str, str]) -> int:
    """Mails that left although the renewal had been known for longer than a claim lasts."""
    return sum(
        left > datetime.fromisoformat(known) + _IN_HAND
        for key, known in renewed.items()
        for left in accepted.get(key, ())
    )
