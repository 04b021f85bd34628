"""Bad rows: each is told with its place, what was expected, what came and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.catalogue.conftest import ACCOUNT, LICENCE, Book, said
from worker.catalogue.flow import Options
from worker.db.engine import make_engine
from worker.kernel.errors import FindingsError

HEADER = "account,name,licence,start,end\n"


@pytest.fixture
def book(sqlite_url: str, root: Path) -> Iterator[Book]:
    """These rows never reach the database: one kind is enough."""
    made: Engine = make_engine(sqlite_url)
    yield Book(made, root)
    made.dispose()


def dates(book: Book, text: str, date_format: str | None = None) -> list[str]:
    cell = f'"{text}"'
    return said(book.load(HEADER + f"a1,x,l1,,{cell}\n", date_format=date_format))


SERIAL = "if it is a day number of Excel, give the column a date format there"
DECLARE = 'declare how the file writes dates, e.g. date_format = "%d/%m/%Y"'
WITH_TIME = 'declare it with its time, e.g. date_format = "%Y-%m-%dT%H:%M:%SZ"'
RANGE = "a year from 1900 to 2200"
LEAVE = "leave the cell blank if there is no such date"


@pytest.mark.parametrize(
    ("text", "expected", "hint"),
    [
        ("03/04/2027", "a date written like 2027-12-31", DECLARE),
        ("31.12.2027", "a date written like 2027-12-31", DECLARE),
        ("2027-02-31", "a date written like 2027-12-31", "there is no such day"),
        ("2027-13-01", "a date written like 2027-12-31", DECLARE),
        ("20270131", "a date written like 2027-12-31", ""),
        ("46053", "a date written like 2027-12-31", SERIAL),
        ("44591", "a date written like 2027-12-31", SERIAL),
        ("0027-01-31", RANGE, LEAVE),
        ("9999-12-31", RANGE, LEAVE),
        ("2201-01-01", RANGE, LEAVE),
        ("unlimited", "a date written like 2027-12-31", ""),
        ("27-01-31", "a date written like 2027-12-31", DECLARE),
        ("2027-01-31T00:00:00Z", "a date written like 2027-12-31", WITH_TIME),
    ],
)
def test_a_date_is_never_guessed_at(book: Book, text: str, expected: str, hint: str) -> None:
    assert dates(book, text) == [
        f"book.csv:2: end: expected {expected}, got '{text}'" + (f"; {hint}" if hint else "")
    ]
    assert book.count() == [0, 0, 0, 0]


@pytest.mark.parametrize("text", ["31/02/2027", "2027-01-31", "1/2/27", "46053"])
def test_a_declared_format_is_the_only_one(book: Book, text: str) -> None:
    (told,) = dates(book, text, "%d/%m/%Y")
    assert told.startswith(
        f"book.csv:2: end: expected a date written like 31/12/2027, got '{text}'; "
    )
    assert dates(book, "03/04/2027", "%d/%m/%Y") == []


def test_a_moment_counts_by_the_date_that_is_written(book: Book) -> None:
    assert dates(book, "2027-01-31T23:30:00Z", "%Y-%m-%dT%H:%M:%SZ") == []
    assert str(book.licence("l1")["expires_on"]) == "2027-01-31"


def test_a_term_that_ends_on_or_before_its_start_is_rejected(book: Book) -> None:
    report = book.load(HEADER + "a1,x,l1,2027-01-01,2027-01-01\na1,x,l2,2027-01-02,2027-01-01\n")
    assert said(report) == [
        "book.csv:2: end: expected a date after the start 2027-01-01, got 2027-01-01",
        "book.csv:3: end: expected a date after the start 2027-01-02, got 2027-01-01",
    ]


CONTACT = {"entity": "contact", "account": "{account}", "email": "{mail}"}


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("a@b", "the domain 'b' has no dot"),
        ("anna", ""),
        ("a@example.com b@example.com", "put a second address in a row of its own"),
        ("a@example.com;b@example.com", "put a second address in a row of its own"),
        ("a@example.com, b@example.com", "put a second address in a row of its own"),
        ("Anna <a@example.com>", "put the name in a column of its own"),
        ("anna@example..com", ""),
        (".anna@example.com", ""),
        ("anna@-example.com", ""),
        (
            "аnna@example.com",
            "'а' in it is CYRILLIC SMALL LETTER A; write a foreign domain in its xn-- form",
        ),
        (
            "anna@exаmple.com",
            "'а' in it is CYRILLIC SMALL LETTER A; write a foreign domain in its xn-- form",
        ),
        (
            "x" * 65 + "@example.com",
            "65 characters before the @ are more than the 64 that mail allows",
        ),
    ],
)
def test_an_address_must_be_one_that_mail_reaches(book: Book, text: str, hint: str) -> None:
    report = book.load(f'account,name,mail\na1,x,"{text}"\n', [ACCOUNT, CONTACT])
    shown = text if len(text) <= 60 else text[:60] + "…"
    assert said(report) == [
        "book.csv:2: mail: expected one e-mail address such as anna@example.com, "
        f"got '{shown}'" + (f"; {hint}" if hint else "")
    ]
    assert book.count() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    "text", ["x" * 64 + "@example.com", "o'brien+x@mail.example.co.uk", "a@xn--80ak6aa92e.com"]
)
def test_odd_but_real_addresses_are_taken(book: Book, text: str) -> None:
    report = book.load(f'account,name,mail\na1,x,"{text}"\n', [ACCOUNT, CONTACT])
    assert said(report) == []
    assert book.contact(text)["email"] == text


@pytest.mark.parametrize(
    ("sign", "code"),
    [
        ("\x00", "U+0000"),
        ("\x1b", "U+001B"),
        ("\n", "U+000A"),
        ("\u202e", "U+202E"),
        ("\u2066", "U+2066"),
        ("\u200b", "U+200B"),
        ("\x85", "U+0085"),
    ],
)
def test_characters_that_steer_or_hide_are_rejected(book: Book, sign: str, code: str) -> None:
    report = book.load(HEADER + f'a1,"ab{sign}cd",l1,,2027-01-01\n')
    (told,) = said(report)
    assert told.startswith("book.csv:2: name: expected plain text, got 'ab\\")
    assert told.endswith(f"; remove the character {code}")
    assert sign not in told
    assert book.count() == [0, 0, 0, 0]


def test_the_same_characters_in_a_column_that_nobody_uses_do_no_harm(book: Book) -> None:
    report = book.load('note,account,name\n"two\nlines\u202e",a1,Łąka\u00a0i Syn\n', [ACCOUNT])
    assert said(report) == []
    assert book.account("a1")["name"] == "Łąka\u00a0i Syn"


def test_a_cell_of_five_megabytes_rejects_its_row(book: Book) -> None:
    text = HEADER + f"a1,{'x' * 5_000_000},l1,,2027-01-01\na2,y,l2,,2027-01-01\n"
    report = book.load(text)
    assert said(report) == [
        "book.csv:2: expected cells of at most 100,000 characters, "
        "got a line of more than 2,000,000"
    ]
    report = book.load(HEADER + f"a1,{'x' * 120_000},l1,,2027-01-01\n")
    (told,) = said(report)
    assert told.startswith("book.csv:2: name: expected at most 100,000 characters, got 'xxx")
    assert book.count()[0] == 1


def test_everything_that_is_wrong_with_a_row_is_told_at_once(book: Book) -> None:
    loads = [
        {**ACCOUNT, "timezone": "{zone}", "country": "{country}", "language": "{language}"},
        {**CONTACT, "role": "{role}", "opt_out": "{out}"},
        {
            **LICENCE,
            "quantity": "{n}",
            "amount": "{amount}",
            "currency": "{currency}",
            "auto_renew": "{auto}",
            "renew_url": "{url}",
            "status": "{status}",
        },
    ]
    header = "account,name,zone,country,language,mail,role,out,licence,start,end,n,amount,"
    header += "currency,auto,url,status\n"
    row = "a1,x,CET,Poland,polish!,a@b,boss,maybe,,2027-01-01,soon,"
    row += '-3,"1,234.5",zł,ja,javascript:x,AAC'
    assert said(book.load(header + row + "\n", loads)) == [
        f"book.csv:2: {told}"
        for told in (
            "country: expected a country code of two letters such as PL, got 'Poland'",
            "zone: expected a time zone such as Europe/Warsaw, got 'CET'",
            "language: expected a language code such as pl, got 'polish!'",
            "mail: expected one e-mail address such as anna@example.com, got 'a@b'; "
            "the domain 'b' has no dot",
            "role: expected decision-maker, procurement, technical or end-user, got 'boss'; "
            "map other words with values = { FIELD = { … } }",
            "out: expected yes or no, got 'maybe'; map other words with values = { FIELD = { … } }",
            "n: expected a whole number such as 12, got '-3'",
            "amount: expected an amount such as 1234.50, got '1,234.5'; "
            'declare how the source writes numbers: decimal = "," or decimal = "."',
            "currency: expected a currency code of three letters such as EUR, got 'zł'",
            "auto: expected yes or no, got 'ja'; map other words with values = { FIELD = { … } }",
            "url: expected an address such as https://example.com/renew, got 'javascript:x'",
            "status: expected active, cancelled or ended, got 'AAC'; "
            "map other words with values = { FIELD = { … } }",
            "end: expected a date written like 2027-12-31, got 'soon'",
        )
    ]


def test_a_row_without_its_key_is_rejected(book: Book) -> None:
    report = book.load(HEADER + ",x,l1,,2027-01-01\na1,x,,,2027-01-01\n")
    assert said(report) == [
        "book.csv:2: account: expected the key of the account, got nothing",
        "book.csv:3: licence: expected the key of the licence, got nothing",
    ]


def test_half_a_key_is_no_key(book: Book) -> None:
    report = book.load("account,name,site\na1,x,\n", [{**ACCOUNT, "key": "{account}-{site}"}])
    assert said(report) == [
        "book.csv:2: account + site: expected the key of the account, got nothing"
    ]


@pytest.mark.parametrize("amount", ["-5", "1234.567", "1e3", "10 000", "€5", "１２"])
def test_an_amount_is_never_coerced(book: Book, amount: str) -> None:
    report = book.load(
        f"account,name,cost\na1,x,{amount}\n", [{**ACCOUNT, "cost_to_serve": "{cost}"}]
    )
    assert [problem.code for problem in report.problems] == ["amount"]


def refusal(book: Book, text: str | bytes, **settings: object) -> list[str]:
    before = book.everything()
    with pytest.raises(FindingsError) as caught:
        book.load(text, **settings)  # type: ignore[arg-type]  # settings as in the file
    assert caught.value.message == "nothing was imported"
    assert book.everything() == before
    return [str(problem) for problem in caught.value.problems]


def test_missing_renamed_and_doubled_columns_are_told_once_each(book: Book) -> None:
    assert refusal(book, "account,nam,start,start,end\na1,x,,,2027-01-01\n") == [
        "book.csv:1: name: expected a column of this name, got none; "
        "account.name is made of it; did you mean 'nam'?",
        "book.csv:1: licence: expected a column of this name, got none; "
        "licence.key is made of it; the file has account, nam, start, start, end",
        "book.csv:1: start: expected one column of that name, got 2 columns of that name; "
        "licence.starts_on is made of it; name them differently",
    ]


def test_a_doubled_column_that_nobody_uses_does_no_harm(book: Book) -> None:
    assert said(book.load("account,name,x,x\na1,b,1,2\n", [ACCOUNT])) == []


def test_a_file_with_nothing_but_a_header_is_refused(book: Book) -> None:
    assert refusal(book, HEADER, full_sync=True) == [
        "book.csv: expected rows after the header, got none"
    ]
    assert refusal(book, "") == ["book.csv: expected a header and rows, got an empty file"]


def test_a_file_that_breaks_off_in_the_middle_loads_nothing(book: Book) -> None:
    good = "".join(f"a{n},x,l{n},,2027-01-01\n" for n in range(2000))
    (told,) = refusal(book, (HEADER + good).encode() + b"a\xb3,x,l,,2027-01-01\n")
    assert told.startswith("book.csv:2002: expected text in utf-8, got the byte 0xB3 in place 2")


def test_the_machine_reads_the_place_of_a_problem(book: Book) -> None:
    report = book.load(HEADER + "a1,x,l1,,soon\n", options=Options(dry_run=True))
    assert report.problems[0].record() == {
        "file": "book.csv",
        "line": 2,
        "column": 5,
        "path": "end",
        "code": "date",
        "expected": "a date written like 2027-12-31",
        "got": "'soon'",
        "hint": "",
    }
