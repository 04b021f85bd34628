"""The file of rejects: the rows that were not loaded, as they came, each with its reason."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from worker.kernel.errors import Problem
from worker.sources.contract import Reading, Source, ascii_controls

_NUMBER = re.compile(r"-[\d., '\u00a0\u202f’]+", re.ASCII)  # no spreadsheet runs one
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def rejects_path(root: Path, source: str, file: Path | None) -> Path:
    """Where the rejects of this source, and of its file if it is one, go."""
    if file is None:
        return root / "var" / "rejects" / f"{source}.csv"
    stem = file.name.removesuffix(".gz")
    stem = stem.rpartition(".")[0] or stem
    return root / "var" / "rejects" / f"{source}-{stem}.csv"


def write_rejects(
    path: Path, source: Source, rejected: Mapping[int, Sequence[Problem]], how: Reading
) -> None:
    """Writes the rows of these lines with the columns ``line`` and ``reason`` added.

    The file appears whole or not at all, written as the source says that its own is: the mended
    rows can be imported as they stand. Cells that a spreadsheet would take for a formula get an
    apostrophe in front; a negative number is none.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    with draft.open("w", encoding=how.encoding, newline="", errors="backslashreplace") as file:
        writer = csv.writer(file, delimiter=how.delimiter)
        writer.writerow([*map(_safe, source.header), "line", "reason"])
        width = len(source.header)
        for row in source.rows():
            if row.line in rejected:
                cells = [_safe(cell) for cell in row.cells][:width]
                cells += [""] * (width - len(cells))
                writer.writerow([*cells, row.line, _safe(reason(rejected[row.line]))])
    draft.replace(path)


def reason(problems: Sequence[Problem]) -> str:
    """All that is wrong with a row, in one line."""
    return " | ".join(str(replace(p, file="", line=0, column=0)).lstrip(": ") for p in problems)


def told(problem: Problem) -> str:
    """A problem of a row as people read it: ``file:line: column: expected …, got …``."""
    return str(replace(problem, column=0))


def _is_kept(char: str) -> bool:
    """Whether a sign may stay: blanks of all widths, as in amounts, and lines within a cell."""
    return char.isprintable() or char == "\n" or unicodedata.category(char) == "Zs"


def _safe(cell: str) -> str:
    """``cell`` as data: no spreadsheet runs it, no terminal acts on it."""
    shown = cell[:1000] + "…" if len(cell) > 100_000 else cell
    if not shown.isprintable():
        shown = "".join(char if _is_kept(char) else ascii_controls(char) for char in shown)
    runs = shown.startswith(_FORMULA) and not _NUMBER.fullmatch(shown)
    return f"'{shown}" if runs else shown
