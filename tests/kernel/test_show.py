"""Data on stdout: one JSON object a line for programs, an aligned table for people."""

from __future__ import annotations

import io
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from worker.kernel.clock import VirtualClock
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


class Watch(VirtualClock):
    """A clock that a test moves by seconds."""

    def __init__(self) -> None:
        super().__init__(datetime(2027, 1, 2, tzinfo=UTC))

    def wait(self, seconds: float) -> None:
        self.advance(timedelta(seconds=seconds))


def drawn(out: io.StringIO) -> list[str]:
    """What was drawn, line after line, without the signs that steer the terminal."""
    return [line.removesuffix("\x1b[K") for line in out.getvalue().split("\r")[1:]]


def test_progress_is_drawn_on_terminals_only_and_wiped_off_at_the_end() -> None:
    quiet, terminal = io.StringIO(), Terminal()
    for out in (quiet, terminal):
        with progress("reading", 200, out=out) as told:
            told(100)
            told(200)
    assert quiet.getvalue() == ""
    assert terminal.getvalue().endswith("\r\x1b[K")


def test_progress_shows_a_bar_the_count_the_rate_and_the_time_that_is_left() -> None:
    out, watch = Terminal(), Watch()
    with progress("reading", unit="rows", out=out, clock=watch) as told:
        told(0, 0.0)
        watch.wait(10)
        told(25_000, 0.25)
        watch.wait(290)
        told(50_000, 0.5)
        watch.wait(1)
        told(100_000, 1.0)
    assert drawn(out) == [
        "reading  ------------------------    0 %  0 rows",
        "reading  ######------------------   25 %  25,000 rows  2,500/s  about 30 s left",
        "reading  ############------------   50 %  50,000 rows  167/s  about 5 min left",
        "reading  ########################  100 %  100,000 rows  332/s",
        "",
    ]


def test_progress_draws_no_bar_when_the_whole_is_not_known() -> None:
    out, watch = Terminal(), Watch()
    with progress("reading", unit="rows", out=out, clock=watch) as told:
        told(1000)
        watch.wait(2)
        told(3000, None)
    assert drawn(out) == ["reading  1,000 rows", "reading  3,000 rows  1,500/s", ""]


def test_a_terminal_that_shows_blocks_gets_them() -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="utf-8")
    out.isatty = lambda: True  # type: ignore[method-assign]
    with progress("rehearsing", 100, out=out) as told:
        told(50)
    assert (
        raw.getvalue()
        .decode()
        .split("\r")[1]
        .startswith("rehearsing  " + "█" * 12 + "░" * 12 + "   50 %")
    )


def test_progress_is_not_drawn_more_often_than_people_can_see() -> None:
    out, watch = Terminal(), Watch()
    with progress("reading", 1000, out=out, clock=watch) as told:
        for done in range(1000):
            told(done)
            watch.wait(0.001)
    assert len(drawn(out)) < 15
