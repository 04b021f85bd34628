"""TOML with the place of every value: ``tomllib`` reads, a small scanner beside it finds places.

The scanner runs only on text that ``tomllib`` has accepted, so it need not judge, only walk.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from worker.kernel.errors import ConfigError, Misfit

Path_ = tuple[str | int, ...]

_MAX_BYTES = 2_000_000
_AT = re.compile(
    r"^(?P<said>.*?) \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)$", re.S
)
_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^,\]}#\r\n]*")
_STRINGS = (  # longest opening first
    re.compile(r'"""(?:[^\\]|\\.)*?"{3,5}(?!")', re.S),
    re.compile(r"'''.*?'{3,5}(?!')", re.S),
    re.compile(r'"(?:[^"\\]|\\.)*"'),
    re.compile(r"'[^']*'"),
)
_HINTS = (
    ("Invalid value", 'text stands in quotes, e.g. name = "Licence renewal"'),
    ("Cannot overwrite a value", "this key is given twice; keep one of the two"),
    ("Cannot declare", "this table is given twice; keep one of the two"),
    ("Expected '=' after a key", "write key = value, one a line"),
    ("Expected newline or end of document", "one key = value a line; text stands in quotes"),
    ("Illegal character", "a text in quotes ends on the line where it begins"),
    ("Unterminated string", "the closing quotes are missing"),
    ("Unclosed array", "the closing ] is missing"),
    ("Unclosed inline table", "the closing } is missing"),
    ("Invalid initial character", "a key is made of letters, digits, - and _, or stands in quotes"),
    ("Unescaped '\\'", "write \\\\ for a backslash, or use single quotes"),
)


class TomlError(ConfigError):
    """A file that cannot be read as TOML; ``problems`` holds the one reason."""


class Place(NamedTuple):
    """A place in a file; both numbers count from 1, columns in characters."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file; ``name`` is how people are told of it, ``data`` what ``tomllib`` read."""

    name: str
    text: str
    data: dict[str, Any]
    _values: Mapping[Path_, int] = field(repr=False)
    _keys: Mapping[Path_, int] = field(repr=False)
    _lines: tuple[int, ...] = field(repr=False)

    def has(self, path: Path_) -> bool:
        """Whether the file itself gives a value for ``path``."""
        return path in self._values

    def place(self, path: Path_) -> Place:
        """Where the value of ``path`` begins; for an unknown path, its nearest known parent."""
        return self._nearest(self._values, path)

    def key_place(self, path: Path_) -> Place:
        """Where the key of ``path`` begins; an element of an array has the place of its value."""
        return self._nearest(self._keys, path) if path in self._keys else self.place(path)

    def _nearest(self, known: Mapping[Path_, int], path: Path_) -> Place:
        while path and path not in known:
            path = path[:-1]
        at = known.get(path, 0)
        line = bisect_right(self._lines, at)
        return Place(line, at - self._lines[line - 1] + 1)


def read(path: Path, *, name: str | None = None) -> Document:
    """Reads and parses a file; ``name`` is how it is called in messages. Raises ``TomlError``."""
    shown = name or path.name
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise _refused(
            shown, Place(0, 0), "unreadable", f"cannot be read: {error.strerror}"
        ) from None
    return parse(raw, shown)


def parse(raw: bytes, name: str) -> Document:
    """Parses UTF-8 bytes. Raises ``TomlError`` with one problem: where, what, and what to do."""
    text = _decode(raw, name)
    try:
        data = tomllib.loads(text)
        scanner = _Scanner(text)
        scanner.document()
    except tomllib.TOMLDecodeError as error:
        raise _syntax(error, text, name) from None
    except RecursionError:
        raise _refused(
            name, Place(1, 1), "nesting", "tables or arrays are nested too deeply"
        ) from None
    except ValueError as error:  # a number with thousands of digits
        raise _refused(name, Place(1, 1), "value", str(error)) from None
    return Document(name, text, data, scanner.values, scanner.keys, _line_starts(text))


def _decode(raw: bytes, name: str) -> str:
    resave = "save it as 'UTF-8' (without BOM) in your editor"
    if len(raw) > _MAX_BYTES:
        said = f"the file is {len(raw):,} bytes long, more than {_MAX_BYTES:,}"
        raise _refused(name, Place(0, 0), "too-long", said)
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in raw[:4]:
        raise _refused(name, Place(1, 1), "encoding", "the file is UTF-16, not UTF-8", resave)
    if raw.startswith(b"\xef\xbb\xbf"):
        said = "the file begins with a byte order mark (BOM)"
        raise _refused(name, Place(1, 1), "encoding", said, resave)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8")
        said = f"byte 0x{raw[error.start]:02x} is not UTF-8"
        raise _refused(name, _end(before), "encoding", said, resave) from None


