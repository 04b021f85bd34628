"""What was foretold within the last minute is kept, and not too much of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from worker.cadence import lately
from worker.cadence.decisions import Record
from worker.cadence.lately import Lately
from worker.cadence.recorded import nothing

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)


class Oracle:
    """Counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self) -> list[Record]:
        self.asked += 1
        return [nothing(f"L-{self.asked}", "A-1", 1, "done")] * 3


def test_it_stands_for_a_minute_for_what_it_was_made_from() -> None:
    known, oracle = Lately(), Oracle()
    first = known.of("a", NOON, oracle)
    assert known.of("a", NOON + timedelta(seconds=59), oracle) == first
    assert oracle.asked == 1
    assert known.of("b", NOON, oracle) != first
    assert known.of("a", NOON + timedelta(seconds=60), oracle) != first
    assert oracle.asked == 3


def test_a_clock_that_was_put_back_believes_nothing_of_what_is_to_come() -> None:
    known, oracle = Lately(), Oracle()
    known.of("a", NOON, oracle)
    known.of("a", NOON - timedelta(seconds=1), oracle)
    assert oracle.asked == 2


def test_who_was_told_may_change_the_list() -> None:
    known, oracle = Lately(), Oracle()
    known.of("a", NOON, oracle).clear()
    assert len(known.of("a", NOON, oracle)) == 3


def test_the_old_and_what_is_too_much_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    known, oracle = Lately(), Oracle()
    for number in range(50):
        known.of(f"{number}", NOON + timedelta(seconds=2 * number), oracle)
    assert len(known._made) == 30, "those of the last minute"
    monkeypatch.setattr(lately, "_MOST", 10)
    known.of("last", NOON + timedelta(seconds=98), oracle)
    assert list(known._made) == ["48", "49", "last"]
    known.of("last", NOON + timedelta(seconds=99), oracle)
    assert oracle.asked == 51
