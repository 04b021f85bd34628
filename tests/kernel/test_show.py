"""Data on stdout: one JSON object a line for programs, an aligned table for people."""

from __future__ import annotations

import io
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from worker.kernel.show import emit, progress, table


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


ROWS: list[dict[str, object]] = [
    {"licence": "L1", "amount": Decimal("14200.10"), "at": datetime(2027, 1, 2, 9, tzinfo=UTC)},
    {"licence": "L-22", "amount": Decimal(5), "at": None},
]


def test_records_are_one_json_object_a_line_with_all_their_keys() -> None:
    out = io.StringIO()
    row = {"on": date(2027, 1, 2), "took": timedelta(seconds=90), "to": frozenset({"b", "a"})}
    assert emit([*ROWS, row], as_json=True, columns=("licence",), out=out) == 3
    assert [json.loads(line) for line in out.getvalue().splitlines()] == [
        {"licence": "L1", "amount": 14200.1, "at": "2027-01-02T09:00:00+00:00"},
        {"licence": "L-22", "amount": 5, "at": None},
        {"on": "2027-01-02", "took": 90.0, "to": ["a", "b"]},
    ]


def test_a_table_has_the_asked_columns_and_numbers_stand_right() -> None:
    out = io.StringIO()
    emit(ROWS, as_json=False, columns=("licence", "amount", "at"), out=out)
    assert out.getvalue().splitlines() == [
        "LICENCE    AMOUNT  AT",
        "L1       14200.10  2027-01-02 09:00+00:00",
        "L-22            5",
    ]


def test_no_rows_make_no_table() -> None:
    out = io.StringIO()
    assert emit([], as_json=False, columns=("licence",), out=out) == 0
    assert out.getvalue() == ""


def test_a_narrow_terminal_cuts_the_widest_column() -> None:
    rows = [{"a": "x" * 100, "b": "short"}]
    lines = list(table(rows, ("a", "b"), width=40))
    assert max(map(len, lines)) == 40
    assert lines[1].endswith("…  short")


def test_names_cannot_steer_the_terminal() -> None:
    rows = [{"name": "a\x1b[31mb\nc\u202ed"}]
    assert list(table(rows, ("name",), width=None))[1] == "a [31mb c d"


def test_progress_is_drawn_on_terminals_only() -> None:
    quiet, terminal = io.StringIO(), Terminal()
    for out in (quiet, terminal):
        with progress("reading", 200, out=out) as done:
            done(100)
            done(200)
    assert quiet.getvalue() == ""
    assert "\rreading: 100 of 200 (50 %)" in terminal.getvalue()
    assert terminal.getvalue().endswith("\r\x1b[K")
