"""Roles, and what each of them may do. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from enum import StrEnum

from worker.kernel.errors import UsageError
from worker.kernel.keys import digest


class Role(StrEnum):
    """What a user is; each may do what those before it may."""

    VIEWER = "viewer"
    SALES = "sales"
    RENEWALS = "renewals"
    ADMIN = "admin"

    def may(self, needed: Role) -> bool:
        """Whether this role is ``needed`` or stands above it."""
        return _RANK[self] >= _RANK[needed]


_RANK: Mapping[Role, int] = {role: rank for rank, role in enumerate(Role)}

MEANS: Mapping[Role, str] = {
    Role.VIEWER: "sees everything, changes nothing",
    Role.SALES: "works on tasks and promises; holds, edits or takes over a planned mail",
    Role.RENEWALS: "approves, releases, settles, stops; edits and applies schedules",
    Role.ADMIN: "manages users and tokens, confirms a copied database, reads the audit log",
}
"""Each role in a sentence; it may do what those above it in this list may, too."""


class Scope(StrEnum):
    """What a token of another system lets it do."""

    READ = "read"
    WRITE = "write"
    DELIGHTED = "delighted"  # reads and writes, under /v1 alone


SESSION = timedelta(hours=12)
"""A session ends so long after it was last used …"""
LONGEST_SESSION = timedelta(days=14)
"""… and at the latest so long after it began."""
LINK = timedelta(hours=24)
"""A link that signs in once is good for so long."""

FREE_TRIES = 5
"""Failed sign-ins in a row before one has to wait …"""
LONGEST_WAIT = timedelta(minutes=15)
"""… at most so long."""
PENDING = "mailto:"
TOKEN_PREFIX = "prn_"  # noqa: S105 -- no secret: every token begins with it
"""Tokens begin with it, so that scanners of repositories know one when they see it."""


def wait_after(failures: int) -> timedelta:
    """How long to wait after so many failed sign-ins in a row: 1, 2, 4 … minutes."""
    if failures < FREE_TRIES:
        return timedelta(0)
    return min(timedelta(minutes=2 ** min(failures - FREE_TRIES, 9)), LONGEST_WAIT)


class FaultsError(UsageError):
    """A user, a password or a token cannot be as was asked for; ``faults`` are sentences, all that
    there are."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = list(faults)


def pending(address: str) -> str:
    """What stands as the subject of a user until the owner of this address has signed in by OpenID
    Connect."""
    return PENDING + address.lower()


def digest_of(secret: str) -> str:
    """What is kept of a cookie, a link or a token; 32 random bytes need no salt."""
    return digest(secret)
