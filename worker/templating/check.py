"""Everything that can be known to be wrong with the templates, before a client sees it.

Each template is read, compiled and tried with sample data: with all values, and with each value
that the book may lack missing in turn, for licences before, on and after their expiry date.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2.exceptions import TemplateError

from worker.kernel.errors import Problem
from worker.templating import grammar, links, markup, questions, samples, texts
from worker.templating.context import MailContext
from worker.templating.render import LAST_LANGUAGE, Renderer, RenderError, told
from worker.templating.sandbox import MailEnvironment
from worker.templating.values import variables

_WORD = re.compile(r"[a-z_]+")


def check_folder(folder: Path) -> list[Problem]:
    """All problems of the templates below ``folder`` (named ``templates``), file by file.

    An empty list means that every mail can be written in each of its languages, whatever the
    book lacks.
    """
    try:
        found = texts.read_folder(folder)
    except texts.TemplatesError as error:
        return list(error.problems)
    if not texts.mails(found):
        hint = "write e.g. templates/renewal/heads-up/en/subject.txt"
        return [Problem(folder.name, 0, 0, "", "no-mail", "a mail", "nothing", hint)]
    problems = [*_strangers(folder), *check_texts(found), *questions.check_folder(folder)]
    return sorted(problems, key=lambda problem: (problem.file, problem.line))


def check_texts(found: Mapping[str, str]) -> list[Problem]:
    """The same for texts in memory, such as those that a schedule version pins."""
    problems = [*_gaps(found)]
    readable = dict(found)
    environment = MailEnvironment(found, LAST_LANGUAGE)
    for name, text in found.items():
        if name.endswith(".toml"):  # questions.py reads them
            continue
        static = _static(environment, name, text)
        problems += static
        if static:
            del readable[name]
    renderer = Renderer(found)
    cases, asking, letters = list(_cases()), list(_asking()), list(_letters())
    for mail in sorted(texts.mails(found)):
        uses = texts.needed(found, mail)
        for language in renderer.languages(mail):
            if _language_problem(mail, language) is None:
                asks = mail.startswith(f"{texts.SURVEYS}/")
                tried = letters if mail in samples.LETTERS else asking if asks else cases
                problems += _trial(renderer, mail, language, uses, readable, tried)
    return _once_each(problems)


def _gaps(found: Mapping[str, str]) -> Iterator[Problem]:
    """Missing languages and missing parts."""
    for mail in sorted(texts.mails(found)):
        known = texts.languages(found, mail)
        if LAST_LANGUAGE not in known:
            place = f"templates/{mail}"
            hint = f"write {place}/{LAST_LANGUAGE}/: it is sent when a client's language is missing"
            yield Problem(place, 0, 0, "", "no-english", "the mail in English", "none", hint)
        for language in known:
            wrong = _language_problem(mail, language)
            if wrong:
                yield wrong
            for part in texts.PARTS:
                if f"{mail}/{language}/{part}" not in found:
                    place = f"templates/{mail}/{language}/{part}"
                    expected = "the three files subject.txt, body.txt and body.html"
                    yield Problem(place, 0, 0, "", "missing-file", expected, "none", "write it")
            words = texts.questions_of(mail, language)
            if mail.startswith(f"{texts.SURVEYS}/") and words not in found:
                expected = "the questions of a survey in each language of its mail"
                yield Problem(
                    f"templates/{words}", 0, 0, "", "missing-file", expected, "none", "write it"
                )


def _language_problem(mail: str, language: str) -> Problem | None:
    try:
        MailEnvironment({}, language)
    except ValueError:
        place = f"templates/{mail}/{language}"
        expected = "a folder named after a language, such as en or pt-BR"
        return Problem(place, 0, 0, "", "unknown-language", expected, f"'{language}'", "rename it")
    return None


def _strangers(folder: Path) -> Iterator[Problem]:
    """Files in a mail's folder that no mail uses: mostly misspelt names."""
    used = set(texts.paths(folder))
    for path in sorted([*folder.glob("*/*/*/*"), *folder.glob(f"{texts.SHARED}/*/*")]):
        place = path.relative_to(folder)
        hidden = path.name.startswith(".") or path.name.endswith("~")
        if place.parts[0] != "pages" and path.is_file() and path not in used and not hidden:
            shown = f"{folder.name}/{place.as_posix()}"
            expected = "subject.txt, body.txt or body.html"
            if place.parts[0] == texts.SHARED:
                expected = f"{texts.SHARED}/LANGUAGE/ with .html and .txt files"
            elif path.name.startswith("hold"):
                expected = ", ".join(texts.HOLDS[:-1]) + f" or {texts.HOLDS[-1]}"
            yield Problem(shown, 0, 0, "", "stranger", expected, path.name, "rename or remove it")


