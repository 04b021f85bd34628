"""Waiting for something that happens elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable


def until(
    happened: Callable[[], object], seconds: float = 30, *, what: str = "it", every: float = 0.02
) -> None:
    """Returns as soon as ``happened()`` is true; fails the test after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds} s"
        time.sleep(every)
