"""The world that the ledger's tests live in; each test gets a fresh one on each database."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.outbox.world import World


@pytest.fixture
def world(engine: Engine, root: Path) -> World:
    return World(engine, root)
