"""What every source promises: a header, and rows with their place."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import NamedTuple, Protocol

from worker.config.settings import SourceSettings
from worker.kernel.clock import Clock, SystemClock
from worker.kernel.errors import DependencyDownError, FindingsError, Problem
from worker.kernel.show import Told

LONGEST_CELL = 100_000
"""Characters. No name, key or address is longer; a longer cell is a mistake or an attack."""


class DateCell(str):
    """A cell that the file itself marks as a date. Its text is the date in ISO form."""

    __slots__ = ("day",)
    day: date

    @classmethod
    def of(cls, day: date) -> DateCell:
        """The cell of that day."""
        cell = cls(day.isoformat())
        cell.day = day
        return cell


class Row(NamedTuple):
    """One row: its line in the file (from 1, the header's is 1) and its cells as text."""

    line: int
    cells: Sequence[str]


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be read. ``column`` counts from 1; 0 means the whole row.

    ``cells`` holds what could be read of it, for the file of rejects.
    """

    line: int
    code: str
    expected: str
    got: str
    hint: str = ""
    column: int = 0
    cells: Sequence[str] = field(default=())


class Source(Protocol):
    """A file or an answer, looked at: what it is has been checked, its rows not yet."""

    @property
    def header(self) -> Sequence[str]:
        """The names of the columns."""
        ...

    @property
    def share(self) -> float | None:
        """How much of it the last call of ``rows`` has read, from 0 to 1; ``None``: not known."""
        ...

    def rows(self) -> Iterator[Row | BadRow]:
        """All rows after the header, without the blank ones. May be called again.

        Raises ``SourceError`` when the file as a whole turns out to be unreadable.
        """
        ...


Place = Callable[[tuple[str | int, ...]], tuple[int, int]]
"""From a path of keys in ``config.toml`` to line and column; (0, 0) when it is not known."""


def nowhere(_path: tuple[str | int, ...]) -> tuple[int, int]:
    """The place of a setting that did not come from a file."""
    return 0, 0


@dataclass(frozen=True, slots=True)
class Reading:
    """How a source shall be read, as declared; ``name`` is what is read, as shown to people.

    ``point`` is the decimal sign of its texts. What is no file has all of its ``settings``, and
    finds them in ``config.toml`` by ``place``; ``told`` hears how many records have arrived.
    """

    name: str
    encoding: str = "utf-8"
    delimiter: str = ","
    sheet: str | None = None
    point: str = "."
    settings: SourceSettings | None = None
    source: str = ""
    root: Path = Path()
    place: Place = nowhere
    clock: Clock = field(default_factory=SystemClock)
    pause: Callable[[float], object] = field(default_factory=lambda: threading.Event().wait)
    told: Told = lambda done, share=None: None

    def at(self, key: str, code: str, expected: str, got: str, hint: str = "") -> SourceError:
        """The error for a source that cannot be used because of one of its settings."""
        line, column = self.place(("sources", self.source, key))
        path = f"sources.{self.source}.{key}"
        return SourceError(Problem("config.toml", line, column, path, code, expected, got, hint))


class Opener(Protocol):
    """What a kind of source is: a way to open what is declared, or a file that stands in for it."""

    def __call__(self, path: Path | None, how: Reading) -> Source:
        """Opens and checks the source; raises ``SourceError``."""
        ...


class SourceError(FindingsError):
    """The source as a whole cannot be used; nothing of it is."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("nothing was imported", problems)


class SourceDownError(SourceError):
    """The source does not answer; trying again later may help."""

    exit_code = DependencyDownError.exit_code


def refuse(
    name: str, code: str, expected: str, got: str, hint: str = "", *, line: int = 0
) -> SourceError:
    """The error for a file that cannot be used, at ``line`` or as a whole."""
    return SourceError(Problem(name, line, 0, "", code, expected, got, hint))


def needed(path: Path | None) -> Path:
    """The path of a source that is a file: its settings were checked for it before."""
    if path is None:
        raise ValueError("a source that is a file is opened with its path")
    return path


def quoted(text: str, longest: int = 60) -> str:
    """``text`` as it is shown in a message: in quotes, escaped, cut when long."""
    shown = text if len(text) <= longest else text[:longest] + "…"
    return ascii_controls(repr(shown))


def ascii_controls(text: str) -> str:
    """``text`` with everything that a terminal would act on or hide written as an escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
