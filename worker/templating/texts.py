"""Template texts as plain dictionaries: read from a folder, or pinned by a schedule version.

A path counts from ``templates/``. A mail is ``<folder>/<mail>/<language>/`` with three files, and
perhaps the titles of calendar entries. ``.html`` and ``.txt`` files right under ``templates/`` and
in ``shared/<language>/`` are there for all mails to extend and include, as ``layout.html`` is.
The questions of a survey, ``survey/<name>/questions.<language>.toml``, lie beside its languages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from worker.kernel.errors import ConfigError, Problem

PARTS = ("subject.txt", "body.txt", "body.html")
HOLDS = ("hold.txt", "hold-notice.txt", "hold-cancelled.txt")
"""What a mail may have besides: entries for the client's calendar, see ``hold.py``."""
SHARED = "shared"
SURVEYS = "survey"
"""The folder of the mails that ask a question."""
LARGEST = 200_000
"""Characters that one template file may have."""

_NOT_MAILS = ("pages", SHARED)
_QUESTIONS = re.compile(r"questions\.[A-Za-z0-9-]+\.toml")
_REFERENCE = re.compile(r"""\{%[-+]?\s*(?:extends|include)\s+["']([^"']+)["']""")


class TemplatesError(ConfigError):
    """The folder of templates cannot be read."""


def paths(folder: Path) -> Iterator[Path]:
    """The files of mails and the shared files below ``folder``, in a stable order."""
    found = [*folder.glob("*.*"), *folder.glob(f"{SHARED}/*/*.*"), *folder.glob("*/*/*/*")]
    found += folder.glob(f"{SURVEYS}/*/questions.*")
    for path in sorted(found):
        place = path.relative_to(folder).parts
        shared = len(place) in {1, 3} and path.suffix in {".html", ".txt"}
        part = place[0] not in _NOT_MAILS and place[-1] in PARTS + HOLDS and len(place) == 4
        asked = len(place) == 3 and place[0] == SURVEYS and _QUESTIONS.fullmatch(place[-1])
        if path.is_file() and (shared or part or asked):
            yield path


def read_text(path: Path, shown: str) -> str:
    """The text of one file with ``\\n`` line ends; ``TemplatesError`` when it is not UTF-8."""
    raw = path.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        got = f"the byte 0x{raw[error.start]:02x}"
        hint = "save the file as UTF-8"
        problem = Problem(shown, line, 0, "", "encoding", "text in UTF-8", got, hint)
        raise TemplatesError("the templates cannot be read", [problem]) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_folder(folder: Path) -> dict[str, str]:
    """All template texts below ``folder`` by their path from it: mails and shared files only.

    Raises ``TemplatesError`` with every file that is not UTF-8.
    """
    texts: dict[str, str] = {}
    problems: list[Problem] = []
    for path in paths(folder):
        name = path.relative_to(folder).as_posix()
        try:
            texts[name] = read_text(path, f"{folder.name}/{name}")
        except TemplatesError as error:
            problems += error.problems
    if problems:
        raise TemplatesError("the templates cannot be read", problems)
    return texts


def mails(texts: Mapping[str, str]) -> set[str]:
    """The names of the mails, such as ``renewal/heads-up``."""
    return {name.rsplit("/", 2)[0] for name in texts if name.count("/") == 3}


def languages(texts: Mapping[str, str], mail: str) -> tuple[str, ...]:
    """The languages that ``mail`` is written in, sorted."""
    found = {name.split("/")[2] for name in texts if name.startswith(f"{mail}/")}
    return tuple(sorted(one for one in found if not _QUESTIONS.fullmatch(one)))


def questions_of(mail: str, language: str) -> str:
    """Where the questions of a survey stand in one language."""
    return f"{mail}/questions.{language}.toml"


def needed(texts: Mapping[str, str], mail: str) -> dict[str, str]:
    """The texts that ``mail`` may use in any of its languages, with all that these refer to."""
    own = [name for name in texts if name.startswith(f"{mail}/")]
    return {name: texts[name] for name in sorted(referred(texts, *own)) if name in texts}


def referred(texts: Mapping[str, str], *names: str) -> set[str]:
    """``names`` and all that they extend or include, whether it exists or not."""
    waiting = list(names)
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _REFERENCE.findall(texts.get(name, ""))
    return found
