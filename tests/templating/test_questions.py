"""The questions of a survey: in the reader's language, as the files are now; else what is wrong."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.templating.small import SHIPPED
from worker.templating.check import check_folder as check_templates
from worker.templating.questions import (
    FURTHER,
    GROUPS,
    QuestionsError,
    check_folder,
    languages,
    names,
    questions_of,
)

EN = "templates/survey/renewal/questions.en.toml"
GOOD = """question = "Would you recommend us?"
lowest = "No"
highest = "Yes"
improve = "What should we change?"
[promoter]
ask = "Why?"
thanks = "Thank you"
[passive]
ask = "What is missing?"
thanks = "Thanks"
[detractor]
ask = "What went wrong?"
thanks = "We take it up"
"""


def lay(root: Path, text: str, language: str = "en") -> Path:
    file = root / "templates/survey/renewal" / f"questions.{language}.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return root / "templates"


def told(root: Path, text: str, language: str = "en") -> list[str]:
    return [str(problem) for problem in check_folder(lay(root, text, language))]


@pytest.mark.parametrize("survey", ["relationship", "renewal"])
@pytest.mark.parametrize("language", ["en", "pl", "ru"])
def test_the_shipped_questions_are_whole_in_each_language(survey: str, language: str) -> None:
    found = questions_of(SHIPPED, survey, language)
    assert found.language == language
    assert found.question.endswith("?")
    assert tuple(found.groups) == GROUPS
    assert tuple(found.further) == FURTHER


def test_the_shipped_questions_are_in_order() -> None:
    assert names(SHIPPED) == {"relationship", "renewal"}
    assert languages(SHIPPED, "renewal") == ("en", "pl", "ru")
    assert check_folder(SHIPPED) == []


def test_the_first_language_that_there_is_wins_and_english_is_the_last(tmp_path: Path) -> None:
    folder = lay(tmp_path, GOOD)
    lay(tmp_path, GOOD.replace("Thanks", "Dziękujemy"), "pl")
    assert questions_of(folder, "renewal", None, "de", "pl-PL", "en").language == "pl"
    assert questions_of(folder, "renewal", "de", None).language == "en"
    assert questions_of(folder, "renewal").language == "en"


def test_what_is_not_written_is_not_asked(tmp_path: Path) -> None:
    assert questions_of(lay(tmp_path, GOOD), "renewal").further == {
        "improve": "What should we change?"
    }


def test_an_edited_file_is_what_is_shown_next(tmp_path: Path) -> None:
    folder = lay(tmp_path, GOOD)
    assert questions_of(folder, "renewal").lowest == "No"
    file = folder / "survey/renewal/questions.en.toml"
    lay(tmp_path, GOOD.replace('"No"', '"Na"'))
    os.utime(file, ns=(1, 1))
    assert questions_of(folder, "renewal").lowest == "Na"


def test_all_that_is_wrong_in_a_file_is_told_at_once(tmp_path: Path) -> None:
    text = (
        'question = ""\nlowest = 0\nhigest = "Yes"\nvalue = "' + "x" * 501 + '"\n'
        'passive = "none"\n[promoter]\nask = "Why?"\nthank = "Thank you"\n'
    )
    assert told(tmp_path, text) == [
        f"{EN}:3:1: higest: 'higest' is not a known key; did you mean 'highest'?",
        f"{EN}:1:1: highest: missing; expected a text",
        f"{EN}:1:1: detractor: missing; expected a text",
        f"{EN}:1:12: question: '' is not a text",
        f"{EN}:2:10: lowest: 0 is not a text",
        f"{EN}:4:9: value: a text of 501 characters is not at most 500 characters long",
        f"{EN}:8:1: promoter.thank: 'thank' is not a known key; did you mean 'thanks'?",
        f"{EN}:6:1: promoter.thanks: missing; expected a text",
        f"{EN}:5:11: passive: 'none' is not a table with ask and thanks",
    ]


def test_a_file_that_is_no_toml_and_a_name_that_is_no_language_are_told(tmp_path: Path) -> None:
    folder = lay(tmp_path, "question = Would you?")
    assert [problem.code for problem in check_folder(folder)] == ["syntax"]
    lay(tmp_path, GOOD)
    lay(tmp_path, GOOD, "polish")
    (wrong,) = check_folder(folder)
    assert (wrong.code, wrong.file) == (
        "unknown-language",
        "templates/survey/renewal/questions.polish.toml",
    )


def test_questions_without_english_are_a_problem(tmp_path: Path) -> None:
    (said,) = told(tmp_path, GOOD, "pl")
    assert said.startswith("templates/survey/renewal: expected the questions in English, got none")


def test_what_is_wrong_is_told_with_the_templates(tmp_path: Path) -> None:
    folder = lay(tmp_path, GOOD.replace("lowest", "lowst"))
    mail = folder / "renewal/test/en"
    mail.mkdir(parents=True)
    for part in ("subject.txt", "body.txt", "body.html"):
        (mail / part).write_text("Hello", encoding="utf-8")
    assert {problem.file for problem in check_templates(folder)} == {EN}


@pytest.mark.parametrize("survey", ["nobody", "../renewal", "", "renewal/.."])
def test_a_survey_without_questions_is_told_and_never_looked_for_elsewhere(
    tmp_path: Path, survey: str
) -> None:
    with pytest.raises(QuestionsError) as told:
        questions_of(lay(tmp_path, GOOD), survey, "en")
    assert told.value.problems[0].code == "no-english"


def test_questions_that_cannot_be_used_say_what_to_mend(tmp_path: Path) -> None:
    folder = lay(tmp_path, GOOD.replace('highest = "Yes"\n', ""))
    with pytest.raises(QuestionsError, match="highest: missing"):
        questions_of(folder, "renewal", "en")
