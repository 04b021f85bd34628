"""The worklist as people use it: by role, by keyboard, on every screen, and two at once."""

from __future__ import annotations

import re
from datetime import date, timedelta
from html import unescape
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser
from sqlalchemy import insert, select

from tests.browsers import wrong_with
from tests.desk.conftest import House, shown
from worker.access.rules import Role
from worker.catalogue.records import accounts, staff
from worker.db.engine import reading
from worker.worklist import store
from worker.worklist.records import tasks
from worker.worklist.store import NewTask

TODAY = date(2026, 11, 20)
KEY = "A/1 x&y"
LISTS = tuple(
    f"/worklist?tab={tab}" for tab in ("mine", "pools", "all", "snoozed", "promises", "closed")
)
FORMS = ("/worklist/new", "/worklist/new?kind=promise&account=A%2F1+x%26y")
PATHS = (*LISTS, *FORMS, "/reports/promises")


def furnish(house: House) -> dict[str, int]:
    """An account, staff, and a task of each sort; their numbers."""
    now = house.site.clock.now()
    with house.engine.begin() as conn:
        row = {"key": KEY, "name": "Client <One>", "updated_at": now}
        account = conn.execute(insert(accounts).values(row)).inserted_primary_key[0]  # type: ignore[index]  # it has one
        for role in Role:
            person = {"key": str(role), "name": f"{role.title()} Person", "updated_at": now}
            conn.execute(insert(staff).values(person))
        late = TODAY - timedelta(days=3)
        new = {
            "free": NewTask("free", "step", "Call them", "Line\nand line", account, due_on=late),
            "mine": NewTask("mine", "answer", "Client: quote", "x", account, assignee="admin"),
            "alarm": NewTask("alarm", "alarm", "A source is old", due_on=TODAY),
            "brake": NewTask("brake", "brake", "Sending is stopped"),
            "promise": NewTask(
                "promise", "promise", "Send terms", None, account, assignee="sales", due_on=TODAY
            ),
            "done": NewTask("done", "promise", "Sent it", None, account, None, "sales", late),
        }
        numbers = {name: store.open_tasks(conn, [task], now)[0] for name, task in new.items()}
        store.close(conn, "done", "kept", now)
    return numbers


def task(house: House, number: int) -> Any:
    with reading(house.engine) as conn:
        return conn.execute(select(tasks).where(tasks.c.id == number)).one()


def send(client: httpx.Client, path: str, **fields: str) -> httpx.Response:
    return client.post(path, data=fields)


def test_a_task_is_claimed_from_the_list_worked_on_and_closed(house: House) -> None:
    number = furnish(house)["free"]
    sales = house.as_(Role.SALES)
    pools = sales.get("/worklist?tab=pools")
    assert "overdue" in pools.text
    assert "Client &lt;One&gt;" in pools.text
    claimed = send(
        sales, f"/worklist/{number}/claim", version="1", back="/worklist?tab=pools&kind=step"
    )
    assert claimed.headers["location"] == "/worklist?tab=pools&kind=step"
    assert "Call them" in sales.get("/worklist").text
    page = sales.get(f"/worklist/{number}")
    assert 'href="/accounts/A/1%20x%26y"' in page.text
    assert (
        send(sales, f"/worklist/{number}/note", version="2", note="No <answer>").status_code == 303
    )
    done = send(sales, f"/worklist/{number}/close", version="3", outcome="no-answer", note="Twice")
    assert done.headers["location"] == f"/worklist/{number}"
    assert task(house, number).outcome == "no-answer"
    page = sales.get(f"/worklist/{number}")
    assert "No &lt;answer&gt;" in page.text
    assert "Closed" in page.text
    assert "<form class" not in page.text, "nothing is left to do"
    assert "Call them" in sales.get("/worklist?tab=closed").text


