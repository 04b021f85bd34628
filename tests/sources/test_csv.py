"""CSV files as they come: what is refused, where, and what a person is told."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from worker.kernel.errors import ConfigError
from worker.sources.contract import BadRow, Reading, Row, SourceError
from worker.sources.table import KINDS

HEADER = "key,name,end\n"


def opened(folder: Path, raw: bytes | str, how: Reading | None = None, name: str = "book.csv"):
    path = folder / name
    path.write_bytes(raw.encode() if isinstance(raw, str) else raw)
    return KINDS["csv"].open(path, how or Reading("book.csv"))


def rows(folder: Path, raw: bytes | str, how: Reading | None = None) -> list[Row | BadRow]:
    return list(opened(folder, raw, how).rows())


def refusal(folder: Path, raw: bytes | str, how: Reading | None = None, **more: str) -> str:
    with pytest.raises(SourceError) as caught:
        list(opened(folder, raw, how, **more).rows())
    assert caught.value.message == "nothing was imported"
    return "\n".join(map(str, caught.value.problems))


def test_rows_come_with_their_line_and_blank_lines_are_skipped(tmp_path: Path) -> None:
    source = opened(tmp_path, HEADER + "1,Łąka,2027-01-31\n\n,,\n2,b,c\n")
    assert source.header == ["key", "name", "end"]
    assert list(source.rows()) == [Row(2, ["1", "Łąka", "2027-01-31"]), Row(5, ["2", "b", "c"])]
    assert list(source.rows()) == list(source.rows())


def test_a_quoted_cell_may_hold_lines_and_the_row_stands_where_it_begins(tmp_path: Path) -> None:
    found = rows(tmp_path, HEADER + '1,"a\nb ""x""",c\n2,b,c\n')
    assert found == [Row(2, ["1", 'a\nb "x"', "c"]), Row(4, ["2", "b", "c"])]


def test_the_mark_of_utf8_and_windows_line_ends_are_accepted(tmp_path: Path) -> None:
    source = opened(tmp_path, b"\xef\xbb\xbfkey,name,end\r\n1,a,b\r\n")
    assert source.header == ["key", "name", "end"]
    assert list(source.rows()) == [Row(2, ["1", "a", "b"])]


def test_a_gzipped_file_is_read_as_it_is(tmp_path: Path) -> None:
    raw = gzip.compress((HEADER + "1,a,b\n").encode())
    assert list(opened(tmp_path, raw, name="book.csv.gz").rows()) == [Row(2, ["1", "a", "b"])]


def test_a_declared_delimiter_and_encoding_are_used(tmp_path: Path) -> None:
    how = Reading("book.csv", encoding="cp1250", delimiter=";")
    assert rows(tmp_path, "key;name\n1;Łąka\n".encode("cp1250"), how) == [Row(2, ["1", "Łąka"])]
    how = Reading("book.csv", encoding="utf-16")
    assert rows(tmp_path, "key,name\n1,Łąka\n".encode("utf-16"), how) == [Row(2, ["1", "Łąka"])]


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    expected = "book.csv: expected a header and rows, got an empty file"
    assert refusal(tmp_path, "") == expected
    assert refusal(tmp_path, "\n\n") == expected


@pytest.mark.parametrize(
    ("encoding", "byte", "place"), [("cp1250", "A3", 3), ("cp1251", "C6", 3), ("cp1252", "C6", 3)]
)
def test_a_windows_file_is_not_guessed_at(
    tmp_path: Path, encoding: str, byte: str, place: int
) -> None:
    name = {"cp1250": "Łąka", "cp1251": "Жук", "cp1252": "Ærø"}[encoding]
    told = refusal(tmp_path, (HEADER + f"1,a,b\n2,{name},b\n").encode(encoding))
    assert told == (
        f"book.csv:3: expected text in utf-8, got the byte 0x{byte} in place {place}; if a "
        'Windows program saved it, declare the one that it used, e.g. encoding = "cp1250" '
        '(Central European), "cp1251" (Cyrillic) or "cp1252" (Western)'
    )


def test_a_file_of_two_encodings_is_refused_at_the_first_wrong_byte(tmp_path: Path) -> None:
    raw = (HEADER + "1,Łąka,b\n").encode() + "2,Łąka,b\n".encode("cp1250")
    assert refusal(tmp_path, raw).startswith("book.csv:3: expected text in utf-8, got the byte")


def test_utf16_is_named_when_it_was_not_declared(tmp_path: Path) -> None:
    assert refusal(tmp_path, HEADER.encode("utf-16")) == (
        "book.csv: expected text in utf-8, got a file that begins with the mark of utf-16; "
        'declare encoding = "utf-16", or save the file in utf-8'
    )
    assert refusal(tmp_path, HEADER.encode("utf-16-le")) == (
        "book.csv: expected text in utf-8, got a zero byte in every other place, as in utf-16; "
        'declare encoding = "utf-16-le", or save the file in utf-8'
    )


def test_a_file_marked_as_utf8_is_not_read_as_anything_else(tmp_path: Path) -> None:
    told = refusal(tmp_path, b"\xef\xbb\xbfkey\n1\n", Reading("book.csv", encoding="cp1252"))
    assert told == (
        "book.csv: expected text in cp1252, got a file that begins with the mark of utf-8; "
        'declare encoding = "utf-8", or save the file in cp1252'
    )


