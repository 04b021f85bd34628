"""Rows that came over a line, kept in a file of their own: they are read more than once."""

from __future__ import annotations

import json
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

from worker.sources.contract import BadRow, DateCell, Row

_IN_MEMORY = 8 << 20  # bytes; more goes to the disk
MOST_ROWS = 5_000_000
MOST_BYTES = 4 << 30


class Spool:
    """A source whose rows were fetched once; ``Row.line`` is the number of the record, from 1."""

    def __init__(self) -> None:
        self._columns: dict[str, int] = {}
        self._file = tempfile.SpooledTemporaryFile(  # noqa: SIM115 -- it lives as long as we do
            _IN_MEMORY, "w+", encoding="utf-8", newline=""
        )
        weakref.finalize(self, self._file.close)
        self._read = 0
        self.count = 0
        self.size = 0

    @property
    def header(self) -> Sequence[str]:
        """The names of all columns, in the order in which they first appeared."""
        return list(self._columns)

    @property
    def share(self) -> float | None:
        """How much of it the last call of ``rows`` has read."""
        return self._read / self.count if self.count else None

    def column(self, name: str) -> int:
        """The place of a column; a new name becomes the last one."""
        return self._columns.setdefault(name, len(self._columns))

    def add(self, cells: Sequence[str] | BadRow) -> None:
        """Keeps the next record: its cells in the order of the columns so far, or why it is bad."""
        self.count += 1
        self.size += self._file.write(json.dumps(_kept(cells), ensure_ascii=True) + "\n")

    def rows(self) -> Iterator[Row | BadRow]:
        """All records; see ``contract.Source``."""
        width = len(self._columns)
        self._file.seek(0)
        for line, text in enumerate(self._file, start=1):
            self._read = line
            kept = json.loads(text)
            if isinstance(kept, dict):
                yield BadRow(line, **kept)
                continue
            cells = [_cell(each) for each in kept]
            cells += [""] * (width - len(cells))
            if any(cells):
                yield Row(line, cells)


def _cell(kept: Any) -> str:
    return DateCell.of(date.fromisoformat(kept[0])) if isinstance(kept, list) else str(kept)


def _kept(cells: Sequence[str] | BadRow) -> Any:
    if isinstance(cells, BadRow):
        named = ("code", "expected", "got", "hint", "column", "cells")
        return {name: getattr(cells, name) for name in named}
    return [[cell] if isinstance(cell, DateCell) else cell for cell in cells]
