"""What comments speak of, in three languages, by declared words and by nothing else."""

from __future__ import annotations

import pytest

from tests.surveys.conftest import READER, THEMES, Town
from worker.config.settings import ThemeSettings
from worker.surveys import flow
from worker.surveys.records import response_themes
from worker.surveys.themes import reader_of


@pytest.mark.parametrize(
    ("comment", "language", "found"),
    [
        ("The PRICES went up", "en", ["price"]),
        ("It costs too\n much.", "en", ["price"]),
        ("It is priceless", "en", ["price"]),
        ("Nothing to say", "en", []),
        ("Cena w porządku", "pl", ["price"]),
        ("Wzrost cen i ceny cenami", "pl", ["price"]),
        ("za DROGO, a obsługa i pomoc bez zarzutu", "pl", ["price", "support"]),
        ("obsluga bez polskich znakow", "pl", ["support"]),
        ("ocena ogólna dobra", "pl", []),
        ("Цены растут, стало дорогим", "ru", ["price"]),
        ("О цене молчу; поддержкой доволен", "ru", ["price", "support"]),
        ("оценка", "ru", []),
        ("The centre of town", "en", []),
        ("The centre of town", "pl", ["price"]),
        ("Дорого, but good support", None, ["price", "support"]),
        ("too much", "de", ["price"]),
    ],
)
def test_a_theme_is_there_when_one_of_its_words_is(
    comment: str, language: str | None, found: list[str]
) -> None:
    assert READER.themes_of(comment, language) == found


@pytest.mark.parametrize("word", ["", "*", "a*", "pri*ce*s", "(x", "price**"])
def test_a_word_that_would_find_everything_or_nothing_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match="two letters or more"):
        ThemeSettings(name="x", words={"en": [word]})


def test_an_edited_declaration_has_all_comments_read_anew(town: Town) -> None:
    town.said(3, comment="too much trouble")
    town.said(9, comment="Great support")
    town.said(9)
    assert flow.read_comments(town.engine, READER) == 2
    assert {row.theme for row in town.rows(response_themes)} == {"price", "support"}
    assert flow.read_comments(town.engine, READER) == 0, "once is enough"
    other = reader_of({"trouble": ThemeSettings(name="Trouble", words={"en": ["trouble"]})})
    assert flow.read_comments(town.engine, other) == 2
    assert {row.theme for row in town.rows(response_themes)} == {"trouble"}
    assert flow.read_comments(town.engine, reader_of({})) == 0


def test_a_changed_comment_speaks_of_other_things(town: Town) -> None:
    asked = town.asked("C-1", "A-1")
    town.answer(asked, 3, comment="too much", language="en")
    town.answer(asked, 9, comment="good support", language="en")
    assert [row.theme for row in town.rows(response_themes)] == ["support"]
    assert set(READER.names) == set(THEMES)
