"""``perennial db``: what a person sees of the schema."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.processes import write_config
from tests.servers import Postgres
from worker.cli.main import run
from worker.db.migrate import head


def test_upgrade_says_from_where_to_where(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_config(root)
    assert run(["--root", str(root), "db", "current"], {}) == 1
    assert capsys.readouterr().out == f"no tables (this release needs {head()})\n"
    assert run(["--root", str(root), "db", "upgrade"], {}) == 0
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", f"empty -> {head()}; this release needs {head()}\n")
    assert run(["--root", str(root), "db", "upgrade"], {}) == 0
    assert capsys.readouterr().err == f"already at {head()}; this release needs {head()}\n"


def test_current_as_json_is_one_object(
    root: Path, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_config(root, database=database_url)
    assert run(["--root", str(root), "db", "current", "--json"], {}) == 0
    assert json.loads(capsys.readouterr().out) == {
        "current": head(),
        "head": head(),
        "behind": False,
    }


def test_a_database_that_is_down_is_one_line_and_exit_code_4(
    root: Path, own_postgres: Postgres, capsys: pytest.CaptureFixture[str]
) -> None:
    own_postgres.stop()
    write_config(root, database=own_postgres.url())
    assert run(["--root", str(root), "db", "current"], {}) == 4
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("the database does not answer: ")
    assert told.err.count("\n") == 1
