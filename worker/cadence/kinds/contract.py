"""What every kind of step promises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from sqlalchemy import Row
from sqlalchemy.engine import Connection

from worker.cadence.facts import Timeline, Walk
from worker.cadence.library import Defaults
from worker.cadence.quiet import USUAL_QUIET, Quiet
from worker.cadence.rules import Decision
from worker.catalogue.stops import Stops
from worker.kernel.dates import Allowance


@dataclass(frozen=True, slots=True)
class Action:
    """A step whose moment has come. ``row`` holds walk_, licence_ and account_ columns."""

    row: Row[Any]
    decision: Decision
    walk: Walk
    version_id: int

    @property
    def line(self) -> Timeline:
        """The schedule on the client's calendar."""
        return self.walk.line


@dataclass(frozen=True, slots=True)
class Occasion:
    """What all steps of a batch have in common."""

    now: datetime
    allowance: Allowance
    stops: Stops
    quiet: Quiet = USUAL_QUIET
    defaults: Defaults = field(default_factory=Defaults)


class Acted(NamedTuple):
    """What is recorded for the step. ``waiting`` leaves the last word to the ledger; ``put-off``
    has the step judged again at ``until``."""

    decision: str
    reason: str | None = None
    mail_key: str | None = None
    recipient: str | None = None
    until: datetime | None = None


class Kind(Protocol):
    """A kind of step, in batches: thousands may fall due in one minute."""

    def act(self, conn: Connection, actions: Sequence[Action], on: Occasion) -> list[Acted]:
        """Does the steps in the caller's transaction; one result for each action, in order."""
        ...
