"""The pages in a real browser: by keyboard, on a phone, in the dark, in each language."""

from __future__ import annotations

from datetime import date

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browsers import SCREENS, faults
from tests.clients.conftest import COMMERCIAL, GROUPED, Site
from worker.catalogue.records import accounts, licences, staff
from worker.clients.records import answers
from worker.surveys.rules import ANONYMOUS

LANGUAGES = ("en", "pl", "ru")


@pytest.fixture
def filled(sqlite_site: Site) -> Site:
    """Three licences of one client, with a manager who has a name."""
    site = sqlite_site
    for key in ("L-1", "L-2", "L-3"):
        site.licence(key, account="A-1", name="Client One")
    manager = {"key": "maria", "name": "Maria Lind", "email": "maria@example.com"}
    with site.engine.begin() as conn:
        conn.execute(staff.insert().values(**manager, updated_at=site.clock.now()))
    site.set(accounts, renewal_manager="maria")
    site.set(licences, quantity=25)
    return site


def at(site: Site, path: str) -> str:
    return str(site.client.base_url).rstrip("/") + path


def fits(page: Page) -> bool:
    """Whether nothing has to be scrolled sideways."""
    return bool(
        page.evaluate(
            "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        )
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_is_accessible_on_every_screen(
    filled: Site, browser: Browser, language: str
) -> None:
    filled.set(accounts, language=language)
    links = filled.mailed(COMMERCIAL.replace("[limits]", '[limits]\ngroup_by = "contact"'), "L-1")
    visited = [links["a"], links["p"], f"{links['p']}/saved", links["u"], "/a/broken"]
    for width, scheme in SCREENS:
        context = browser.new_context(
            viewport={"width": width, "height": 800}, color_scheme=scheme, locale=language
        )
        page = context.new_page()
        for path in visited:
            page.goto(at(filled, path))
            assert page.locator("html").get_attribute("lang") == language
            assert (path[:2], width, scheme, faults(page)) == (path[:2], width, scheme, [])
            assert fits(page)
        page.goto(at(filled, links["a"]))
        for kind in ("quantity", "remind", "colleague", "decline"):
            page.check(f"#answer-{kind}")
            assert (kind, width, scheme, faults(page)) == (kind, width, scheme, [])
        page.click("button[type=submit]")
        assert page.locator(".error").count() == 1
        assert (width, scheme, faults(page)) == (width, scheme, [])
        page.check("#answer-remind")
        page.fill("#until", "2026-12-01")
        page.click("button[type=submit]")
        page.wait_for_url("**/thanks")
        assert (width, scheme, faults(page)) == (width, scheme, [])
        assert fits(page)
        context.close()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_of_a_survey_is_accessible_on_every_screen(
    filled: Site, browser: Browser, language: str
) -> None:
    filled.set(accounts, language=language)
    named = filled.asked()
    anonymous = filled.asked_of("C-2", ANONYMOUS)
    filled.later(minutes=5)
    filled.send(named, score=6)
    filled.send(f"{named}/colleague", colleague="Eva")
    words = ("", "?score=9", "/more", "/thanks", "/colleague")
    for width, scheme in SCREENS:
        context = browser.new_context(
            viewport={"width": width, "height": 800}, color_scheme=scheme, locale=language
        )
        page = context.new_page()
        for path in [*(named + word for word in words), anonymous]:
            page.goto(at(filled, path))
            assert page.locator("html").get_attribute("lang") == language
            assert (path[-9:], width, scheme, faults(page)) == (path[-9:], width, scheme, [])
            assert fits(page)
        page.click("button[type=submit]")
        expect(page.locator(".error")).to_have_count(1)
        assert ("nothing chosen", width, scheme, faults(page)) == (
            "nothing chosen",
            width,
            scheme,
            [],
        )
        assert fits(page)
        context.close()


def test_a_survey_is_answered_with_the_keyboard_alone_and_without_any_script(
    filled: Site, browser: Browser
) -> None:
    path = filled.asked()
    filled.later(minutes=5)
    page = browser.new_page(java_script_enabled=False)
    page.goto(at(filled, f"{path}?score=9"))
    assert page.locator("#score-9").is_checked()
    page.focus("#score-9")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_url("**/more")
    page.fill("#comment", "Your people")
    page.click("button[type=submit]")
    page.wait_for_url("**/thanks")
    assert filled.said() == [(10, "Your people", "human")]
    page.get_by_text("Change it").click()
    page.check("#score-3", force=True)  # the number lies over it
    page.click("button[type=submit]")
    page.wait_for_url("**/more")
    page.get_by_text("No, thank you, that is all").click()
    page.wait_for_url("**/thanks")
    assert filled.said() == [(3, "Your people", "human")]
    page.close()


def test_every_number_is_large_enough_for_a_thumb(filled: Site, browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 360, "height": 800})
    page.goto(at(filled, filled.asked()))
    for score in range(11):
        box = page.locator(f"#score-{score}").bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 40
    page.close()


def test_a_client_answers_with_the_keyboard_alone_and_changes_the_answer(
    filled: Site, browser: Browser
) -> None:
    page = browser.new_page(java_script_enabled=False)
    page.goto(at(filled, filled.mailed(GROUPED, "L-1", "L-2")["a"]))
    page.focus("#licence-1")
    page.keyboard.press("Space")  # not the first one
    page.focus("#answer-renew")
    page.keyboard.press("ArrowDown")
    page.locator("#quantity-2").fill("40")
    page.keyboard.press("Enter")
    page.wait_for_url("**/thanks")
    assert "Change the quantity to 40" in page.content()
    assert "Maria Lind gets back to you" in page.content()
    page.get_by_text("Change the answer").click()
    page.check("#answer-quote")
    page.get_by_role("button", name="Send the answer").click()
    page.wait_for_url("**/thanks")
    page.go_back()
    page.get_by_role("button", name="Send the answer").click()
    page.wait_for_url("**/thanks")
    assert len(filled.open_tasks()) == 1
    said = [(row.licence_id, row.kind) for row in filled.rows(answers)]
    assert {kind for _, kind in said} <= {"quantity", "quote"}
    page.close()


def test_only_what_belongs_to_the_chosen_answer_is_shown(filled: Site, browser: Browser) -> None:
    page = browser.new_page(java_script_enabled=False)
    page.goto(at(filled, filled.mailed()["a"]))
    assert not page.locator("#until").is_visible()
    page.check("#answer-remind")
    assert page.locator("#until").is_visible()
    assert not page.locator("#reason").is_visible()
    assert page.locator("#until").get_attribute("max") == str(date(2026, 12, 20))
    page.close()


def test_preferences_are_saved_without_any_script(filled: Site, browser: Browser) -> None:
    page = browser.new_page(java_script_enabled=False)
    page.goto(at(filled, filled.mailed(COMMERCIAL)["p"]))
    page.uncheck("#offers")
    page.select_option("#language", "ru")
    page.click("button[value=save]")
    page.wait_for_url("**/saved")
    assert "Сохранено" in page.content()
    assert filled.preference().no_commercial
    page.get_by_role("button", name="Сохранить").click()  # from there, once more
    page.wait_for_url("**/saved")
    page.close()


def test_a_scanner_with_a_real_browser_changes_nothing(filled: Site, browser: Browser) -> None:
    links = filled.mailed(COMMERCIAL)
    before = filled.business()
    outside: list[str] = []
    context = browser.new_context()
    page = context.new_page()
    page.on("request", lambda asked: outside.append(asked.url))
    for path in links.values():
        page.goto(at(filled, path))
        page.mouse.wheel(0, 4000)
        inner = page.eval_on_selector_all("a", "found => found.map(one => one.href)")
        for url in inner:
            page.goto(url)
    tabs = [context.new_page() for _ in links]
    for tab, path in zip(tabs, links.values(), strict=True):
        tab.goto(at(filled, path))
    assert all(url.startswith(str(filled.client.base_url)) for url in outside)
    context.close()
    assert filled.business() == before


def test_nothing_of_a_page_is_cached_or_referred(filled: Site, browser: Browser) -> None:
    path = filled.mailed()["a"]
    context = browser.new_context()
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text))
    page.goto(at(filled, path))
    assert page.evaluate("getComputedStyle(document.querySelector('button')).fontWeight") == "600"
    assert context.cookies() == []
    assert [said for said in complaints if "Content Security" in said] == []
    context.close()
