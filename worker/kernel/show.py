"""Data for stdout, in one way for all commands: JSON lines for programs, a plain table for people.

Logs and progress belong on stderr; a progress line is drawn on terminals only.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TextIO

Record = Mapping[str, object]
_GAP = "  "
_LEAST = 8  # characters that a column keeps on a narrow terminal


def emit(
    records: Iterable[Record],
    *,
    as_json: bool,
    columns: Sequence[str],
    out: TextIO | None = None,
) -> int:
    """Writes ``records`` and returns how many there were.

    As JSON every key is written, one object a line; the table shows ``columns`` only, under their
    own names, and fits a terminal.
    """
    out = out or sys.stdout
    if as_json:
        count = 0
        for record in records:
            out.write(json_line(record) + "\n")
            count += 1
        return count
    rows = list(records)
    for line in table(rows, columns, width=_width(out)):
        out.write(line + "\n")
    return len(rows)


def json_line(record: Record) -> str:
    """A record on one line: dates in ISO 8601, amounts as numbers, spans in seconds."""
    return json.dumps(record, ensure_ascii=False, default=_plain)


def _plain(value: object) -> object:
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, frozenset | set):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def table(rows: Sequence[Record], columns: Sequence[str], *, width: int | None) -> Iterator[str]:
    """The lines of an aligned table; numbers stand right. ``width`` of ``None`` cuts nothing."""
    if not rows:
        return
    cells = [[cell(row.get(column)) for column in columns] for row in rows]
    widths = [
        max(len(column), *(len(line[place]) for line in cells))
        for place, column in enumerate(columns)
    ]
    if width is not None:
        _squeeze(widths, width)
    right = [
        all(isinstance(row.get(column), int | float | Decimal | None) for row in rows)
        for column in columns
    ]
    for line in ([column.replace("_", " ").upper() for column in columns], *cells):
        yield _GAP.join(map(_fit, line, widths, right)).rstrip()


def cell(value: object) -> str:
    """A value as people read it, on one line, without signs that would steer a terminal."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="minutes")
    if isinstance(value, list | tuple):
        return ", ".join(map(cell, value))
    return "".join(sign if sign.isprintable() else " " for sign in str(value))


def _squeeze(widths: list[int], total: int) -> None:
    over = sum(widths) + len(_GAP) * (len(widths) - 1) - total
    while over > 0 and max(widths) > _LEAST:
        widest = widths.index(max(widths))
        widths[widest] -= 1
        over -= 1


def _fit(text: str, width: int, right: bool) -> str:
    if len(text) > width:
        text = text[: width - 1] + "…"
    return text.rjust(width) if right else text.ljust(width)


def _width(out: TextIO) -> int | None:
    return shutil.get_terminal_size().columns if out.isatty() else None


@contextmanager
def progress(
    label: str, total: int | None = None, *, out: TextIO | None = None
) -> Iterator[Callable[[int], None]]:
    """Hands out a function that is told how many are done so far; draws on a terminal only."""
    out = out or sys.stderr
    if not out.isatty():
        yield lambda _done: None
        return
    drawn = -1

    def draw(done: int) -> None:
        nonlocal drawn
        share = done * 100 // total if total else done
        if share != drawn:
            drawn = share
            out.write(
                f"\r{label}: {done:,} of {total:,} ({share} %)" if total else f"\r{label}: {done:,}"
            )
            out.flush()

    try:
        yield draw
    finally:
        out.write("\r\x1b[K")
        out.flush()
