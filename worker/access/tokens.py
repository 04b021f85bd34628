"""Tokens of other systems: made, revoked. Only a digest is kept."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError

from worker.access import audit, store
from worker.access.audit import Actor
from worker.access.rules import TOKEN_PREFIX, FaultsError, Scope, digest_of
from worker.kernel.errors import FindingsError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
MOST_DAYS = 3650


def faults_of(name: str, scopes: Sequence[str], days: int | None) -> list[str]:
    """Everything that is wrong with a token, in sentences. Pure."""
    found = []
    if not _NAME.fullmatch(name):
        found.append(f"Name {name[:80]!r}: expected up to 64 letters, digits and . _ -")
    if not scopes or not set(scopes) <= set(Scope):
        found.append(f"Scopes: expected at least one of {', '.join(Scope)}.")
    if days is not None and not 1 <= days <= MOST_DAYS:
        found.append(f"Days: expected a number from 1 to {MOST_DAYS}.")
    return found


def make(
    engine: Engine, by: Actor, name: str, scopes: Sequence[str], days: int | None, now: datetime
) -> str:
    """Makes a token that is good for ``days``, or until it is revoked. It is known to whoever gets
    it from here, and to nobody else. Raises ``FaultsError``."""
    name = name.strip()
    if found := faults_of(name, scopes, days):
        raise FaultsError(found)
    secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
    ends_at = None if days is None else now + timedelta(days=days)
    kept = [str(scope) for scope in Scope if scope in scopes]
    values: dict[str, Any] = {"name": name, "digest": digest_of(secret), "scopes": kept}
    values |= {"made_by": by.name, "made_at": now, "ends_at": ends_at}
    try:
        with engine.begin() as conn:
            store.add_token(conn, values)
            detail = {"scopes": kept, "days": days}
            audit.note(conn, by, "token.made", f"token {name}", now, detail)
    except IntegrityError:
        raise FaultsError([f"There is a token {name} already; revoke it first."]) from None
    return secret


def revoke(engine: Engine, by: Actor, name: str, now: datetime) -> None:
    """Ends a token at once. Raises ``FindingsError`` when none of that name stands."""
    with engine.begin() as conn:
        if not store.revoke_token(conn, name, now):
            raise FindingsError(f"No token {name!r} stands; see: perennial token list")
        audit.note(conn, by, "token.revoked", f"token {name}", now)
