"""What a survey asks, and how it thanks: ``survey/NAME/questions.LANGUAGE.toml`` under
``templates/``, beside the mail that asks.

The files are read as they are now: an edited question is on the next page that is opened.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from babel import Locale, UnknownLocaleError

from worker.kernel.errors import ConfigError, Misfit, Problem, did_you_mean
from worker.kernel.toml import Document, TomlError, read
from worker.templating.render import LAST_LANGUAGE

GROUPS = ("promoter", "passive", "detractor")
FURTHER = ("improve", "value", "communication")
"""Questions that a survey may ask everybody besides; one that is not written is not asked."""
LONGEST = 500
"""Characters of one text."""

_FOLDER = "survey"
_LINES = ("question", "lowest", "highest")
_PARTS = ("ask", "thanks")
_FILE = re.compile(r"questions\.([A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*)\.toml")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
_Key = tuple[str | int, ...]


class QuestionsError(ConfigError):
    """The questions of a survey are not there or cannot be used; ``problems`` says why."""


@dataclass(frozen=True, slots=True)
class Group:
    """What those who gave such a score are asked, and how they are thanked."""

    ask: str
    thanks: str


@dataclass(frozen=True, slots=True)
class Questions:
    """The texts of a survey in ``language``: the question, what 0 (``lowest``) and 10
    (``highest``) mean, the words for each of ``GROUPS``, those of ``FURTHER`` that are asked."""

    language: str
    question: str
    lowest: str
    highest: str
    groups: Mapping[str, Group]
    further: Mapping[str, str]


def names(folder: Path) -> set[str]:
    """The surveys that the folder ``templates/`` has questions for; nothing is read."""
    return {path.parent.name for path in folder.glob(f"{_FOLDER}/*/questions.*.toml")}


def languages(folder: Path, survey: str) -> tuple[str, ...]:
    """The languages that the questions of ``survey`` are written in, sorted."""
    if not _NAME.fullmatch(survey):
        return ()
    found = (_FILE.fullmatch(path.name) for path in (folder / _FOLDER / survey).glob("*.toml"))
    return tuple(sorted(match[1] for match in found if match))


def questions_of(folder: Path, survey: str, *wanted: str | None) -> Questions:
    """The questions of ``survey`` in the first of the ``wanted`` languages that it has, else in
    English. ``folder`` is ``templates/``; raises ``QuestionsError`` when they cannot be used."""
    known = languages(folder, survey)
    language = next(_fitting(wanted, known), LAST_LANGUAGE)
    path = folder / _FOLDER / survey / f"questions.{language}.toml"
    if language not in known:
        raise QuestionsError(f"the survey {survey!r} has no questions", [_missing(survey)])
    try:
        seen = path.stat()
    except OSError:
        raise QuestionsError(
            f"the survey {survey!r} has no questions", [_missing(survey)]
        ) from None
    return _read(path, seen.st_mtime_ns, seen.st_size)


def check_folder(folder: Path) -> list[Problem]:
    """All problems of all questions below ``folder``, file by file; none where there are none."""
    problems: list[Problem] = []
    for survey in sorted(names(folder)):
        if LAST_LANGUAGE not in languages(folder, survey):
            problems.append(_missing(survey))
        for path in sorted((folder / _FOLDER / survey).glob("questions.*.toml")):
            problems += _name_problems(path, survey)
            try:
                problems += _problems(read(path, name=_shown(path)))
            except TomlError as error:
                problems += error.problems
    return problems


def _fitting(wanted: tuple[str | None, ...], known: tuple[str, ...]) -> Iterator[str]:
    by_name = {name.lower(): name for name in known}
    for language in wanted:
        whole = (language or "").lower()
        for name in (whole, whole.partition("-")[0]):
            if name in by_name:
                yield by_name[name]


@lru_cache(maxsize=256)
def _read(path: Path, _changed: int, _size: int) -> Questions:
    """The file as it was at a moment; what cannot be used is not kept, so it is read again."""
    document = read(path, name=_shown(path))
    problems = [*_problems(document)]
    if problems:
        raise QuestionsError(f"{document.name} cannot be used", problems)
    data: dict[str, Any] = document.data
    match = _FILE.fullmatch(path.name)
    assert match is not None
    return Questions(
        language=match[1],
        question=data["question"].strip(),
        lowest=data["lowest"].strip(),
        highest=data["highest"].strip(),
        groups={name: Group(*(data[name][part].strip() for part in _PARTS)) for name in GROUPS},
        further={name: data[name].strip() for name in FURTHER if name in data},
    )


def _problems(document: Document) -> Iterator[Problem]:
    """What keeps the texts of one file from being used."""
    yield from _table(document, (), (*_LINES, *GROUPS), (*_LINES, *FURTHER, *GROUPS))
    for name in (*_LINES, *FURTHER):
        if name in document.data:
            yield from _text(document, (name,), document.data[name])
    for group in GROUPS:
        table = document.data.get(group)
        if isinstance(table, dict):
            yield from _table(document, (group,), _PARTS, _PARTS)
            for part in _PARTS:
                if part in table:
                    yield from _text(document, (group, part), table[part])
        elif table is not None:
            yield _misfit(document, (group,), "type", "a table with ask and thanks", repr(table))


def _table(
    document: Document, path: _Key, needed: tuple[str, ...], known: tuple[str, ...]
) -> Iterator[Problem]:
    table: Any = document.data
    for part in path:
        table = table[part]
    for key in table:
        if key not in known:
            hint = did_you_mean(key, known, otherwise=f"there are {', '.join(known)}")
            place = document.key_place((*path, key))
            shown = ".".join(map(str, (*path, key)))
            yield Misfit(
                document.name, *place, shown, "unknown-key", "a known key", repr(key), hint
            )
    for key in needed:
        if key not in table:
            yield _misfit(document, (*path, key), "missing", "a text", "")


def _text(document: Document, path: _Key, value: Any) -> Iterator[Problem]:
    if not isinstance(value, str) or not value.strip():
        yield _misfit(document, path, "type", "a text", repr(value))
    elif len(value) > LONGEST:
        got = f"a text of {len(value):,} characters"
        yield _misfit(document, path, "too-long", f"at most {LONGEST} characters long", got)


def _misfit(document: Document, path: _Key, code: str, expected: str, got: str) -> Problem:
    shown = ".".join(map(str, path))
    return Misfit(document.name, *document.place(path), shown, code, expected, got)


def _name_problems(path: Path, survey: str) -> Iterator[Problem]:
    match = _FILE.fullmatch(path.name)
    if match is None or not _is_language(match[1]):
        expected = "a file named after a language, such as questions.pl.toml"
        yield Problem(_shown(path), 0, 0, "", "unknown-language", expected, path.name, "rename it")
    if not _NAME.fullmatch(survey):
        expected = "a folder of lower-case letters, digits and dashes"
        yield Problem(_shown(path.parent), 0, 0, "", "name", expected, survey, "rename it")


def _is_language(name: str) -> bool:
    try:
        Locale.parse(name, sep="-")
    except (UnknownLocaleError, ValueError):
        return False
    return True


def _missing(survey: str) -> Problem:
    place = f"templates/{_FOLDER}/{survey}"
    hint = f"write {place}/questions.{LAST_LANGUAGE}.toml: it is shown when a language is missing"
    return Problem(place, 0, 0, "", "no-english", "the questions in English", "none", hint)


def _shown(path: Path) -> str:
    """How people are told of the file: its path from the folder that holds ``templates/``."""
    return "/".join(("templates", *path.parts[path.parts.index(_FOLDER, -3) :]))
