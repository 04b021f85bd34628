"""What every kind of step promises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from sqlalchemy import Row
from sqlalchemy.engine import Connection

from worker.cadence.facts import Timeline
from worker.cadence.rules import Decision


@dataclass(frozen=True, slots=True)
class Action:
    """A step whose moment has come. ``row`` holds walk_, licence_ and account_ columns; in a
    forecast the walk_ columns may be missing."""

    row: Row[Any]
    decision: Decision
    line: Timeline
    version_id: int


class Acted(NamedTuple):
    """What is recorded for the step. ``waiting`` leaves the last word to the ledger."""

    decision: str
    reason: str | None = None
    mail_key: str | None = None
    recipient: str | None = None


class Kind(Protocol):
    """A kind of step, in batches: thousands may fall due in one minute."""

    def act(self, conn: Connection, actions: Sequence[Action], now: datetime) -> list[Acted]:
        """Does the steps in the caller's transaction; one result for each action, in order."""
        ...

    def recipients(self, conn: Connection, actions: Sequence[Action]) -> list[list[str]]:
        """Who each action would reach if it were done now; changes nothing."""
        ...
