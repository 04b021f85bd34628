"""Comma-separated files, also gzipped. Nothing is sniffed: what is not declared is refused."""

from __future__ import annotations

import csv
import gzip
import os
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import IO, TextIO, cast

from worker.sources.contract import (
    LONGEST_CELL,
    BadRow,
    Reading,
    Row,
    Source,
    SourceError,
    needed,
    quoted,
    refuse,
)
from worker.sources.encodings import codec_for, undecodable

_LONGEST_LINE = 2_000_000
_MOST_CHARACTERS = 4_000_000_000  # of a gzipped file: what it unpacks to is not seen before
_GZIP, _ZIP, _OLE = b"\x1f\x8b", b"PK\x03\x04", b"\xd0\xcf\x11\xe0"


def open_csv(path: Path | None, how: Reading) -> Source:
    """Opens ``path`` (``.csv``, or ``.csv.gz``) and reads its header."""
    return CsvFile(needed(path), how)


class CsvFile:
    """A CSV file whose header has been read and whose nature has been checked."""

    def __init__(self, path: Path, how: Reading) -> None:
        self._path, self._how = path, how
        self._raw: IO[bytes] | None = None  # while it is read
        with _told(how.name), self._bytes() as raw:
            self._codec = codec_for(how, self._checked(raw))
        self.header: Sequence[str]
        self.header, self._header_line = self._read_header()

    @property
    def share(self) -> float | None:
        """The part of the file, by its bytes, that the last call of ``rows`` has read."""
        if self._raw is None or self._raw.closed:
            return None
        size = os.fstat(self._raw.fileno()).st_size
        return min(1.0, os.lseek(self._raw.fileno(), 0, os.SEEK_CUR) / size) if size else None

    def rows(self) -> Iterator[Row | BadRow]:
        """All rows after the header; see ``contract.Source``."""
        with self._text() as text:
            lines = _Lines(text, self._how.name)
            reader = csv.reader(lines, delimiter=self._how.delimiter, strict=True)
            while lines.number < self._header_line and next(reader, None) is not None:
                pass
            yield from self._records(reader, lines)

    def _records(self, reader: Iterator[list[str]], lines: _Lines) -> Iterator[Row | BadRow]:
        width = len(self.header)
        while True:
            first = lines.number + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield self._broken(error, first, lines.number)
                continue
            if lines.cut >= first:
                yield BadRow(first, *_too_long(f"a line of more than {_LONGEST_LINE:,}"))
            elif not any(cells):
                continue
            elif len(cells) == width:
                yield Row(first, cells)
            else:
                yield self._misshapen(first, lines.number, cells)

    def _broken(self, error: csv.Error, first: int, last: int) -> BadRow:
        """A row that breaks the rules of CSV; fatal when it may have swallowed other rows."""
        if "field larger" in str(error) and last == first:
            return BadRow(first, *_too_long("a longer one"))
        if last > first or "unexpected end" in str(error):
            raise refuse(
                self._how.name,
                "quotes",
                "every quote that opens to close again",
                f"one that is open from here on to line {last}",
                'a quote inside a quoted cell is written twice: ""',
                line=first,
            )
        return BadRow(
            first,
            "quotes",
            f"{quoted(self._how.delimiter)} after a closing quote",
            "more text",
            'a quote inside a quoted cell is written twice: ""',
        )

    def _misshapen(self, first: int, last: int, cells: list[str]) -> BadRow:
        hint = f"a cell with {quoted(self._how.delimiter)} in it must stand in quotes"
        if last > first:
            hint = f"its quotes join the lines {first} to {last}"
        expected, got = f"{len(self.header)} cells as in the header", str(len(cells))
        return BadRow(first, "cells", expected, got, hint, cells=cells)

    def _read_header(self) -> tuple[list[str], int]:
        with self._text() as text:
            lines = _Lines(text, self._how.name)
            try:
                reader = csv.reader(lines, delimiter=self._how.delimiter, strict=True)
                header = next((cells for cells in reader if any(cells)), None)
            except csv.Error as error:
                said = str(error)
                raise refuse(self._how.name, "quotes", "a header", said, line=1) from error
        if header is None:
            raise refuse(self._how.name, "empty", "a header and rows", "an empty file")
        names = [name.strip().removeprefix("\ufeff") for name in header]
        self._check_delimiter(names, lines.number)
        return names, lines.number

    def _check_delimiter(self, names: list[str], line: int) -> None:
        likely = [d for d in (";", "\t", ",", "|") if d in names[0]] if len(names) == 1 else []
        if not likely:
            return
        raise refuse(
            self._how.name,
            "delimiter",
            f"columns separated by {quoted(self._how.delimiter)}",
            f"one column {quoted(names[0])}",
            f"declare delimiter = {_toml(likely[0])}",
            line=line,
        )

    def _checked(self, raw: IO[bytes]) -> bytes:
        head = raw.read(4096)
        for mark, what, hint in (
            (_ZIP, "a zip archive, such as an Excel workbook", 'declare kind = "xlsx"'),
            (_OLE, "an old Excel workbook", "save it as CSV"),
            (_GZIP, "a gzipped file", "let its name end in .csv.gz"),
        ):
            if head.startswith(mark):
                raise refuse(self._how.name, "not-csv", "a CSV file", what, hint)
        return head

    @contextmanager
    def _bytes(self) -> Iterator[IO[bytes]]:
        with self._path.open("rb") as raw:
            self._raw = raw
            if self._path.name.endswith(".gz"):
                with gzip.open(raw, "rb") as unpacked:
                    yield cast(IO[bytes], unpacked)
            else:
                yield raw

    @contextmanager
    def _text(self) -> Iterator[TextIO]:
        with _told(self._how.name):
            try:
                with self._bytes() as raw:
                    yield TextIOWrapper(raw, encoding=self._codec, newline="")
            except UnicodeError as error:
                with self._bytes() as raw:
                    raise undecodable(self._how, self._codec, raw) from error


