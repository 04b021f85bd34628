"""What the pages of a survey say: the survey's own questions, and our words around them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple
from urllib.parse import quote

from worker.clients.rules import Fault
from worker.clients.survey_flow import Asked
from worker.clients.survey_rules import LONGEST_NAME, SCORES
from worker.clients.writing import Writing
from worker.kernel.forms import Fields, first
from worker.surveys.numbers import group_of
from worker.templating.questions import Questions


class Shown(NamedTuple):
    """What all pages of one survey share: the language of our words, the questions, whom they ask,
    and the addresses that lead on, each counted from the page itself."""

    language: str
    texts: Questions
    asked: Asked
    links: Mapping[str, str]


class SurveyWriting:
    """Writes the pages of surveys. Made once; may be used by several threads."""

    def __init__(self, writing: Writing) -> None:
        self._writing = writing

    def question(
        self, shown: Shown, chosen: int | None, fields: Fields, faults: Sequence[Fault]
    ) -> str:
        """The question with its eleven answers; ``chosen`` is what a click or an answer before
        chose. ``fields`` and ``faults`` are those of a form that could not be used."""
        asked, words = shown.asked, self._words(shown)
        return self._write(
            shown,
            "survey_question.html",
            to=self._to(shown),
            scores=SCORES,
            chosen=chosen,
            standing=self._standing(shown, chosen),
            at_once=asked.at_once,
            further=shown.texts.further.items(),
            filled={name: first(fields, name) for name in ("comment", *shown.texts.further)},
            promised=words[asked.row.promise],
            until=self._until(shown),
            **self._wrong(shown, faults),
        )

    def more(self, shown: Shown) -> str:
        """What fits the score that was given; every field may stay empty."""
        standing = shown.asked.standing
        assert standing is not None
        words, filled = self._words(shown), dict(standing.follow_up or {})
        return self._write(
            shown,
            "survey_more.html",
            given=words["given"].format(score=standing.score),
            ask=shown.texts.groups[group_of(standing.score)].ask,
            further=shown.texts.further.items(),
            filled={"comment": standing.comment or ""}
            | {name: filled.get(name, "") for name in shown.texts.further},
        )

    def thanks(self, shown: Shown, score: int) -> str:
        """The survey's own thanks for such a score."""
        return self._write(
            shown,
            "survey_thanks.html",
            thanks=shown.texts.groups[group_of(score)].thanks,
            until="" if shown.asked.at_once else self._until(shown),
        )

    def colleague(
        self,
        shown: Shown,
        passed_on: Sequence[tuple[str, str]],
        fields: Fields,
        faults: Sequence[Fault],
    ) -> str:
        """Passing the question on; ``passed_on`` are names with the full addresses of their
        pages."""
        words = self._words(shown)
        subject = quote(words["passing_subject"])
        return self._write(
            shown,
            "survey_colleague.html",
            ready=[
                {
                    "name": words["passing_ready"].format(name=name),
                    "url": url,
                    "mail": f"mailto:?subject={subject}&body={quote(url)}",
                }
                for name, url in passed_on
            ],
            typed=first(fields, "colleague") if faults else "",
            longest=LONGEST_NAME,
            **self._wrong(shown, faults),
        )

    def over(self, language: str, what: str, day: date | None = None) -> str:
        """Why nothing is asked any more: ``closed`` on a ``day``, or ``answered``."""
        return self._writing.message(language, what, **({"date": day} if day else {}))

    def _words(self, shown: Shown) -> Mapping[str, str]:
        return self._writing.say(shown.language).words["survey"]

    def _to(self, shown: Shown) -> str:
        row = shown.asked.row
        who = row.contact_email or row.contact_name or ""
        return self._words(shown)["to"].format(person=who, account=row.account_name)

    def _standing(self, shown: Shown, chosen: int | None) -> str:
        """What was answered so far (where it is not to be seen: that something was), and that a
        choice is no answer yet."""
        asked, words = shown.asked, self._words(shown)
        before = asked.standing.score if asked.standing else None
        told = []
        if before is not None:
            told.append(words["standing"].format(score=before))
        elif asked.row.answered and asked.was_passed_on:
            told.append(words["answered_before"])
        if chosen not in (None, before):
            told.append(words["chosen"].format(score=chosen))
        return " ".join(told)

    def _until(self, shown: Shown) -> str:
        closes, say = shown.asked.closes_on, self._writing.say(shown.language)
        word = say.words["survey"]["until"]
        changes = shown.asked.row.promise != "anonymous"
        return word.format(date=say.day(closes)) if closes and changes else ""

    def _wrong(self, shown: Shown, faults: Sequence[Fault]) -> dict[str, Any]:
        say = self._writing.say(shown.language)
        return {"faults": say.faults(faults), "fault_title": say.words["fault"]["title"]}

    def _write(self, shown: Shown, name: str, **values: Any) -> str:
        """Texts of the survey in another language than ours are marked as such."""
        say, theirs = self._writing.say(shown.language), shown.texts.language
        return self._writing.write(
            name,
            shown.language,
            words=say.words["survey"],
            texts=shown.texts,
            lang=theirs if theirs != shown.language else "",
            links=shown.links,
            preferences_link=say.words["preferences"]["link"],
            **values,
        )
