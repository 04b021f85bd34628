"""``perennial import`` as people and programs call it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from worker.cli.main import run
from worker.db.engine import make_engine
from worker.db.migrate import upgrade

CONFIG = """
[sources.licences]
kind = "csv"
path = "data/book.csv"

[[sources.licences.load]]
entity = "account"
key = "{account}"

[[sources.licences.load]]
entity = "licence"
key = "{licence}"
account = "{account}"
expires_on = "{end}"
"""
GOOD = "account,licence,end\na1,l1,2027-01-01\n"


@pytest.fixture
def instance(root: Path) -> Path:
    """An instance with one source and an empty book."""
    (root / "config.toml").write_text(CONFIG, encoding="utf-8")
    (root / "data").mkdir()
    (root / "data" / "book.csv").write_text(GOOD, encoding="utf-8")
    engine = make_engine(f"sqlite:///{root / 'var' / 'perennial.db'}")
    upgrade(engine)
    engine.dispose()
    return root


@dataclass
class Result:
    exit_code: int
    stdout: str
    stderr: str


class Calling:
    """Calls the command on an instance and tells what it said."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, root: Path, *args: str) -> Result:
        code = run(["--root", str(root), "import", *args], {})
        return Result(code, *self._capsys.readouterr())


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Calling:
    """``call(root, "licences")`` is ``perennial --root … import licences``."""
    return Calling(capsys)


def test_a_good_file_is_told_as_a_table_and_ends_well(call: Calling, instance: Path) -> None:
    result = call(instance, "licences")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines() == [
        "ENTITY   CREATED  UPDATED  UNCHANGED  REJECTED",
        "account        1        0          0         0",
        "licence        1        0          0         0",
        "1 rows, 0 rejected",
    ]
    assert result.stderr == ""


def test_rejected_rows_are_told_and_kept_and_end_with_one(call: Calling, instance: Path) -> None:
    lines = "".join(f"a1,x{n},soon\n" for n in range(25))
    (instance / "data" / "book.csv").write_text(GOOD + lines, encoding="utf-8")
    result = call(instance, "licences")
    assert result.exit_code == 1
    assert "26 rows, 25 rejected" in result.stdout
    told = result.stderr.splitlines()
    assert told[0] == "data/book.csv:3: end: expected a date written like 2027-12-31, got 'soon'"
    assert told[-2] == "… and 5 more"
    assert told[-1] == f"the rejected rows are in {instance}/var/rejects/licences-book.csv"


def test_programs_get_problems_and_the_report_as_lines_of_json(
    call: Calling, instance: Path
) -> None:
    (instance / "data" / "book.csv").write_text(GOOD + "a1,l2,soon\n", encoding="utf-8")
    result = call(instance, "licences", "--json")
    problem, report = map(json.loads, result.stdout.splitlines())
    keys = {"file", "line", "column", "path", "code", "expected", "got", "hint"}
    assert set(problem) == keys
    assert (problem["line"], problem["column"], problem["path"]) == (3, 3, "end")
    assert report["entities"]["licence"] == {
        "created": 1,
        "updated": 0,
        "unchanged": 0,
        "rejected": 1,
    }


def test_a_dry_run_says_so(call: Calling, instance: Path) -> None:
    result = call(instance, "licences", "--dry-run")
    assert result.stdout.splitlines()[-1] == "dry run: nothing was changed"
    assert "account        1        0" in call(instance, "licences").stdout


def test_another_file_may_be_given(call: Calling, instance: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    other.write_text("account,licence,end\na2,l9,never\n", encoding="utf-8")
    result = call(instance, "licences", "--file", str(other))
    assert result.exit_code == 1
    assert result.stderr.startswith(f"{other}:2: end: expected a date")


def test_a_misspelt_source_is_a_matter_of_usage(call: Calling, instance: Path) -> None:
    result = call(instance, "licenses")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "there is no source 'licenses'; did you mean 'licences'?\n"


def test_a_load_that_cannot_work_is_a_matter_of_configuration(
    call: Calling, instance: Path
) -> None:
    text = CONFIG.replace('expires_on = "{end}"', 'expires_om = "{end}"')
    (instance / "config.toml").write_text(text, encoding="utf-8")
    result = call(instance, "licences")
    assert result.exit_code == 3
    assert result.stderr.splitlines()[0] == (
        "config.toml:14:14: sources.licences.load[1].expires_om: 'expires_om' is not a field of "
        "licence; did you mean 'expires_on'?"
    )