def _syntax(error: tomllib.TOMLDecodeError, text: str, name: str) -> TomlError:
    found = _AT.match(str(error))
    said = found["said"] if found else str(error)
    place = (
        Place(int(found["line"]), int(found["column"])) if found and found["line"] else _end(text)
    )
    hint = next((hint for start, hint in _HINTS if said.startswith(start)), "")
    if found and not found["line"] and (not hint or said == "Invalid value"):
        hint = "the file ends too early: a bracket or a quote is not closed"
    return _refused(name, place, "syntax", f"not valid TOML: {said}", hint)


def _refused(name: str, place: Place, code: str, said: str, hint: str = "") -> TomlError:
    problem = Misfit(name, place.line, place.column, "", code, said, "", hint)
    return TomlError(f"{name} cannot be read", [problem])


def _line_starts(text: str) -> tuple[int, ...]:
    return (0, *(found.end() for found in re.finditer("\n", text)))


def _end(text: str) -> Place:
    starts = _line_starts(text)
    return Place(len(starts), len(text) - starts[-1] + 1)


class _Scanner:
    """Walks valid TOML once and notes where each key and each value begins."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.values: dict[Path_, int] = {(): 0}
        self.keys: dict[Path_, int] = {}
        self._implied: set[Path_] = set()
        self._elements: dict[Path_, int] = {}  # arrays of tables: how many so far

    def document(self) -> None:
        table: Path_ = ()
        while self._skip_blank() < len(self.text):
            if self.text[self.at] == "[":
                table = self._header()
            else:
                self._pair(table)

    def _skip_blank(self) -> int:
        found = _BLANK.match(self.text, self.at)
        self.at = found.end() if found else self.at
        return self.at

    def _skip_spaces(self) -> None:
        while self.at < len(self.text) and self.text[self.at] in " \t":
            self.at += 1

    def _header(self) -> Path_:
        start = self.at
        of_array = self.text.startswith("[[", start)
        self.at += 2 if of_array else 1
        parts = self._key()
        self._skip_spaces()
        self.at += 2 if of_array else 1
        path: Path_ = ()
        for part, place in parts[:-1]:
            path = self._imply((*path, part), place, start)
            if path in self._elements:
                path = (*path, self._elements[path] - 1)
        last, place = parts[-1]
        path = (*path, last)
        if not of_array:
            self._note(path, place, start)
            return path
        number = self._elements.get(path, 0)
        self._elements[path] = number + 1
        if number == 0:
            self._note(path, place, start)
        self._note((*path, number), place, start)
        return (*path, number)

    def _note(self, path: Path_, key: int, value: int) -> None:
        """The first explicit mention of a path wins over one that a longer key implied."""
        if path not in self.values or path in self._implied:
            self._implied.discard(path)
            self.keys[path] = key
            self.values[path] = value

    def _imply(self, path: Path_, key: int, value: int) -> Path_:
        if path not in self.values:
            self._implied.add(path)
            self.keys[path] = key
            self.values[path] = value
        return path

    def _key(self) -> list[tuple[str, int]]:
        """A dotted key: its parts, each with its offset."""
        parts = []
        while True:
            self._skip_spaces()
            start = self.at
            if self.text[start] in "\"'":
                self._string()
                part = next(iter(tomllib.loads(self.text[start : self.at] + "=0")))
            else:
                found = _BARE.match(self.text, start)
                self.at = found.end() if found else start + 1
                part = self.text[start : self.at]
            parts.append((part, start))
            self._skip_spaces()
            if not self.text.startswith(".", self.at):
                return parts
            self.at += 1

    def _pair(self, table: Path_) -> None:
        parts = self._key()
        self.at += 1  # the equals sign
        path = table
        for part, place in parts[:-1]:
            path = self._imply((*path, part), place, place)
        last, place = parts[-1]
        path = (*path, last)
        self._skip_spaces()
        self._note(path, place, self.at)
        self._value(path)

    def _value(self, path: Path_) -> None:
        opening = self.text[self.at]
        if opening in "\"'":
            self._string()
        elif opening == "[":
            self._array(path)
        elif opening == "{":
            self._inline_table(path)
        else:
            found = _SCALAR.match(self.text, self.at)
            self.at = found.end() if found else self.at

    def _string(self) -> None:
        for pattern in _STRINGS:
            if found := pattern.match(self.text, self.at):
                self.at = found.end()
                return

    def _array(self, path: Path_) -> None:
        self.at += 1
        number = 0
        while self.text[self._skip_blank()] != "]":
            self.values[(*path, number)] = self.at
            self._value((*path, number))
            number += 1
            if self.text[self._skip_blank()] == ",":
                self.at += 1
        self.at += 1

    def _inline_table(self, path: Path_) -> None:
        self.at += 1
        while self.text[self._skip_blank()] != "}":
            self._pair(path)
            if self.text[self._skip_blank()] == ",":
                self.at += 1
        self.at += 1
