"""Tables that a spreadsheet opens: data, never formulas."""

from __future__ import annotations

import pytest

from worker.kernel import sheets


@pytest.mark.parametrize("cell", ["=1+1", "+49 30 1234", "-cmd|' /C calc'!A0", "@SUM(A1)", "-"])
def test_what_a_spreadsheet_would_run_is_text(cell: str) -> None:
    assert sheets.safe(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["-12.5", "+3", "17", "a=b", "", "3-4"])
def test_numbers_and_plain_words_stay_as_they_are(cell: str) -> None:
    assert sheets.safe(cell) == cell


def test_characters_that_are_no_text_become_blanks() -> None:
    assert sheets.safe("a\x00b\tc\rd") == "a b c d"
    assert sheets.safe("\t=1") == "'=1"


def test_a_table_has_its_columns_above_it() -> None:
    assert sheets.written([{"a": 1, "b": None}, {"a": "x,y", "b": 2}]) == 'a,b\r\n1,\r\n"x,y",2\r\n'
    assert sheets.written([]) == ""
