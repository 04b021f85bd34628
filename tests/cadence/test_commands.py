"""The commands as people and programs call them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.stories.instance import Instance, licence_row, person_row
from worker.cli.main import run

KEYS = [
    *("at", "due_on", "schedule", "step", "kind", "subject", "licence", "account", "cycle"),
    *("decision", "reason", "to", "message"),
]
ROOT = Path(__file__).parents[2]
ENDS = {"HEADS": 30, "CALL": 14, "AHEAD": 45, "AUTO": 30, "OLD": -400, "CANCELLED": 20}


@dataclass(frozen=True)
class Ended:
    """What a command left: its exit code, stdout and stderr."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Every line of stdout as JSON; anything else there is a mistake."""
        return [json.loads(line) for line in self.out.splitlines()]


Call = Callable[..., Ended]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """Calls a command in this process."""

    def called(instance: Instance, *words: str) -> Ended:
        capsys.readouterr()
        code = run(["--root", str(instance.root), *words], dict(os.environ))
        said = capsys.readouterr()
        return Ended(code, said.out, said.err)

    return called


def _typed(instance: Instance, answer: str, *words: str) -> Ended:
    """Calls a command in a process of its own and types an answer."""
    line = [sys.executable, "-m", "worker", "--root", str(instance.root), *words]
    done = subprocess.run(line, input=answer, capture_output=True, text=True, check=False, cwd=ROOT)
    return Ended(done.returncode, done.stdout, done.stderr)


def _imported(root: Path, database: Path) -> Instance:
    """A small book; nothing is applied."""
    instance = Instance(root)
    needed = {root / "templates/renewal" / folder for folder in ("heads-up/en", "grace/en")}
    for folder in root.glob("templates/*/*/*/"):  # every command checks all there are
        if folder.is_dir() and folder not in needed:
            shutil.rmtree(folder)
    (root / "var").mkdir()
    shutil.copy(database, root / "var/perennial.db")
    more = {"AUTO": {"auto": "yes"}, "CANCELLED": {"status": "cancelled"}}
    licences = [
        licence_row(instance, key, account=f"A-{key}", ends_in=days, **more.get(key, {}))
        for key, days in ENDS.items()
    ]
    people = [person_row(f"A-{key}", f"{key.lower()}@example.com") for key in ENDS]
    instance.load(licences, people)
    return instance


