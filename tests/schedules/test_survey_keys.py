"""A step that asks says whom, what is promised and how long; a second one reminds."""

from __future__ import annotations

import pytest

from worker.schedules.kinds.survey import SurveyKeys
from worker.schedules.loader import SchedulesError, load_text
from worker.schedules.model import Schedule, Span

TEMPLATES = frozenset({"renewal/heads-up", "survey/renewal", "survey/relationship"})
HEAD = 'name = "After the renewal"\ntrigger = "licence-renewed"\nclass = "survey"\n'
ASK = '[[steps]]\nid = "ask"\nwhen = "7 days after"\nsurvey = "renewal"\n'
REMIND = (
    '[[steps]]\nid = "remind"\nwhen = "12 days after"\nsurvey = "renewal"\nunless = ["answered"]\n'
)


def read(text: str) -> Schedule:
    return load_text(text.encode(), "schedules/after-renewal.toml", templates=TEMPLATES)


def complaints(text: str) -> list[str]:
    with pytest.raises(SchedulesError) as caught:
        read(text)
    return [str(problem).partition(": ")[2] for problem in caught.value.problems]


def test_a_step_that_asks_knows_whom_how_many_what_is_promised_and_how_long() -> None:
    more = (
        'to = ["decision-maker", "any"]\nat_most = 3\npromise = "anonymous"\nopen_for = "2 weeks"\n'
    )
    (step,) = read(HEAD + ASK + more).steps
    assert step.keys == SurveyKeys.model_construct(
        survey="renewal",
        to=("decision-maker", "any"),
        at_most=3,
        promise="anonymous",
        open_for=Span(14, "days"),
    )
    assert step.mails
    assert step.template == "survey/renewal"


def test_without_further_words_one_person_is_asked_by_name_for_thirty_days() -> None:
    keys = read(HEAD + ASK).steps[0].keys
    found = (keys.to, keys.at_most, keys.promise, keys.open_for)
    assert found == (("any",), 1, "named", Span(30, "days"))


def test_a_second_step_of_the_same_survey_reminds_of_the_first() -> None:
    schedule = read(HEAD + ASK + REMIND)
    ask, remind = schedule.steps
    assert schedule.asking(remind) is ask
    assert schedule.asking(ask) is ask
    assert schedule.templates == {"survey/renewal"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            HEAD.replace('"survey"', '"commercial"') + ASK,
            "class: a schedule that asks has the class 'survey'; "
            'write class = "survey"; other mails go into a schedule of their own',
        ),
        (
            HEAD + ASK.replace('"renewal"', '"renewl"'),
            "steps[0].survey: 'renewl' is not a folder under templates/survey/; "
            "did you mean 'renewal'?",
        ),
        (
            HEAD + ASK.replace('"renewal"', '"nps"'),
            "steps[0].survey: 'nps' is not a folder under templates/survey/; "
            "there are: relationship, renewal",
        ),
        (
            HEAD + ASK + REMIND.replace('unless = ["answered"]\n', ""),
            "steps[1].survey: a second step of the same survey is a reminder: not for those who "
            'have answered; add unless = ["answered"]',
        ),
        (
            HEAD + ASK + REMIND + 'promise = "anonymous"\n',
            "steps[1].promise: a reminder goes to those who were asked; 'promise' belongs to the "
            "first step; remove it",
        ),
        (
            HEAD + ASK + "at_most = 0\n",
            "steps[0].at_most: 0 is not a number of people; write a number from 1 to 20",
        ),
        (
            HEAD + ASK + 'promise = "secret"\n',
            "steps[0].promise: 'secret' is not one of 'named', 'confidential', 'anonymous'",
        ),
        (
            HEAD + ASK + 'open_for = "2 business days"\n',
            "steps[0].open_for: '2 business days' is not a number of days; "
            "write e.g. '3 days' or '2 weeks'",
        ),
    ],
)
def test_what_is_wrong_with_a_question_is_told_at_its_place(text: str, said: str) -> None:
    told = complaints(text)
    assert told == [said]