def test_two_at_once_the_second_sees_both_texts_and_overwrites_nothing(house: House) -> None:
    number = furnish(house)["free"]
    sales, boss = house.as_(Role.SALES), house.as_(Role.RENEWALS)
    assert send(sales, f"/worklist/{number}/claim", version="1").status_code == 303
    late = send(boss, f"/worklist/{number}/claim", version="1")
    assert late.status_code == 409
    assert f"Task {number} was changed meanwhile: sales has it now" in shown(late)
    send(sales, f"/worklist/{number}/note", version="2", note="They want three years")
    late = send(boss, f"/worklist/{number}/close", version="2", outcome="done", note="My own words")
    assert late.status_code == 409
    for words in ("Meanwhile: noted, They want three years, by sales", "note: “My own words”"):
        assert words in shown(late)
    assert re.search(r"<textarea[^>]*>My own words</textarea>", late.text), "nothing is lost"
    assert 'name="version" value="3"' in late.text, "sent again, it counts"
    assert task(house, number).closed_at is None


def test_a_form_that_cannot_be_used_comes_back_with_all_that_was_typed(house: House) -> None:
    number = furnish(house)["mine"]
    admin = house.as_(Role.ADMIN)
    bad = send(admin, f"/worklist/{number}/close", version="1", outcome="kept", note="Words")
    assert bad.status_code == 422
    assert "it is one of: done" in shown(bad)
    assert ">Words</textarea>" in bad.text
    for until in ("", "soon", "2020-01-01"):
        bad = send(admin, f"/worklist/{number}/snooze", version="1", until=until)
        assert (bad.status_code, "until: expected" in bad.text) == (422, True)
    new = send(admin, "/worklist/new", kind="promise", account="no", title=" ", due="", to="BOB")
    assert new.status_code == 422
    assert "expected the key of an account" in shown(new)
    new = send(admin, "/worklist/new", kind="promise", account=KEY, detail="Kept", due="", to="BOB")
    assert new.status_code == 422
    said = shown(new)
    for word in ("title: expected", "due: a promise needs", "assignee: expected a member", "Kept"):
        assert word in said
    assert send(admin, f"/worklist/{number}/note", version="x", note="y").status_code == 400
    assert send(admin, f"/worklist/{number}/burn", version="1").status_code == 404
    assert send(admin, "/worklist/999/note", version="1", note="y").status_code == 404
    assert admin.get("/worklist/999").status_code == 404
    assert admin.get(f"/worklist/{10**30}").status_code == 400


def test_after_a_claim_nobody_is_sent_to_another_site(house: House) -> None:
    number = furnish(house)["free"]
    sales = house.as_(Role.SALES)
    back = send(sales, f"/worklist/{number}/claim", version="1", back="//evil.example/worklist?")
    assert back.headers["location"] == f"/worklist/{number}"


def test_a_viewer_sees_everything_and_changes_nothing(house: House) -> None:
    numbers = furnish(house)
    viewer = house.as_(Role.VIEWER)
    for path in (*LISTS, "/reports/promises", *(f"/worklist/{one}" for one in numbers.values())):
        page = viewer.get(path)
        assert page.status_code == 200
        assert 'method="post" action="/worklist' not in page.text
    assert viewer.get("/worklist/new").status_code == 403
    assert send(viewer, "/worklist/new", kind="todo", title="x").status_code == 403
    for what in ("claim", "give-back", "assign", "snooze", "note", "close"):
        sent = send(viewer, f"/worklist/{numbers['free']}/{what}", version="1", note="x")
        assert sent.status_code == 403
    assert task(house, numbers["free"]).version == 1


def test_sales_may_not_touch_what_is_for_others(house: House) -> None:
    numbers = furnish(house)
    sales = house.as_(Role.SALES)
    for name in ("mine", "alarm"):
        refused = send(sales, f"/worklist/{numbers[name]}/note", version="1", note="x")
        assert refused.status_code == 422
        assert task(house, numbers[name]).version == 1


