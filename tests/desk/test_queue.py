"""Sales and the clients that fell silent: whom to call, why, and what came of it."""

from __future__ import annotations

import csv
import html
import io
import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from playwright.sync_api import Browser, expect
from sqlalchemy import insert, select, update

from tests.browsers import wrong_with
from tests.desk.conftest import House, shown
from worker.access.rules import Role
from worker.catalogue.records import accounts, contacts, order_days, staff, suppressions
from worker.db.engine import reading
from worker.desk import account_story, queue
from worker.reactivation.records import episode_lines, episodes
from worker.surveys.records import responses
from worker.worklist import store
from worker.worklist.records import tasks
from worker.worklist.store import NewTask

PATHS = ("/queue", "/queue?by=urgency&lane=gone-quiet", "/queue?tab=resting", "/queue?line=Backup")
_DAY = timedelta(days=1)


def today(house: House) -> Any:
    return house.site.clock.now().date()


def furnish(house: House, count: int = 3) -> list[int]:
    """So many silent clients, the last of which has the most at stake; their tasks."""
    now, day = house.site.clock.now(), today(house)
    with house.engine.begin() as conn:
        for role in Role:
            person = {"key": str(role), "name": f"{role.title()} Person", "updated_at": now}
            conn.execute(insert(staff).values(person))
        return [_client(conn, n, day, now) for n in range(1, count + 1)]


def _client(conn: Any, n: int, day: Any, now: Any) -> int:
    segment = "smb" if n % 2 else "mid"
    row = {"id": n, "key": f"A/{n}", "name": f"Client <{n}>", "segment": segment}
    conn.execute(insert(accounts).values(row | {"updated_at": now}))
    person = {"key": f"C-{n}", "account_id": n, "email": f"c{n}@example.com", "name": f"Ann {n}"}
    values = person | {"role": "decision-maker", "updated_at": now}
    conn.execute(insert(contacts).values(values))
    for back in range(120, 600, 30):
        amounts = {"net": Decimal(10 * n), "sold": Decimal(10 * n), "orders": 1}
        place = {"account_id": n, "day": day - back * _DAY, "product_line": "Backup"}
        conn.execute(insert(order_days).values(place | amounts | {"currency": "EUR"}))
    lines = [{"product_line": "Backup", "drop": 1.0}, {"product_line": f"Line {n}", "drop": 0.25}]
    facts = {"evidence": [35, 31], "last_order_on": str(day - 120 * _DAY), "usual_gap_days": 30}
    values = {"id": n, "schedule": "reactivation", "account_id": n, "number": 1, "facts": facts}
    values |= {"flagged_on": day, "as_of": day - _DAY, "score": 0.89, "currency": "EUR"}
    values |= {
        "lane": "gone-quiet" if n % 2 else "buying-less",
        "at_stake": Decimal(f"{1000 * n}.00"),
    }
    values |= {"relative_stake": float(n), "urgency": 1.0 / n, "entered": True}
    values |= {"reasons": [{"code": "silent", "days": 120, "usual": 30}]}
    facts |= {"drop": 1.0, "product_lines": lines}
    conn.execute(insert(episodes).values(values))
    told = [{"episode_id": n, "product_line": one["product_line"]} for one in lines]
    conn.execute(insert(episode_lines), told)
    key = f"step:reactivation:call:account-{n}:1"
    return store.open_tasks(conn, [NewTask(key, "dormant", "Call", account_id=n)], now)[0]


def episode(house: House, n: int) -> Any:
    with reading(house.engine) as conn:
        return conn.execute(select(episodes).where(episodes.c.id == n)).one()


def places(text: str, *names: str) -> list[str]:
    """The names in the order in which they first stand in a page."""
    found = {name: text.find(f">Client &lt;{name}&gt;</a>") for name in names}
    return sorted((name for name in names if found[name] >= 0), key=lambda name: found[name])


