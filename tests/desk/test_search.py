"""What the search finds, and where it leads."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import insert

from tests.desk.conftest import House
from tests.desk.test_accounts import account, licence, task
from tests.outbox.world import NOON
from worker.access.rules import Role
from worker.catalogue.records import contacts
from worker.desk import search
from worker.desk.search import number_of


def found(house: House, text: str) -> list[str]:
    """Where the results lead, in order; asked as htmx does, so that nothing is gone straight to.
    What is found by words of tasks and mails comes apart."""
    client, where = house.as_(Role.VIEWER), []
    for path in ("/search", "/search/words"):
        part = client.get(path, params={"q": text}, headers={"HX-Request": "true"})
        assert part.status_code == 200
        assert "<html" not in part.text
        where += re.findall(r'data-row href="([^"]+)"', part.text)
        if "/search/words?q=" not in part.text:
            break
    return where


def test_without_scripts_a_link_leads_to_what_is_found_by_words(book: House) -> None:
    client = book.as_(Role.VIEWER)
    assert 'href="/search/words?q=about%20the"' in client.get("/search?q=about the").text
    page = client.get("/search/words?q=about the").text
    assert re.findall(r'data-row href="([^"]+)"', page) == ["/worklist/1"]
    assert "No open task" in client.get("/search/words?q=nothing like it").text


@pytest.fixture
def book(house: House) -> House:
    """A few accounts with contacts, licences and a task."""
    blue = account(house, "A-1", name="Blue Harbour Foods")
    lake = account(house, "A-10", name="Łąka i Syn")
    account(house, "100%_x", name="100% Sure")
    with house.engine.begin() as conn:
        row = {"account_id": blue, "opt_out": False, "updated_at": NOON}
        people = [("c1", "anna@example.com", "Anna Nowak"), ("c2", "bo@example.com", "Bo Øst")]
        conn.execute(
            insert(contacts), [row | {"key": k, "email": e, "name": n} for k, e, n in people]
        )
    licence(house, blue, "L-100", product="Antivirus Business")
    licence(house, lake, "L-1001", product="Backup")
    task(house, blue, "Call about the harbour", "sales")
    return house


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("blue", ["/accounts/A-1"]),
        ("BLUE HAR", ["/accounts/A-1"]),
        ("harbour", ["/accounts/A-1", "/worklist/1"]),
        ("foods blue", ["/accounts/A-1"]),
        ("łąka", ["/accounts/A-10"]),
        ("ŁĄKA", ["/accounts/A-10"]),
        ("syn łąka", ["/accounts/A-10"]),
        ("a-1", ["/accounts/A-1", "/accounts/A-10"]),
        ("anna@", ["/accounts/A-1"]),
        ("nowak", ["/accounts/A-1"]),
        ("l-100", ["/licences/L-100", "/licences/L-1001"]),
        ("antivirus", ["/licences/L-100"]),
        ("#1", ["/worklist/1"]),
        ("nothing like it", []),
    ],
)
def test_things_are_found_by_how_they_begin_and_by_words(
    book: House, text: str, first: list[str]
) -> None:
    assert found(book, text) == first


@pytest.mark.parametrize("text", ["%%", "__", "\\\\", "''", "&|!", "z'q\"x", "x" * 5000])
def test_no_sign_has_a_meaning_of_its_own(book: House, text: str) -> None:
    assert found(book, text) == []


def test_a_sign_that_no_database_takes_is_refused_in_words(book: House) -> None:
    answer = book.as_(Role.VIEWER).get("/search", params={"q": "\0\0"})
    assert answer.status_code == 400
    assert "<html" in answer.text


def test_a_percent_sign_finds_itself(book: House) -> None:
    assert found(book, "100%") == ["/accounts/100%25_x"]


def test_one_that_is_called_exactly_so_is_gone_straight_to(book: House) -> None:
    client = book.as_(Role.VIEWER)
    for text, where in (
        ("a-1", "/accounts/A-1"),
        ("L-100", "/licences/L-100"),
        ("anna@example.com", "/accounts/A-1"),
        ("#1", "/worklist/1"),
    ):
        answer = client.get("/search", params={"q": text})
        assert (answer.status_code, answer.headers["location"]) == (303, where)
    licence(book, account(book, "L-100"), "other")
    assert client.get("/search?q=L-100").status_code == 200, "two are called so"


def test_mails_are_found_by_address_and_by_words_of_their_subject(house: House) -> None:
    house.site.mailed()
    (mail,) = house.site.ledger()
    assert f"/outbox/{mail.id}" in found(house, "anna@example.com")
    word = max(re.findall(r"[A-Za-z]+", mail.subject), key=len)
    assert f"/outbox/{mail.id}" in found(house, word)


def test_at_most_ten_of_a_kind(house: House) -> None:
    for number in range(15):
        account(house, f"K{number}", name=f"Same {number}")
    assert len(found(house, "same")) == 10


def test_one_sign_is_not_looked_for(book: House) -> None:
    page = book.as_(Role.VIEWER).get("/search?q=a")
    assert page.status_code == 200
    assert "at least two signs" in page.text


@pytest.mark.parametrize(
    ("text", "number"),
    [("12", 12), ("#12", 12), ("", None), ("1x", None), ("²", None), ("9" * 19, None)],
)
def test_a_number_is_a_task(text: str, number: int | None) -> None:
    assert number_of(text) == number


def test_what_is_exact_is_told_apart_from_what_begins_so() -> None:
    assert search.straight({"accounts": [], "licences": []}, "x") == []
