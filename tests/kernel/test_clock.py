"""Clocks: the virtual one moves ahead only, and a watch sees when one is set."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

from worker.kernel.clock import SystemClock, VirtualClock, Watch, require_aware

NOON = datetime(2027, 3, 31, 12, tzinfo=UTC)


class Wall(VirtualClock):
    """A clock that people can set; time that goes by cannot be."""

    def __init__(self) -> None:
        super().__init__(NOON)
        self.set_by = timedelta()

    def now(self) -> datetime:
        return super().now() + self.set_by


def test_a_clock_that_nobody_sets_never_jumps() -> None:
    wall = Wall()
    watch = Watch(wall)
    assert watch.jump() == timedelta(0)
    wall.advance(timedelta(days=3))
    assert watch.jump() == timedelta(0)


@pytest.mark.parametrize("hours", [2, -2, 0.25])
def test_a_clock_that_is_set_jumps_once_by_so_much(hours: float) -> None:
    wall = Wall()
    watch = Watch(wall)
    wall.advance(timedelta(minutes=5))
    wall.set_by = timedelta(hours=hours)
    assert watch.jump() == timedelta(hours=hours)
    assert watch.jump() == timedelta(0)


def test_one_that_is_set_and_set_back_between_two_looks_did_not_jump() -> None:
    wall = Wall()
    watch = Watch(wall)
    wall.set_by = timedelta(hours=5)
    wall.advance(timedelta(minutes=1))
    wall.set_by = timedelta()
    assert watch.jump() == timedelta(0)


def test_several_threads_may_look_at_one_watch() -> None:
    """A thread that reads half of what another one noted would see hours that never were."""
    wall = Wall()
    watch = Watch(wall)
    wall.advance(timedelta(hours=8))
    seen: list[timedelta] = []

    def look() -> None:
        seen.extend(watch.jump() for _ in range(2000))

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(seen) == {timedelta(0)}


def test_the_machines_own_clock_does_not_jump_while_it_runs() -> None:
    watch = Watch(SystemClock())
    assert abs(watch.jump()) < timedelta(seconds=5)


def test_the_virtual_clock_never_goes_back() -> None:
    clock = VirtualClock(NOON)
    clock.advance_to(NOON - timedelta(hours=1))
    assert (clock.now(), clock.elapsed()) == (NOON, 0)


def test_a_moment_without_an_offset_is_refused() -> None:
    with pytest.raises(ValueError, match="naive 2027-03-31T12:00:00"):
        require_aware(datetime(2027, 3, 31, 12))  # noqa: DTZ001 -- that is the point
