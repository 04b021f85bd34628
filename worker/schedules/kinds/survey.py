"""``survey``: one question by mail, and a reminder to those who have not answered it.

The first ``survey`` step of a schedule that names a question asks it. A later one of the same
question is its reminder: it writes to those who were asked, and its keys are those of the first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, WithJsonSchema

from worker.config.validation import Finding, not_a
from worker.kernel.errors import nearest
from worker.schedules.fields import TO, CivilDays, Identifier, Roles, Shape
from worker.schedules.kinds.contract import Found, StepKind, Table, listed
from worker.schedules.model import SURVEYS, Span

MOST = 20
"""People of one company who may be asked at once."""

_OWN = ("to", "at_most", "promise", "open_for")


def _few(value: int) -> int:
    if not 1 <= value <= MOST:
        raise not_a("number", "a number of people", f"write a number from 1 to {MOST}")
    return value


Few = Annotated[
    int,
    AfterValidator(_few),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MOST}),
]


class SurveyKeys(Shape):
    """``survey`` is a folder under ``templates/survey/``; ``to`` the roles that may be asked, those
    named first before the others."""

    survey: Identifier = Field(
        description='the question: a folder under templates/survey/, e.g. "renewal"'
    )
    to: Roles = Field(default=("any",), description=TO)
    at_most: Few = Field(default=1, description="how many people of one company are asked at once")
    promise: Literal["named", "confidential", "anonymous"] = Field(
        default="named", description="what those who answer are promised"
    )
    open_for: CivilDays = Field(
        default=Span(30, "days"), description='how long it may be answered, e.g. "30 days"'
    )


def _check(step: Table, templates: Collection[str] | None) -> Found:
    survey = step.get("survey")
    if templates is None or not isinstance(survey, str) or f"{SURVEYS}{survey}" in templates:
        return
    known = [name.removeprefix(SURVEYS) for name in templates if name.startswith(SURVEYS)]
    near = nearest(survey, known)
    named = ", ".join(sorted(known)) or "none"
    hint = f"did you mean {near!r}?" if near else f"there are: {named}"
    yield ("survey",), Finding("template", "a folder under templates/survey/", hint, repr(survey))


def _meet(step: Table, other: Table) -> bool:
    return bool(step.get("survey") == other.get("survey"))


def of_schedule(mail_class: object, steps: Sequence[tuple[int, Any]]) -> Found:
    """What is wrong with the questions of a schedule as a whole: its class, and reminders that are
    none. Paths count from the file."""
    asked: set[object] = set()
    for number, step in steps:
        survey, here = step.get("survey"), ("steps", number)
        if survey is None:
            continue
        if not asked and mail_class in ("contractual", "commercial"):
            said = "a schedule that asks has the class 'survey'"
            hint = 'write class = "survey"; other mails go into a schedule of their own'
            yield ("class",), Finding("kind", said, hint)
        if survey in asked:
            for path, finding in _reminder(step):
                yield (*here, *path), finding
        asked.add(survey)


def _reminder(step: Table) -> Iterator[tuple[tuple[str, ...], Finding]]:
    if "answered" not in listed(step.get("unless")):
        said = "a second step of the same survey is a reminder: not for those who have answered"
        yield ("survey",), Finding("kind", said, 'add unless = ["answered"]')
    for key in _OWN:
        if key in step:
            said = f"a reminder goes to those who were asked; {key!r} belongs to the first step"
            yield (key,), Finding("kind", said, "remove it")


KIND = StepKind("survey", "a survey", SurveyKeys, _meet, _check)
