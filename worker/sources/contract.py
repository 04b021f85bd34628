"""What every source promises: a header, and rows with their place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import NamedTuple, Protocol

from worker.kernel.errors import FindingsError, Problem

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
    """A file, opened and looked at: what it is has been checked, its rows not yet."""

    header: Sequence[str]

    def rows(self) -> Iterator[Row | BadRow]:
        """All rows after the header, without the blank ones. May be called again.

        Raises ``SourceError`` when the file as a whole turns out to be unreadable.
        """
        ...


@dataclass(frozen=True, slots=True)
class Reading:
    """How a file shall be read, as declared; ``name`` is the file as shown to people."""

    name: str
    encoding: str = "utf-8"
    delimiter: str = ","
    sheet: str | None = None


class Opener(Protocol):
    """What a kind of source is: a way to open a path."""

    def __call__(self, path: Path, how: Reading) -> Source:
        """Opens and checks the file; raises ``SourceError``."""
        ...


class SourceError(FindingsError):
    """The file as a whole cannot be used; nothing of it is."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("nothing was imported", problems)


def refuse(
    name: str, code: str, expected: str, got: str, hint: str = "", *, line: int = 0
) -> SourceError:
    """The error for a file that cannot be used, at ``line`` or as a whole."""
    return SourceError(Problem(name, line, 0, "", code, expected, got, hint))


def quoted(text: str, longest: int = 60) -> str:
    """``text`` as it is shown in a message: in quotes, escaped, cut when long."""
    shown = text if len(text) <= longest else text[:longest] + "…"
    return ascii_controls(repr(shown))


def ascii_controls(text: str) -> str:
    """``text`` with everything that a terminal would act on or hide written as an escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
