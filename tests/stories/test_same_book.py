"""The same small book gives the same mails, decisions and tasks, however it is run."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from tests.processes import environment, running
from tests.stories.instance import Instance, Ledger, licence_row, person_row
from tests.waiting import until
from worker.cli.main import run
from worker.db.engine import make_engine
from worker.db.migrate import upgrade

pytestmark = pytest.mark.timeout(900)

_LANGUAGES = ("en", "pl", "ru")


def a_book(instance: Instance) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Forty licences: what is due, what is late, what nobody can be told of, what gets nothing."""
    licences: list[dict[str, str]] = []
    people: list[dict[str, str]] = []

    def add(key: str, ends_in: int, language: str = "en", **more: str) -> None:
        account = f"A-{key}"
        licences.append(
            licence_row(instance, key, account=account, ends_in=ends_in, language=language, **more)
        )

    def known(key: str, language: str = "", name: str = "Anna Nowak") -> None:
        email = f"{name.partition(' ')[0].lower()}.{key.lower()}@example.com"
        people.append(person_row(f"A-{key}", email, person=name, language=language))

    for number in range(30):
        language = _LANGUAGES[number % 3]
        ends_in = (30, 14, -3, 25, 200)[number % 5]  # due, task, grace, late, far away
        add(f"L-{number:02}", ends_in, language)
        known(f"L-{number:02}")
    for number in range(30, 35):  # the contact's own language wins over the account's
        add(f"L-{number}", 30, "pl")
        known(f"L-{number}", "ru", "Olga Iwanowa")
    add("TWO", 30)
    known("TWO", name="Anna Nowak")
    known("TWO", "pl", name="Bogdan Wilk")
    add("ALONE", 30)
    add("CANCELLED", 30, status="cancelled")
    known("CANCELLED")
    add("AUTO", 30, auto="yes")
    known("AUTO")
    add("HISTORY", -400)
    known("HISTORY")
    return licences, people


@dataclass(frozen=True)
class Told:
    """All that one way of running left behind, without what differs by chance or by the clock."""

    mails: list[tuple[str, ...]]
    decisions: dict[str, list[dict[str, Any]]]
    tasks: list[tuple[str, ...]]


def _tell(instance: Instance, capsys: pytest.CaptureFixture[str]) -> Told:
    mails = [
        (mail.licence, mail.step, mail.address, mail.language, mail.subject, mail.text)
        for mail in instance.mails()
    ]
    keys = [row["licence"] for row in a_book(instance)[0]]
    decisions = {key: _explained(instance, key, capsys) for key in keys}
    tasks = [
        tuple(str(task[name]) for name in ("kind", "title", "detail", "assignee", "due_on"))
        for task in _json(instance, capsys, "tasks")
    ]
    return Told(sorted(mails), decisions, sorted(tasks))


def _explained(
    instance: Instance, key: str, capsys: pytest.CaptureFixture[str]
) -> list[dict[str, Any]]:
    found = _json(instance, capsys, "explain", key)
    for decision in found:
        decision.pop("message")  # an id made by chance
        decision["to"].sort()
        if decision["at"] and decision["decision"] != "planned":
            decision["at"] = decision["at"][:10]  # what is late leaves at whatever hour it is
    return sorted(found, key=lambda one: json.dumps(one, sort_keys=True))


def _json(
    instance: Instance, capsys: pytest.CaptureFixture[str], *words: str
) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert run(["--root", str(instance.root), *words, "--json"], {}) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def _perennial(instance: Instance, *words: str) -> None:
    """A command as a process of its own, which must succeed."""
    command = [sys.executable, "-m", "worker", "--root", str(instance.root), *words]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)
    assert done.returncode == 0, done.stderr


def _load(instance: Instance) -> None:
    instance.load(*a_book(instance))


_MAILS = 6 + 6 + 6 + 5 + 2  # due, grace, late, in the contact's language, to two people


def _all_sent(engine: Engine) -> bool:
    return Ledger.of(engine).states().get("accepted", 0) >= _MAILS


@pytest.fixture
def by_tick(tmp_path: Path) -> Instance:
    """As cron runs it, on SQLite: several ticks, of which the later ones find nothing to do."""
    instance = Instance(_folder(tmp_path, "tick"))
    _perennial(instance, "db", "upgrade")
    _load(instance)
    for _ in range(2):
        _perennial(instance, "tick")
    return instance


@pytest.fixture
def by_up(tmp_path: Path) -> Instance:
    """Everything in one process, on SQLite."""
    instance = Instance(_folder(tmp_path, "up"))
    with running(instance.root, "up") as up:
        up.wait_for("web.started")
        _load(instance)
        engine = make_engine(f"sqlite:///{instance.root}/var/perennial.db")
        until(lambda: _all_sent(engine), 120, what="the last mail")
        engine.dispose()
        assert up.stop() < 10
    return instance


@pytest.fixture
def by_many(tmp_path: Path, postgresql_url: str, redis_url: str) -> Instance:
    """A scheduler and two workers, on PostgreSQL and Redis."""
    instance = Instance(_folder(tmp_path, "many"), database=postgresql_url, broker=redis_url)
    engine = make_engine(postgresql_url)
    upgrade(engine)
    with ExitStack() as stack:
        names = ("worker-1", "worker-2", "scheduler")
        parts = [
            stack.enter_context(running(instance.root, name.partition("-")[0], name=name))
            for name in names
        ]
        for worker in parts[:2]:
            worker.wait_for("worker.started")
        _load(instance)
        until(lambda: _all_sent(engine), 120, what="the last mail")
        for part in parts:
            assert part.stop() < 10
    engine.dispose()
    return instance


def _folder(parent: Path, name: str) -> Path:
    (parent / name).mkdir()
    return parent / name


def test_a_book_gives_the_same_mails_in_one_process_in_many_and_by_tick(
    by_tick: Instance,
    by_up: Instance,
    by_many: Instance,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tick, up, many = (_tell(instance, capsys) for instance in (by_tick, by_up, by_many))
    _nothing_is_missing(tick)
    for other in (up, many):
        assert other.mails == tick.mails
        assert other.tasks == tick.tasks
        assert other.decisions == tick.decisions


def _nothing_is_missing(told: Told) -> None:
    """That the book is what its maker says: else three empty runs would agree as well."""
    assert len(told.mails) == _MAILS
    assert len({mail[:3] for mail in told.mails}) == _MAILS, "nothing twice"
    assert {mail[3] for mail in told.mails} == {"en", "pl", "ru"}
    assert {mail[3] for mail in told.mails if mail[0] == "L-30"} == {"ru"}
    assert [mail[3] for mail in told.mails if mail[0] == "TWO"] == ["en", "pl"]
    quiet = {"ALONE", "CANCELLED", "AUTO", "HISTORY"}
    assert not quiet & {mail[0] for mail in told.mails}
    assert [task[0] for task in told.tasks] == ["no-contact"] + ["step"] * 6
    assert all(decisions for decisions in told.decisions.values()), "every licence is explained"
    reasons = {key: {one["reason"] for one in told.decisions[key]} for key in quiet}
    assert "no-reachable-contact" in reasons["ALONE"]
    assert reasons["AUTO"] == {"not-in-audience"}
