"""Data for stdout, in one way for all commands: JSON lines for programs, a plain table for people.

Logs and progress belong on stderr; a progress line is drawn on terminals only.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Protocol, TextIO

from worker.kernel.clock import Clock, SystemClock

Record = Mapping[str, object]
_GAP = "  "
_LEAST = 8  # characters that a column keeps on a narrow terminal
_CELLS = 24  # of a bar
_REDRAW = 0.1  # seconds between two drawings
_SETTLED = 1.0  # seconds before a rate says anything


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


class Told(Protocol):
    """Is told how many are done so far, and how much of the whole that is, if it is known."""

    def __call__(self, done: int, share: float | None = None) -> None: ...


@contextmanager
def progress(
    label: str,
    total: int | None = None,
    *,
    unit: str = "",
    out: TextIO | None = None,
    clock: Clock | None = None,
) -> Iterator[Told]:
    """Hands out a function that is told how far it is; draws on a terminal only.

    With a share, or a ``total``, there is a bar, and the time that is left; with a ``unit`` also
    the number that is done and how many a second. Nothing is drawn that is not known.
    """
    out = out or sys.stderr
    if not out.isatty():
        yield lambda done, share=None: None
        return
    bar = _Bar(label, unit, out, clock or SystemClock())

    def told(done: int, share: float | None = None) -> None:
        bar.draw(done, done / total if share is None and total else share)

    try:
        yield told
    finally:
        out.write("\r\x1b[K")
        out.flush()


class _Bar:
    """One line on a terminal, drawn again and again."""

    def __init__(self, label: str, unit: str, out: TextIO, clock: Clock) -> None:
        self._label, self._unit, self._out, self._clock = label, unit, out, clock
        self._full, self._empty = _blocks(out)
        self._begun = clock.monotonic()
        self._drawn = -1.0

    def draw(self, done: int, share: float | None) -> None:
        elapsed = self._clock.monotonic() - self._begun
        if self._drawn >= 0 and elapsed - self._drawn < _REDRAW and share != 1:
            return
        self._drawn = elapsed
        width = shutil.get_terminal_size().columns - 1
        self._out.write("\r" + "  ".join(self._parts(done, share, elapsed))[:width] + "\x1b[K")
        self._out.flush()

    def _parts(self, done: int, share: float | None, elapsed: float) -> Iterator[str]:
        yield self._label
        if share is not None:
            share = min(1.0, max(0.0, share))
            filled = int(share * _CELLS)
            yield self._full * filled + self._empty * (_CELLS - filled)
            yield f"{int(share * 100):3} %"
        if self._unit:
            yield f"{done:,} {self._unit}"
            if elapsed >= _SETTLED:
                yield f"{done / elapsed:,.0f}/s"
        if share and elapsed >= _SETTLED and share < 1:
            yield f"about {_span(elapsed * (1 - share) / share)} left"


def _blocks(out: TextIO) -> tuple[str, str]:
    """What a bar is drawn with: blocks where the terminal can show them."""
    try:
        "█░".encode(getattr(out, "encoding", None) or "ascii")
    except (UnicodeError, LookupError):
        return "#", "-"
    return "█", "░"


def _span(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"