@pytest.fixture(scope="module")
def applied(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> Instance:
    """The small book with its schedule in force; nothing was done yet. Tests only look."""
    return _imported(tmp_path_factory.mktemp("applied"), migrated_file)


@pytest.fixture(scope="module")
def ticked(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> Instance:
    """The same after one heartbeat. Tests only look."""
    instance = _imported(tmp_path_factory.mktemp("ticked"), migrated_file)
    instance.command("tick")
    return instance


@pytest.fixture
def own(tmp_path: Path, migrated_file: Path) -> Instance:
    """The same, for a test that changes it."""
    return _imported(tmp_path, migrated_file)


def _rewrite(instance: Instance, old: str, new: str) -> None:
    path = instance.root / "schedules/renewal.toml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


# --- plan -----------------------------------------------------------------------------------------


def test_plan_tells_programs_every_decision_with_its_keys_in_order(
    applied: Instance, call: Call
) -> None:
    ended = call(applied, "plan", "--json")
    assert (ended.code, ended.err) == (0, "")
    assert all(list(row) == KEYS for row in ended.rows)
    moments = [row["at"] for row in ended.rows if row["at"]]
    assert moments == sorted(moments)
    (heads,) = [row for row in ended.rows if (row["licence"], row["step"]) == ("HEADS", "heads-up")]
    assert heads["at"].startswith(applied.day(0))
    assert heads["message"]
    assert heads | {"at": None, "message": None} == {
        "at": None,
        "due_on": applied.day(0),
        "schedule": "renewal",
        "step": "heads-up",
        "kind": "email",
        "subject": "HEADS",
        "licence": "HEADS",
        "account": "A-HEADS",
        "cycle": 1,
        "decision": "planned",
        "reason": None,
        "to": ["heads@example.com"],
        "message": None,
    }


def test_plan_names_who_gets_nothing_and_why(applied: Instance, call: Call) -> None:
    rows = call(applied, "plan", "--json").rows
    nothing = {row["licence"]: row["reason"] for row in rows if row["decision"] == "nothing"}
    assert nothing == {"AUTO": "not-in-audience", "CANCELLED": "cancelled"}
    told = call(applied, "plan").out
    assert "2 licences expire in this time and get nothing." in told
    assert "  1 × not-in-audience: " in told


def test_plan_looks_as_far_as_it_is_told_and_no_further(applied: Instance, call: Call) -> None:
    rows = call(applied, "plan", "--days", "17", "--licence", "AHEAD", "--json").rows
    assert [row["step"] for row in rows] == ["heads-up"]
    assert call(applied, "plan", "--days", "13", "--licence", "AHEAD", "--json").rows == []


def test_plan_as_of_a_past_day_replays_what_was_to_come_then(applied: Instance, call: Call) -> None:
    ended = call(applied, "plan", "--as-of", applied.day(-20), "--days", "60", "--json")
    assert ended.code == 0
    steps = {
        (row["licence"], row["step"]): (row["at"][:10], row["decision"])
        for row in ended.rows
        if row["step"]
    }
    assert steps["HEADS", "heads-up"] == (applied.day(0), "planned")
    assert steps["CALL", "heads-up"] == (applied.day(-16), "planned")  # not late: it was to come
    assert steps["AHEAD", "call"] == (applied.day(31), "planned")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["plan", "--as-of", "soon"],
            "Error: Invalid value for '--as-of': expected a day such as 2027-03-31, got 'soon'",
        ),
        (
            ["plan", "--schedule", "renewl"],
            "There is no schedules/renewl.toml; schedules are: renewal",
        ),
        (
            ["rehearse", "--from", "2026-02-01", "--to", "2026-01-31"],
            "--to 2026-01-31 lies before --from 2026-02-01; swap them.",
        ),
        (
            ["rehearse", "--from", "2026-02-30", "--to", "2026-03-31"],
            "Error: Invalid value for '--from': "
            "expected a day such as 2027-03-31, got '2026-02-30'",
        ),
        (["rehearse", "--from", "2026-02-01"], "Error: Missing option '--to'."),
        (
            ["plan", "--days", "0"],
            "Error: Invalid value for '--days': 0 is not in the range 1<=x<=3660.",
        ),
        (["explain"], "Say what to explain: perennial explain KEY, or --account KEY"),
    ],
)
def test_a_wrong_call_says_what_was_expected_and_ends_with_2(
    applied: Instance, call: Call, words: list[str], said: str
) -> None:
    ended = call(applied, *words)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.splitlines()[-1] == said


def test_plan_shows_an_edit_client_by_client_beside_the_data(own: Instance, call: Call) -> None:
    assert call(own, "plan").err == ""
    _rewrite(own, '"30 days before"', '"20 days before"')
    ended = call(own, "plan", "--json")
    assert all(list(row) == KEYS for row in ended.rows)
    notes = ended.err.splitlines()
    assert "Not applied yet: renewal.toml or its templates (edited)" in notes
    changes = [json.loads(line) for line in notes if line.startswith("{")]
    assert f"`perennial apply` would change {len(changes)} steps:" in notes
    (ahead,) = [one for one in changes if one["licence"] == "AHEAD"]
    assert ahead == {
        "licence": "AHEAD",
        "account": "A-AHEAD",
        "schedule": "renewal",
        "step": "heads-up",
        "change": "moved",
        "before": f"planned {own.day(15)}",
        "after": f"planned {own.day(25)}",
    }


# --- apply ----------------------------------------------------------------------------------------


def test_what_is_odd_about_an_edit_is_told_before_the_table_of_changes(
    own: Instance, call: Call
) -> None:
    _rewrite(own, 'id = "heads-up"', 'id = "first-word"')
    told = call(own, "plan").err
    assert -1 < told.index("is gone") < told.index("`perennial apply` would change")


def test_apply_asks_and_does_nothing_on_no(own: Instance, call: Call) -> None:
    _rewrite(own, '"30 days before"', '"20 days before"')
    refused = _typed(own, "n\n", "apply")
    assert refused.code == 1
    assert refused.err.endswith("Nothing was applied.\n")
    assert "would change" in refused.err
    agreed = _typed(own, "y\n", "apply")
    assert (agreed.code, agreed.out) == (0, "renewal: runs from now on\n")
    again = call(own, "apply")
    assert (again.code, again.out) == (0, "Nothing to apply: the files are what runs.\n")


