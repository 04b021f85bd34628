"""A file as an accountant in Poland saves it, from the first try to the book."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import openpyxl
import pytest
from sqlalchemy import select

from tests.catalogue.conftest import Book, said
from worker.catalogue.records import staff
from worker.kernel.errors import FindingsError

LOADS: list[dict[str, Any]] = [
    {
        "entity": "staff",
        "key": "{Opiekun}",
        "name": "{Imię opiekuna}",
        "email": "{E-mail opiekuna}",
    },
    {
        "entity": "account",
        "key": "{Numer klienta}",
        "name": "{Nazwa klienta}",
        "renewal_manager": "{Opiekun}",
        "language": "pl",
    },
    {
        "entity": "licence",
        "key": "{Nr licencji}",
        "account": "{Numer klienta}",
        "quantity": "{Ilość}",
        "amount": "{Wartość netto}",
        "currency": "PLN",
        "starts_on": "{Początek}",
        "expires_on": "{Ważna do}",
    },
]
HEADER = (
    "Numer klienta;Nazwa klienta;Nr licencji;Ilość;Wartość netto;Początek;Ważna do;"
    "Opiekun;Imię opiekuna;E-mail opiekuna\r\n"
)
ROWS = (
    "K-1;Zażółć Gęślą Jaźń sp. z o.o.;L-1;1 200;12 400,50;01.02.2026;31.01.2027;"
    "ela;Elżbieta Świątek;ela@example.com\r\n"
    "K-2;Łódzkie Zakłady;L-2;5;1.240,5;01.02.2026;31.01.2027;;;\r\n"
    "K-2;Łódzkie Zakłady;L-3;3;980;01.02.2026;31.01.2027;ela;;\r\n"
)
DECLARED: dict[str, Any] = {"delimiter": ";", "decimal": ",", "date_format": "%d.%m.%Y"}


def amounts(book: Book) -> list[tuple[Decimal | None, int | None]]:
    found = [book.licence(key) for key in ("L-1", "L-2", "L-3")]
    return [(each["amount"], each["quantity"]) for each in found]


@pytest.mark.parametrize("spaces", [" ", "\u00a0"])
@pytest.mark.parametrize("encoding", ["cp1250", "utf-8-sig", "utf-8", "utf-16"])
def test_it_loads_with_what_it_is_declared_to_be(book: Book, encoding: str, spaces: str) -> None:
    text = HEADER + ROWS.replace("1 200", f"1{spaces}200").replace("12 400", f"12{spaces}400")
    declared = "utf-8" if encoding == "utf-8-sig" else encoding
    report = book.load(text.encode(encoding), LOADS, encoding=declared, **DECLARED)
    assert said(report) == []
    assert amounts(book) == [
        (Decimal("12400.50"), 1200),
        (Decimal("1240.50"), 5),
        (Decimal("980.00"), 3),
    ]
    assert book.account("K-1")["name"] == "Zażółć Gęślą Jaźń sp. z o.o."
    assert (book.account("K-1")["renewal_manager"], book.licence("L-1")["owner"]) == ("ela", None)
    with book.engine.begin() as conn:
        people = conn.execute(select(staff.c.key, staff.c.name, staff.c.email)).all()
    assert [tuple(person) for person in people] == [("ela", "Elżbieta Świątek", "ela@example.com")]


def test_each_thing_that_was_not_declared_is_told_with_what_to_declare(book: Book) -> None:
    raw = (HEADER + ROWS).encode("cp1250")
    tries = [
        ({}, 'declare the one that it used, e.g. encoding = "cp1250"'),
        ({"encoding": "cp1250"}, 'declare delimiter = ";"'),
    ]
    for settings, hint in tries:
        with pytest.raises(FindingsError) as caught:
            book.load(raw, LOADS, **settings)
        assert hint in str(caught.value)
    report = book.load(raw, LOADS, encoding="cp1250", delimiter=";")
    assert said(report)[:2] == [
        "book.csv:2: Ilość: expected a whole number such as 12, got '1 200'",
        "book.csv:2: Wartość netto: expected an amount such as 1234.50, got '12 400,50'; "
        'declare how the source writes numbers: decimal = "," or decimal = "."',
    ]
    assert "Początek: expected a date written like 2027-12-31, got '01.02.2026'" in said(report)[2]
    assert book.count() == [0, 0, 0, 0]


def test_numbers_of_a_workbook_are_numbers_and_its_texts_are_as_declared(book: Book) -> None:
    sheet = openpyxl.Workbook()
    for line in [
        ["k", "l", "n", "value", "end"],
        ["a1", "L-1", 5, 1.24, "31.01.2027"],
        ["a1", "L-2", "5", "1.240,5", "31.01.2027"],
        ["a1", "L-3", 2, 1240, "31.01.2027"],
    ]:
        sheet.active.append(line)  # type: ignore[union-attr]
    sheet.save(book.root / "book.xlsx")
    loads = [
        {"entity": "account", "key": "{k}"},
        {
            "entity": "licence",
            "key": "{l}",
            "account": "{k}",
            "quantity": "{n}",
            "amount": "{value}",
            "expires_on": "{end}",
        },
    ]
    settings = {"kind": "xlsx", "decimal": ",", "date_format": "%d.%m.%Y"}
    assert said(book.load(None, loads, name="book.xlsx", **settings)) == []
    assert [amount for amount, _ in amounts(book)] == [
        Decimal("1.24"),
        Decimal("1240.50"),
        Decimal(1240),
    ]
