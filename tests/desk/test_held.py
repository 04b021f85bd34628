"""What is held, and who may answer: brakes, copied instances, mails that wait for an approval."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser
from sqlalchemy import select

from tests.browsers import wrong_with
from tests.desk.conftest import House
from tests.outbox.world import SCHEDULE
from worker.access.records import audit
from worker.access.rules import Role
from worker.cadence import brakes
from worker.db.engine import reading
from worker.outbox import holds
from worker.schedules import store as versions

ASKING = SCHEDULE.replace("[limits]", '[limits]\napprove = "first-day"')


def _pull(house: House, kind: str = holds.IMPORT) -> int:
    with house.engine.begin() as conn:
        brakes.pull(conn, kind, "licences", "40 % of the dates moved.", house.site.clock.now())
        return int(holds.pulled(conn)[-1].id)


def _on(house: House) -> list[str]:
    with reading(house.engine) as conn:
        return [brake.kind for brake in holds.pulled(conn)]


def _noted(house: House, what: str) -> list[Any]:
    with reading(house.engine) as conn:
        return list(conn.execute(select(audit).where(audit.c.what == what)))


def _waiting(house: House) -> None:
    """One client whose first mail waits for an approval."""
    site = house.site
    site.licence()
    site.contact(email="anna@example.com")
    site.apply(ASKING)
    assert site.app is not None
    site.run(site.app.machine)
    assert site.states() == [("due", "approval")]


def _version(house: House) -> str:
    with reading(house.engine) as conn:
        return str(versions.active(conn)[0].id)


# --- brakes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", ["/", "/schedules", "/health"])
def test_a_brake_is_released_from_each_page_that_shows_it_with_a_note(
    house: House, page: str
) -> None:
    id_ = _pull(house)
    client = house.as_(Role.RENEWALS)
    shown = client.get(page).text
    assert "40 % of the dates moved." in shown
    assert f'action="/brakes/{id_}/release"' in shown
    answer = client.post(f"/brakes/{id_}/release", data={"note": "looked right", "back": page})
    assert (answer.status_code, answer.headers["location"]) == (303, page)
    assert _on(house) == []
    (line,) = _noted(house, "brake.released")
    assert (line.who, line.via, line.about) == ("renewals", "page", f"brake {id_}")


def test_a_release_without_a_word_is_asked_again(sqlite_house: House) -> None:
    id_ = _pull(sqlite_house)
    answer = sqlite_house.as_(Role.RENEWALS).post(f"/brakes/{id_}/release", data={"note": " "})
    assert answer.status_code == 422
    assert "Say in a few words" in answer.text
    assert _on(sqlite_house) == [holds.IMPORT]


def test_the_second_of_two_people_hears_that_it_was_released_already(sqlite_house: House) -> None:
    id_ = _pull(sqlite_house)
    client = sqlite_house.as_(Role.RENEWALS)
    client.post(f"/brakes/{id_}/release", data={"note": "ok"})
    assert client.post(f"/brakes/{id_}/release", data={"note": "ok"}).status_code == 409


def test_an_answer_leads_to_no_other_site(sqlite_house: House) -> None:
    id_ = _pull(sqlite_house)
    data = {"note": "ok", "back": "//evil.example"}
    answer = sqlite_house.as_(Role.RENEWALS).post(f"/brakes/{id_}/release", data=data)
    assert answer.headers["location"] == "/"


@pytest.mark.parametrize("role", [Role.VIEWER, Role.SALES])
def test_others_see_the_brake_and_no_button(sqlite_house: House, role: Role) -> None:
    id_ = _pull(sqlite_house)
    client = sqlite_house.as_(role)
    shown = client.get("/").text
    assert "40 % of the dates moved." in shown
    assert "/release" not in shown
    assert client.post(f"/brakes/{id_}/release", data={"note": "ok"}).status_code == 403
    assert _on(sqlite_house) == [holds.IMPORT]


def test_only_an_admin_confirms_a_copied_instance_and_nobody_just_releases_it(
    house: House,
) -> None:
    id_ = _pull(house, holds.COPY)
    renewals, admin = house.as_(Role.RENEWALS), house.as_(Role.ADMIN)
    assert "/instance/confirm" not in renewals.get("/").text
    assert renewals.post("/instance/confirm", data={}).status_code == 403
    assert renewals.post(f"/brakes/{id_}/release", data={"note": "x"}).status_code == 422
    assert _on(house) == [holds.COPY]
    assert "/instance/confirm" in admin.get("/").text
    assert admin.post("/instance/confirm", data={"back": "/health"}).status_code == 303
    assert _on(house) == []
    assert [line.who for line in _noted(house, "instance.confirmed")] == ["admin"]


# --- approvals ------------------------------------------------------------------------------------


def test_the_page_of_an_approval_shows_what_would_go_and_one_mail_whole(house: House) -> None:
    _waiting(house)
    client = house.as_(Role.RENEWALS)
    assert "/schedules/renewal/approve" in client.get("/").text
    shown = client.get("/schedules/renewal/approve").text
    assert "heads-up" in shown
    assert "anna@example.com" in shown
    assert 'sandbox=""' in shown
    key = house.site.ledger()[0].mail_key
    mail = client.get(f"/schedules/renewal/approve/mails/{key}")
    assert "Product L-1" in mail.text
    assert "sandbox" in mail.headers["content-security-policy"]
    assert mail.headers["x-frame-options"] == "SAMEORIGIN"


def test_what_was_seen_is_approved_and_goes(house: House) -> None:
    _waiting(house)
    client = house.as_(Role.RENEWALS)
    data = {"version": _version(house), "back": "/schedules"}
    answer = client.post("/schedules/renewal/approve", data=data)
    assert (answer.status_code, answer.headers["location"]) == (303, "/schedules")
    assert "1 mail of renewal may go" in client.get("/schedules").text
    assert house.site.app is not None
    house.site.run(house.site.app.machine)
    assert house.site.states() == [("accepted", None)]
    assert [line.who for line in _noted(house, "mails.approved")] == ["renewals"]


def test_a_version_that_nobody_looked_at_is_not_approved(house: House) -> None:
    _waiting(house)
    seen = _version(house)
    house.site.apply(ASKING.replace("30 days before", "31 days before"))
    answer = house.as_(Role.RENEWALS).post("/schedules/renewal/approve", data={"version": seen})
    assert answer.status_code == 409
    assert "Another version runs by now" in answer.text
    assert _noted(house, "mails.approved") == []


def test_a_viewer_sees_what_waits_and_approves_nothing(sqlite_house: House) -> None:
    _waiting(sqlite_house)
    client = sqlite_house.as_(Role.VIEWER)
    assert "Let them go" not in client.get("/schedules/renewal/approve").text
    data = {"version": _version(sqlite_house)}
    assert client.post("/schedules/renewal/approve", data=data).status_code == 403
    assert sqlite_house.site.states() == [("due", "approval")]


def test_a_stranger_sees_no_mail(sqlite_house: House) -> None:
    _waiting(sqlite_house)
    key = sqlite_house.site.ledger()[0].mail_key
    answer = httpx.get(f"{sqlite_house.base}/schedules/renewal/approve/mails/{key}")
    assert answer.status_code == 303


# --- in a browser ---------------------------------------------------------------------------------


def test_a_first_day_is_approved_in_a_browser(sqlite_house: House, browser: Browser) -> None:
    _waiting(sqlite_house)
    page = sqlite_house.opened_by(browser, Role.RENEWALS).new_page()
    page.goto("/")
    page.get_by_role("link", name="Look and approve").click()
    framed = page.frame_locator("iframe.mail")
    framed.get_by_text("Product L-1").first.wait_for()
    page.get_by_role("button", name="Let them go").click()
    page.get_by_text("1 mail of renewal may go").wait_for()
    assert [row.next_at is not None for row in sqlite_house.site.ledger()] == [True]


def test_a_brake_is_released_in_a_browser(sqlite_house: House, browser: Browser) -> None:
    _pull(sqlite_house)
    page = sqlite_house.opened_by(browser, Role.RENEWALS).new_page()
    page.goto("/")
    page.get_by_label("What did you see?").fill("the new price list")
    page.get_by_role("button", name="Release").click()
    page.get_by_text("The brake is released").wait_for()
    assert page.get_by_role("heading", name="Sending is stopped").count() == 0


def test_held_things_are_right_on_every_screen(sqlite_house: House, browser: Browser) -> None:
    _waiting(sqlite_house)
    _pull(sqlite_house)
    _pull(sqlite_house, holds.COPY)
    looked_at = ("/", "/schedules/renewal/approve")
    assert wrong_with(sqlite_house.opened_by(browser, Role.ADMIN), *looked_at) == []
