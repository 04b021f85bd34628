"""How an endpoint fares: one that keeps failing rests, longer each time. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

PATIENCE = 5
"""An endpoint that failed so often in a row rests."""
RESTS = (
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
)
"""How long: after that failure, and after each one that follows; then as long as the last."""
TOO_LONG = timedelta(days=5)
"""After so long people are told."""

GONE = "gone"
"""Why an endpoint is not called any more: it said so."""


class Standing(NamedTuple):
    """How an endpoint fares: failures in a row, since when, until when it rests, and why."""

    failures: int = 0
    failing_since: datetime | None = None
    paused_until: datetime | None = None
    why: str | None = None


class Trouble(NamedTuple):
    """What people should know of an endpoint; without a ``detail`` it is over."""

    endpoint: str
    title: str = ""
    detail: str | None = None


WELL = Standing()


def failed(before: Standing, said: str, now: datetime) -> Standing:
    """How it fares after one more failure: ``said`` is what the last call brought."""
    failures = before.failures + 1
    since = before.failing_since or now
    if failures < PATIENCE:
        return Standing(failures, since, None, said)
    rest = RESTS[min(failures - PATIENCE, len(RESTS) - 1)]
    return Standing(failures, since, now + rest, said)


def trouble_of(name: str, standing: Standing, now: datetime) -> Trouble | None:
    """What people should be told of an endpoint that failed; ``None``: nothing yet."""
    since = standing.failing_since
    if standing.why == GONE:
        detail = (
            f"The endpoint {name} answered 410: it wants no more calls, and gets none. If that is "
            "right, remove it from config.toml. If not, close this task: then it is told of what "
            "happens from then on."
        )
        return Trouble(name, f"The endpoint {name} is gone", detail)
    if since is None or now - since < TOO_LONG:
        return None
    detail = (
        f"The endpoint {name} {standing.why}; no call has succeeded since {since:%Y-%m-%d %H:%M} "
        "UTC. Calls older than 5 days are given up. Mend it, or remove it from config.toml."
    )
    return Trouble(name, f"The endpoint {name} has failed for days", detail)
