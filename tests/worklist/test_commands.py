"""``perennial tasks`` and ``perennial report promises``, as they are typed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import insert

from tests.processes import write_config
from tests.worklist.conftest import NOW, Office, on
from worker.access.records import users
from worker.cli.main import run

Said = pytest.CaptureFixture[str]
Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(office: Office, database_url: str, root: Path, capsys: Said) -> Call:
    """Types a command in the office's folder: exit code, what it said, what it complained of."""
    write_config(root, database=database_url)

    def called(*words: str) -> tuple[int, str, str]:
        code = run(["--root", str(root), *words], {})
        said = capsys.readouterr()
        return code, said.out, said.err

    return called


def test_a_task_is_claimed_noted_snoozed_given_back_and_closed(office: Office, call: Call) -> None:
    number = str(office.open("a"))
    claimed = call("tasks", "--claim", number, "--for", "SARA", "--note", "rings back")
    assert claimed[:2] == (0, f"task {number} is SARA's: Task a\n")
    code, out, _ = call("tasks", "--for", "SARA", "--json")
    assert (code, json.loads(out)["assignee"]) == (0, "SARA")
    assert call("tasks", "--for", "TOM")[1] == "No open task.\n"
    assert call("tasks", "--snooze", number, "--until", "2020-01-01")[0] == 1
    code, _, err = call("tasks", "--snooze", number)
    assert (code, "--until DAY" in err) == (2, True)
    assert (
        call("tasks", "--assign", number, "--for", "TOM")[1] == f"task {number} is TOM's: Task a\n"
    )
    assert "left to sales" in call("tasks", "--give-back", number)[1]
    code, _, err = call("tasks", "--done", number, "--outcome", "kept")
    assert (code, "it is one of: done" in err) == (1, True)
    done = call("tasks", "--done", number, "--outcome", "will-renew", "--note", "two years")
    assert done[:2] == (0, f"task {number} is closed: Task a\n")
    lines = [
        json.loads(line) for line in call("tasks", "--history", number, "--json")[1].splitlines()
    ]
    assert [line["what"] for line in lines] == [
        "opened",
        "claimed",
        "noted",
        "assigned",
        "given-back",
        "closed",
    ]
    assert lines[-1]["note"] == "will-renew: two years"


def test_a_login_stands_for_its_member_of_staff(office: Office, call: Call) -> None:
    user = {"login": "sara.l", "name": "Sara", "role": "sales", "staff": "SARA", "made_at": NOW}
    with office.engine.begin() as conn:
        conn.execute(insert(users).values(user))
    number = office.open("a")
    assert call("tasks", "--claim", str(number), "--for", "sara.l")[0] == 0
    assert office.task(number).assignee == "SARA"
    assert "expected a member of staff" in call("tasks", "--for", "bob")[2]


def test_what_cannot_be_done_says_why(office: Office, call: Call) -> None:
    brake = str(office.open("b", "brake"))
    code, _, err = call("tasks", "--done", brake)
    assert (code, "perennial release" in err) == (1, True)
    assert "one thing at a time" in call("tasks", "--done", brake, "--claim", brake)[2]
    assert "No open task has the number 99" in call("tasks", "--done", "99")[2]
    assert "No task has the number 99" in call("tasks", "--history", "99")[2]
    assert "--assign needs --for" in call("tasks", "--assign", brake)[2]


def test_the_register_of_promises_is_printed(office: Office, call: Call) -> None:
    days = ("--from", "2026-11-01", "--to", "2026-11-30")
    assert "No promise was to be kept" in call("report", "promises", *days)[1]
    number = office.open("p", "promise", assignee="SARA", due_on=on(10), account_id=office.account)
    assert call("tasks", "--done", str(number), "--outcome", "broken")[0] == 0
    _, out, _ = call("report", "promises", *days, "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert [(row["by"], row["group"], row["broken"], row["share"]) for row in rows] == [
        ("all", "all", 1, 0),
        ("person", "SARA", 1, 0),
        ("month", "2026-11", 1, 0),
    ]
    assert "BROKEN" in call("report", "promises", *days)[1]
