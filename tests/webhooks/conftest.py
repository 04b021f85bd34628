"""What the tests of calls share."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.http.server import Reply, Server
from tests.webhooks.world import KEYS, Answers, Caller, CallingBook
from worker.http.door import Door
from worker.webhooks.flow import Outside


@pytest.fixture
def server() -> Iterator[Server]:
    """Somebody who is called; ``answering`` may be changed."""
    with Server(Answers(Reply(status=204))).running() as running:
        yield running


@pytest.fixture
def book(engine: Engine, root: Path) -> Iterator[CallingBook]:
    """A book whose steps really call, on both databases. It is noon, Friday 20 November 2026."""
    door = Door(timedelta(seconds=0.5))
    yield CallingBook(engine, root, outside=Outside(lambda _: door, KEYS))
    door.close()


@pytest.fixture
def caller(engine: Engine) -> Iterator[Caller]:
    made = Caller(engine)
    yield made
    for door in made.doors:
        door.close()
