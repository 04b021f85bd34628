"""An instance that answers requests, in a thread of the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.processes import write_config
from worker.bootstrap import App
from worker.web.serving import serving

Serve = Callable[..., tuple[App, httpx.Client]]


@pytest.fixture
def serve(root: Path) -> Iterator[Serve]:
    """``serve(database=…, broker=…, env=…)`` starts an instance: the application and a client."""
    with ExitStack() as open_things:

        def start(
            *, database: str, broker: str = "memory", env: Mapping[str, str] | None = None
        ) -> tuple[App, httpx.Client]:
            port = write_config(root, database=database, broker=broker)
            app = App.open(root, env or {})
            open_things.callback(app.close)
            open_things.enter_context(serving(app, lambda: None))
            client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20)
            return app, open_things.enter_context(client)

        yield start