def test_who_has_the_most_at_stake_stands_first_and_the_reasons_are_a_sentence(
    house: House,
) -> None:
    furnish(house)
    sales = house.as_(Role.SALES)
    page = sales.get("/queue")
    assert places(page.text, "1", "2", "3") == ["3", "2", "1"]
    said = shown(page)
    assert "No order for 120 days; usually every 30 days. 3,000 EUR a year at stake." in said
    assert "Of 35 clients in a similar state three months ago, 89% fell by half or more." in said
    assert "3 clients 6,000 EUR a year at stake" in said
    assert "Line 3: 75% of the usual" in page.text
    assert "the highest is 30 EUR" in page.text
    assert 'href="mailto:c3%40example.com"' in page.text
    other = sales.get("/queue?by=urgency").text
    assert places(other, "1", "2", "3") == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("query", "left"),
    [
        ("lane=gone-quiet", ["3", "1"]),
        ("segment=mid", ["2"]),
        ("line=Line+2", ["2"]),
        ("line=Backup", ["3", "2", "1"]),
        ("owner=sales", ["1"]),
        ("owner=-", ["3", "2"]),
        ("lane=nonsense&owner=sales", ["1"]),
        ("line=nothing", []),
    ],
)
def test_the_list_is_filtered(sqlite_house: House, query: str, left: list[str]) -> None:
    numbers = furnish(sqlite_house)
    with sqlite_house.engine.begin() as conn:
        conn.execute(update(tasks).where(tasks.c.id == numbers[0]).values(assignee="sales"))
    page = sqlite_house.as_(Role.SALES).get(f"/queue?{query}")
    assert places(page.text, "1", "2", "3") == left


def test_a_long_list_is_paged_and_none_is_shown_twice(house: House) -> None:
    furnish(house, queue.PAGE + 2)
    sales = house.as_(Role.SALES)
    names = [str(n) for n in range(1, queue.PAGE + 3)]
    first = sales.get("/queue").text
    assert places(first, *names) == names[:1:-1]
    more = first.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    assert places(sales.get(more).text, *names) == ["2", "1"]
    assert sales.get("/queue?after=nonsense").status_code == 400


def test_a_viewer_has_no_business_there(sqlite_house: House) -> None:
    assert sqlite_house.as_(Role.VIEWER).get("/queue").status_code == 403


def test_the_file_for_a_spreadsheet_has_what_the_page_has(house: House) -> None:
    furnish(house)
    answer = house.as_(Role.SALES).get("/queue.csv?lane=gone-quiet")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["account"] for row in rows] == ["A/3", "A/1"]
    assert rows[0]["at_stake"] == "3000.00"
    assert rows[0]["why"].startswith("No order for 120 days")
    assert rows[0]["product_lines"] == "Backup -100%; Line 3 -25%"


def test_what_else_is_the_matter_stands_beside_the_orders(house: House) -> None:
    furnish(house)
    now, day = house.site.clock.now(), today(house)
    with house.engine.begin() as conn:
        late = NewTask("p", "promise", "Send terms", account_id=3, due_on=day - _DAY)
        spam = NewTask("c", "complaint", "Spam", account_id=3)
        store.open_tasks(conn, [late, spam], now)
        dead = {"address": "c3@example.com", "reason": "bounced", "at": now}
        conn.execute(insert(suppressions).values(dead))
        answer = {"id": 5, "schedule": "s", "survey": "s", "promise": "named", "account_id": 3}
        answer |= {"score": 2, "vote": -1, "answered_on": day, "source": "page"}
        conn.execute(insert(responses).values(answer))
    said = shown(house.as_(Role.SALES).get("/queue"))
    for words in (
        "a broken promise: Send terms",
        "called a mail of ours spam",
        "decision-maker Ann 3: mail comes back",
        "answered 2 of 10 on",
    ):
        assert said.count(words) == 1, words


def test_closing_by_every_door_ends_the_episode(house: House) -> None:
    one, two, three = furnish(house)
    sales = house.as_(Role.SALES)
    said = {"version": "1", "back": "/queue?by=urgency", "outcome": "lost", "note": "Too dear."}
    refused = sales.post(f"/worklist/{one}/close", data=said)
    assert refused.status_code == 422
    assert "needs a reason" in shown(refused)
    assert "Too dear." in refused.text
    done = sales.post(f"/worklist/{one}/close", data=said | {"why": "price"})
    assert (done.status_code, done.headers["location"]) == (303, "/queue?by=urgency")
    found = episode(house, 1)
    assert (found.outcome, found.outcome_why, found.closed_by) == ("lost", "price", "sales")
    until = str(today(house) + 9 * _DAY)
    later = {"version": "1", "outcome": "later", "again": until}
    assert sales.post(f"/worklist/{two}/close", data=later).status_code == 303
    assert str(episode(house, 2).rests_until) == until
    assert "2 of 2 closed entries were no false alarm" in shown(sales.get("/queue"))
    assert episode(house, 3).ended_on is None
    assert three


