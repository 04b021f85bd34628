"""``perennial nps``: what people read, and what programs read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from tests.processes import write_config
from tests.surveys.conftest import Town
from worker.cli.main import run
from worker.surveys import rules

Said = pytest.CaptureFixture[str]
YEAR = ("--from", "2026-01-01", "--to", "2026-12-31")
KEYS = [
    *("group", "n", "promoters", "passives", "detractors", "nps", "low", "high"),
    *("method", "population", "response_rate"),
]


@pytest.fixture
def said(engine: Engine, database_url: str, root: Path, capsys: Said) -> Any:
    """Calls ``perennial nps`` on a town; its exit code and what it printed."""
    write_config(root, database=database_url)

    def call(*args: str) -> tuple[int, str, str]:
        code = run(["--root", str(root), "nps", *args], {})
        told = capsys.readouterr()
        return code, told.out, told.err

    return call


def test_programs_get_exactly_the_promised_keys(town: Town, said: Any) -> None:
    for number in range(6):
        town.said(number + 5, f"A-{number}", segment="mid" if number else None)
    code, out, _ = said(*YEAR, "--json", "--by", "segment")
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert all(list(row) == KEYS for row in rows)
    assert [(row["group"], row["method"].partition("/")[0], row["n"]) for row in rows] == [
        (None, "answers", 6),
        (None, "accounts", 6),
        ("", "answers", 1),
        ("", "accounts", 1),
        ("mid", "answers", 5),
        ("mid", "accounts", 5),
    ]


def test_people_read_coverage_first_and_what_to_believe(town: Town, said: Any) -> None:
    town.licence("L-1", "A-1")
    for score in (10, 9, 0):
        town.said(score)
    town.said(0, None, promise=rules.CONFIDENTIAL)
    code, out, _ = said(*YEAR, "--method", "revenue", "--method", "answers")
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "Heard from 1 of 1 accounts and from 0 of 0 decision-makers."
    assert "+33.3" in out
    assert "each account, by revenue in EUR" in out
    assert "1 protected answer is left out everywhere" in out
    assert "Only 3 answered" in out
    assert "marks of Bain & Company, NICE Systems and Fred Reichheld" in out


def test_where_nobody_answered_it_says_so(town: Town, said: Any) -> None:
    code, out, _ = said(*YEAR)
    assert code == 0
    assert "Nobody answered from 2026-01-01 to 2026-12-31." in out
    assert said(*YEAR, "--json")[:2] == (0, "")


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("--from", "2026-01-01"), "--from needs --to"),
        (("--from", "2026-02-01", "--to", "2026-01-01"), "lies before"),
        (("--by", "shoe-size"), "is not one of"),
        (("--method", "mean"), "is not one of"),
    ],
)
def test_what_cannot_be_asked_is_a_usage_error(
    town: Town, said: Any, args: tuple[str, ...], told: str
) -> None:
    code, _, err = said(*args)
    assert code == 2
    assert told in err
