"""Past answers come from a file, once, and what is no answer is told with its place and reason."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from tests.catalogue.conftest import Book
from tests.surveys.conftest import READER
from worker.cadence.records import walks
from worker.catalogue import erasures
from worker.catalogue.flow import Options
from worker.db.engine import reading
from worker.surveys import importing
from worker.surveys.records import response_themes, responses

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
HEADER = "client,person,score,comment,day,survey\n"
LOADS = (
    {"entity": "account", "key": "{client}", "name": "{client}", "segment": "smb"},
    {
        "entity": "contact",
        "account": "{client}",
        "email": "{person}",
        "role": "decision-maker",
    },
    {
        "entity": "answer",
        "account": "{client}",
        "contact": "{person}",
        "score": "{score}",
        "comment": "{comment}",
        "answered_on": "{day}",
        "schedule": "{survey}",
    },
)
ROW = "A-1,Ann@Example.com,9,too much,2026-10-01,surveys\n"


class Past(Book):
    """A book that takes answers."""

    def bring(self, text: str, loads: Any = LOADS, **options: Any) -> Any:
        takes = partial(importing.lay, reader=READER, now=NOW)
        return self.load(HEADER + text, loads, options=Options(answers=takes, **options))

    def found(self) -> list[Any]:
        with reading(self.engine) as conn:
            return list(conn.execute(select(responses).order_by(responses.c.key)))


@pytest.fixture
def past(engine: Engine, tmp_path: Path) -> Past:
    return Past(engine, tmp_path)


def counts(report: Any) -> tuple[int, int, int, int]:
    found = report.entities["answer"]
    return found.created, found.updated, found.unchanged, found.rejected


def test_a_second_import_of_the_same_answers_changes_nothing(past: Past) -> None:
    text = ROW + "A-1,,10,,2026-10-02,surveys\nA-1,,10,,2026-10-02,surveys\n"
    assert counts(past.bring(text, dry_run=True)) == (3, 0, 0, 0)
    assert not past.found()
    assert counts(past.bring(text)) == (3, 0, 0, 0)
    assert counts(past.bring(text)) == (0, 0, 3, 0)
    assert sorted((r.score, r.promise, r.role) for r in past.found()) == [
        (9, "named", "decision-maker"),
        (10, "confidential", None),
        (10, "confidential", None),
    ]
    assert {(r.segment, r.source, r.judged) for r in past.found()} == {("smb", "import", "human")}
    with reading(past.engine) as conn:
        assert conn.execute(select(response_themes.c.theme)).scalars().all() == ["price"]


def test_a_corrected_score_is_a_change_and_a_blank_comment_is_none(past: Past) -> None:
    past.bring(ROW)
    report = past.bring("A-1,ann@example.com,3,,2026-10-01,surveys\n")
    assert counts(report) == (0, 1, 0, 0)
    (row,) = past.found()
    assert (row.score, row.vote, row.comment) == (3, -1, "too much")


def test_a_corrected_score_has_its_walks_looked_at_again(past: Past) -> None:
    past.bring(ROW + "A-1,,10,,2026-10-02,surveys\n")
    with past.engine.begin() as conn:
        for number, answer in enumerate(conn.execute(select(responses.c.id)).scalars(), 1):
            walk = {"id": number, "schedule": "feedback", "subject": "answer", "cycle": 1}
            more = {"subject_id": answer, "anchor_on": NOW.date(), "state": "parked"}
            conn.execute(walks.insert().values(walk | more | {"first_act_at": NOW}))
    past.bring("A-1,ann@example.com,3,,2026-10-01,surveys\n")
    with reading(past.engine) as conn:
        about = responses.c.id == walks.c.subject_id
        looked_at = select(responses.c.score, walks.c.next_at).join(walks, about)
        assert dict(conn.execute(looked_at).all()) == {3: NOW, 10: None}


@pytest.mark.parametrize(
    ("score", "said"),
    [(text, "expected a whole number from 0 to 10") for text in ("11", "-1", "9.5", "9,5", "ten")],
)
def test_a_score_that_is_none_is_rejected_and_the_rest_loads(
    past: Past, score: str, said: str
) -> None:
    report = past.bring(ROW + f'A-1,ann@example.com,"{score}",,2026-10-03,surveys\n')
    assert (report.rejected_rows, len(past.found())) == (1, 1)
    (problem,) = report.problems
    assert said in str(problem)
    assert (problem.line, problem.path) == (3, "score")


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ("A-1,ann@example.com,9,,2026-11-23,surveys", "ahead"),
        ("A-1,ann@example.com,9,,,surveys", "no-day"),
        ("A-1,ann@example.com,9,,01.10.2026,surveys", "date"),
        ("A-1,ann@example.com,9,,2026-10-01,Our Survey", "schedule"),
    ],
)
def test_each_bad_row_says_what_is_wrong_with_it(past: Past, row: str, code: str) -> None:
    report = past.bring(row + "\n")
    assert [problem.code for problem in report.problems] == [code]
    assert not past.found()


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ("A-9,,9,,2026-10-01,", "unknown-account"),
        (",nobody@example.com,9,,2026-10-01,", "unknown-contact"),
        (",,9,,2026-10-01,", "no-account"),
    ],
)
def test_an_answer_belongs_to_somebody_the_book_knows(past: Past, row: str, code: str) -> None:
    report = past.bring(row + "\n", LOADS[2:])
    assert [problem.code for problem in report.problems] == [code]
    assert not past.found()


def test_a_contact_alone_tells_the_account_and_a_skipped_answer_is_none(past: Past) -> None:
    past.bring(ROW)
    report = past.bring(",ann@example.com,7,,2026-10-05,\nA-1,,,,2026-10-05,\n", LOADS[2:])
    assert counts(report) == (1, 0, 0, 0)
    assert {(row.schedule, row.account_id) for row in past.found()} == {
        ("surveys", past.found()[0].account_id),
        ("past", past.found()[0].account_id),
    }


def test_of_an_erased_person_the_score_comes_back_alone(past: Past) -> None:
    past.load("client\nA-1\n", [{"entity": "account", "key": "{client}", "name": "{client}"}])
    with past.engine.begin() as conn:
        erasures.note(conn, ["ann@example.com"], ["ann@example.com"], past.clock.now())
    report = past.bring(ROW, LOADS[2:])
    assert counts(report) == (1, 0, 0, 0)
    (row,) = past.found()
    assert (row.score, row.contact_id, row.comment) == (9, None, None)
