"""Indicators as pages: a picture with the table behind it, and every table as a file."""

from __future__ import annotations

import csv
import io

import pytest
from playwright.sync_api import Browser

from tests.browsers import wrong_with
from tests.desk.conftest import House
from tests.indicators.conftest import Town, day, settled
from worker.access.rules import Role
from worker.indicators.reports import KINDS
from worker.kernel.dates import Period

PATHS = tuple(f"/reports/{name}" for name in KINDS)


def _town(house: House) -> Town:
    """Five clients with mails, tasks and answers; today is 20 November 2026."""
    town = settled(Town(house.engine))
    for account, on in (("A", "2026-10-03"), ("C", "2026-06-01"), ("D", "2026-03-08")):
        town.mail(account, on)
        town.task(account, on)
    town.said("A", 9, "2026-10-10")
    town.account("=HYPERLINK(1)", segment="=1+1")
    town.licence("=HYPERLINK(1)", ("2025-01-01", "2027-01-01"), amount="900")
    return town


def _rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_the_list_of_reports_leads_to_each_of_them(house: House) -> None:
    _town(house)
    client = house.as_(Role.VIEWER)
    listed = client.get("/reports").text
    for kind in KINDS.values():
        assert f'href="/reports/{kind.name}"' in listed
        page = client.get(f"/reports/{kind.name}")
        assert page.status_code == 200
        assert f"<h1>{kind.title}</h1>" in page.text


@pytest.mark.parametrize("name", KINDS)
def test_every_table_of_a_page_comes_as_a_file(sqlite_house: House, name: str) -> None:
    _town(sqlite_house)
    client = sqlite_house.as_(Role.VIEWER)
    page = client.get(f"/reports/{name}").text
    named = {part.partition('"')[0] for part in page.split(f'href="/reports/{name}/')[1:]}
    assert {"figures.csv", "figures.parquet"} <= named
    for one in named:
        answer = client.get(f"/reports/{name}/{one}")
        assert answer.status_code == 200
        if one.endswith(".csv"):
            assert _rows(answer.text)
        else:
            assert answer.content.startswith(b"PAR1")
    assert client.get(f"/reports/{name}/nothing.csv").status_code == 404
    assert client.get(f"/reports/{name}/figures.exe").status_code == 404


def test_no_cell_of_a_file_is_a_formula(sqlite_house: House) -> None:
    _town(sqlite_house)
    client = sqlite_house.as_(Role.VIEWER)
    rows = _rows(client.get("/reports/matrix/clients.csv").text)
    assert "'=HYPERLINK(1)" in {row["account"] for row in rows}
    groups = _rows(client.get("/reports/indicators/groups.csv?by=segment").text)
    assert "'=1+1" in {row["group"] for row in groups}


def test_a_page_says_what_the_terminal_says(sqlite_house: House) -> None:
    town = _town(sqlite_house)
    client = sqlite_house.as_(Role.VIEWER)

    period = Period(day("2026-08-20"), day("2026-11-20"))
    board = town.board("capital", period)
    page = client.get("/reports/capital?from=2026-08-20&to=2026-11-20").text
    assert board.lead in page
    assert page == client.get("/reports/capital?from=2026-08-20&to=2026-11-20").text


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("from=2026-13-01", "expected a day such as"),
        ("from=2026-02-01&to=2026-01-01", "lies before the first"),
        ("to=2026-12-24", "lies ahead"),
        ("from=0001-01-01", "ten years long at most"),
        ("by=shoe-size", "expected one of"),
    ],
)
def test_what_cannot_be_counted_says_why_and_keeps_what_was_typed(
    sqlite_house: House, query: str, said: str
) -> None:
    answer = sqlite_house.as_(Role.VIEWER).get(f"/reports/indicators?{query}")
    assert answer.status_code == 422
    assert said in answer.text.replace("&#39;", "'")
    assert sqlite_house.as_(Role.VIEWER).get("/reports/matrix?by=segment").status_code == 422


def test_indicators_are_right_on_every_screen(sqlite_house: House, browser: Browser) -> None:
    _town(sqlite_house)
    looked_at = (*PATHS, "/reports/indicators?by=segment", "/reports/capital?by=segment")
    assert wrong_with(sqlite_house.opened_by(browser, Role.VIEWER), *looked_at) == []


def test_an_empty_book_has_pages_too(sqlite_house: House, browser: Browser) -> None:
    assert wrong_with(sqlite_house.opened_by(browser, Role.VIEWER), *PATHS) == []
