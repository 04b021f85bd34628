"""The world that the tests of events live in; each test gets a fresh one on each database."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.events.world import EventWorld


@pytest.fixture
def world(engine: Engine, root: Path) -> EventWorld:
    return EventWorld(engine, root)
