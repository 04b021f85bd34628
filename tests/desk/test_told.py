"""What alarms and checks say for the terminal, as a page says it."""

from __future__ import annotations

import pytest

from worker.desk.told import Piece, with_pages


@pytest.mark.parametrize(
    ("said", "shown", "url"),
    [
        (
            "let them go with: perennial approve renewal",
            "let them go with: approve the mails of renewal",
            "/schedules/renewal/approve",
        ),
        ("Go on: perennial release 7", "Go on: Health", "/health"),
        ("Why: perennial explain A/1.", "Why: the licence A/1.", "/licences/A%2F1"),
        ("See: perennial explain LICENCE", "See: Licences", "/licences"),
        ("`perennial outbox` shows it", "Outbox shows it", "/outbox?state=to-leave"),
        ("not applied: see perennial plan", "not applied: see Schedules", "/schedules"),
    ],
)
def test_a_command_becomes_a_link_to_the_page_that_does_the_same(
    said: str, shown: str, url: str
) -> None:
    pieces = with_pages(said)
    assert "".join(piece.words for piece in pieces) == shown
    assert [piece.url for piece in pieces if piece.url] == [url]


@pytest.mark.parametrize("said", ["Read it with: perennial import book", "Call <b>Anna</b>.", ""])
def test_what_no_page_stands_for_is_left_as_it_is(said: str) -> None:
    assert with_pages(said) == [Piece(said)]


def test_several_commands_of_one_text_become_links_in_their_places() -> None:
    said = "They wait. See them with: perennial outbox --state due; let them go: perennial release"
    assert [piece.words for piece in with_pages(said)] == [
        "They wait. See them with: ",
        "Outbox",
        "; let them go: ",
        "Health",
        "",
    ]
