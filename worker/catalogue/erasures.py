"""People whose data is gone: what is kept of them, so that imports do not bring them back.

Kept is a keyed hash of a contact's key and of each address. The key of the hashes, the pepper, is
made once for each database and lies in it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from worker.catalogue.records import erasures, suppressions
from worker.db.records import instance

KEY, ADDRESS = "key", "address"


@dataclass(frozen=True, slots=True)
class Erased:
    """The hashes that are kept, and how one is made."""

    pepper: str
    hashes: frozenset[str]

    def __bool__(self) -> bool:
        return bool(self.hashes)

    def hash(self, kind: str, text: str) -> str:
        """The keyed hash (HMAC-SHA-256, hexadecimal) of a contact's key or an address."""
        said = f"{kind}\n{text.lower() if kind == ADDRESS else text}"
        return hmac.new(self.pepper.encode(), said.encode(), hashlib.sha256).hexdigest()

    def holds(self, key: str | None, address: str | None) -> bool:
        """Whether a contact with this key or this address was erased."""
        named = ((KEY, key), (ADDRESS, address))
        return any(text and self.hash(kind, text) in self.hashes for kind, text in named)


NOBODY = Erased("", frozenset())
"""Nobody was erased."""


def known(conn: Connection) -> Erased:
    """Who was erased so far."""
    pepper = conn.scalar(select(instance.c.pepper)) or ""
    return Erased(pepper, frozenset(conn.execute(select(erasures.c.hash)).scalars()))


def note(conn: Connection, keys: Iterable[str], addresses: Iterable[str], now: datetime) -> Erased:
    """Keeps the hashes of people who are about to be erased; their addresses stay silent where they
    were."""
    _give_pepper(conn)
    erased = known(conn)
    silent = [*addresses]
    named = [(KEY, key) for key in keys] + [(ADDRESS, address) for address in silent]
    dialect = postgresql if conn.dialect.name == "postgresql" else sqlite
    rows = [{"hash": erased.hash(kind, text), "at": now} for kind, text in named]
    if rows:
        conn.execute(dialect.insert(erasures).on_conflict_do_nothing(), rows)
    for address in silent:
        kept = update(suppressions).where(suppressions.c.address == address)
        conn.execute(kept.values(address=erased.hash(ADDRESS, address), detail=None))
    return known(conn)


def _give_pepper(conn: Connection) -> None:
    fresh = update(instance).where(instance.c.pepper.is_(None))
    conn.execute(fresh.values(pepper=secrets.token_hex(32)))
