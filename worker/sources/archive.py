"""Looks into a workbook's archive before anything opens it."""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO
from xml.etree import ElementTree

from worker.sources.contract import Reading, SourceError, refuse

_MOST_ENTRIES = 2_000
_MOST_BYTES = 1 << 30  # unpacked, all entries together
_SMALL = 16 << 20  # an entry below this may be as compressible as it likes
_HIGHEST_RATIO = 200
_OLE = b"\xd0\xcf\x11\xe0"
_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_STRICT = "{http://purl.oclc.org/ooxml/spreadsheetml/main}"


def check_archive(path: Path, how: Reading) -> None:
    """Raises ``SourceError`` for what is no workbook, carries macros or is a bomb.

    Every entry is unpacked once, in pieces, so that sizes are measured and not believed.
    """
    _check_nature(path, how)
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            _check_entries(entries, how)
            for entry in entries:
                _measure(archive, entry, how)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise _not_workbook(how, f"a damaged archive ({error})") from error


def _check_nature(path: Path, how: Reading) -> None:
    if not path.is_file():
        raise refuse(how.name, "no-file", "a file", f"nothing at {path}", "is the path right?")
    with path.open("rb") as raw:
        head = raw.read(8)
    if head.startswith(_OLE):
        raise _not_workbook(how, "an old .xls workbook, or one with a password")
    if not head.startswith(b"PK"):
        raise _not_workbook(how, "a file of another kind" if head else "an empty file")


def _check_entries(entries: list[zipfile.ZipInfo], how: Reading) -> None:
    names = {entry.filename for entry in entries}
    if len(entries) > _MOST_ENTRIES:
        raise _bomb(how, f"{len(entries):,} entries", f"at most {_MOST_ENTRIES:,} entries")
    if any(name.lower().endswith("vbaproject.bin") for name in names):
        raise refuse(
            how.name, "macros", "a workbook without macros", "one with macros", "save it as .xlsx"
        )
    if "xl/workbook.xml" not in names:
        raise _not_workbook(how, "another kind of archive")
    if sum(entry.file_size for entry in entries) > _MOST_BYTES:
        raise _bomb(how, "more", "at most 1 GB when unpacked")


def _measure(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, how: Reading) -> None:
    size = 0
    with archive.open(entry) as unpacked:
        start = unpacked.read(4096)
        if b"<!DOCTYPE" in start or b"<!ENTITY" in start:
            raise _bomb(how, f"one in {entry.filename}", "no document type definition")
        size = len(start)
        while piece := unpacked.read(1 << 20):
            size += len(piece)
    if size > _SMALL and size > _HIGHEST_RATIO * max(entry.compress_size, 1):
        expected = f"entries that unpack to at most {_HIGHEST_RATIO} times their size"
        raise _bomb(how, f"{entry.filename}, {size // max(entry.compress_size, 1)} times", expected)


def _bomb(how: Reading, got: str, expected: str) -> SourceError:
    return refuse(how.name, "bomb", expected, got, "save the sheet alone in a new workbook")


def _not_workbook(how: Reading, got: str) -> SourceError:
    return refuse(how.name, "not-xlsx", "an Excel workbook (.xlsx)", got, "save it as .xlsx or CSV")


def formulas_without_value(path: Path, sheet: str) -> Mapping[int, int]:
    """Lines of ``sheet`` with a formula whose result the file does not hold: {line: column}.

    Such a cell reads as blank, and blank means something else. Columns count from 1.
    """
    with zipfile.ZipFile(path) as archive:
        part = _part_of(archive, sheet)
        if part is None or not _has_formulas(archive, part):
            return {}
        with archive.open(part) as unpacked:
            return _uncached(unpacked)


def _part_of(archive: zipfile.ZipFile, sheet: str) -> str | None:
    """The entry that holds the sheet of that name."""
    book = ElementTree.fromstring(archive.read("xl/workbook.xml"))  # noqa: S314 -- no DTD, checked
    links = ElementTree.fromstring(archive.read("xl/_rels/workbook.xml.rels"))  # noqa: S314
    targets = {link.get("Id"): link.get("Target", "") for link in links}
    for space in (_MAIN, _STRICT):
        for found in book.iter(f"{space}sheet"):
            if found.get("name") == sheet:
                target = next((v for k, v in found.attrib.items() if k.endswith("}id")), "")
                part = posixpath.normpath(posixpath.join("/xl", targets.get(target, ""))).lstrip(
                    "/"
                )
                return part if part in archive.namelist() else None
    return None


def _has_formulas(archive: zipfile.ZipFile, part: str) -> bool:
    tail = b""
    with archive.open(part) as unpacked:
        while piece := unpacked.read(1 << 20):
            if any(mark in tail + piece for mark in (b"<f>", b"<f ", b"<f/", b":f>", b":f ")):
                return True
            tail = piece[-4:]
    return False


def _uncached(sheet: IO[bytes]) -> dict[int, int]:
    found: dict[int, int] = {}
    for _, element in ElementTree.iterparse(sheet):  # noqa: S314 -- no DTD, checked
        tag = element.tag.rpartition("}")[2]
        if tag == "c":
            names = {child.tag.rpartition("}")[2]: child for child in element}
            if "f" in names and not (names["v"].text if "v" in names else None):
                line, column = _place(element.get("r", ""))
                found.setdefault(line, column)
        elif tag == "row":
            element.clear()
    return found


def _place(reference: str) -> tuple[int, int]:
    """``"AB12"`` → (12, 28)."""
    letters = reference.rstrip("0123456789")
    column = 0
    for letter in letters.upper():
        column = column * 26 + ord(letter) - 64
    return int(reference[len(letters) :] or 0), column
