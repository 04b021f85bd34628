"""From a mail's templates and a context to subject, text and HTML."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from jinja2 import Template, TemplateNotFound
from jinja2.exceptions import TemplateError, TemplateSyntaxError

from worker.kernel.errors import PerennialError, Problem, did_you_mean
from worker.templating import links
from worker.templating.context import MailContext
from worker.templating.grammar import RefusedError
from worker.templating.hold import Hold, Place, parted, places
from worker.templating.sandbox import MailEnvironment, write
from worker.templating.texts import HOLDS, PARTS, languages, questions_of
from worker.templating.values import BlankError, TooMuchError, UnknownError, of_survey, variables

LONGEST_SUBJECT = 200
"""Characters."""
LAST_LANGUAGE = "en"

_DEBRIS = re.compile(r"[ \t]+$", re.M)
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Rendered:
    """A mail's text. ``language`` is the one it is really in, ``holds`` what goes to calendars."""

    subject: str
    text: str
    html: str
    language: str
    holds: tuple[Hold, ...] = ()


class RenderError(PerennialError):
    """A mail could not be written; it blocks this one mail. ``problem`` says where and why."""

    def __init__(self, mail: str, language: str, problem: Problem) -> None:
        super().__init__(f"the mail {mail} cannot be written in {language}", [problem])
        self.mail = mail
        self.language = language
        self.problem = problem

    @property
    def file(self) -> str:
        """The template's file, such as ``templates/renewal/grace/pl/body.txt``."""
        return self.problem.file

    @property
    def line(self) -> int:
        """The line in the file, from 1; 0 when the file as a whole is meant."""
        return self.problem.line

    @property
    def variable(self) -> str:
        """The variable that was missing or unknown, such as ``contact.name``; else empty."""
        return self.problem.path


class Renderer:
    """The templates of one schedule version. Immutable; may be used by several threads.

    Templates are compiled at their first use, so keep a renderer for as long as its version.
    """

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = MappingProxyType(dict(texts))
        self._environments: dict[str, MailEnvironment] = {}
        self._languages: dict[str, tuple[str, ...]] = {}

    def languages(self, mail: str) -> tuple[str, ...]:
        """The languages that ``mail`` is written in."""
        if mail not in self._languages:
            self._languages[mail] = languages(self._texts, mail)
        return self._languages[mail]

    def render(
        self, mail: str, language: str | Sequence[str | None] | None, context: MailContext
    ) -> Rendered:
        """``mail`` in the first of the languages that it has, or of their bases, or in English.

        Raises ``RenderError`` naming mail, language, file, line and variable.
        """
        chosen = self.choose(mail, language)
        values = self._values(mail, chosen, context)
        subject, text, html = (self._part(mail, chosen, part, values) for part in PARTS)
        return Rendered(subject, text, html, chosen, self._holds(mail, chosen, context, values))

    def part(
        self,
        mail: str,
        language: str,
        part: str,
        context: MailContext,
        values: Mapping[str, Any] | None = None,
    ) -> str:
        """One part alone, in exactly this language; raises ``RenderError``.

        Of the files for calendars all that the mail's licences make of them, perhaps nothing.
        ``values`` are the variables of ``context`` for those who have them already.
        """
        values = values or self._values(mail, language, context)
        if part in HOLDS:
            found = self._holds(mail, language, context, values, only=(part,))
            return "\n\n".join(f"{hold.title}\n{hold.notes}" for hold in found)
        return self._part(mail, language, part, values)

    def choose(self, mail: str, wanted: str | Sequence[str | None] | None) -> str:
        """The language for ``wanted`` (``"pl-PL"`` or a list, best first), by the rule above."""
        asked = [wanted] if isinstance(wanted, str) or wanted is None else wanted
        known = {language.lower(): language for language in self.languages(mail)}
        for language in (*asked, LAST_LANGUAGE):
            words = (language or "").lower().replace("_", "-").split("-")
            for length in range(len(words), 0, -1):
                if "-".join(words[:length]) in known:
                    return known["-".join(words[:length])]
        names = {name.rsplit("/", 2)[0] for name in self._texts if name.count("/") == 3}
        hint = did_you_mean(mail, names - {mail}, otherwise=f"write {mail}/{LAST_LANGUAGE}/")
        problem = Problem(f"templates/{mail}", 0, 0, "", "no-mail", "a mail", "nothing", hint)
        raise RenderError(mail, LAST_LANGUAGE, problem)

    def _values(self, mail: str, language: str, context: MailContext) -> dict[str, Any]:
        values = variables(context)
        if context.survey is not None:
            values |= of_survey(context.survey, *self._scale(mail, language))
        return values

    def _scale(self, mail: str, language: str) -> Sequence[str | None]:
        """The question and what the ends of its scale mean, as far as they are written."""
        try:
            words = tomllib.loads(self._texts.get(questions_of(mail, language), ""))
        except tomllib.TOMLDecodeError:  # check.py says where
            words = {}
        lines = [words.get(name) for name in ("question", "lowest", "highest")]
        return [line if isinstance(line, str) else None for line in lines]

    def _environment(self, language: str) -> MailEnvironment:
        """Made once, and harmlessly twice when two threads come at once."""
        found = self._environments.get(language)
        if found is None:
            found = self._environments[language] = MailEnvironment(self._texts, language)
        return found

    def _part(self, mail: str, language: str, part: str, values: Mapping[str, Any]) -> str:
        name = f"{mail}/{language}/{part}"
        try:
            text = write(self._environment(language).get_template(name), values, language)
        except Exception as error:  # whatever a template raises blocks its own mail
            raise RenderError(mail, language, told(error, name)) from error
        text, problem = _finish(f"templates/{name}", part, text)
        if problem:
            raise RenderError(mail, language, problem)
        return text

    def _holds(
        self,
        mail: str,
        language: str,
        context: MailContext,
        values: Mapping[str, Any],
        only: Sequence[str] = HOLDS,
    ) -> tuple[Hold, ...]:
        """The calendar entries of the listed licences, as far as the mail has such files."""
        files = [file for file in only if f"{mail}/{language}/{file}" in self._texts]
        if not files:
            return ()
        return tuple(
            self._hold(mail, language, row, place, values)
            for licence, row in zip(context.listed, values["licences"], strict=True)
            for place in places(licence, files, context.today)
        )

    def _hold(
        self, mail: str, language: str, row: Any, place: Place, values: Mapping[str, Any]
    ) -> Hold:
        text = self._part(mail, language, place.file, {**values, "licence": row})
        return Hold(row["key"], place, *parted(text))