def test_apply_with_yes_does_not_ask_and_says_what_became_of_each_file(
    own: Instance, call: Call
) -> None:
    text = (own.root / "schedules/renewal.toml").read_text(encoding="utf-8")
    (own.root / "schedules/second.toml").write_text(text, encoding="utf-8")
    (own.root / "schedules/renewal.toml").unlink()
    ended = call(own, "apply", "--yes")
    assert ended.code == 0
    assert ended.out.splitlines() == ["second: runs from now on", "renewal: retired"]


def test_broken_files_are_told_all_at_once_and_nothing_is_changed(
    own: Instance, call: Call
) -> None:
    before = call(own, "explain", "AHEAD", "--json").out
    _rewrite(own, '"30 days before"', '"30 daze before"')
    _rewrite(own, 'assign_to = "renewal-manager"', 'asign_to = "renewal-manager"')
    subject = own.root / "templates/renewal/grace/en/subject.txt"
    subject.write_text("{{ licence.ky }}", encoding="utf-8")
    for words in (
        ["apply", "--yes"],
        ["plan"],
        ["rehearse", "--from", own.day(0), "--to", own.day(9)],
    ):
        ended = call(own, *words)
        assert (ended.code, ended.out) == (3, "")
        first, second, third, last = ended.err.splitlines()
        assert "'30 daze before' is not an offset" in first + second
        assert "did you mean 'assign_to'?" in first + second
        assert third.startswith("templates/renewal/grace/en/subject.txt:1")
        assert last == "Nothing was changed. Mend the files and try again."
    assert call(own, "explain", "AHEAD", "--json").out == before


# --- explain --------------------------------------------------------------------------------------


def test_explain_tells_programs_one_decision_a_line(ticked: Instance, call: Call) -> None:
    ended = call(ticked, "explain", "HEADS", "--json")
    assert (ended.code, ended.err) == (0, "")
    assert all(list(row) == KEYS for row in ended.rows)
    assert [(row["step"], row["decision"]) for row in ended.rows] == [
        ("heads-up", "sent"),
        ("call", "planned"),
        ("grace", "planned"),
    ]
    assert ended.rows[0]["message"]


def test_explain_tells_people_the_terms_the_reasons_and_the_arithmetic(
    ticked: Instance, call: Call
) -> None:
    told = call(ticked, "explain", "CALL").out
    first, second, third = told.splitlines()[:3]
    assert first == "CALL · Client A-CALL (A-CALL) · active"
    assert second == f"  term 1: {ticked.day(14 - 365)} to {ticked.day(14)} (first)"
    assert third.startswith("  renewal, term 1: active")
    assert "renewal/heads-up (term 1): superseded" in told
    assert "    later-step: " in told
    assert (
        f"    14 days before {ticked.date(14):%a %Y-%m-%d} is {ticked.date(0):%a %Y-%m-%d}; "
        in told
    )


def test_explain_of_an_unknown_licence_suggests_one(ticked: Instance, call: Call) -> None:
    ended = call(ticked, "explain", "HEADZ")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err == "No licence 'HEADZ' is in the book; did you mean 'HEADS'?\n"


# --- rehearse -------------------------------------------------------------------------------------


def test_rehearse_prints_what_it_leaves_in_its_folder_and_mails_nobody(
    ticked: Instance, call: Call
) -> None:
    before = ticked.files()
    first, last = ticked.day(-20), ticked.day(40)
    ended = call(ticked, "rehearse", "--from", first, "--to", last, "--json", "--mails")
    assert ended.code == 0
    folder = ticked.root / "var/rehearsals" / f"{first}_{last}"
    assert ended.out == (folder / "decisions.jsonl").read_text(encoding="utf-8")
    assert all(list(row) == KEYS for row in ended.rows)
    assert ended.err.splitlines()[-1] == str(folder / "index.html")
    sent = [row for row in ended.rows if (row["decision"], row["kind"]) == ("sent", "email")]
    assert len(list((folder / "mails").rglob("*.eml"))) == len(sent) == 5
    assert (folder / "index.html").stat().st_size > 1000
    assert ticked.files() == before


