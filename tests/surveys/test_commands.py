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
from worker.outbox.records import messages
from worker.surveys import rules
from worker.surveys.records import tellings

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


def test_a_summary_is_looked_at_first_and_sent_with_yes(town: Town, said: Any, root: Path) -> None:
    town.asked("C-1", "A-1")
    (root / "words.txt").write_text("We answer within a day now.\n", encoding="utf-8")
    given = ("digest", "surveys", *YEAR, "--words", str(root / "words.txt"))
    code, out, _ = said(*given)
    assert (code, "It would go to 1." in out) == (0, True)
    assert town.rows(messages) == []
    code, out, _ = said(*given, "--yes")
    assert (code, "1 will be told" in out) == (0, True)
    assert [row.origin for row in town.rows(messages)] == ["digest"]
    code, _, err = said(*given, "--yes")
    assert (code, "choose another period" in err) == (1, True)


def test_a_summary_without_words_or_without_anybody_says_all_that_is_wrong(
    town: Town, said: Any, root: Path
) -> None:
    (root / "words.txt").write_text("\n", encoding="utf-8")
    code, _, err = said("digest", "nobody", *YEAR, "--words", str(root / "words.txt"), "--yes")
    assert code == 1
    assert "words: expected" in err
    assert "nobody asked nobody who has an address" in " ".join(err.split())
    assert town.rows(tellings) == []


def test_people_read_how_soon_those_who_are_not_content_are_attended_to(
    town: Town, said: Any
) -> None:
    town.answer(town.asked("C-1", "A-1"), 3)
    code, out, _ = said(*YEAR)
    assert code == 0
    assert (
        "Of clients who are not content, 1 answer became a task; 1 answer waits for somebody" in out
    )


def test_programs_read_how_many_answers_stand_in_no_figure(town: Town, said: Any) -> None:
    for number in range(6):
        town.said(9, f"A-{number}")
    town.said(3, "A-7", promise="confidential")
    rows = [json.loads(line) for line in said(*YEAR, "--json")[1].splitlines()]
    assert [row["n"] for row in rows[:2]] == [6, 6]
    assert rows[2] == {"left_out": 1}


def test_programs_read_it_in_a_last_line_of_its_own(town: Town, said: Any) -> None:
    town.answer(town.asked("C-1", "A-1"), 3)
    _, out, _ = said(*YEAR, "--json")
    *figures, last = [json.loads(line) for line in out.splitlines()]
    assert [list(row) for row in figures] == [KEYS, KEYS]
    nothing = {"answers": 0, "share": 0.0, "low": 0.0, "high": 0.7935, "hours": None}
    assert last == {"loop": {"answers": 1, "open": 1, "first_contact": nothing, "told": nothing}}
