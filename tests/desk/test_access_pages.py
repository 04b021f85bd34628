"""The pages to sign in, about users, tokens, one's own sessions, and the audit log."""

from __future__ import annotations

import re
from collections.abc import Mapping

import httpx
import pytest
from argon2 import PasswordHasher
from playwright.sync_api import Browser

from tests.browsers import faults, is_too_wide, wrong_with
from tests.clients.conftest import OWN
from tests.desk.conftest import House
from worker.access import audit, passwords, people, store, tokens
from worker.access.asking import own_path
from worker.access.audit import Actor
from worker.access.people import Person
from worker.access.rules import Role, digest_of
from worker.db.engine import reading
from worker.desk import audit_page, users
from worker.desk.writing import browser

PATHS = ("/users", "/users/anna", "/tokens", "/audit", "/me")
SECRET = "correct horse battery"
BOSS = Actor("boss", "command")


@pytest.fixture(autouse=True)
def cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a password costs is measured elsewhere."""
    cheap = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    monkeypatch.setattr(passwords, "_hasher", cheap)
    passwords._nobodys.cache_clear()


def add(house: House, login: str, role: Role = Role.SALES, password: str | None = SECRET) -> None:
    person = Person(login, login.title(), role, "ANNA", f"{login}@example.com")
    people.add(house.engine, BOSS, person, password, house.site.clock.now())


def sign_in(house: House, login: str, password: str = SECRET, **more: str) -> httpx.Response:
    client = house.stranger()
    return client.post("/sign-in", data={"login": login, "password": password, **more})


def fields(page: str) -> Mapping[str, str]:
    """The hidden fields of a page."""
    found = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page)
    return dict(found)


# --- signing in -----------------------------------------------------------------------------------


def test_before_there_is_a_user_the_page_says_what_to_type(house: House) -> None:
    page = house.stranger().get("/sign-in").text
    assert "perennial user add LOGIN" in page
    add(house, "anna")
    assert "perennial user add" not in house.stranger().get("/sign-in").text


def test_a_person_signs_in_and_lands_where_they_wanted_to_go(house: House) -> None:
    add(house, "anna")
    client = house.stranger()
    sent = client.get("/me?x=1")
    assert sent.headers["location"] == "/sign-in?next=%2Fme%3Fx%3D1"
    where = fields(client.get(sent.headers["location"]).text)
    answer = client.post("/sign-in", data={"login": "Anna", "password": SECRET, **where})
    assert (answer.status_code, answer.headers["location"]) == (303, "/me?x=1")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert client.get("/me").status_code == 200
    assert client.get("/sign-in").status_code == 303, "no need to sign in again"


def test_what_is_wrong_is_not_told_and_after_five_times_one_waits(sqlite_house: House) -> None:
    add(sqlite_house, "anna")
    wrong = sign_in(sqlite_house, "anna", "wrong horse battery")
    unknown = sign_in(sqlite_house, "nobody", "wrong horse battery")
    assert wrong.status_code == unknown.status_code == 422
    assert wrong.text.replace("anna", "nobody") == unknown.text
    assert "wrong horse" not in wrong.text
    for _ in range(4):
        last = sign_in(sqlite_house, "anna", "wrong horse battery")
    assert (last.status_code, last.headers["retry-after"]) == (429, "60")
    assert "Wait 1 minute before" in last.text
    assert sign_in(sqlite_house, "anna").status_code == 429
    sqlite_house.site.later(minutes=1)
    assert sign_in(sqlite_house, "anna").status_code == 303


def test_a_made_up_forwarded_address_does_not_shorten_the_wait(sqlite_house: House) -> None:
    add(sqlite_house, "anna")
    client = sqlite_house.stranger()
    for number in range(6):
        answer = client.post(
            "/sign-in",
            data={"login": "anna", "password": "wrong"},
            headers={"X-Forwarded-For": f"192.0.2.{number}", "Host": "evil.example"},
        )
    assert answer.status_code == 429


@pytest.mark.parametrize(
    ("asked", "gone"),
    [
        ("/licences?after=L-1&x=%2F", "/licences?after=L-1&x=%2F"),
        ("/licences/A%20B", "/licences/A%20B"),
        ("/licences/ż ó", "/licences/%C5%BC%20%C3%B3"),
        ("//evil.example", "/"),
        ("https://evil.example", "/"),
        ("/\\evil.example", "/"),
        ("\\\\evil.example", "/"),
        ("/\t/evil.example", "/"),
        ("/\n/evil.example", "/"),
        ("javascript:alert(1)", "/"),
        (" /x", "/"),
        ("", "/"),
        ("/" + "x" * 5000, "/"),
    ],
)
def test_signing_in_leads_to_pages_of_ours_only(asked: str, gone: str) -> None:
    assert own_path(asked) == gone


def test_a_storm_and_a_huge_password_are_told_in_words(
    sqlite_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(sqlite_house, "anna")
    assert sign_in(sqlite_house, "anna", "x" * 200_000).status_code == 422
    assert sign_in(sqlite_house, "anna", "x" * 1_000_000).status_code == 413
    monkeypatch.setattr(passwords, "_PATIENCE", 0.01)
    with passwords.at_hand(), passwords.at_hand(), passwords.at_hand():
        busy = sign_in(sqlite_house, "anna")
    assert (busy.status_code, "Too many people" in busy.text) == (503, True)


def test_a_sign_that_no_database_takes_is_refused_as_what_it_is(house: House) -> None:
    boss = house.as_(Role.ADMIN)
    for path in ("/audit?who=%00", "/users?after=a%00", "/users/%00", "/users/a%00b?x=1"):
        assert boss.get(path).status_code == 400
    assert sign_in(house, "an\0na").status_code == 400
    assert boss.post("/tokens/revoke", data={"name": "e\0"}).status_code == 400


# --- users ----------------------------------------------------------------------------------------


def test_an_admin_adds_somebody_who_chooses_a_password_behind_the_link(house: House) -> None:
    boss = house.as_(Role.ADMIN)
    form = {"login": "Anna", "name": "Anna Nowak", "role": "sales", "staff": "ANNA", "email": ""}
    page = boss.post("/users", data=form)
    assert page.status_code == 200
    link = re.search(r"http\S+(/sign-in/link/\S+?)</pre>", page.text)
    assert link
    assert link[1] not in boss.get("/users/anna").text, "it is shown once"
    anna = house.stranger()
    signed = anna.post(link[1], data={})
    assert (signed.status_code, signed.headers["location"]) == (303, "/me")
    assert "Choose a password" in anna.get("/me").text
    anna.post("/me/password", data={"new": SECRET, "again": SECRET})
    assert sign_in(house, "anna").status_code == 303


def test_a_form_that_cannot_be_used_comes_back_with_all_faults(sqlite_house: House) -> None:
    boss = sqlite_house.as_(Role.ADMIN)
    form = {"login": "a b", "name": "Typed <b>", "role": "boss", "email": "a@b"}
    page = boss.post("/users", data=form)
    assert page.status_code == 422
    for said in ("Login &#39;a b&#39;", "Role &#39;boss&#39;", "&#39;a@b&#39;", "Typed &lt;b&gt;"):
        assert said in page.text


def test_a_role_that_is_taken_away_counts_from_the_next_click_on(house: House) -> None:
    add(house, "anna", Role.ADMIN)
    boss, anna = house.as_(Role.ADMIN), house.stranger()
    anna.post("/sign-in", data={"login": "anna", "password": SECRET})
    assert anna.get("/users").status_code == 200
    seen = fields(boss.get("/users/anna").text)
    form = {**seen, "name": "Anna", "role": "viewer", "staff": "", "email": ""}
    assert boss.post("/users/anna", data=form).status_code == 303
    assert anna.get("/users").status_code == 403
    assert anna.get("/").status_code == 200


def test_two_admins_who_edit_one_user_see_both_texts(house: House) -> None:
    add(house, "anna")
    boss = house.as_(Role.ADMIN)
    seen = fields(boss.get("/users/anna").text)
    form = {**seen, "role": "sales", "staff": "", "email": ""}
    assert boss.post("/users/anna", data={**form, "name": "First"}).status_code == 303
    page = boss.post("/users/anna", data={**form, "name": "Second"})
    assert page.status_code == 409
    assert "<dd>First</dd>" in page.text
    assert 'value="Second"' in page.text
    again = {**form, **fields(page.text), "name": "Second"}
    assert boss.post("/users/anna", data=again).status_code == 303


def test_who_is_disabled_is_out_at_once(house: House) -> None:
    add(house, "anna")
    boss, anna = house.as_(Role.ADMIN), house.stranger()
    anna.post("/sign-in", data={"login": "anna", "password": SECRET})
    assert boss.post("/users/anna/disable", data={}).status_code == 303
    assert anna.get("/").headers["location"] == "/sign-in"
    assert sign_in(house, "anna").status_code == 422
    assert boss.post("/users/anna/link", data={}).status_code == 422
    assert boss.post("/users/anna/enable", data={}).status_code == 303
    assert anna.get("/").status_code == 303, "what was open stays ended"
    assert sign_in(house, "anna").status_code == 303


def test_the_last_admin_cannot_lock_the_house(house: House) -> None:
    boss = house.as_(Role.ADMIN)
    page = boss.post("/users/admin/disable", data={})
    assert (page.status_code, "last admin" in page.text) == (422, True)
    seen = fields(boss.get("/users/admin").text)
    page = boss.post("/users/admin", data={**seen, "name": "A", "role": "sales"})
    assert (page.status_code, "last admin" in page.text) == (422, True)


def test_a_long_list_of_users_goes_on_page_by_page(
    sqlite_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(users, "MOST", 2)
    boss = sqlite_house.as_(Role.ADMIN)
    for login in ("ben", "cleo", "dora"):
        add(sqlite_house, login)
    first = boss.get("/users").text
    assert "ben" in first
    assert "cleo" not in first
    assert 'href="/users?after=ben"' in first
    assert "dora" in boss.get("/users?after=ben").text


# --- tokens ---------------------------------------------------------------------------------------


def test_a_token_is_shown_on_one_page_and_nowhere_else(house: House) -> None:
    boss = house.as_(Role.ADMIN)
    page = boss.post("/tokens", data={"name": "erp", "scope": ["read", "write"], "days": "30"})
    found = re.search(r"prn_[\w-]{43}", page.text)
    assert found
    with reading(house.engine) as conn:
        row = store.token(conn, digest_of(found[0]), house.site.clock.now())
    assert row is not None
    assert (row.name, row.scopes, row.made_by) == ("erp", ["read", "write"], "admin")
    assert found[0] not in boss.get("/tokens").text
    again = boss.post("/tokens", data={"name": "erp", "scope": "read"})
    assert (again.status_code, "already" in again.text) == (422, True)
    assert boss.post("/tokens/revoke", data={"name": "erp"}).status_code == 303
    assert boss.post("/tokens/revoke", data={"name": "erp"}).status_code == 422
    with reading(house.engine) as conn:
        assert store.token(conn, digest_of(found[0]), house.site.clock.now()) is None


def test_a_token_that_cannot_be_made_says_why(sqlite_house: House) -> None:
    page = sqlite_house.as_(Role.ADMIN).post("/tokens", data={"name": "a b", "days": "0"})
    assert page.status_code == 422
    for said in ("Name &#39;a b&#39;", "Scopes:", "Days:"):
        assert said in page.text


# --- one's own ------------------------------------------------------------------------------------


def test_a_person_ends_a_session_that_is_open_elsewhere(house: House) -> None:
    add(house, "anna")
    here, there = house.stranger(), house.stranger()
    for client, agent in ((here, "Here/1"), (there, "There/2")):
        form = {"login": "anna", "password": SECRET}
        client.post("/sign-in", data=form, headers={"User-Agent": agent})
    page = here.get("/me").text
    assert "There/2" in page
    assert here.post("/me/sessions/end", data=fields(page)).status_code == 303
    assert there.get("/").status_code == 303
    assert "There/2" not in here.get("/me").text


def test_a_new_password_needs_the_one_before_and_ends_the_rest(house: House) -> None:
    add(house, "anna")
    here, there = house.stranger(), house.stranger()
    for client in (here, there):
        client.post("/sign-in", data={"login": "anna", "password": SECRET})
    new = "staple battery horse"
    page = here.post("/me/password", data={"password": "wrong", "new": "short", "again": "other"})
    assert page.status_code == 422
    for said in ("is another one", "in two ways", "has 5 characters"):
        assert said in page.text
    form = {"password": SECRET, "new": new, "again": new}
    assert here.post("/me/password", data=form).status_code == 303
    assert here.get("/").status_code == 200
    assert there.get("/").status_code == 303
    assert sign_in(house, "anna").status_code == 422
    assert sign_in(house, "anna", new).status_code == 303


def test_a_session_left_open_is_no_place_to_guess_the_password(sqlite_house: House) -> None:
    add(sqlite_house, "anna")
    client = sqlite_house.stranger()
    client.post("/sign-in", data={"login": "anna", "password": SECRET})
    for _ in range(5):
        client.post("/me/password", data={"password": "wrong", "new": "x", "again": "x"})
    new = "staple battery horse"
    page = client.post("/me/password", data={"password": SECRET, "new": new, "again": new})
    assert (page.status_code, "Wait 1 minute" in page.text) == (422, True)


@pytest.mark.parametrize(
    ("agent", "said"),
    [
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:146.0) Firefox/146.0", "Firefox, Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) Safari/604.1", "Safari, iPhone"),
        ("Mozilla/5.0 (X11; Linux x86_64) Chrome/143.0 Safari/537.36 Edg/143.0", "Edge, Linux"),
        ("curl/8.5.0", "curl/8.5.0"),
        (None, "unknown"),
    ],
)
def test_a_session_is_told_by_its_browser(agent: str | None, said: str) -> None:
    assert browser(agent) == said


# --- the audit log --------------------------------------------------------------------------------


def test_the_log_is_read_newest_first_by_who_what_and_about(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_page, "MOST", 3)
    now = house.site.clock.now()
    with house.engine.begin() as conn:
        for number in range(5):
            audit.note(conn, Actor("erp", "api"), "licence.put", f"licence L-{number}", now)
        audit.note(conn, BOSS, "account.stopped", "account A/1 ż", now, {"reason": "talks <b>"})
    boss = house.as_(Role.ADMIN)

    def shown(path: str) -> list[str]:
        return re.findall(r'<td data-name="About">([^<]*)</td>', boss.get(path).text)

    assert shown("/audit")[1:] == ["account A/1 ż", "licence L-4"]
    assert shown("/audit?who=erp") == ["licence L-4", "licence L-3", "licence L-2"]
    older = re.search(r'rel="next" href="([^"]+)"', boss.get("/audit?who=erp").text)
    assert older
    assert shown(older[1].replace("&amp;", "&")) == ["licence L-1", "licence L-0"]
    assert shown("/audit?what=account.stopped") == ["account A/1 ż"]
    assert shown("/audit?about=licence+L-3&who=erp") == ["licence L-3"]
    assert shown("/audit?about=licence+L-3&who=boss") == []
    assert "talks &lt;b&gt;" in boss.get("/audit").text
    assert boss.get("/audit?after=0").status_code == 200
    assert boss.get("/audit?after=99999999999999999999").status_code == 200
    assert boss.get("/audit?after=x").status_code == 400


# --- in a browser ---------------------------------------------------------------------------------


def test_a_person_signs_in_and_out_by_keyboard_alone(sqlite_house: House, browser: Browser) -> None:
    add(sqlite_house, "anna")
    context = browser.new_context(base_url=sqlite_house.base)
    page = context.new_page()
    page.goto("/me")
    page.keyboard.type("anna")
    page.keyboard.press("Tab")
    page.keyboard.type("wrong horse battery")
    page.keyboard.press("Enter")
    assert "do not belong together" in page.get_by_role("alert").inner_text()
    page.keyboard.type(SECRET)  # the login stands there still
    page.keyboard.press("Enter")
    page.wait_for_url("**/me")
    assert page.get_by_role("heading", level=1).inner_text() == "Anna"
    page.get_by_role("button", name="Sign out").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/sign-in")
    context.close()


def test_signing_in_needs_no_script(sqlite_house: House, browser: Browser) -> None:
    add(sqlite_house, "anna")
    context = browser.new_context(base_url=sqlite_house.base, java_script_enabled=False)
    page = context.new_page()
    page.goto("/sign-in?next=/me")
    page.get_by_label("Login").fill("anna")
    page.get_by_label("Password").fill(SECRET)
    page.get_by_role("button", name="Sign in").click()
    assert page.url.endswith("/me")
    context.close()


@pytest.mark.parametrize("path", ["/sign-in", "/sign-in/link", *PATHS])
def test_pages_are_right_on_every_screen(sqlite_house: House, browser: Browser, path: str) -> None:
    house = sqlite_house
    now = house.site.clock.now()
    if path not in ("/sign-in", "/sign-in/link"):
        add(house, "anna")
        tokens.make(house.engine, BOSS, "erp", ["read"], 30, now)
        for _ in range(2):
            sign_in(house, "anna", "wrong")
    if path.startswith("/sign-in"):
        context = browser.new_context(base_url=house.base)
        where = house.link(Role.SALES) if path == "/sign-in/link" else path
    else:
        context, where = house.opened_by(browser, Role.ADMIN), path
    assert wrong_with(context, where) == []


def test_faults_and_secrets_are_accessible_too(sqlite_house: House, browser: Browser) -> None:
    context = sqlite_house.opened_by(
        browser, Role.ADMIN, viewport={"width": 360, "height": 900}, extra_http_headers={}
    )
    page = context.new_page()
    page.goto("/tokens")
    page.get_by_label("Name").fill("a b")
    page.get_by_role("button", name="Make it").click()
    assert page.get_by_role("alert").is_visible()
    assert faults(page) == []
    page.get_by_label("Name").fill("erp")
    page.get_by_label("read").check()
    page.get_by_role("button", name="Make it").click()
    assert page.get_by_text("prn_").is_visible()
    assert faults(page) == []
    assert not is_too_wide(page)
    context.close()


def test_the_link_page_is_for_the_one_who_made_it(sqlite_house: House) -> None:
    add(sqlite_house, "anna")
    boss = sqlite_house.as_(Role.ADMIN)
    made = boss.post("/users/anna/link", data={"forget": "yes"}, headers=OWN)
    assert "no-store" in made.headers["cache-control"]
    assert sign_in(sqlite_house, "anna").status_code == 422, "the lost password opens nothing"
