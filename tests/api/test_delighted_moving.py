"""People and answers read from an account at Delighted: another instance of ours stands for it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import insert, select

from tests.api.test_delighted import NOW, Moved, sqlite_moved
from tests.processes import write_config
from tests.surveys.conftest import Town
from worker.catalogue.records import contacts, preferences, suppressions
from worker.cli.main import run
from worker.db.engine import make_engine
from worker.http.door import Door
from worker.kernel.errors import FindingsError
from worker.surveys.records import answer_extras, invitations, responses
from worker.surveys.remote import Remote

__all__ = ["sqlite_moved"]

Said = pytest.CaptureFixture[str]
KEY = "PERENNIAL_SURVEYS__DELIGHTED__KEY"
TRENDS = '[surveys.delighted.trends]\nrenewals = "renewals"\n'
Fetch = Callable[..., tuple[int, str, str]]


@pytest.fixture
def here(migrated_file: Path, tmp_path: Path) -> Town:
    """An empty book of our own."""
    file = tmp_path / "here.db"
    shutil.copy(migrated_file, file)
    return Town(make_engine(f"sqlite:///{file}"))


@pytest.fixture
def fetch(here: Town, sqlite_moved: Moved, tmp_path: Path, capsys: Said) -> Fetch:
    """Calls the command; its exit code and what it printed."""
    root = tmp_path / "here"
    root.mkdir()
    write_config(root, database=str(here.engine.url))
    capsys.readouterr()

    def call(*args: str, key: str | None = sqlite_moved.key) -> tuple[int, str, str]:
        address = f"{sqlite_moved.api.base}/v1/"
        environ = {} if key is None else {KEY: key}
        code = run(["--root", str(root), "delighted", "--from", address, *args], environ)
        told = capsys.readouterr()
        return code, told.out, told.err

    return call


def counts(fetch: Fetch) -> dict[str, Any]:
    code, out, err = fetch("--json")
    assert code == 0, err
    found: dict[str, Any] = json.loads(out.splitlines()[-1])
    return found


def filled(moved: Moved) -> None:
    """Three people, 103 answers; one person opted out, one address bounced."""
    for at in range(101):
        moved.answered(at % 11, "Dora", NOW - timedelta(hours=at))
    moved.answered(9, "Boris", comment="Прекрасно", follow_up={"What else?": "Nothing"})
    moved.answered(2, "Cyril", schedule="renewals")
    moved.town.asked("Dora", "B-1", asked_at=NOW - timedelta(days=30))
    with moved.api.engine.begin() as conn:
        row = {"contact_id": moved.town.contacts["Boris"], "no_surveys": True, "updated_at": NOW}
        conn.execute(insert(preferences).values(**row))
        gone = {"address": "cyril@example.com", "reason": "bounced", "at": NOW}
        conn.execute(insert(suppressions).values(**gone))


def test_all_that_was_there_is_here_and_only_once(
    sqlite_moved: Moved, here: Town, fetch: Fetch, tmp_path: Path
) -> None:
    filled(sqlite_moved)
    config = tmp_path / "here" / "config.toml"
    config.write_text(config.read_text() + TRENDS)
    first = counts(fetch)
    assert (first["people"], first["new_people"]) == (4, 4)
    assert (first["answers"], first["new_answers"]) == (103, 103)
    assert (first["opt_outs"], first["bounces"], first["left_out"]) == (1, 1, {})
    before = {table.name: here.rows(table) for table in (contacts, responses, invitations)}
    again = counts(fetch)
    assert [again[name] for name in again if name.startswith(("new", "changed"))] == [0, 0, 0]
    assert {table.name: here.rows(table) for table in (contacts, responses, invitations)} == before
    there = {row.score: row for row in sqlite_moved.town.rows(responses) if row.comment}
    kept = {row.score: row for row in here.rows(responses) if row.comment}
    assert kept[9].comment == there[9].comment == "Прекрасно"
    assert kept[9].answered_at == there[9].answered_at
    assert kept[9].follow_up == {"What else?": "Nothing"}
    assert (kept[9].promise, kept[9].source) == ("named", "import")
    schedules = {(row.schedule, row.score) for row in here.rows(responses)}
    assert ("renewals", 2) in schedules
    assert ("delighted", 9) in schedules
    (asked,) = here.rows(invitations)
    assert (asked.asked_at, asked.answered) == (NOW - timedelta(days=30), True)
    assert here.rows(preferences)[0].no_surveys
    assert here.rows(suppressions)[0].address == "cyril@example.com"
    assert {row.response_id for row in here.rows(answer_extras)} == {
        row.id for row in here.rows(responses)
    }


def test_an_answer_that_was_changed_there_is_changed_here(
    sqlite_moved: Moved, here: Town, fetch: Fetch
) -> None:
    id_ = sqlite_moved.answered(3, "Dora")
    counts(fetch)
    changed = sqlite_moved.raw("PUT", f"/survey_responses/{id_}", json={"score": 10})
    assert changed.status_code == 200
    assert counts(fetch)["changed_answers"] == 1
    (row,) = here.rows(responses)
    assert (row.score, row.vote, row.key) == (10, 1, f"delighted:{id_}")


def test_what_has_no_place_here_is_counted(sqlite_moved: Moved, here: Town, fetch: Fetch) -> None:
    sqlite_moved.town.said(5, "B-1", promise="confidential", contact_id=None)
    code, out, err = fetch()
    assert code == 0, err
    assert "1 people read, 1 of them new" in out
    assert "left out: 1 answers of nobody whom the book knows" in out
    assert here.rows(responses) == []


def test_a_key_that_does_not_open_says_so_and_is_not_told(fetch: Fetch) -> None:
    code, _, err = fetch(key="prn_wrong")
    assert code != 0
    assert "the server does not let us in" in err
    assert "prn_wrong" not in err
    code, _, err = fetch(key=None)
    assert (code, KEY in err) == (2, True)


def test_the_key_is_shown_to_no_other_host_and_only_lists_are_taken() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.host)
        if request.url.path.endswith("/bounces.json"):
            return httpx.Response(200, text="<html>")
        link = '<https://evil.example/v1/people.json?page_info=2>; rel="next"'
        return httpx.Response(200, json=[{"id": "1"}], headers={"Link": link})

    door = Door(timedelta(seconds=5), transport=httpx.MockTransport(answer))
    remote = Remote(door, "https://api.example.com/v1", "secret-of-theirs")
    pages = remote.linked("people.json")
    assert next(pages) == [{"id": "1"}]
    with pytest.raises(FindingsError, match=r"nothing was imported") as caught:
        next(pages)
    assert "evil.example" in str(caught.value.problems[0])
    assert asked == ["api.example.com"]
    with pytest.raises(FindingsError):
        list(remote.counted("bounces.json"))


def test_nobody_is_asked_anything_by_reading(sqlite_moved: Moved, here: Town, fetch: Fetch) -> None:
    sqlite_moved.answered(9, "Dora")
    counts(fetch)
    with here.engine.connect() as conn:
        assert conn.execute(select(invitations.c.id)).all() == []
