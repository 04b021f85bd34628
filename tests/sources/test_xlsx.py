"""Excel workbooks: what is read, and what is refused before anything opens it."""

from __future__ import annotations

import datetime as dt
import zipfile
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from worker.sources.contract import BadRow, DateCell, Reading, Row, SourceError
from worker.sources.table import KINDS

HOW = Reading("book.xlsx")
AFTERNOON = dt.datetime(2027, 1, 31, 14, 30)  # noqa: DTZ001 -- Excel knows no zones


def workbook(path: Path, *lines: list[object], epoch: dt.datetime | None = None) -> Path:
    book = openpyxl.Workbook()
    if epoch is not None:
        book.epoch = epoch
    for at, line in enumerate(lines, start=1):
        for place, value in enumerate(line, start=1):
            book.worksheets[0].cell(at, place, value)
    book.save(path)
    return path


def rows(path: Path, how: Reading = HOW) -> list[Row | BadRow]:
    return list(KINDS["xlsx"].open(path, how).rows())


def refusal(path: Path, how: Reading = HOW) -> str:
    with pytest.raises(SourceError) as caught:
        rows(path, how)
    return "\n".join(map(str, caught.value.problems))


def edited(path: Path, change: Callable[[str, bytes], bytes | None], **more: bytes) -> Path:
    """The workbook with entries changed, left out (``None``), or added."""
    target = path.with_name("edited.xlsx")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            raw = change(entry.filename, old.read(entry))
            if raw is not None:
                new.writestr(entry.filename, raw)
        for name, raw in more.items():
            new.writestr(name.replace("__", "/"), raw)
    return target


def same(_name: str, raw: bytes) -> bytes:
    return raw


def test_numbers_and_dates_read_as_people_see_them(tmp_path: Path) -> None:
    path = workbook(
        tmp_path / "book.xlsx",
        ["key", "amount", "end", "yes"],
        [12345, 0.1 + 0.2, dt.date(2027, 1, 31), True],
        ["007", 1234.5, AFTERNOON, False],
    )
    assert rows(path) == [
        Row(2, ["12345", "0.3", "2027-01-31", "true"]),
        Row(3, ["007", "1234.5", "2027-01-31", "false"]),
    ]


@pytest.mark.parametrize("epoch", [None, CALENDAR_MAC_1904])
def test_a_date_is_the_same_in_both_calendars_of_excel(
    tmp_path: Path, epoch: dt.datetime | None
) -> None:
    path = workbook(tmp_path / "book.xlsx", ["end"], [dt.date(2027, 1, 31)], epoch=epoch)
    cell = rows(path)[0].cells[0]
    assert isinstance(cell, DateCell)
    assert cell.day == dt.date(2027, 1, 31)


def test_lines_are_those_of_the_sheet_though_it_begins_late_and_has_holes(tmp_path: Path) -> None:
    path = workbook(
        tmp_path / "book.xlsx", [], ["", ""], ["", "key", "end"], ["", "1", "x"], [], ["", "2", "y"]
    )
    source = KINDS["xlsx"].open(path, HOW)
    assert source.header == ["", "key", "end"]
    assert list(source.rows()) == [Row(4, ["", "1", "x"]), Row(6, ["", "2", "y"])]
    assert len(list(source.rows())) == 2


def test_a_formula_without_a_stored_result_is_not_taken_for_a_blank(tmp_path: Path) -> None:
    path = workbook(tmp_path / "book.xlsx", ["key", "end"], ["1", "x"], ["2", "=A1+1"], ["=A2", ""])
    good, bad, last = rows(path)
    assert good == Row(2, ["1", "x"])
    assert isinstance(bad, BadRow)
    assert (bad.line, bad.column, bad.got) == (3, 2, "a formula without a stored result")
    assert bad.hint == "open the workbook in Excel, save it, and import it again"
    assert isinstance(last, BadRow)
    assert last.line == 4


