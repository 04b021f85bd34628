"""The schedules of an instance as they stand in its files, read again only when one changed.

Reading and checking a folder of templates takes longer than all else that a page does; to look at
the times of its files takes a fiftieth of that.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from worker.kernel.errors import Problem
from worker.schedules.flow import Draft, read_drafts

_FOLDERS = ("schedules", "templates")
_DEEPEST = 4
"""Folders within folders of templates that are looked into."""

Mark = tuple[str, int, int, int, int]
"""A file: its path, the moments of its last change in nanoseconds (that of the text, which can be
set, and that of the entry, which cannot), its size, its number."""
Found = tuple[Sequence[Draft], Sequence[Problem]]


class StandingFiles:
    """What ``read_drafts`` says of a root. Used by several threads."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._read: tuple[set[Mark], Found] | None = None

    def drafts(self) -> Sequence[Draft]:
        """The schedules without a problem; raises what ``read_drafts`` does."""
        return self.read()[0]

    def read(self) -> Found:
        """The same, and the problems of the others."""
        marks = {mark for name in _FOLDERS for mark in _marks(self._root / name, _DEEPEST)}
        known = self._read
        if known is None or known[0] != marks:
            # A file that changes while we read has another mark the next time.
            known = self._read = marks, read_drafts(self._root)
        return known[1]


@cache
def files_of(root: Path) -> StandingFiles:
    """The files of an instance, for all that asks in this process."""
    return StandingFiles(root)


def _marks(folder: str | Path, deeper: int) -> Iterator[Mark]:
    """The marks of all files below a folder; none where there is no folder."""
    try:
        with os.scandir(folder) as entries:
            found = list(entries)
    except OSError:
        return
    for entry in found:
        try:
            if entry.is_dir():
                yield from _marks(entry.path, deeper - 1) if deeper else ()
            else:
                seen = entry.stat()
                yield entry.path, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_size, seen.st_ino
        except OSError:
            continue  # gone since the folder was read
