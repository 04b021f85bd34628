"""The closed loop on the pages: the answer beside its task, words that the client reads, a summary
to all, and nobody seen who was promised to stay unseen."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser
from sqlalchemy import select

from tests.browsers import wrong_with
from tests.desk.conftest import House, shown
from tests.surveys.conftest import READER, Town
from worker.access.rules import Role
from worker.db.engine import reading
from worker.outbox.records import messages
from worker.surveys import flow, rules
from worker.surveys.flow import Given
from worker.surveys.records import tellings
from worker.worklist.records import tasks

DONE = "Since Monday a second person works on your cases.\n\nYou reach both under one number."
PERIOD = {"from": "2026-11-01", "to": "2026-11-30"}


def complained(house: House, promise: str = rules.NAMED, score: int = 3) -> int:
    """Anna of A/1 answers the mail that asked her; the number of the open task."""
    now = house.site.clock.now()
    town = Town(house.engine)
    town.account("A/1", account_manager="sales")
    town.contact("C-1", "A/1", "decision-maker", name="Anna Nowak", email="anna@example.com")
    asked = town.asked("C-1", "A/1", promise, asked_on=now.date(), role="decision-maker")
    given = Given(score, "Nobody calls back.", {"What should change?": "One contact"})
    with house.engine.begin() as conn:
        flow.record(conn, asked, given, now, now.date(), READER)
    return int(rows(house, tasks)[0].id) if rows(house, tasks) else 0


def rows(house: House, table: Any) -> list[Any]:
    with reading(house.engine) as conn:
        return list(conn.execute(select(table).order_by(*table.primary_key.columns)))


def test_the_task_shows_the_answer_and_closes_with_words_that_are_mailed(house: House) -> None:
    number = complained(house)
    sales = house.as_(Role.SALES)
    page = shown(sales.get(f"/worklist/{number}"))
    for words in ("3 of 10", "Nobody calls back.", "One contact", "Anna Nowak", "What was done"):
        assert words in page
    refused = sales.post(f"/worklist/{number}/close", data={"version": "1", "outcome": "done"})
    assert refused.status_code == 422
    assert "note: expected what was done" in shown(refused)
    closing = {"version": "1", "outcome": "done", "note": DONE}
    assert sales.post(f"/worklist/{number}/close", data=closing).status_code == 303
    (letter,) = rows(house, messages)
    assert (letter.origin, letter.address) == ("told", "anna@example.com")
    (kept,) = rows(house, tellings)
    assert (kept.words, kept.made_by) == (DONE, "sales")


def test_the_letter_stands_in_the_outbox_and_in_the_story_of_its_account(house: House) -> None:
    number = complained(house)
    sales = house.as_(Role.SALES)
    closing = {"version": "1", "outcome": "done", "note": DONE}
    sales.post(f"/worklist/{number}/close", data=closing)
    assert "anna@example.com" in shown(sales.get("/outbox"))
    (letter,) = rows(house, messages)
    page = shown(sales.get(f"/outbox/{letter.id}"))
    assert "what was done about this client's answer" in page
    assert "Since Monday a second person works on your cases." in page
    assert f'href="/outbox/{letter.id}"' in sales.get("/accounts/A%2F1/to-come").text


def test_the_page_of_surveys_says_how_soon_those_who_are_not_content_hear_from_us(
    house: House,
) -> None:
    number = complained(house)
    sales = house.as_(Role.SALES)
    assert "0 of 1 answers" in shown(sales.get("/surveys"))
    closing = {"version": "1", "outcome": "done", "note": DONE}
    sales.post(f"/worklist/{number}/close", data=closing)
    house.site.later(minutes=2)  # what was counted a minute ago is counted anew
    page = shown(sales.get("/surveys"))
    assert "1 of 1 answers, by median after" in page
    assert "first contact,1,1," in sales.get("/surveys/loop.csv").text


def test_a_confidential_answer_shows_no_person_before_or_after_it_was_answered(
    house: House,
) -> None:
    number = complained(house, rules.CONFIDENTIAL)
    sales = house.as_(Role.SALES)
    before = sales.get(f"/worklist/{number}").text
    assert "decision-maker" in before
    assert "Anna" not in before
    closing = {"version": "1", "outcome": "done", "note": DONE}
    sales.post(f"/worklist/{number}/close", data=closing)
    (letter,) = rows(house, messages)
    assert letter.address == "anna@example.com"
    for path in ("/outbox", "/outbox?address=anna@example.com", f"/worklist/{number}"):
        page = sales.get(path).text
        assert f"/outbox/{letter.id}" not in page
        assert "what was done about" not in page
    assert sales.get(f"/outbox/{letter.id}").status_code == 404
    assert f"/outbox/{letter.id}" not in sales.get("/accounts/A%2F1/to-come").text
    assert f"/outbox/{letter.id}" not in sales.get("/search?q=anna@example.com").text


def test_a_summary_is_looked_at_before_it_goes_to_all_who_were_asked(house: House) -> None:
    complained(house, rules.ANONYMOUS)
    renewals = house.as_(Role.RENEWALS)
    typed = {"schedule": "surveys", "words": "We call back within a day.", **PERIOD}
    looked = renewals.post("/surveys/digest", data={**typed, "look": "1"})
    assert "1 person would get this" in shown(looked)
    assert rows(house, messages) == []
    assert renewals.post("/surveys/digest", data=typed).status_code == 303
    assert [row.origin for row in rows(house, messages)] == ["digest"]
    again = renewals.post("/surveys/digest", data=typed)
    assert (again.status_code, "choose another period" in shown(again)) == (422, True)
    assert len(rows(house, messages)) == 1


def test_a_summary_that_cannot_be_sent_says_all_that_is_wrong(house: House) -> None:
    renewals = house.as_(Role.RENEWALS)
    typed = {"schedule": "", "from": "x", "to": "2026-13-01", "words": ""}
    page = shown(renewals.post("/surveys/digest", data=typed))
    for fault in ("from: expected a day", "to: expected a day", "schedule: choose"):
        assert fault in page


@pytest.mark.parametrize("promise", [rules.NAMED, rules.CONFIDENTIAL])
def test_the_pages_are_right_on_every_screen(
    sqlite_house: House, browser: Browser, promise: str
) -> None:
    number = complained(sqlite_house, promise)
    context = sqlite_house.opened_by(browser, Role.ADMIN)
    assert wrong_with(context, f"/worklist/{number}", "/surveys/digest") == []


def test_a_clients_complaint_is_answered_in_a_browser_with_the_keyboard(
    sqlite_house: House, browser: Browser
) -> None:
    number = complained(sqlite_house)
    context = sqlite_house.opened_by(browser, Role.SALES)
    page = context.new_page()
    page.goto(f"/worklist/{number}")
    page.locator("#outcome").focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "close-note"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # without words the browser keeps the form
    assert page.evaluate("document.activeElement.id") == "close-note"
    page.keyboard.type("Since Monday a second person works on your cases.")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector(".said:has-text('is closed')")
    (letter,) = rows(sqlite_house, messages)
    assert letter.origin == "told"
    context.close()