def _static(environment: MailEnvironment, name: str, text: str) -> list[Problem]:
    """What can be seen without trying: size, syntax, unknown words, literal links."""
    shown = f"templates/{name}"
    if len(text) > texts.LARGEST:
        expected = f"a file of at most {texts.LARGEST:,} characters"
        got = f"{len(text):,}"
        return [Problem(shown, 0, 0, "", "too-much", expected, got, "shorten it")]
    try:
        tree = environment.parse(text, name)
    except (TemplateError, ValueError, RecursionError, MemoryError) as error:
        return [told(error, name)]
    problems = grammar.problems(tree, shown, environment.list_templates(), environment.tests)
    if name.endswith(".html"):
        problems += _literal_links(shown, text)
    return problems


def _literal_links(shown: str, text: str) -> Iterator[Problem]:
    for found in links.findings(text):
        if "{{" not in found.got and "{%" not in found.got:
            line = text.count("\n", 0, found.place) + 1
            yield Problem(shown, line, 0, found.path, "link", found.expected, found.got)


def _trial(
    renderer: Renderer,
    mail: str,
    language: str,
    uses: Mapping[str, str],
    readable: Mapping[str, str],
    cases: Sequence[_Case],
) -> Iterator[Problem]:
    """What happens when the mail is written. Parts that rest on a broken file are left out."""
    for part in texts.PARTS + texts.HOLDS:
        name = f"{mail}/{language}/{part}"
        if name not in uses or not set(texts.referred(uses, name)) <= readable.keys():
            continue
        words = set(_WORD.findall("".join(uses[file] for file in texts.referred(uses, name))))
        failed = set()
        for case in cases:
            if case.lacking and case.lacking.rpartition(".")[2] not in words:
                continue
            try:
                text = renderer.part(mail, language, part, case.context, case.values)
            except RenderError as error:
                problem = _lacking(error.problem)
                if problem.code not in failed or problem.code == "may-be-missing":
                    yield problem
                failed.add(problem.code)
            else:
                if part == "body.html" and not case.lacking:
                    yield from _unclosed(name, text, uses)


@dataclass(frozen=True, slots=True)
class _Case:
    """A context with its values, and the name of the field that is missing in it, if one is."""

    context: MailContext
    values: Mapping[str, Any] | None
    lacking: str = ""


def _cases() -> Iterator[_Case]:
    for context in samples.contexts():
        yield _Case(context, variables(context))
    for field in samples.OPTIONAL:
        auto_renew = field == "licence.notice_on"
        tried = [samples.full(days_left, auto_renew=auto_renew) for days_left in (30, 0, -3)]
        for context in (*tried, samples.mixed(30, 3)):
            lacking = samples.without(field, context)
            yield _Case(lacking, variables(lacking), field)


def _asking() -> Iterator[_Case]:
    """Of mails that ask a question: their values depend on the language, so none are made here."""
    for context in samples.surveys():
        yield _Case(context, None)
    for field in samples.OPTIONAL:
        yield _Case(samples.asking(samples.without(field, samples.full(300))), None, field)


def _letters() -> Iterator[_Case]:
    for context in samples.letters():
        yield _Case(context, variables(context))
    for field in samples.OPTIONAL_IN_LETTERS:
        lacking = samples.without(field, samples.linked(samples.letter()))
        yield _Case(lacking, variables(lacking), field)


def _lacking(problem: Problem) -> Problem:
    """A value that is missing in a sample may be missing for a client: say it so."""
    if problem.code != "missing-value" or not problem.path:
        return problem
    name = problem.path
    hint = f"test it with {{% if {name} %}}, or write {{{{ {name} | default('…') }}}}"
    got = f"{name}, which the book may lack"
    expected = "a value that is always there"
    return Problem(problem.file, problem.line, 0, name, "may-be-missing", expected, got, hint)


def _unclosed(name: str, html: str, uses: Mapping[str, str]) -> Iterator[Problem]:
    wrong = markup.faults(html)
    if not wrong:
        return
    expected = "every tag opened and closed"
    told_any = False
    for file in texts.referred(uses, name):
        for line, tag, what in markup.template_faults(uses[file]):
            if tag in {fault[1] for fault in wrong}:
                told_any = True
                got = f"<{tag}> {what}"
                yield Problem(f"templates/{file}", line, 0, "", "unclosed-tag", expected, got)
    if not told_any:
        _, tag, what = wrong[0]
        yield Problem(f"templates/{name}", 0, 0, "", "unclosed-tag", expected, f"<{tag}> {what}")


def _once_each(problems: Iterable[Problem]) -> list[Problem]:
    seen: dict[tuple[Any, ...], Problem] = {}
    for problem in problems:
        key = (problem.file, problem.line, problem.path, problem.code, problem.got)
        seen.setdefault(key, problem)
    return list(seen.values())
