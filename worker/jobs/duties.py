"""What a bell rings for."""

from __future__ import annotations

import threading
from typing import Protocol

from sqlalchemy import Engine

from worker.bootstrap.duties import Due
from worker.catalogue.refresh import Tried
from worker.kernel.clock import Clock


class Duties(Protocol):
    """The part of the application that jobs and the beat call."""

    clock: Clock
    stopping: threading.Event
    """Set when the process was told to end: no new batch is begun."""

    @property
    def engine(self) -> Engine: ...

    def plan_batch(self) -> int:
        """Plans one batch; how many rows were handled."""
        ...

    def send_batch(self) -> int:
        """Claims and sends one batch; how many mails were claimed."""
        ...

    def call_batch(self) -> int:
        """Claims and makes one batch of calls to other systems; how many were claimed."""
        ...

    def due(self) -> Due: ...

    def after_beat(self) -> object:
        """Hears that a beat succeeded; never raises for what the outside does, never waits."""
        ...

    def sweep(self) -> None: ...

    def refresh(self) -> list[Tried]:
        """Reads the sources whose time has come; what came of each."""
        ...
