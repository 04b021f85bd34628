"""The only place that reads the time. Rules take ``now`` as an argument; doors read it here."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells the time; the production clock and the virtual one differ in nothing else."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never run backwards; leases are checked against it."""
        ...

    def elapsed(self) -> float:
        """Seconds that never run backwards and go on while the machine sleeps."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def elapsed(self) -> float:
        if hasattr(time, "CLOCK_BOOTTIME"):
            return time.clock_gettime(time.CLOCK_BOOTTIME)
        return time.monotonic()


class VirtualClock:
    """A clock that stands still until it is told to advance; rehearsals and tests run on it."""

    def __init__(self, start: datetime) -> None:
        self._now = require_aware(start).astimezone(UTC)
        self._elapsed = 0.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._elapsed

    def elapsed(self) -> float:
        return self._elapsed

    def advance_to(self, moment: datetime) -> None:
        """Moves to ``moment``; a moment in the past leaves the clock as it is."""
        ahead = (require_aware(moment) - self._now).total_seconds()
        if ahead > 0:
            self._elapsed += ahead
            self._now = moment.astimezone(UTC)

    def advance(self, step: timedelta) -> None:
        """Moves ahead by ``step``."""
        self.advance_to(self._now + step)


class Watch:
    """Notices that a clock was set: its time and the time that really went by drift apart."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen = clock.now(), clock.elapsed()

    def jump(self) -> timedelta:
        """How far the clock was set since the last look: ahead, or (negative) back."""
        last_now, last_elapsed = self._seen  # one value: several threads look at one watch
        now, elapsed = self._seen = self._clock.now(), self._clock.elapsed()
        return now - last_now - timedelta(seconds=elapsed - last_elapsed)


def require_aware(moment: datetime) -> datetime:
    """Returns ``moment`` unchanged; raises ``ValueError`` when it carries no offset."""
    if moment.tzinfo is None or moment.utcoffset() is None:
        raise ValueError(f"expected a datetime with an offset, got the naive {moment.isoformat()}")
    return moment
