"""Our own people in the book: accounts and licences name them by key."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select, update

from tests.catalogue.conftest import ACCOUNT, LICENCE, Book, said
from worker.catalogue.records import licences, staff

STAFF = {
    "entity": "staff",
    "key": "{who}",
    "name": "{called}",
    "email": "{mail}",
    "language": "{language}",
}
HEADER = "who,called,mail,language\n"


def people(book: Book) -> list[tuple[Any, ...]]:
    wanted = select(staff.c.key, staff.c.name, staff.c.email, staff.c.language, staff.c.source)
    with book.engine.begin() as conn:
        return [tuple(row) for row in conn.execute(wanted.order_by(staff.c.key))]


def test_staff_come_with_name_address_and_language(book: Book) -> None:
    report = book.load(HEADER + "ela,Ela Nowak,Ela@Example.com,pl\njan,,,\n", [STAFF])
    assert people(book) == [
        ("ela", "Ela Nowak", "ela@example.com", "pl", "book"),
        ("jan", "jan", None, None, "book"),
    ]
    assert report.record()["entities"] == {
        "staff": {"created": 2, "updated": 0, "unchanged": 0, "rejected": 0}
    }


def test_the_same_again_changes_nothing_and_a_new_address_one_row(book: Book) -> None:
    text = HEADER + "ela,Ela Nowak,ela@example.com,pl\njan,Jan,jan@example.com,en\n"
    book.load(text, [STAFF])
    again = book.load(text, [STAFF])
    assert (again.entities["staff"].unchanged, again.wrote) == (2, False)
    moved = book.load(text.replace("ela@", "elzbieta@"), [STAFF])
    assert (moved.entities["staff"].updated, moved.entities["staff"].unchanged) == (1, 1)
    assert people(book)[0][2] == "elzbieta@example.com"


def test_a_changed_person_rings_no_licence(book: Book) -> None:
    loads = [ACCOUNT, {**LICENCE, "owner": "{who}"}, STAFF]
    header = "account,name,licence,start,end," + HEADER
    row = "a1,x,l1,,2027-01-01,ela,Ela,ela@example.com,pl\n"
    book.load(header + row, loads)
    with book.engine.begin() as conn:
        conn.execute(update(licences).values(changed=False))
    book.load(header + row.replace(",Ela,", ",Elżbieta,"), loads)
    assert people(book)[0][1] == "Elżbieta"
    assert (book.licence("l1")["changed"], book.licence("l1")["owner"]) == (False, "ela")


def test_a_row_without_a_person_loads_the_rest(book: Book) -> None:
    header = "account,name,licence,start,end," + HEADER
    report = book.load(header + "a1,x,l1,,2027-01-01,,,,\n", [ACCOUNT, LICENCE, STAFF])
    assert said(report) == []
    assert (people(book), book.count()) == ([], [1, 0, 1, 1])


def test_a_person_with_a_bad_address_is_told(book: Book) -> None:
    report = book.load(HEADER + "ela,Ela,ela@,pl\n", [STAFF])
    assert said(report) == [
        "book.csv:2: mail: expected one e-mail address such as anna@example.com, got 'ela@'"
    ]
    assert people(book) == []
