"""What is promised of the pages for staff is measured of all of them."""

from __future__ import annotations

import pytest

from bench import staff
from tests.desk.test_roles import ROUTES


def test_every_page_for_staff_is_measured_or_said_not_to_be_one() -> None:
    assert staff.unmeasured() == []


def test_no_page_is_measured_that_is_not_there_any_more() -> None:
    listed = staff.PAGES.keys() | staff.PARTS.keys() | staff.LEFT_OUT.keys()
    assert sorted(route for route in listed if f"GET {route}" not in ROUTES) == []


def test_a_page_that_nobody_listed_stops_the_bench(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ROUTES, "GET /new-room", "viewer")
    assert staff.unmeasured() == ["/new-room"]
