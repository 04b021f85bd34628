"""Sources that run by themselves: when they are read, what a failure does, when one is stale."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, update

from worker.catalogue import store
from worker.catalogue.flow import Options
from worker.catalogue.freshness import (
    UNFINISHED,
    failing,
    is_stale,
    next_try,
    pending,
    stale,
)
from worker.catalogue.records import source_reads
from worker.catalogue.refresh import refresh
from worker.catalogue.store import Read
from worker.config.settings import SourceSettings
from worker.kernel.clock import VirtualClock
from worker.worklist.alarms import watch_sources
from worker.worklist.store import open_ones

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
LOADS = [{"entity": "account", "key": "{a}", "country": "{c}"}]


class House:
    """An instance with one file that is read once a day, and a clock that stands still."""

    def __init__(self, engine: Engine, root: Path) -> None:
        self.engine, self.root = engine, root
        self.clock = VirtualClock(NOW)
        self.sources = {"book": self.source()}
        self.stopped = False

    def source(self, **more: Any) -> SourceSettings:
        declared = {"every": DAY, "stale_after": 3 * DAY, "load": LOADS, **more}
        return SourceSettings(kind="csv", path="book.csv", **declared)

    def write(self, text: str = "a,c\na1,PL\n") -> None:
        (self.root / "book.csv").write_text(text, encoding="utf-8")

    def refresh(self) -> int:
        options = Options(pause=lambda _seconds: None)
        stop = lambda: self.stopped  # noqa: E731
        tried = len(refresh(self.engine, self.sources, self.clock, self.root, options, stop))
        watch_sources(self.engine, self.sources, self.clock.now())
        return tried

    def read(self, name: str = "book") -> Read:
        with self.engine.begin() as conn:
            return store.reads(conn)[name]

    def alarms(self) -> list[str]:
        with self.engine.begin() as conn:
            return [task.title for task in open_ones(conn, ["alarm"])]

    def later(self, step: timedelta) -> int:
        self.clock.advance(step)
        return self.refresh()


@pytest.fixture
def house(engine: Engine, root: Path) -> House:
    made = House(engine, root)
    made.write()
    return made


# --- rules ----------------------------------------------------------------------------------------


def failed(after: timedelta) -> Read:
    """A source that was due at noon and failed so long after."""
    return Read(NOW - DAY, NOW + after, "it is down")


@pytest.mark.parametrize(
    ("overdue", "pause"),
    [
        (0 * MINUTE, MINUTE),
        (0.5 * MINUTE, MINUTE),
        (5 * MINUTE, 5 * MINUTE),
        (40 * MINUTE, 40 * MINUTE),
        (9 * HOUR, HOUR),
    ],
)
def test_the_pause_after_a_failure_grows_with_what_is_overdue(
    overdue: timedelta, pause: timedelta
) -> None:
    assert next_try(failed(overdue), DAY) == NOW + overdue + pause


def test_no_pause_is_longer_than_the_source_s_own_rhythm() -> None:
    every = 5 * MINUTE
    assert next_try(Read(NOW - 9 * HOUR, NOW, "down"), every) == NOW + every
    assert next_try(Read(None, NOW, "down"), every) == NOW + every
    assert next_try(Read(None, NOW, "down"), DAY) == NOW + 10 * MINUTE


def test_a_reading_under_way_is_left_alone_for_a_while_and_then_counts_as_dead() -> None:
    read = Read(NOW - DAY, NOW, UNFINISHED)
    assert next_try(read, DAY) == NOW + 15 * MINUTE
    assert not failing(read, NOW + 15 * MINUTE)
    assert pending({"book": read}, NOW) == {"book"}
    assert failing(read, NOW + 16 * MINUTE)
    assert pending({"book": read}, NOW + 16 * MINUTE) == frozenset()


def test_a_source_is_stale_when_its_last_reading_is_too_old() -> None:
    declared = SourceSettings(kind="csv", stale_after=3 * DAY)
    assert is_stale(None, declared, NOW)
    assert is_stale(Read(None, NOW, "down"), declared, NOW)
    assert not is_stale(Read(NOW - 3 * DAY, NOW, "down"), declared, NOW)
    assert is_stale(Read(NOW - 3 * DAY - MINUTE, NOW, "down"), declared, NOW)
    assert not is_stale(None, SourceSettings(kind="csv"), NOW)


# --- what happens ---------------------------------------------------------------------------------


def test_a_source_is_read_at_once_and_then_once_a_day(house: House) -> None:
    assert house.refresh() == 1
    assert house.read() == Read(NOW, NOW, None)
    assert (house.refresh(), house.later(23 * HOUR), house.later(HOUR)) == (0, 0, 1)
    assert house.read().read_at == NOW + DAY
    assert house.alarms() == []


def test_a_source_without_a_rhythm_is_not_read(house: House) -> None:
    house.sources = {"book": house.source(every=None, stale_after=None)}
    assert house.refresh() == 0


def test_nothing_is_begun_once_the_process_was_told_to_end(house: House) -> None:
    house.stopped = True
    assert house.refresh() == 0


def test_a_failure_opens_one_alarm_and_the_next_success_closes_it(house: House) -> None:
    house.refresh()
    house.write("a,c\n")
    assert house.later(DAY) == 1
    assert house.read().read_at == NOW
    assert "expected rows after the header" in (house.read().problem or "")
    assert house.alarms() == ["The source 'book' cannot be read"]
    assert house.later(MINUTE) == 1
    assert house.alarms() == ["The source 'book' cannot be read"]
    assert house.later(timedelta(seconds=30)) == 0
    house.write()
    assert house.later(MINUTE) == 1
    assert (house.alarms(), house.read().problem) == ([], None)


def test_rejected_rows_of_a_source_that_nobody_watches_are_an_alarm(house: House) -> None:
    house.write("a,c\na1,PL\na2,Polska\n")
    house.refresh()
    assert house.alarms() == ["Rows of the source 'book' were rejected"]
    assert (house.read().problem or "").startswith("1 of 2 rows; they are in ")
    assert house.later(HOUR) == 0
    house.write()
    house.later(DAY)
    assert house.alarms() == []


def test_a_source_that_cannot_be_read_for_long_is_stale(house: House) -> None:
    house.refresh()
    house.write("")
    for _ in range(3):
        house.later(DAY)
    assert house.alarms() == ["The source 'book' cannot be read"]
    with house.engine.begin() as conn:
        assert stale(conn, house.sources, house.clock.now()) == {}
    house.later(MINUTE)
    assert house.alarms()[1:] == ["The source 'book' is stale: mails that depend on it are held"]
    with house.engine.begin() as conn:
        assert stale(conn, house.sources, house.clock.now()) == {"book": NOW}
    house.write()
    house.later(HOUR)
    assert house.alarms() == []
    with house.engine.begin() as conn:
        assert stale(conn, house.sources, house.clock.now()) == {}


def test_a_source_that_was_never_read_is_stale_without_a_day(house: House) -> None:
    house.write("")
    house.refresh()
    with house.engine.begin() as conn:
        assert stale(conn, house.sources, NOW) == {"book": None}


def test_alarms_of_a_source_that_is_no_longer_declared_are_closed(house: House) -> None:
    house.write("")
    house.refresh()
    assert len(house.alarms()) == 2
    house.sources = {}
    house.refresh()
    assert house.alarms() == []


def test_an_alarm_stays_while_the_source_is_being_read(house: House) -> None:
    house.write("")
    house.refresh()
    with house.engine.begin() as conn:
        conn.execute(update(source_reads).values(problem=UNFINISHED))
    house.refresh()
    assert "The source 'book' cannot be read" in house.alarms()


def test_many_schedulers_read_a_source_once(house: House) -> None:
    """All of them see it due at the same moment; one claim succeeds."""
    started = threading.Barrier(6)
    tried: list[int] = []

    def run() -> None:
        started.wait()
        options = Options(pause=lambda _seconds: None)
        done = refresh(house.engine, house.sources, house.clock, house.root, options, lambda: False)
        tried.append(len(done))

    for _ in range(2):
        threads = [threading.Thread(target=run) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        house.clock.advance(DAY)
    assert sorted(tried) == [0] * 10 + [1, 1]


def test_only_one_claim_on_what_was_seen_succeeds(house: House) -> None:
    house.refresh()
    seen = house.read()
    with house.engine.begin() as conn:
        assert store.claim_read(conn, "book", seen, NOW + DAY, UNFINISHED)
        assert not store.claim_read(conn, "book", seen, NOW + DAY, UNFINISHED)
        assert store.claim_read(conn, "other", None, NOW, UNFINISHED)
        assert not store.claim_read(conn, "other", None, NOW, UNFINISHED)


def test_a_reading_that_died_is_begun_again(house: House) -> None:
    with house.engine.begin() as conn:
        store.claim_read(conn, "book", None, NOW, UNFINISHED)
    assert (house.refresh(), house.later(14 * MINUTE), house.later(MINUTE)) == (0, 0, 1)
    assert house.read().problem is None


def test_what_is_wrong_in_our_own_code_is_a_failure_too(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_args: object) -> None:
        raise KeyError("a1")

    monkeypatch.setattr("worker.catalogue.refresh.import_source", broken)
    assert house.refresh() == 1
    assert house.read().problem == "internal error (KeyError); the log has the details"


def test_one_source_that_fails_holds_up_no_other(house: House) -> None:
    other = SourceSettings(kind="csv", path="gone.csv", every=DAY, load=LOADS)
    house.sources = {"gone": other, **house.sources}
    assert house.refresh() == 2
    assert house.read().read_at == NOW
    assert "expected a file, got nothing at" in (house.read("gone").problem or "")