def test_a_brake_says_what_answers_it(house: House) -> None:
    number = furnish(house)["brake"]
    admin = house.as_(Role.ADMIN)
    page = admin.get(f"/worklist/{number}")
    assert "Taking the brake off closes it." in page.text
    assert 'href="/health">Go there</a>' in page.text, "no command is asked of who reads a page"
    assert "perennial release" not in page.text
    assert "/close" not in page.text
    closed = send(admin, f"/worklist/{number}/close", version="1", outcome="done")
    assert (closed.status_code, task(house, number).closed_at) == (422, None)


def test_a_promise_is_opened_for_an_account_and_counted(house: House) -> None:
    furnish(house)
    sales = house.as_(Role.SALES)
    form = sales.get(FORMS[1])
    assert "Client &lt;One&gt;" in form.text
    mark = re.search(r'name="mark" value="(\w+)"', form.text)
    assert mark
    fields = {"kind": "promise", "account": KEY, "title": "Offer", "due": "2026-11-27"}
    sent = [
        send(sales, "/worklist/new", to="sales", mark=mark[1], **fields).headers["location"]
        for _ in range(2)
    ]
    assert sent[0] == sent[1], "a form that is sent twice opens one"
    assert "Offer" in sales.get("/worklist?tab=promises").text
    register = shown(sales.get("/reports/promises"))
    assert "Sales Person 3 0 1 0 0 2 0 0 %" in register


def test_a_long_list_goes_on_page_by_page_and_keeps_its_filters(house: House) -> None:
    furnish(house)
    now = house.site.clock.now()
    with house.engine.begin() as conn:
        new = [NewTask(f"n{place}", "todo", f"Nr {place}") for place in range(70)]
        store.open_tasks(conn, new, now)
    viewer, seen, path = house.as_(Role.VIEWER), set(), "/worklist?tab=all&kind=todo"
    for most in (50, 20):
        page = viewer.get(path).text
        found = set(re.findall(r">(Nr \d+)</a>", page))
        assert len(found) == most
        seen |= found
        more = re.search(r'rel="next" href="([^"]+)"', page)
        path = unescape(more[1]) if more else ""
    assert (len(seen), path) == (70, "")


@pytest.mark.parametrize(("there", "told"), [(8, "8"), (9, "8+")])
def test_today_says_how_many_tasks_wait_and_that_there_are_more(
    house: House, there: int, told: str
) -> None:
    new = [NewTask(f"n{place}", "todo", f"Nr {place}", assignee="admin") for place in range(there)]
    with house.engine.begin() as conn:
        store.open_tasks(conn, new, house.site.clock.now())
    page = house.as_(Role.ADMIN).get("/")
    assert f"tasks for me {told} " in shown(page)
    assert len(re.findall(r">Nr \d+</a>", page.text)) == 8


@pytest.mark.parametrize("path", PATHS)
def test_pages_are_right_on_every_screen(sqlite_house: House, browser: Browser, path: str) -> None:
    furnish(sqlite_house)
    look(sqlite_house, browser, path)


@pytest.mark.parametrize("name", ["free", "mine", "brake", "done"])
def test_a_task_is_right_on_every_screen(sqlite_house: House, browser: Browser, name: str) -> None:
    look(sqlite_house, browser, f"/worklist/{furnish(sqlite_house)[name]}")


def look(house: House, browser: Browser, path: str) -> None:
    assert wrong_with(house.opened_by(browser, Role.ADMIN), path) == []


def test_a_task_is_claimed_and_closed_with_the_keyboard_alone(
    sqlite_house: House, browser: Browser
) -> None:
    number = furnish(sqlite_house)["free"]
    context = sqlite_house.opened_by(browser, Role.SALES)
    page = context.new_page()
    page.goto("/worklist?tab=pools")
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.textContent") == "Call them"
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Claim"
    page.keyboard.press("Enter")
    page.wait_for_selector(".said")
    assert task(sqlite_house, number).assignee == "sales"
    page.keyboard.press("g")
    page.keyboard.press("w")
    page.wait_for_selector("[aria-current=page]:has-text('Mine')")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_selector("#outcome")
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "outcome":
            break
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    page.keyboard.type("They stay")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector(".said:has-text('is closed')")
    assert task(sqlite_house, number).outcome == "will-renew"
    context.close()
