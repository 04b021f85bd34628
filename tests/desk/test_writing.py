"""How pages are written: whose clock a time is of, and what a box that scrolls shows."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser

from tests.desk.conftest import House
from worker.access.rules import Role
from worker.cadence.summary_page import in_plain_words
from worker.desk.writing import Writing
from worker.outbox.words import REASONS

WARSAW = Writing("Europe/Warsaw")
CHICAGO, TOKYO = ZoneInfo("America/Chicago"), ZoneInfo("Asia/Tokyo")
AT = datetime(2026, 11, 30, 15, tzinfo=UTC)


def test_a_time_names_the_zone_where_it_is_not_the_books() -> None:
    assert WARSAW.there(AT, CHICAGO) == "Mon 30 Nov 2026, 16:00 (09:00 America/Chicago)"
    assert WARSAW.there(AT.astimezone(CHICAGO)) == WARSAW.there(AT, CHICAGO)
    assert WARSAW.clock(AT.astimezone(CHICAGO)) == "16:00 (09:00 America/Chicago)"


def test_another_day_at_the_clients_is_named_too() -> None:
    assert WARSAW.there(AT, TOKYO) == "Mon 30 Nov 2026, 16:00 (Tue 1 Dec, 00:00 Asia/Tokyo)"


@pytest.mark.parametrize("zone", [None, ZoneInfo("Europe/Warsaw"), ZoneInfo("Europe/Paris")])
def test_a_clock_that_shows_the_same_is_not_named(zone: ZoneInfo | None) -> None:
    assert WARSAW.there(AT, zone) == "Mon 30 Nov 2026, 16:00"


@pytest.mark.parametrize("code", sorted(REASONS))
def test_every_reason_of_the_ledger_has_a_sentence(code: str) -> None:
    said = in_plain_words(code)
    assert " " in said
    assert said.endswith(".")


def test_what_a_way_out_said_itself_stands_as_it_is() -> None:
    assert in_plain_words("550 5.1.1 no-such user") == "550 5.1.1 no-such user"


def test_a_picture_that_is_cut_on_a_phone_says_so(sqlite_house: House, browser: Browser) -> None:
    hint = "getComputedStyle(document.querySelector('.scroll:has(>svg)'), '::after').content"
    page = sqlite_house.opened_by(browser, Role.VIEWER).new_page()
    for width, said in ((360, '"More to the side →"'), (1280, "none")):
        page.set_viewport_size({"width": width, "height": 900})
        page.goto("/")
        assert page.evaluate(hint) == said
