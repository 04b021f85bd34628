"""The audit log: who changed what, written in the transaction that changes it."""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert
from sqlalchemy.engine import Connection

from worker.access.records import audit


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, and through which door: ``page``, ``api`` or ``command``."""

    name: str
    via: str


NOBODY = Actor("nobody", "rehearsal")
"""Who acts on a copy of the book that is thrown away."""


def at_the_terminal() -> Actor:
    """Whoever types a command: the name of the account of this machine."""
    try:
        return Actor(getpass.getuser(), "command")
    except (OSError, KeyError):  # a container's user may have no name
        return Actor("unknown", "command")


def note(
    conn: Connection,
    by: Actor,
    what: str,
    about: str,
    now: datetime,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Writes a line that nobody can alter or delete.

    ``what`` is noun.verb, ``about`` names the thing by kind and key ("licence L-1"). Neither they
    nor ``detail`` hold personal data: an erased person's lines stay.
    """
    conn.execute(
        insert(audit).values(
            at=now, who=by.name, via=by.via, what=what, about=about, detail=dict(detail or {})
        )
    )