def test_sales_reads_claims_snoozes_and_closes_and_an_order_closes_another(
    house: House, browser: Browser
) -> None:
    furnish(house)
    page = house.opened_by(browser, Role.SALES).new_page()
    page.goto("/queue")
    first = page.locator("article").first
    expect(first).to_contain_text("No order for 120 days; usually every 30 days.")
    first.get_by_role("button", name="Claim").click()
    expect(page.get_by_role("status")).to_have_text("It is yours.")
    first.get_by_text("Snooze", exact=True).first.click()
    first.locator("input[name=until]").fill(str(today(house) + 3 * _DAY))
    first.get_by_role("button", name="Snooze").click()
    expect(page.locator("article")).to_have_count(2)
    page.get_by_role("link", name="Snoozed").click()
    rests = page.locator("article").first
    rests.get_by_text("Close", exact=True).first.click()
    rests.get_by_label("What came of it").select_option("won-back")
    rests.get_by_role("button", name="Close").click()
    expect(page.get_by_role("status")).to_contain_text("closed: won-back")
    assert episode(house, 3).outcome == "won-back"
    with house.engine.begin() as conn:  # as an import leaves it
        place = {"account_id": 1, "day": today(house), "product_line": "", "currency": "EUR"}
        amounts = {"net": Decimal(1), "sold": Decimal(1), "orders": 1}
        conn.execute(insert(order_days).values(place | amounts))
    assert house.site.app is not None
    house.site.app.sweep()
    page.goto("/queue")
    expect(page.locator("article")).to_have_count(1)
    expect(page.locator("article")).to_contain_text("Client <2>")
    assert (episode(house, 1).ended_why, episode(house, 1).outcome) == ("ordered", None)


def test_the_story_of_an_account_tells_its_silences(house: House) -> None:
    furnish(house, 2)
    ended = {"ended_on": today(house), "ended_why": "closed", "outcome": "later"}
    ended |= {"rests_until": today(house) + 30 * _DAY, "closed_by": "sara"}
    with house.engine.begin() as conn:
        conn.execute(update(episodes).where(episodes.c.id == 1).values(ended))
        back = {"ended_on": today(house), "ended_why": "ordered", "back_on": today(house)}
        conn.execute(update(episodes).where(episodes.c.id == 2).values(back))
    viewer = house.as_(Role.VIEWER)
    one, two = (viewer.get(f"/accounts/A/{n}").text for n in (1, 2))
    assert "Found silent: gone quiet" in one
    assert "No order for 120 days; usually every 30 days." in one
    assert "Silence closed: " in one
    assert "to be looked at again from" in one
    assert "by sara" in one
    assert "Ordered again" not in one
    assert "Found silent: buys less" in two
    assert two.index("Ordered again") < two.index("Found silent")  # the latest stands first
    assert "Silence closed" not in two


def test_a_story_that_goes_on_behind_a_silence_tells_it_once(house: House) -> None:
    furnish(house, 1)
    now = house.site.clock.now()
    with house.engine.begin() as conn:
        for n in range(account_story.PAGE):
            store.open_tasks(conn, [NewTask(f"k{n}", "todo", f"Do {n}", account_id=1)], now)
    viewer = house.as_(Role.VIEWER)
    first = viewer.get("/accounts/A/1").text
    older = re.search(r'href="([^"]*before=[^"]*)"', first)
    assert older is not None
    second = viewer.get(html.unescape(older.group(1))).text
    assert [text.count("Found silent") for text in (first, second)] == [0, 1]


def test_the_page_of_the_task_says_why_it_is_there(sqlite_house: House) -> None:
    number = furnish(sqlite_house)[0]
    said = shown(sqlite_house.as_(Role.VIEWER).get(f"/worklist/{number}"))
    assert "No order for 120 days; usually every 30 days." in said


@pytest.mark.parametrize("path", PATHS)
def test_the_pages_are_fit_for_every_screen(
    sqlite_house: House, browser: Browser, path: str
) -> None:
    numbers = furnish(sqlite_house, queue.PAGE + 1)
    with sqlite_house.engine.begin() as conn:
        rests = {"snoozed_until": today(sqlite_house) + _DAY}
        conn.execute(update(tasks).where(tasks.c.id == numbers[1]).values(rests))
    assert wrong_with(sqlite_house.opened_by(browser, Role.SALES), path) == []
