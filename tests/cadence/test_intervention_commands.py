"""``perennial mail`` as people type it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.cadence.conftest import Book, schedule_text
from tests.cadence.typed import Type, typing_in
from worker.kernel.clock import SystemClock

TODAY = SystemClock().now().date()
STEP = "30-days-before"


@pytest.fixture
def type_(book: Book, database_url: str, capsys: pytest.CaptureFixture[str]) -> Type:
    """Types a command; the book's licence expires in 45 days and walks two schedules."""
    book.start_at(SystemClock().now())
    start, end = TODAY - timedelta(days=300), TODAY + timedelta(days=45)
    book.licence(account="A-1", name="Maple", start=start.isoformat(), end=end.isoformat())
    book.person("A-1", "ann@maple.example")
    texts = {"renewal": schedule_text("30 days before", "task 10 days before")}
    book.apply_all(texts | {"extra": schedule_text("20 days before")})
    book.decide()
    return typing_in(book.root, database_url, capsys)


def test_a_mail_is_held_explained_and_given_back(type_: Type) -> None:
    code, out, _ = type_("mail", "hold", "L-1", STEP, "--reason", "They are on leave")
    assert (code, out) == (0, f"renewal/{STEP} of licence L-1 is held until the hold is lifted.\n")
    explained = type_("explain", "L-1")[1]
    assert f"{STEP}: held by " in explained
    assert "They are on leave" in explained
    assert "held-by-person: A person held the mail back" in explained
    code, out, _ = type_("mail", "lift", "L-1", STEP)
    assert (code, out) == (0, f"renewal/{STEP} of licence L-1 is the machine's again.\n")
    assert "held" not in type_("explain", "L-1")[1]


def test_words_are_written_and_taken_out(type_: Type) -> None:
    words = ("--subject", "For you", "--words", "Dear Ann", "--reason", "We met")
    code, out, _ = type_("mail", "edit", "L-1", STEP, *words)
    assert (code, out) == (0, f"renewal/{STEP} of licence L-1 goes with these words.\n")
    assert f"{STEP}: edited by " in type_("explain", "L-1")[1]
    code, out, _ = type_("mail", "lift", "L-1", STEP, "--words")
    assert "goes with the template's words again" in out


def test_a_mail_is_taken_over(type_: Type) -> None:
    code, out, _ = type_("mail", "take-over", "L-1", STEP, "--reason", "I know them")
    assert code == 0
    assert "a task is open" in out
    assert f"Write yourself: {STEP} of L-1" in type_("tasks")[1]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("hold", "L-9", STEP, "--reason", "x"), 1, "looked at a licence or an account 'L-9' yet"),
        (("hold", "L-1", "30-days-befor", "--reason", "x"), 2, "say which: --schedule NAME"),
        (
            ("hold", "L-1", "30-days-befor", "--reason", "x", "--schedule", "renewal"),
            1,
            "did you mean '30-days-before'?",
        ),
        (("hold", "L-1", STEP, "--reason", "x", "--schedule", "renewl"), 2, "'renewal'?"),
        (("hold", "L-1", "10-days-before", "--reason", "x"), 1, "has no mail '10-days-before'"),
        (("hold", "L-1", STEP, "--reason", " "), 1, "A reason that a colleague understands"),
        (("hold", "L-1", STEP, "--reason", "x", "--until", "2020-01-01"), 1, "is past"),
        (("hold", "L-1", STEP), 2, "--reason"),
        (("edit", "L-1", STEP, "--reason", "x"), 1, "Write a subject, or words"),
        (("lift", "L-1", STEP), 1, "nothing of this kind stands"),
    ],
)
def test_what_cannot_be_done_is_told(
    type_: Type, words: tuple[str, ...], code: int, said: str
) -> None:
    ended = type_("mail", *words)
    assert ended[0] == code, ended
    assert said in ended[2], ended
    assert "Traceback" not in ended[2]
