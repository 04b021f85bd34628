"""What can go wrong, as a tree, and how it is told.

Every error that a person sees carries *problems*: where, what was expected, what came, what to
do. They are collected and shown at once. The exit code of a command is that of its error.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, and its place.

    ``line`` and ``column`` count from 1; 0 means that the file as a whole is meant. ``path`` is a
    key (``steps[1].when``) or the name of an input column. ``code`` is stable; the rest is prose.
    """

    file: str
    line: int
    column: int
    path: str
    code: str
    expected: str
    got: str
    hint: str = ""

    def __str__(self) -> str:
        place = self.file
        if self.line:
            place += f":{self.line}"
            if self.column:
                place += f":{self.column}"
        where = f"{place}: {self.path}: " if self.path else f"{place}: "
        said = f"expected {self.expected}, got {self.got}" if self.got else self.expected
        return where + said + (f"; {self.hint}" if self.hint else "")

    def record(self) -> dict[str, object]:
        """The problem as other programs read it (``--json``)."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Misfit(Problem):
    """A value in a file of settings that does not fit its key: ``'7 daze' is not an offset``."""

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part)
        where = f"{place}: {self.path}: " if self.path else f"{place}: "
        if self.code == "missing":
            said = f"missing; expected {self.expected}"
        else:
            said = f"{self.got} is not {self.expected}" if self.got else self.expected
        return where + said + (f"; {self.hint}" if self.hint else "")


class PerennialError(Exception):
    """The root of all errors that are meant to be read by a person.

    ``problems`` holds the details, ``exit_code`` what a command ends with.
    """

    exit_code = 1

    def __init__(self, message: str, problems: Iterable[Problem] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.problems: Sequence[Problem] = tuple(problems)

    def __str__(self) -> str:
        return "\n".join([*map(str, self.problems), self.message])


class FindingsError(PerennialError):
    """The command ran and found something wrong in the data or the files it was given."""

    exit_code = 1


class UsageError(PerennialError):
    """The command was called in a way that cannot work."""

    exit_code = 2


class ConfigError(PerennialError):
    """``config.toml``, the environment or a schedule cannot be used as they are."""

    exit_code = 3


class DependencyDownError(PerennialError):
    """A server or a folder that is needed does not answer; trying again later may help."""

    exit_code = 4


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that was most likely meant, or ``None``."""
    found = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return found[0] if found else None


def did_you_mean(word: str, known: Iterable[str], *, otherwise: str = "") -> str:
    """A hint for a misspelt ``word``; ``otherwise`` when nothing is near."""
    found = nearest(word, known)
    return f"did you mean {found!r}?" if found else otherwise