@pytest.mark.parametrize("encoding", ["utf-9", "rot13", "hex"])
def test_an_encoding_must_exist(tmp_path: Path, encoding: str) -> None:
    with pytest.raises(ConfigError) as caught:
        opened(tmp_path, HEADER, Reading("book.csv", encoding=encoding))
    assert str(caught.value.problems[0]) == (
        f"book.csv: encoding: expected the name of an encoding, got '{encoding}'; "
        'write e.g. "utf-8" or "cp1250"'
    )


@pytest.mark.parametrize(("sign", "written"), [(";", ";"), ("\t", "\\t"), ("|", "|")])
def test_another_delimiter_is_named_and_not_assumed(
    tmp_path: Path, sign: str, written: str
) -> None:
    told = refusal(tmp_path, HEADER.replace(",", sign))
    shown = HEADER.strip().replace(",", written)
    assert told == (
        f"book.csv:1: expected columns separated by ',', got one column '{shown}'; "
        f'declare delimiter = "{written}"'
    )


def test_a_quote_that_never_closes_refuses_the_file_where_it_opens(tmp_path: Path) -> None:
    lines = "".join(f"{number},a,b\n" for number in range(2, 50_000))
    for rest in ('1,"a,b\n2,a,b\n', '1,"a,b\n' + lines, '1,"a,b\n2,"a",b\n'):
        told = refusal(tmp_path, HEADER + "0,a,b\n" + rest)
        assert told.startswith(
            "book.csv:3: expected every quote that opens to close again, "
            "got one that is open from here on to line "
        )
        assert told.endswith('a quote inside a quoted cell is written twice: ""')


def test_text_after_a_closing_quote_rejects_that_row_alone(tmp_path: Path) -> None:
    good, bad, more = rows(tmp_path, HEADER + '1,a,b\n2,"a"x,b\n3,a,b\n')
    assert (good.line, more) == (2, Row(4, ["3", "a", "b"]))
    assert isinstance(bad, BadRow)
    assert (bad.line, bad.expected, bad.got) == (3, "',' after a closing quote", "more text")


def test_a_row_with_too_few_or_too_many_cells_is_rejected(tmp_path: Path) -> None:
    few, many = rows(tmp_path, HEADER + "1,a\n2,a,b,c\n")
    assert isinstance(few, BadRow)
    assert isinstance(many, BadRow)
    assert (few.line, few.expected, few.got) == (2, "3 cells as in the header", "2")
    assert (many.line, many.got, many.cells) == (3, "4", ["2", "a", "b", "c"])
    assert many.hint == "a cell with ',' in it must stand in quotes"


@pytest.mark.parametrize("size", [200_000, 5_000_000])
@pytest.mark.parametrize("quote", ["", '"'])
def test_a_huge_cell_rejects_its_row_alone(tmp_path: Path, size: int, quote: str) -> None:
    huge = f"2,{quote}{'x' * size}{quote},b\n"
    good, bad, more = rows(tmp_path, HEADER + "1,a,b\n" + huge + "3,a,b\n")
    assert isinstance(bad, BadRow)
    assert (bad.line, bad.expected) == (3, "cells of at most 100,000 characters")
    assert (good.line, more) == (2, Row(4, ["3", "a", "b"]))


@pytest.mark.parametrize(
    ("raw", "what", "hint"),
    [
        (b"PK\x03\x04xx", "a zip archive, such as an Excel workbook", 'declare kind = "xlsx"'),
        (b"\xd0\xcf\x11\xe0xx", "an old Excel workbook", "save it as CSV"),
        (b"\x1f\x8bxx", "a gzipped file", "let its name end in .csv.gz"),
    ],
)
def test_a_file_that_is_not_what_its_name_says_is_refused(
    tmp_path: Path, raw: bytes, what: str, hint: str
) -> None:
    assert refusal(tmp_path, raw) == f"book.csv: expected a CSV file, got {what}; {hint}"


def test_a_cut_or_false_gzip_is_refused(tmp_path: Path) -> None:
    whole = gzip.compress((HEADER + "1,a,b\n" * 9999).encode())
    for raw in (whole[:-20], b"key,name\n1,2\n", whole[:40] + b"\0" * 9 + whole[49:]):
        told = refusal(tmp_path, raw, name="book.csv.gz")
        assert told.startswith("book.csv: expected a whole gzipped file, got ")


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"expected a file, got nothing at .*no\.csv; is"):
        KINDS["csv"].open(tmp_path / "no.csv", Reading("no.csv"))
    with pytest.raises(SourceError, match="expected a file, got a folder"):
        KINDS["csv"].open(tmp_path, Reading("x"))


@pytest.mark.parametrize("name", ["book.csv", "book.csv.gz"])
def test_how_much_of_a_file_has_been_read_is_told_by_its_bytes(tmp_path: Path, name: str) -> None:
    text = HEADER + "".join(
        f"{n},{n * 7919 % 100_003},{n * 104_729 % 99_991}\n" for n in range(90_000)
    )
    raw = text.encode()
    source = opened(tmp_path, gzip.compress(raw) if name.endswith(".gz") else raw, name=name)
    assert source.share is None
    shares = [source.share for row in source.rows() if row.line % 10_000 == 0]
    assert shares == sorted(shares)
    assert shares[0] < 0.5
    assert shares[-1] > 0.9