def _finish(shown: str, part: str, text: str) -> tuple[str, Problem | None]:
    """The part as it may leave, and what forbids that."""
    if part == "body.html":
        return text, _bad_link(shown, text)
    if part == "subject.txt":
        return text.strip(), _bad_subject(shown, text.strip())
    text = _tidy(text)
    if part in HOLDS and text:
        return text, _bad_subject(shown, parted(text)[0])
    return text + "\n", _empty(shown, text)


def _tidy(text: str) -> str:
    """``text`` without blanks at line ends, and never more than one empty line in a row."""
    if " \n" in text or "\t\n" in text:
        text = _DEBRIS.sub("", text)
    while "\n\n\n" in text:
        text = text.replace("\n\n\n", "\n\n")
    return text.strip()


def _empty(shown: str, text: str) -> Problem | None:
    return None if text else Problem(shown, 0, 0, "", "empty", "a text", "nothing")


def _bad_subject(shown: str, subject: str) -> Problem | None:
    expected = f"one line of at most {LONGEST_SUBJECT} characters"
    if not subject:
        return Problem(shown, 0, 0, "", "subject-empty", expected, "nothing", "write a subject")
    if "\n" in subject or "\r" in subject:
        hint = "join the lines"
        return Problem(shown, 0, 0, "", "subject-line-break", expected, "a line break", hint)
    unfit = _UNFIT.search(subject)
    if unfit:
        got = unicodedata.name(unfit[0], f"the control character U+{ord(unfit[0]):04X}")
        return Problem(shown, 0, 0, "", "subject-control", expected, got, "remove it")
    if len(subject) > LONGEST_SUBJECT:
        got = f"{len(subject):,} characters"
        return Problem(shown, 0, 0, "", "subject-long", expected, got, "shorten it")
    return None


def _bad_link(shown: str, text: str) -> Problem | None:
    for found in links.findings(text):
        return Problem(shown, 0, 0, found.path, "link", found.expected, found.got)
    return _empty(shown, text.strip())


def told(error: BaseException, name: str) -> Problem:
    """What a failing template means to a person; ``name`` is the mail's file under templates/."""
    if isinstance(error, RefusedError):
        return error.problem
    shown, line = _place(error, f"templates/{name}")
    code, path, expected, got, hint = _meaning(error)
    return Problem(shown, line, 0, path, code, expected, got, hint)


def _place(error: BaseException, shown: str) -> tuple[str, int]:
    if isinstance(error, TemplateSyntaxError):
        return (f"templates/{error.name}" if error.name else shown), error.lineno
    line = 0
    trace = error.__traceback__
    while trace is not None:
        template: Any = trace.tb_frame.f_globals.get("__jinja_template__")
        if isinstance(template, Template):
            shown = f"templates/{template.name}"
            line = template.get_corresponding_lineno(trace.tb_lineno)
        trace = trace.tb_next
    return shown, line


_Meaning = tuple[str, str, str, str, str]
"""Code, variable, expected, got, hint."""


def _meaning(error: BaseException) -> _Meaning:
    said = str(error).rstrip(".")
    for kind, meaning in _MEANINGS:
        if isinstance(error, kind):
            return meaning(said)
    got = said if isinstance(error, _OF_VALUES) and said else f"{type(error).__name__}: {said}"
    return "cannot-print", "", "values that can be printed", got[:200], ""


def _missing(name: str) -> _Meaning:
    hint = f"test it with {{% if {name} %}}, or give it a default"
    return "missing-value", name, "a value to print", "none", hint if "." in name else ""


_OF_VALUES = (TemplateError, ArithmeticError, ValueError, TypeError)
_CIRCLE = "files that use each other in a circle, or brackets nested too deeply"
_MEANINGS: tuple[tuple[type[Exception], Callable[[str], _Meaning]], ...] = (
    (BlankError, _missing),
    (UnknownError, lambda name: ("unknown-variable", name, "a known variable", f"'{name}'", "")),
    (ZeroDivisionError, lambda _: ("cannot-print", "", "a number", "a division by zero", "")),
    (TooMuchError, lambda limit: ("too-much", "", limit, "more", "print less")),
    (RecursionError, lambda _: ("endless", "", "a template that ends", _CIRCLE, "")),
    (
        TemplateNotFound,
        lambda name: ("missing-file", "", f"the file templates/{name}", "none", "write it"),
    ),
    (TemplateSyntaxError, lambda said: ("syntax", "", "a template that can be read", said, "")),
)
