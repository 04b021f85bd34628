"""Who gets as far as a page for staff, and how pages look to those who do."""

from __future__ import annotations

import httpx
import pytest
from playwright.sync_api import Browser

from tests.browsers import wrong_with
from tests.desk.conftest import House
from worker.access.rules import Role

PATHS = ("/",)


def test_a_stranger_is_sent_to_sign_in(house: House) -> None:
    answer = httpx.get(f"{house.base}/")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")


def test_a_link_signs_in_once(house: House) -> None:
    path = house.link(Role.SALES)
    own = {"Sec-Fetch-Site": "same-origin"}
    with httpx.Client(base_url=house.base, headers=own) as client:
        assert client.get(path).status_code == 200
        assert client.get(path).status_code == 200, "looking uses nothing up"
        assert client.post(path, data={}).status_code == 303
        assert "Sales" in client.get("/").text
    assert httpx.post(house.base + path, data={}, headers=own).status_code == 410


def test_who_signs_out_is_a_stranger_again_whatever_cookie_is_left(house: House) -> None:
    client = house.as_(Role.VIEWER)
    cookie = client.cookies["perennial"]
    assert client.post("/sign-out", data={}).status_code == 303
    left = httpx.get(f"{house.base}/", cookies={"perennial": cookie})
    assert left.status_code == 303


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "", "Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "", "Origin": "null"},
    ],
)
def test_a_form_of_another_site_is_refused(house: House, headers: dict[str, str]) -> None:
    client = house.as_(Role.ADMIN)
    if not headers["Sec-Fetch-Site"]:
        del client.headers["Sec-Fetch-Site"]
        headers = {"Origin": headers["Origin"]}
    answer = client.post("/sign-out", data={}, headers=headers)
    assert answer.status_code == 403
    assert client.get("/").status_code == 200, "still signed in"


@pytest.mark.parametrize("path", PATHS)
def test_pages_are_right_on_every_screen(sqlite_house: House, browser: Browser, path: str) -> None:
    assert wrong_with(sqlite_house.opened_by(browser, Role.ADMIN), path) == []