def test_one_of_several_sheets_must_be_named(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.worksheets[0].title = "Cover"
    book.create_sheet("Licences").append(["key"])
    book["Licences"].append(["1"])
    path = tmp_path / "book.xlsx"
    book.save(path)
    assert rows(path, Reading("book.xlsx", sheet="Licences")) == [Row(2, ["1"])]
    assert refusal(path) == (
        "book.xlsx: expected one sheet, got 'Cover', 'Licences'; declare e.g. sheet = \"Cover\""
    )
    assert refusal(path, Reading("book.xlsx", sheet="Licenses")) == (
        "book.xlsx: expected a sheet 'Licenses', got 'Cover', 'Licences'; "
        "correct sheet in the source"
    )


def test_an_empty_sheet_is_refused(tmp_path: Path) -> None:
    path = workbook(tmp_path / "book.xlsx")
    assert refusal(path) == "book.xlsx: expected a header and rows, got an empty sheet"


def test_macros_are_refused_and_links_to_other_files_are_not_followed(tmp_path: Path) -> None:
    path = workbook(tmp_path / "book.xlsx", ["key"], ["1"])
    macros = edited(path, same, **{"xl__vbaProject.bin": b"x"})
    assert refusal(macros) == (
        "book.xlsx: expected a workbook without macros, got one with macros; save it as .xlsx"
    )
    linked = edited(path, same, **{"xl__externalLinks__externalLink1.xml": b"<externalLink/>"})
    assert rows(linked) == [Row(2, ["1"])]


@pytest.mark.parametrize(
    ("raw", "got"),
    [
        (b"", "an empty file"),
        (b"key,end\n1,2\n", "a file of another kind"),
        (b"\xd0\xcf\x11\xe0" + b"x" * 100, "an old .xls workbook, or one with a password"),
        (b"PK\x03\x04" + b"x" * 100, "a damaged archive (File is not a zip file)"),
    ],
)
def test_a_file_that_is_not_what_its_name_says_is_refused(
    tmp_path: Path, raw: bytes, got: str
) -> None:
    path = tmp_path / "book.xlsx"
    path.write_bytes(raw)
    assert refusal(path) == (
        f"book.xlsx: expected an Excel workbook (.xlsx), got {got}; save it as .xlsx or CSV"
    )


def test_another_archive_and_a_broken_sheet_are_refused(tmp_path: Path) -> None:
    path = workbook(tmp_path / "book.xlsx", ["key"], ["1"])
    other = edited(path, lambda name, raw: None if name == "xl/workbook.xml" else raw)
    assert "got another kind of archive" in refusal(other)
    broken = edited(path, lambda name, raw: b"<worksheet" if "sheet1" in name else raw)
    assert refusal(broken).startswith(
        "book.xlsx: expected an Excel workbook (.xlsx), got a damaged"
    )


def test_a_bomb_is_measured_and_not_opened(tmp_path: Path) -> None:
    path = workbook(tmp_path / "book.xlsx", ["key"], ["1"])
    zeros = b"\0" * (40 << 20)
    told = refusal(edited(path, same, xl__bomb=zeros))
    assert told.startswith(
        "book.xlsx: expected entries that unpack to at most 200 times their size"
    )
    many = {f"xl__{number}": b"" for number in range(2100)}
    assert "at most 2,000 entries" in refusal(edited(path, same, **many))


def test_entities_that_multiply_are_refused(tmp_path: Path) -> None:
    path = workbook(tmp_path / "book.xlsx", ["key"], ["1"])
    bomb = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa">]>'
    told = refusal(edited(path, lambda name, raw: bomb + raw if "sheet1" in name else raw))
    assert told.startswith("book.xlsx: expected no document type definition, got one in xl/works")


def test_a_size_that_lies_is_found_out(tmp_path: Path) -> None:
    path = edited(
        workbook(tmp_path / "book.xlsx", ["key"], ["1"]), same, xl__bomb=b"\0" * (1 << 20)
    )
    raw = bytearray(path.read_bytes())
    for mark, at in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        start = raw.rfind(mark)
        raw[start + at : start + at + 4] = (64).to_bytes(4, "little")
    path.write_bytes(raw)
    assert "damaged archive" in refusal(path)


def test_how_much_of_a_sheet_has_been_read_is_told_by_its_lines(tmp_path: Path) -> None:
    source = KINDS["xlsx"].open(
        workbook(tmp_path / "book.xlsx", ["key"], *[[n] for n in range(9)]), HOW
    )
    assert [source.share for _ in source.rows()] == [n / 10 for n in range(2, 11)]
