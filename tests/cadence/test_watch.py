"""An edit that cannot be applied, made while the system runs: told to staff, and without effect."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cadence.conftest import Book, schedule_text
from worker.cadence import watch

CADENCE = ("30 days before", "14 days before")
TITLE = "Edited files cannot be applied; the last good version goes on"


@pytest.fixture
def client(book: Book) -> Book:
    book.licence()
    book.contact()
    for folder in ("renewal/grace", "renewal/heads-up/pl", "renewal/heads-up/ru"):
        shutil.rmtree(book.root / "templates" / folder)  # the check reads all there are
    book.apply(schedule_text(*CADENCE))
    return book


def _look(book: Book) -> list[str]:
    return [str(problem) for problem in watch.check_edits(book.engine, book.root, book.now)]


def _schedule(book: Book) -> Path:
    return book.root / "schedules/renewal.toml"


def _break_schedule(book: Book) -> None:
    text = schedule_text(*CADENCE).replace('"30 days before"', '"7 daze"')
    _schedule(book).write_text(text, encoding="utf-8")


def _break_syntax(book: Book) -> None:
    _schedule(book).write_text("name = ", encoding="utf-8")


def _break_template(book: Book) -> None:
    book.template("renewal/heads-up", "{{ licence.prodct }}")


def _mend(book: Book) -> None:
    _schedule(book).write_text(schedule_text(*CADENCE), encoding="utf-8")
    book.template("renewal/heads-up", "Renewal of {{ licence.key }}")


@pytest.mark.parametrize("damage", [_break_schedule, _break_syntax, _break_template])
def test_an_invalid_edit_is_one_alarm_the_last_good_version_goes_on_and_mending_ends_it(
    client: Book, damage: Callable[[Book], None]
) -> None:
    damage(client)
    (problem,) = _look(client)
    _look(client)
    assert client.tasks() == [("alarm", TITLE)]
    (detail,) = client.alarm_details()
    assert detail.startswith(problem)
    assert detail.endswith("See all of them with: perennial check")
    client.run()
    assert client.sent() == ["2026-11-20 30-days-before"]
    _mend(client)
    assert _look(client) == []
    assert client.tasks() == []


def test_a_valid_edit_that_nobody_applied_is_no_alarm_and_has_no_effect(client: Book) -> None:
    text = schedule_text("29 days before")
    _schedule(client).write_text(text, encoding="utf-8")
    assert _look(client) == []
    client.run()
    assert client.tasks() == []
    assert client.sent() == ["2026-11-20 30-days-before"]


def test_files_that_another_process_has_looked_at_are_not_tried_out_again(client: Book) -> None:
    assert _look(client) == []
    (client.root / "templates/renewal/heads-up/en").rename(client.root / "elsewhere")
    assert len(_look(client)) > 0
    assert _look(client) == []
    assert client.tasks() == [("alarm", TITLE)]
    (client.root / "elsewhere").rename(client.root / "templates/renewal/heads-up/en")
    assert _look(client) == []
    assert client.tasks() == []


def test_many_problems_are_counted_and_the_first_are_named(client: Book) -> None:
    steps = "".join(f'[[steps]]\nid = "s{n}"\nwhen = "soon"\ntask = "Call"\n' for n in range(9))
    text = schedule_text(*CADENCE) + "\n" + steps
    _schedule(client).write_text(text, encoding="utf-8")
    assert len(_look(client)) == 9
    (detail,) = client.alarm_details()
    lines = detail.splitlines()
    assert len(lines) == 7
    assert lines[5] == "… and 4 more"
    assert all("'soon' is not an offset" in line for line in lines[:5])


def test_any_edit_of_schedules_or_templates_changes_the_fingerprint(client: Book) -> None:
    seen = {watch.fingerprint(client.root)}
    assert watch.fingerprint(client.root) in seen

    def differs() -> bool:
        now = watch.fingerprint(client.root)
        new = now not in seen
        seen.add(now)
        return new

    client.template("renewal/heads-up", "A longer subject than before")
    assert differs()
    _schedule(client).write_text(schedule_text("on the day"), encoding="utf-8")
    assert differs()
    os.utime(_schedule(client), ns=(1, 1))
    assert differs()
    (client.root / "schedules/second.toml").write_text("", encoding="utf-8")
    assert differs()
    (client.root / "schedules/second.toml").unlink()
    assert not differs()
    (client.root / "notes.txt").write_text("not ours", encoding="utf-8")
    assert not differs()
