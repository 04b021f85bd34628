"""What a command is handed: settings, a clock and a database, and no way to make its own."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from sqlalchemy import Engine

from worker.config.settings import Settings
from worker.kernel.clock import Clock


class Wiring(Protocol):
    """The part of the wired application that the rooms' commands may use.

    ``root`` is the folder that holds ``config.toml``, ``schedules/`` and ``templates/``; relative
    paths in the configuration count from it.
    """

    root: Path
    settings: Settings
    clock: Clock

    @property
    def engine(self) -> Engine:
        """The database; made at the first use, refused when its schema is not current."""
        ...