def test_rehearse_tells_people_in_a_line_what_came_of_it_and_where_it_lies(
    ticked: Instance, call: Call, tmp_path: Path
) -> None:
    words = ["--from", ticked.day(0), "--to", ticked.day(40), "--schedule", "renewal"]
    ended = call(ticked, "rehearse", *words, "--out", str(tmp_path / "out"))
    summary, page = ended.out.splitlines()
    assert "decisions on" in summary
    assert page == str(tmp_path / "out/index.html")
    assert call(ticked, "rehearse", *words, "--schedule", "nope").code == 2


def test_what_plan_announces_rehearse_does(applied: Instance, call: Call, tmp_path: Path) -> None:
    first, last = applied.day(1), applied.day(60)
    planned = call(applied, "plan", "--as-of", first, "--days", "60", "--json").rows
    words = ["--from", first, "--to", last, "--out", str(tmp_path / "out"), "--json"]
    rehearsed = call(applied, "rehearse", *words).rows

    def done(rows: list[dict[str, Any]], word: str) -> list[tuple[str, str, str]]:
        found = [(r["licence"], r["step"], r["at"]) for r in rows if r["decision"] == word]
        return sorted(found)

    ahead = [one for one in done(planned, "planned") if one[0] == "AHEAD"]
    assert len(ahead) == 3
    assert ahead == [one for one in done(rehearsed, "sent") if one[0] == "AHEAD"]


# --- tick, outbox, tasks --------------------------------------------------------------------------


def test_tick_does_what_is_due_once_and_says_how_much(own: Instance, call: Call) -> None:
    first = call(own, "tick", "--json")
    assert (first.code, first.err) == (0, "")
    assert first.rows[0]["sent"] == 1
    assert first.rows[0]["planned"] >= len(ENDS)
    (again,) = call(own, "tick", "--json").rows
    coming = datetime.fromisoformat(again.pop("next_at"))
    assert again == {"planned": 0, "sent": 0, "called": 0}
    plan = [row for row in call(own, "plan", "--json").rows if row["decision"] == "planned"]
    assert coming == datetime.fromisoformat(plan[0]["at"])
    told = coming.astimezone(own.zone).strftime("The next step is due %a %Y-%m-%d %H:%M %Z")
    nothing = "0 walks and changes handled, 0 mails claimed"
    assert call(own, "tick").out.splitlines() == [nothing, told]
    assert [mail.licence for mail in own.mails()] == ["HEADS"]


def test_outbox_lists_mails_with_their_state(
    applied: Instance, ticked: Instance, call: Call
) -> None:
    assert call(applied, "outbox").out == (
        "No mail yet. `perennial plan` shows what will go out.\n"
    )
    (row,) = call(ticked, "outbox", "--json").rows
    assert (row["state"], row["step"], row["address"]) == (
        "accepted",
        "heads-up",
        "heads@example.com",
    )
    assert "Product HEADS" in row["subject"]
    assert call(ticked, "outbox", "--state", "due", "--json").rows == []
    wrong = call(ticked, "outbox", "--state", "sent")
    assert wrong.code == 2
    assert "'sent' is not one of" in wrong.err


def test_a_task_that_was_done_is_closed_by_its_number(own: Instance, call: Call) -> None:
    own.command("tick")
    (task,) = call(own, "tasks", "--json", "--kind", "step").rows
    number = str(task["id"])
    ended = call(own, "tasks", "--done", number, "--note", "they renew")
    assert ended == Ended(0, f"task {number} is closed: {task['title']}\n", "")
    assert call(own, "tasks", "--json", "--kind", "step").rows == []
    again = call(own, "tasks", "--done", number)
    assert (again.code, again.out) == (1, "")
    assert again.err == f"No open task has the number {number}; see: perennial tasks\n"


def test_plan_refuses_a_licence_that_is_not_in_the_book(applied: Instance, call: Call) -> None:
    ended = call(applied, "plan", "--licence", "HEDAS")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith("No licence 'HEDAS' is in the book")


def test_tasks_lists_the_work_for_people(applied: Instance, ticked: Instance, call: Call) -> None:
    assert call(applied, "tasks").out == "No open task.\n"
    (row,) = call(ticked, "tasks", "--json").rows
    assert (row["kind"], row["title"]) == ("step", "Call about the renewal")
    assert row["assignee"] == "Rita Renewals"
    assert row["key"] == "step:renewal:call:2:1"
    assert call(ticked, "tasks", "--kind", "alarm", "--json").rows == []
    assert "Call about the renewal" in call(ticked, "tasks").out
