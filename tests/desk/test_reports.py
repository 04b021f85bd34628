"""Reports as pages: a period, pictures with the table behind each, files for a spreadsheet."""

from __future__ import annotations

import csv
import io

import pytest
from playwright.sync_api import Browser

from tests.browsers import wrong_with
from tests.desk.conftest import House
from worker.access.rules import Role

YEAR = "from=2025-11-01&to=2026-11-30"


def _office(house: House) -> House:
    """Three licences due in the year, one renewed; a segment that a spreadsheet would run."""
    site = house.site
    for key, end in (("L-1", "2026-09-20"), ("L-2", "2026-09-21"), ("L-3", "2026-10-05")):
        site.licence(key, start=f"2025{end[4:]}", end=end)
    site.licence("L-1", start="2026-09-21", end="2027-09-20")
    row = {"account": "A-L-2", "segment": "=HYPERLINK(1)"}
    load = {"entity": "account", "key": "{account}", "segment": "{segment}"}
    site._load("accounts", row, load)
    return house


def test_the_list_leads_to_the_report_of_the_last_twelve_months(house: House) -> None:
    client = _office(house).as_(Role.VIEWER)
    assert "/reports/renewals" in client.get("/reports").text
    shown = client.get("/reports/renewals").text
    assert "Sat 1 Nov 2025 to Sat 31 Oct 2026" in shown
    assert "3 licences of 3 accounts were due" in shown


def test_each_table_comes_as_a_file_and_no_cell_of_it_is_a_formula(house: House) -> None:
    client = _office(house).as_(Role.VIEWER)
    page = client.get(f"/reports/renewals?{YEAR}&by=segment").text
    assert "/reports/renewals/groups.csv?" in page
    answer = client.get(f"/reports/renewals/groups.csv?{YEAR}&by=segment")
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert {row["group"] for row in rows} == {"'=HYPERLINK(1)", "(none)"}
    months = client.get(f"/reports/renewals/months.csv?{YEAR}").text
    counts = {row["month"]: row["due"] for row in csv.DictReader(io.StringIO(months))}
    assert (counts["2026-09"], counts["2026-10"]) == ("2", "1")
    assert client.get(f"/reports/renewals/nothing.csv?{YEAR}").status_code == 404


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("from=2026-13-01", "expected a day such as"),
        ("from=2026-02-01&to=2026-01-01", "lies before the first"),
        ("from=0001-01-01&to=2026-01-01", "ten years long at most"),
        ("by=shoe-size", "expected one of"),
        ("grace=-1&within=400", "expected days from 1 to 366"),
    ],
)
def test_a_period_that_cannot_be_counted_says_why_and_keeps_what_was_typed(
    sqlite_house: House, query: str, said: str
) -> None:
    answer = sqlite_house.as_(Role.VIEWER).get(f"/reports/renewals?{query}")
    assert answer.status_code == 422
    assert said in answer.text.replace("&#39;", "'")


def test_an_import_has_the_report_counted_anew(sqlite_house: House) -> None:
    client = _office(sqlite_house).as_(Role.VIEWER)
    address = f"/reports/renewals?{YEAR}"
    assert "3 licences" in client.get(address).text
    sqlite_house.site.later(minutes=1)
    sqlite_house.site.licence("L-4", start="2025-10-01", end="2026-10-01")
    shown = client.get(address).text
    assert "4 licences" in shown
    assert "Counted Fri 20 Nov 2026, 12:01" in shown


def test_reports_are_right_on_every_screen(sqlite_house: House, browser: Browser) -> None:
    _office(sqlite_house)
    looked_at = ("/reports", "/reports/renewals", f"/reports/renewals?{YEAR}&by=segment")
    assert wrong_with(sqlite_house.opened_by(browser, Role.VIEWER), *looked_at) == []


def test_where_nothing_was_renewed_in_full_months_the_report_opens_up_to_today(
    sqlite_house: House,
) -> None:
    site = sqlite_house.site
    site.licence("L-1", start="2025-11-10", end="2026-11-10")
    client = sqlite_house.as_(Role.VIEWER)
    assert "Sat 1 Nov 2025 to Sat 31 Oct 2026" in client.get("/reports/renewals").text
    site.later(minutes=1)
    site.licence("L-1", start="2026-11-10", end="2027-11-10")
    shown = client.get("/reports/renewals").text
    assert "nothing was renewed. These are the twelve months up to today" in shown
    assert "1 licence of 1 account was due from Fri 21 Nov 2025 to Fri 20 Nov 2026" in shown
    months = client.get("/reports/renewals/months.csv").text
    assert "2026-11,1,1" in months, "the file has the same period as the page"
    asked = client.get("/reports/renewals?from=2025-11-01&to=2026-10-31").text
    assert "twelve months up to today" not in asked, "who asks for days gets those"
