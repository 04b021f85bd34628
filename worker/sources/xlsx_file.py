"""Excel workbooks. Values only: no macros, no links to other files, no guess at what a date is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook

from worker.sources.archive import check_archive, formulas_without_value
from worker.sources.cells import text_of
from worker.sources.contract import BadRow, Reading, Row, Source, needed, refuse


def open_xlsx(path: Path | None, how: Reading) -> Source:
    """Checks ``path``, opens it, and reads the header of the declared sheet, or of the only one."""
    path = needed(path)
    check_archive(path, how)
    return XlsxFile(path, how)


class XlsxFile:
    """A sheet whose header has been read and whose archive has been checked."""

    def __init__(self, path: Path, how: Reading) -> None:
        self._how = how
        self._line = 0
        self._sheet = _sheet(path, how)
        self._uncached: Mapping[int, int] = formulas_without_value(path, self._sheet.name)
        header = next(((line, cells) for line, cells in self._lines() if any(cells)), None)
        if header is None:
            raise refuse(how.name, "empty", "a header and rows", "an empty sheet")
        self._header_line, names = header
        while names and not names[-1]:
            names.pop()
        self.header: Sequence[str] = [name.strip() for name in names]

    @property
    def share(self) -> float | None:
        """The part of the sheet, by its lines, that the last call of ``rows`` has read."""
        end = self._sheet.end  # (row, column) of the last used cell, from 0
        return min(1.0, self._line / (end[0] + 1)) if end else None

    def rows(self) -> Iterator[Row | BadRow]:
        """All rows after the header; see ``contract.Source``."""
        width, last = len(self.header), 0
        for line, cells in self._lines():
            last = self._line = line
            if line <= self._header_line or not (any(cells) or line in self._uncached):
                continue
            if line in self._uncached:
                yield self._formula(line, cells[:width])
            elif any(cells[width:]):
                got = f"something in column {len(cells)}"
                yield BadRow(line, "cells", f"{width} cells as in the header", got, cells=cells)
            else:
                del cells[width:]
                yield Row(line, cells)
        for line in sorted(self._uncached):
            if line > last:
                yield self._formula(line, ())

    def _formula(self, line: int, cells: Sequence[str]) -> BadRow:
        return BadRow(
            line,
            "formula",
            "a value",
            "a formula without a stored result",
            "open the workbook in Excel, save it, and import it again",
            column=self._uncached[line],
            cells=cells,
        )

    def _lines(self) -> Iterator[tuple[int, list[str]]]:
        first = self._sheet.start  # (row, column) of the first used cell, from 0
        blank = [""] * (
            first[1] if first else 0
        )  # the rows are whole from the top, not the columns
        for line, row in enumerate(self._sheet.iter_rows(), start=1):
            yield line, [*blank, *[text_of(value, self._how.point) for value in row]]


def _sheet(path: Path, how: Reading) -> CalamineSheet:
    try:
        book = CalamineWorkbook.from_path(path)
        names = book.sheet_names
        if how.sheet is None and len(names) == 1:
            return book.get_sheet_by_index(0)
        if how.sheet in names:
            return book.get_sheet_by_name(how.sheet)
    except (CalamineError, OSError, ValueError) as error:
        expected = "an Excel workbook (.xlsx)"
        raise refuse(how.name, "not-xlsx", expected, f"a damaged one ({error})") from error
    listed = ", ".join(repr(name) for name in names)
    if how.sheet is None:
        raise refuse(how.name, "sheet", "one sheet", listed, f'declare e.g. sheet = "{names[0]}"')
    raise refuse(how.name, "sheet", f"a sheet {how.sheet!r}", listed, "correct sheet in the source")
