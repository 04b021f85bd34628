"""The pages of schedules: what runs, what is to come, an edit that is seen before it is applied."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser
from sqlalchemy import select

from tests.browsers import faults, wrong_with
from tests.desk.conftest import House
from tests.outbox.world import SCHEDULE
from worker.access.records import audit
from worker.access.rules import Role
from worker.cadence import applying, foreseen
from worker.cadence.commands import forecasting_of
from worker.db.engine import reading
from worker.desk.editing import side
from worker.kernel.keys import digest
from worker.schedules import store as versions

EDITED = SCHEDULE.replace("30 days before", "20 days before")
PATHS = (
    "/schedules",
    "/schedules/renewal",
    "/schedules/renewal/edit",
    "/schedules/renewal/plan",
)


def _office(house: House) -> House:
    """A client whose heads-up is ten days away, under the schedule that runs."""
    house.site.licence(start="2025-12-31", end="2026-12-30")
    house.site.contact(email="anna@example.com")
    house.site.apply()
    house.site.decide()
    return house


def _file(house: House) -> str:
    return (house.site.root / "schedules/renewal.toml").read_text(encoding="utf-8")


def _count(house: House) -> None:
    assert house.site.app is not None
    foreseen.count(house.engine, forecasting_of(house.site.app))


def _save(house: House, text: str, had: str = SCHEDULE, role: Role = Role.RENEWALS) -> Any:
    data = {"text": text, "had": had, "seen": digest(had)}
    return house.as_(role).post("/schedules/renewal/edit", data=data)


def _token(house: House) -> str:
    with reading(house.engine) as conn:
        return applying.edit_of(conn, house.site.root, "renewal").token


def _numbers(house: House) -> list[int]:
    with reading(house.engine) as conn:
        return [row.number for row in versions.active(conn)]


def _noted(house: House, what: str) -> list[Any]:
    with reading(house.engine) as conn:
        return list(conn.execute(select(audit).where(audit.c.what == what)))


# --- what runs and what is to come ----------------------------------------------------------------


def test_the_list_says_what_runs_since_when_and_what_it_will_send(house: House) -> None:
    _office(house)
    client = house.as_(Role.VIEWER)
    assert "Not counted yet" in client.get("/schedules").text
    _count(house)
    shown = client.get("/schedules").text
    assert "Licence renewal" in shown
    assert 'data-day="2026-11-30"' in shown, "the calendar has the day of the heads-up"
    assert "Mon 30 Nov 2026: 1 mail" in shown
    assert "0 mails in 7 days, 1 in 30" in shown


def test_a_schedule_is_told_in_words_with_its_versions_and_who_applied_them(house: House) -> None:
    _office(house)
    shown = house.as_(Role.VIEWER).get("/schedules/renewal").text
    assert "30 days before" in shown
    assert "Mail renewal/heads-up to decision-maker, else any" in shown
    assert "licence’s auto renew is no" in shown
    assert "office" in shown
    assert house.as_(Role.VIEWER).get("/schedules/nothing").status_code == 404


def test_a_file_that_differs_from_what_runs_is_marked(sqlite_house: House) -> None:
    _office(sqlite_house)
    client = sqlite_house.as_(Role.VIEWER)
    path = sqlite_house.site.root / "schedules/renewal.toml"
    for text, said in ((EDITED, "edited, not applied"), ("name = 3", "the file has faults")):
        path.write_text(text, encoding="utf-8")
        assert said in client.get("/schedules").text
        assert said in client.get("/schedules/renewal").text
    path.unlink()
    assert "its file is gone" in client.get("/schedules").text


# --- editing --------------------------------------------------------------------------------------


def test_an_edit_is_saved_seen_client_by_client_and_applied(house: House) -> None:
    _office(house)
    assert _save(house, EDITED.replace("\n", "\r\n")).headers["location"].endswith("/plan")
    assert _file(house) == EDITED, "lines end as they did"
    client = house.as_(Role.RENEWALS)
    plan = client.get("/schedules/renewal/plan").text
    assert "L-1" in plan
    assert "2026-11-30" in plan
    assert "2026-12-10" in plan
    assert _numbers(house) == [1], "looking applies nothing"
    answer = client.post("/schedules/renewal/apply", data={"token": _token(house)})
    assert answer.status_code == 303
    assert _numbers(house) == [2]
    assert [line.who for line in _noted(house, "schedule.edited")] == ["renewals"]
    assert [line.who for line in _noted(house, "schedule.applied")] == ["office", "renewals"]
    assert "nothing to apply" in client.get("/schedules/renewal/plan").text


def test_what_leaves_at_once_is_said_client_by_client_before_it_is_applied(house: House) -> None:
    _office(house)
    client = house.as_(Role.RENEWALS)
    assert _save(house, EDITED).status_code == 303
    assert "0 mails leave within the hour" in client.get("/schedules/renewal/plan").text
    late = SCHEDULE.replace("30 days before", "41 days before")
    assert _save(house, late, had=EDITED).status_code == 303
    plan = client.get("/schedules/renewal/plan").text
    assert "1 mail leaves within the hour" in plan
    leaving = plan.split('id="soon"')[1].split("</section>")[0]
    for said in ("/licences/L-1", "heads-up", "anna@example.com"):
        assert said in leaving
    assert house.site.mails() == [], "looking sends nothing"


def test_a_change_is_told_without_codes() -> None:
    assert side("planned 2026-11-30") == ("planned", "", "2026-11-30")
    assert side("skipped (too-late) 2026-11-30") == ("skipped", "too-late", "2026-11-30")
    assert side("put-off (held-by-person)") == ("put-off", "held-by-person", "")
    assert side(None) is None


def test_all_that_is_wrong_is_told_at_once_and_nothing_is_written(house: House) -> None:
    _office(house)
    wrong = SCHEDULE.replace("30 days before", "30 daze before").replace('heads-up"\nto', 'no"\nto')
    answer = _save(house, wrong)
    assert answer.status_code == 422
    assert "2 problems" in answer.text
    assert "is not an offset" in answer.text
    assert "30 daze before" in answer.text, "what was typed is still there"
    assert "Line" in answer.text
    assert _file(house) == SCHEDULE
    assert _noted(house, "schedule.edited") == []


def test_two_people_who_edit_one_schedule_get_the_difference(house: House) -> None:
    _office(house)
    theirs = SCHEDULE.replace("09:00-17:00", "10:00-16:00")
    assert _save(house, theirs).status_code == 303
    answer = _save(house, EDITED)
    assert answer.status_code == 409
    assert _file(house) == theirs, "nothing is overwritten"
    told = answer.text.replace("&#34;", '"')
    for line in ('+ when = "20 days before"', '+ hours = "10:00-16:00"', '- hours = "09:00-17:00"'):
        assert line in told
    again = _save(house, EDITED, had=theirs)
    assert (again.status_code, _file(house)) == (303, EDITED), "who saw both may go on"


def test_a_folder_that_cannot_be_written_says_so(sqlite_house: House) -> None:
    _office(sqlite_house)
    folder = sqlite_house.site.root / "schedules"
    folder.rename(folder.with_name("kept"))
    folder.symlink_to("/proc")  # where not even the machine's root makes a file
    try:
        answer = _save(sqlite_house, EDITED, had="")
    finally:
        folder.unlink()
        folder.with_name("kept").rename(folder)
    assert answer.status_code == 503
    assert "schedules/renewal.toml cannot be written" in answer.text
    assert "20 days before" in answer.text, "what was typed is not lost"
    assert _file(sqlite_house) == SCHEDULE
    assert _noted(sqlite_house, "schedule.edited") == []


@pytest.mark.parametrize("stem", ["..%2fconfig", "Renewal", "%2e%2e", "nothing"])
def test_no_other_file_can_be_read_or_written(sqlite_house: House, stem: str) -> None:
    _office(sqlite_house)
    client = sqlite_house.as_(Role.ADMIN)
    assert client.get(f"/schedules/{stem}/edit").status_code == 404
    data = {"text": SCHEDULE, "had": "", "seen": "x"}
    assert client.post(f"/schedules/{stem}/edit", data=data).status_code in (404, 409)
    assert [path.name for path in (sqlite_house.site.root / "schedules").iterdir()] == [
        "renewal.toml"
    ]


# --- applying -------------------------------------------------------------------------------------


def test_files_that_changed_after_the_plan_are_not_applied(house: House) -> None:
    _office(house)
    _save(house, EDITED)
    seen = _token(house)
    _save(house, EDITED.replace("20 days", "25 days"), had=EDITED)
    answer = house.as_(Role.RENEWALS).post("/schedules/renewal/apply", data={"token": seen})
    assert answer.status_code == 409
    assert "changed after you looked" in answer.text
    assert _numbers(house) == [1]


def test_applying_one_schedule_leaves_the_edits_of_others_alone(house: House) -> None:
    _office(house)
    other = house.site.root / "schedules/second.toml"
    other.write_text(SCHEDULE.replace("Licence renewal", "Second"), encoding="utf-8")
    _save(house, EDITED)
    client = house.as_(Role.RENEWALS)
    assert client.post("/schedules/renewal/apply", data={"token": _token(house)}).status_code == 303
    with reading(house.engine) as conn:
        assert [row.schedule for row in versions.active(conn)] == ["renewal"]


def test_a_schedule_whose_file_is_gone_can_be_ended(sqlite_house: House) -> None:
    _office(sqlite_house)
    (sqlite_house.site.root / "schedules/renewal.toml").unlink()
    client = sqlite_house.as_(Role.RENEWALS)
    assert "End this schedule" in client.get("/schedules/renewal/plan").text
    token = _token(sqlite_house)
    assert client.post("/schedules/renewal/apply", data={"token": token}).status_code == 303
    assert _numbers(sqlite_house) == []


def test_a_faulty_file_is_told_and_not_applied(sqlite_house: House) -> None:
    _office(sqlite_house)
    path = sqlite_house.site.root / "schedules/renewal.toml"
    path.write_text(SCHEDULE.replace("30 days before", "soon"), encoding="utf-8")
    client = sqlite_house.as_(Role.RENEWALS)
    assert "is not an offset" in client.get("/schedules/renewal/plan").text
    token = _token(sqlite_house)
    assert client.post("/schedules/renewal/apply", data={"token": token}).status_code == 409
    assert _numbers(sqlite_house) == [1]


@pytest.mark.parametrize("role", [Role.VIEWER, Role.SALES])
def test_others_look_and_change_nothing(sqlite_house: House, role: Role) -> None:
    _office(sqlite_house)
    client = sqlite_house.as_(role)
    assert client.get("/schedules/renewal/edit").status_code == 403
    assert _save(sqlite_house, EDITED, role=role).status_code == 403
    data = {"token": _token(sqlite_house)}
    assert client.post("/schedules/renewal/apply", data=data).status_code == 403
    assert 'href="/schedules/renewal/edit"' not in client.get("/schedules/renewal").text
    assert _file(sqlite_house) == SCHEDULE


def test_a_plan_of_many_changes_is_paged(sqlite_house: House) -> None:
    sqlite_house.site.book(60)
    sqlite_house.site.apply(EDITED)
    path = sqlite_house.site.root / "schedules/renewal.toml"
    path.write_text(SCHEDULE.replace("30 days before", "15 days before"), encoding="utf-8")
    client = sqlite_house.as_(Role.VIEWER)
    first = client.get("/schedules/renewal/plan").text
    assert first.count("data-row") == 50
    assert "?after=50" in first
    assert client.get("/schedules/renewal/plan?after=50").text.count("data-row") == 10


# --- in a browser ---------------------------------------------------------------------------------


def test_a_schedule_is_edited_and_applied_in_a_browser(
    sqlite_house: House, browser: Browser
) -> None:
    _office(sqlite_house)
    page = sqlite_house.opened_by(browser, Role.RENEWALS).new_page()
    page.goto("/schedules")
    page.get_by_role("link", name="Licence renewal").click()
    page.get_by_role("link", name="Edit").click()
    box = page.get_by_label("The file")
    box.fill(box.input_value().replace("30 days before", "20 days before"))
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Saved. Nothing changes for clients").wait_for()
    page.get_by_role("button", name="Apply").click()
    page.get_by_text("renewal runs from now on").wait_for()
    assert _numbers(sqlite_house) == [2]
    assert _file(sqlite_house) == EDITED


def test_two_people_in_two_browsers_get_the_difference(
    sqlite_house: House, browser: Browser
) -> None:
    _office(sqlite_house)
    pages = [sqlite_house.opened_by(browser, r).new_page() for r in (Role.RENEWALS, Role.ADMIN)]
    for page, new in zip(pages, ("20 days before", "25 days before"), strict=True):
        page.goto("/schedules/renewal/edit")
        box = page.get_by_label("The file")
        box.fill(box.input_value().replace("30 days before", new))
    for page in pages:
        page.get_by_role("button", name="Save").click()
    last = pages[1]
    last.get_by_text("Somebody changed the file while you had it open").wait_for()
    assert "25 days before" in last.get_by_label("The file").input_value()
    assert faults(last) == []
    assert _file(sqlite_house) == EDITED, "the first one's edit stands"


def test_pages_of_schedules_are_right_on_every_screen(
    sqlite_house: House, browser: Browser
) -> None:
    _office(sqlite_house)
    _count(sqlite_house)
    (sqlite_house.site.root / "schedules/renewal.toml").write_text(EDITED, encoding="utf-8")
    assert wrong_with(sqlite_house.opened_by(browser, Role.ADMIN), *PATHS) == []
