"""Throw-away databases: each who takes one finds it empty."""

from __future__ import annotations

import threading
from contextlib import ExitStack

import pytest
from sqlalchemy import Engine, func, insert, select

from worker.catalogue.records import accounts
from worker.db import scratch
from worker.kernel.clock import SystemClock


def _fill(engine: Engine, count: int, name: str = "Firm") -> None:
    rows = [
        {"key": f"A{number}", "name": name, "updated_at": SystemClock().now()}
        for number in range(count)
    ]
    with engine.begin() as conn:
        conn.execute(insert(accounts), rows)


def _count(engine: Engine) -> int:
    with engine.begin() as conn:
        return conn.scalar(select(func.count()).select_from(accounts)) or 0


def test_what_one_wrote_is_gone_for_the_next() -> None:
    with scratch.borrowed() as engine:
        _fill(engine, 3)
        assert _count(engine) == 3
    with scratch.borrowed() as again:
        assert again is engine, "its tables and statements serve once more"
        assert _count(again) == 0


def test_two_at_once_have_one_each() -> None:
    with scratch.borrowed() as one, scratch.borrowed() as other:
        _fill(one, 3)
        assert _count(other) == 0


def test_that_of_one_who_failed_is_not_used_again() -> None:
    def fail() -> None:
        with scratch.borrowed() as engine:
            failed.append(engine)
            _fill(engine, 1)
            raise LookupError("the planner stumbled")

    failed: list[Engine] = []
    with pytest.raises(LookupError):
        fail()
    with scratch.borrowed() as next_one:
        assert next_one not in failed


def test_who_comes_when_all_are_in_use_waits_for_one() -> None:
    came = threading.Event()

    def wait() -> None:
        with scratch.borrowed():
            came.set()

    with ExitStack() as all_of_them:
        used = [all_of_them.enter_context(scratch.borrowed()) for _ in range(4)]
        assert len({id(engine) for engine in used}) == 4
        thread = threading.Thread(target=wait)
        thread.start()
        assert not came.wait(0.3)
    thread.join(10)
    assert came.is_set()


def test_they_share_the_statements_that_were_compiled() -> None:
    with scratch.borrowed() as one, scratch.borrowed() as other:
        _fill(one, 1)
        known = len(one.get_execution_options()["compiled_cache"])
        _fill(other, 1)
        assert one.dialect is other.dialect
        assert len(other.get_execution_options()["compiled_cache"]) == known


def test_a_large_one_is_thrown_away() -> None:
    with scratch.borrowed() as engine:
        _fill(engine, 3000, name="Firm " * 1000)
    with scratch.borrowed() as next_one:
        assert next_one is not engine