class _Lines:
    """Lines of text of a bounded length, counted; ``cut`` is the last one that was too long."""

    def __init__(self, text: TextIO, name: str) -> None:
        self._text, self._name = text, name
        self._characters = 0
        self.number = 0
        self.cut = 0

    def __iter__(self) -> Iterator[str]:
        readline = self._text.readline
        while line := readline(_LONGEST_LINE):
            self.number += 1
            self._characters += len(line)
            if len(line) == _LONGEST_LINE and not line.endswith(("\n", "\r")):
                self._skip_rest()
                line = "\n"
            if self._characters > _MOST_CHARACTERS:
                raise refuse(self._name, "too-large", "at most 4 GB of text", "more")
            yield line

    def _skip_rest(self) -> None:
        self.cut = self.number
        while rest := self._text.readline(_LONGEST_LINE):
            self._characters += len(rest)
            if rest.endswith(("\n", "\r")):
                return


def _too_long(got: str) -> tuple[str, str, str]:
    return "too-long", f"cells of at most {LONGEST_CELL:,} characters", got


def _toml(text: str) -> str:
    return '"\\t"' if text == "\t" else f'"{text}"'


@contextmanager
def _told(name: str) -> Iterator[None]:
    """Turns what the system says about a file into what a person can act on."""
    try:
        yield
    except SourceError:
        raise
    except FileNotFoundError as error:
        got = f"nothing at {error.filename}"
        raise refuse(name, "no-file", "a file", got, "is the path right?") from error
    except IsADirectoryError as error:
        raise refuse(name, "no-file", "a file", "a folder") from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise refuse(name, "not-gzip", "a whole gzipped file", str(error)) from error
    except PermissionError as error:
        raise refuse(name, "no-access", "a file that may be read", "no permission") from error
