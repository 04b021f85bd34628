"""Programs for Node that were made for Delighted go on, too: the official client from npm, as it
is, where Node is there and the package can be had."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import insert

from tests.api.conftest import Api
from tests.surveys.conftest import Town
from worker.access.rules import Scope
from worker.catalogue.records import suppressions

STORY = Path(__file__).parent / "node"


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command of a program that has the client beside it, as its lock file says."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("there is no Node here")
    folder = tmp_path_factory.mktemp("node")
    shutil.copytree(STORY, folder, dirs_exist_ok=True)
    quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--cache", str(folder / "cache")]
    made = subprocess.run(
        [npm, "ci", *quiet], cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )
    if made.returncode:
        pytest.skip(f"npm has no package for us: {made.stderr.strip()[-300:]}")
    return [node, str(folder / "story.js")]


def test_the_official_client_for_node_does_what_that_for_python_does(
    program: list[str], sqlite_api: Api
) -> None:
    api, town = sqlite_api, Town(sqlite_api.engine)
    person = town.contact("Dora", "B-1")
    answer = town.said(3, "B-1", contact_id=person, answered_at=api.site.clock.now())
    town.contact("Boris", "B-1")
    with api.engine.begin() as conn:
        row = {"address": "boris@example.com", "reason": "bounced", "at": api.site.clock.now()}
        conn.execute(insert(suppressions).values(row))
    port, key = urlsplit(api.base).port, api.token(Scope.DELIGHTED)
    asked = [*program, str(port), key, str(answer), "boris@example.com"]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = dict(map(json.loads, done.stdout.splitlines()))
    people = told.pop("people")
    assert {"anna@example.com", "boris@example.com", "cora@example.com"} <= set(people)
    assert len(people) == len(set(people)) > 2, "more than a page"
    assert told == {
        "created": ["cora@example.com", "Cora", "number"],
        "updated": [True, "Cora B"],
        "answered": [10, "Good", True],
        "changed": 8,
        "retrieved": [3, "dora@example.com"],
        "second page": 1,
        "metrics": [0, 1, 1],
        "unsubscribed": ["cora@example.com"],
        "bounced": True,
        "refused": "ResourceValidationError",
    }
