"""The page of one coming day: who gets what, client by client."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.sync_api import Browser, expect
from sqlalchemy import update

from tests.browsers import wrong_with
from tests.cadence.test_reviews import review
from tests.desk.conftest import House
from worker.access.rules import Role
from worker.cadence import daily, foreseen
from worker.cadence.commands import forecasting_of
from worker.catalogue.records import contacts

DAY = "/schedules/days/2026-11-30"
PATHS = (DAY, f"{DAY}?schedule=renewal", f"{DAY}/clients", "/schedules/days/2026-11-29", "/")


def _office(house: House, clients: int = 1) -> House:
    """Clients whose heads-up is ten days away, counted beside the work."""
    for number in range(1, clients + 1):
        house.site.licence(f"L-{number}", start="2025-12-31", end="2026-12-30")
        house.site.contact(f"C-{number}", licence=f"L-{number}", email=f"anna{number}@example.com")
    house.site.apply()
    house.site.decide()
    assert house.site.app is not None
    foreseen.count(house.engine, forecasting_of(house.site.app))
    return house


def test_a_day_lists_who_gets_what_with_step_and_licence(house: House) -> None:
    _office(house)
    client = house.as_(Role.VIEWER)
    page = client.get(DAY)
    assert "1 mail, 0 tasks" in page.text
    assert f"{DAY}/clients" in page.text
    shown = client.get(f"{DAY}/clients").text
    for said in ("anna1@example.com", "/licences/L-1", "renewal / heads-up", "09:"):
        assert said in shown
    assert "anna1@example.com" not in client.get("/schedules/days/2026-11-29/clients").text


def test_a_task_about_a_client_as_a_whole_leads_to_the_client_and_to_no_licence(
    house: House,
) -> None:
    text = review("call = task on the day", every="11 months")
    (house.site.root / "schedules/review.toml").write_text(text, encoding="utf-8")
    _office(house)
    client = house.as_(Role.VIEWER)
    shown = client.get(f"{DAY}/clients?schedule=review").text
    assert "review / call" in shown
    assert 'href="/accounts/' in shown
    assert "/licences/" not in shown
    edited = text.replace("on the day", "3 days after")
    (house.site.root / "schedules/review.toml").write_text(edited, encoding="utf-8")
    planned = client.get("/schedules/review/plan").text
    assert 'data-row href="/accounts/' in planned
    assert 'data-row href="/licences/' not in planned


def test_square_table_and_bar_of_a_day_lead_to_its_clients(sqlite_house: House) -> None:
    _office(sqlite_house)
    client = sqlite_house.as_(Role.VIEWER)
    assert client.get("/schedules").text.count(f'href="{DAY}"') == 2, "the square and the table"
    assert f'href="{DAY}?schedule=renewal"' in client.get("/schedules/renewal").text
    today = client.get("/").text
    assert 'href="/schedules/days/2026-11-21"' in today
    assert 'href="/outbox?first=2026-11-20&amp;last=2026-11-20"' in today


def test_a_long_day_is_paged_client_by_client(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daily, "ACCOUNTS", 2)
    _office(house, clients=3)
    client = house.as_(Role.VIEWER)
    first = client.get(f"{DAY}/clients").text
    assert "anna1@example.com" in first
    assert "anna3@example.com" not in first
    older = first.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    assert "anna3@example.com" in client.get(older).text


def test_a_page_of_clients_stands_for_a_minute_and_says_so(house: House) -> None:
    _office(house)
    client = house.as_(Role.VIEWER)
    assert "Worked out Fri 20 Nov 2026, " in client.get(f"{DAY}/clients").text
    with house.engine.begin() as conn:
        conn.execute(update(contacts).values(email="bea@example.com"))
    assert "anna1@example.com" in client.get(f"{DAY}/clients").text
    house.site.clock.advance_to(house.site.clock.now() + timedelta(minutes=1))
    assert "bea@example.com" in client.get(f"{DAY}/clients").text


def test_days_that_are_over_stand_in_the_outbox_and_those_too_far_away_nowhere(
    sqlite_house: House,
) -> None:
    _office(sqlite_house)
    client = sqlite_house.as_(Role.VIEWER)
    past = client.get("/schedules/days/2026-11-02")
    assert past.headers["location"] == "/outbox?first=2026-11-02&last=2026-11-02"
    assert client.get("/schedules/days/2027-11-02").status_code == 404
    assert client.get("/schedules/days/soon").status_code == 400
    assert client.get(f"{DAY}?schedule=nothing").status_code == 404
    assert client.get(f"{DAY}/clients?after=nowhere").status_code == 400


@pytest.mark.parametrize("path", PATHS)
def test_days_are_right_on_every_screen(sqlite_house: House, browser: Browser, path: str) -> None:
    _office(sqlite_house)
    assert wrong_with(sqlite_house.opened_by(browser, Role.SALES), path) == []


def test_the_clients_of_a_day_appear_on_its_page(sqlite_house: House, browser: Browser) -> None:
    _office(sqlite_house)
    page = sqlite_house.opened_by(browser, Role.SALES).new_page()
    page.goto("/schedules")
    page.locator("rect[data-day='2026-11-30']").click()
    expect(page.get_by_text("anna1@example.com")).to_be_visible()
    expect(page.locator("#clients-said")).to_have_text("1 mail or task.")
