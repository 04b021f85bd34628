"""The page of health: what doctor says, and what is behind it."""

from __future__ import annotations

from datetime import timedelta

from playwright.sync_api import Browser
from sqlalchemy import insert

from tests.browsers import wrong_with
from tests.desk.conftest import House
from worker import doctor
from worker.access.rules import Role
from worker.db.records import endpoints
from worker.desk.health import bars
from worker.outbox import ways
from worker.telemetry.metrics import Lateness


def _mailed(house: House) -> None:
    house.site.mailed()


def test_the_page_says_what_doctor_says(house: House) -> None:
    _mailed(house)
    shown = house.as_(Role.VIEWER).get("/health").text
    assert house.site.app is not None
    checks = doctor.examine(house.site.app)
    assert {check.name for check in checks} >= {"database", "broker", "schedules/renewal.toml"}
    for check in checks:
        assert f"<td>{check.name}</td>" in shown


def test_a_way_out_that_rests_says_why_and_until_when(house: House) -> None:
    now = house.site.clock.now()
    with house.engine.begin() as conn:
        ways.shut(conn, "sendgrid", "401: the key was revoked", timedelta(seconds=60), now)
    shown = house.as_(Role.VIEWER).get("/health").text
    assert "the key was revoked" in shown
    assert "Fri 20 Nov 2026, 12:01" in shown
    assert "1 failure in a row" in shown


def test_a_system_that_does_not_hear_us_is_named(house: House) -> None:
    now = house.site.clock.now()
    row = {"name": "crm", "url": "https://crm.example", "types": [], "changed_at": now}
    with house.engine.begin() as conn:
        failing = {"failures": 4, "failing_since": now, "why": "500"}
        conn.execute(insert(endpoints).values(**row, **failing))
    shown = house.as_(Role.VIEWER).get("/health").text
    assert "4 times in a row since Fri 20 Nov 2026, 12:00" in shown


def test_the_mails_of_a_day_stand_in_the_picture_and_in_the_table(house: House) -> None:
    _mailed(house)
    shown = house.as_(Role.VIEWER).get("/health").text
    assert '<td>≤ 1 min</td><td class="n">1</td>' in shown


def test_bars_count_each_mail_once_although_buckets_add_up() -> None:
    found = bars(Lateness((2, 5, 5, 6, 6, 6, 9), 100.0))
    assert [bar.mails for bar in found] == [2, 3, 0, 1, 0, 0, 3]
    assert [bar.height for bar in found] == [64, 96, 0, 32, 0, 0, 96]


def test_health_is_right_on_every_screen(sqlite_house: House, browser: Browser) -> None:
    _mailed(sqlite_house)
    now = sqlite_house.site.clock.now()
    with sqlite_house.engine.begin() as conn:
        ways.shut(conn, "sendgrid", "401: the key was revoked", timedelta(seconds=60), now)
    assert wrong_with(sqlite_house.opened_by(browser, Role.VIEWER), "/health") == []
