"""The book on pages: accounts, licences, hand-overs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, expect
from sqlalchemy import Engine, event, insert, update

from tests.browsers import faults, is_too_wide, wrong_with
from tests.desk.conftest import House
from tests.outbox.world import NOON
from worker.access.records import audit
from worker.access.rules import Role
from worker.catalogue.flow import Options, import_source
from worker.catalogue.records import accounts, contacts, licences, staff, stops, suppressions
from worker.config.settings import SourceSettings
from worker.surveys.records import responses
from worker.worklist import handing
from worker.worklist.records import task_history, tasks

HOSTILE = "<script>alert(1)</script> & \u202eevil\u2066 " + "ł" * 300
SLASHED = "A/1 ?#%2F/hand-over"
TODAY = NOON.date()


def account(house: House, key: str, **values: object) -> int:
    """An account of the book, as an import would have left it."""
    row = {"key": key, "name": f"Client {key}", "updated_at": NOON} | values
    with house.engine.begin() as conn:
        return int(conn.execute(insert(accounts).values(row).returning(accounts.c.id)).scalar_one())


def licence(house: House, account_id: int, key: str, days: int = 40, **values: object) -> int:
    """A licence that expires in so many days."""
    row = {
        "key": key,
        "account_id": account_id,
        "term": 1,
        "expires_on": TODAY + timedelta(days=days),
        "updated_at": NOON,
        "amount": 100,
        "currency": "EUR",
    } | values
    with house.engine.begin() as conn:
        return int(conn.execute(insert(licences).values(row).returning(licences.c.id)).scalar_one())


def person(house: House, key: str, name: str = "") -> None:
    with house.engine.begin() as conn:
        row = {"key": key, "name": name or key.title(), "updated_at": NOON}
        conn.execute(insert(staff).values(row))


def task(house: House, account_id: int, title: str, assignee: str, **values: object) -> int:
    row = {
        "key": f"k:{title}",
        "kind": "todo",
        "title": title,
        "account_id": account_id,
        "assignee": assignee,
        "opened_at": NOON,
    } | values
    with house.engine.begin() as conn:
        return int(conn.execute(insert(tasks).values(row).returning(tasks.c.id)).scalar_one())


def listed(html: str) -> list[str]:
    """The rows of a list, by what their links are called."""
    return re.findall(r'<a data-row href="[^"]*"><bdi>(.*?)</bdi>', html)


# --- the list ---


def test_accounts_are_listed_by_name_whatever_their_capitals(house: House) -> None:
    for name in ("beta", "Alpha", "GAMMA"):
        account(house, f"K-{name}", name=name)
    page = house.as_(Role.VIEWER).get("/accounts")
    assert listed(page.text) == ["Alpha", "beta", "GAMMA"]


def test_accounts_sorted_by_expiry_show_their_next_licence_and_leave_out_those_without(
    house: House,
) -> None:
    late, soon = account(house, "late"), account(house, "soon")
    account(house, "none")
    licence(house, late, "L-1", 90)
    licence(house, soon, "L-2", 5)
    licence(house, soon, "L-3", 1, status="cancelled")
    licence(house, late, "L-4", -3)
    page = house.as_(Role.VIEWER).get("/accounts?sort=expiry")
    assert listed(page.text) == ["Client soon", "Client late"]
    assert (TODAY + timedelta(days=5)).strftime("%-d %b %Y") in page.text


def test_many_accounts_are_walked_as_few_are_sorted(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        one = account(house, f"A{number}", segment="smb")
        licence(house, one, f"L{number}", 10 + number)
        licence(house, one, f"M{number}", 5 + 3 * number)
    client = house.as_(Role.VIEWER)
    few = listed(client.get("/accounts?sort=expiry&segment=smb").text)
    monkeypatch.setattr("worker.desk.accounts_store.FEW", 2)
    many = listed(client.get("/accounts?sort=expiry&segment=smb").text)
    assert few == many == [f"Client A{number}" for number in range(4)]


def test_a_walk_that_is_cut_short_goes_on_where_it_ended(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = account(house, "one"), account(house, "two")
    for number in range(5):
        licence(house, one, f"L{number}", 5 + number)
    licence(house, two, "last", 50)
    monkeypatch.setattr("worker.desk.accounts_store.WALK", 2)
    client, found, path = house.as_(Role.VIEWER), [], "/accounts?sort=expiry"
    while path:
        html = client.get(path).text
        found += listed(html)
        older = re.search(r'rel="next" href="([^"]+)"', html)
        path = older[1].replace("&amp;", "&") if older else ""
    assert found == ["Client one", "Client two"]


@pytest.mark.parametrize("sort", ["name", "expiry"])
def test_every_account_is_on_one_page_and_on_no_other(house: House, sort: str) -> None:
    for number in range(120):
        licence(house, account(house, f"A{number:03}", name="Same name"), f"L{number}", 9)
    client, found, path = house.as_(Role.VIEWER), [], f"/accounts?sort={sort}"
    for _ in range(3):
        html = client.get(path).text
        found += re.findall(r'data-row href="/accounts/(A\d+)"', html)
        older = re.search(r'rel="next" href="([^"]+)"', html)
        path = older[1].replace("&amp;", "&") if older else ""
    assert not path
    assert sorted(found) == [f"A{number:03}" for number in range(120)]


def test_mine_are_those_that_i_manage_in_either_role(house: House) -> None:
    account(house, "a", account_manager="sales")
    account(house, "b", renewal_manager="sales")
    account(house, "c", account_manager="somebody")
    page = house.as_(Role.SALES).get("/accounts?mine=1")
    assert listed(page.text) == ["Client a", "Client b"]


@pytest.mark.parametrize(
    "after", ["x", "W10", "WyJhIl0", "WzEsMl0", "WyJhIiwgLTFd", "W1siYSJdLCAxXQ"]
)
def test_a_place_that_nobody_gave_out_is_refused_in_words(house: House, after: str) -> None:
    answer = house.as_(Role.VIEWER).get("/accounts", params={"after": after})
    assert (answer.status_code, "Begin at its first page" in answer.text) == (400, True)


# --- one account ---


def lived(house: House) -> None:
    """A client that was mailed, answered, and has a task, a stop and more to come."""
    site = house.site
    links = site.mailed()
    site.answer(links["a"], "quote", note="By Friday, please")
    with house.engine.begin() as conn:
        conn.execute(update(accounts).values(account_manager="sales", country="PL"))
    person(house, "sales", "Sam Seller")


def test_the_story_of_an_account_tells_mails_answers_tasks_and_terms(house: House) -> None:
    lived(house)
    html = house.as_(Role.VIEWER).get("/accounts/A-1").text.replace("<wbr>", "")
    (mail,) = house.site.ledger()
    for said in (
        f'href="/outbox/{mail.id}"',
        "send a quote",
        "By Friday, please",
        "L-1 came into the book",
        "Sam Seller",
        "anna@example.com",
        'href="/licences/L-1"',
        "rest, as the client answered",
    ):
        assert said in html, said


def answered(house: House, account_id: int, number: int, comment: str, **values: object) -> None:
    """An answer to a survey, as its page records it."""
    row = {"id": number, "schedule": "after-renewal", "survey": "renewal", "account_id": account_id}
    row |= {"score": 3, "vote": -1, "comment": comment, "answered_on": TODAY, "source": "page"}
    with house.engine.begin() as conn:
        conn.execute(insert(responses).values(row | values))


def test_the_story_tells_what_was_answered_with_a_name_and_nothing_that_was_in_confidence(
    house: House,
) -> None:
    one = account(house, "A")
    answered(house, one, 7, "The invoice was wrong", promise="named", answered_at=NOON)
    answered(house, one, 8, "Between us", promise="confidential")
    answered(house, one, 9, "A robot", promise="named", answered_at=NOON, judged="possible")
    html = house.as_(Role.VIEWER).get("/accounts/A").text
    assert "3 of 10" in html
    assert "The invoice was wrong" in html
    assert 'href="/surveys/answers/7"' in html
    assert "Between us" not in html
    assert "A robot" not in html


def test_what_is_to_come_is_what_the_planner_says(house: House) -> None:
    house.site.mailed()
    client = house.as_(Role.VIEWER)
    coming = "/accounts/A-1/to-come"
    assert f'href="{coming}"' in client.get("/accounts/A-1").text, "the way without scripts"
    assert f'href="{coming}?soonest=1"' in client.get("/accounts/A-1/hand-over").text
    page, part = client.get(coming).text, client.get(coming, headers={"HX-Request": "true"}).text
    for html in (page, part):
        assert "renewal / grace to anna@example.com" in html
        assert "Product L-1 expires" in html
        assert html.index("renewal / grace") < html.index("Product L-1"), "the last comes first"
    soonest = client.get(f"{coming}?soonest=1").text
    assert soonest.index("Product L-1") < soonest.index("renewal / grace")
    assert ("<html" in page, "<html" in part) == (True, False)
    assert "2 entries to come." in part


def test_a_long_story_is_told_page_by_page_and_each_thing_once(house: House) -> None:
    one = account(house, "A")
    for number in range(100):
        task(house, one, f"T{number:03}", "x", opened_at=NOON - timedelta(hours=number // 40))
    client, found, path = house.as_(Role.VIEWER), [], "/accounts/A"
    while path:
        html = client.get(path, headers={"HX-Request": "true"} if found else {}).text
        found += re.findall(r"<b><bdi>(T\d+)", html)
        older = re.search(r'rel="next" href="([^"#]+)" hx-get', html)
        path = older[1].replace("&amp;", "&") if older else ""
    assert sorted(found) == [f"T{number:03}" for number in range(100)]


def test_contacts_say_why_nobody_writes_to_them(house: House) -> None:
    one = account(house, "A")
    rows = [
        {"key": "c1", "email": "gone@example.com", "name": "Gone"},
        {"key": "c2", "email": "no@example.com", "name": "No Offers", "opt_out": True},
        {"key": "c3", "email": "yes@example.com", "name": "Fine"},
    ]
    with house.engine.begin() as conn:
        more = {"account_id": one, "updated_at": NOON}
        conn.execute(insert(contacts), [{"opt_out": False} | row | more for row in rows])
        gone = {"address": "gone@example.com", "reason": "bounced", "at": NOON}
        conn.execute(insert(suppressions).values(gone))
    html = house.as_(Role.VIEWER).get("/accounts/A").text
    for said in ("mail to it comes back", "wants no offers; notices still go", "reachable"):
        assert said in html


@pytest.mark.parametrize("key", [SLASHED, "a b", "ż/ó", "x" * 300, "%", "A/hand-over", "A/to-come"])
def test_any_key_has_an_address(house: House, key: str) -> None:
    licence(house, account(house, key, name=HOSTILE), f"L {key}", product=HOSTILE)
    client = house.as_(Role.VIEWER)
    for path in (
        f"/accounts/{quote(key, safe='')}",
        f"/accounts/{quote(key, safe='')}/hand-over",
        f"/licences/{quote(f'L {key}', safe='')}",
        f"/accounts/{quote(key, safe='')}/to-come",
        f"/licences/{quote(f'L {key}', safe='')}/to-come",
    ):
        page = client.get(path)
        assert page.status_code == 200, path
        assert "<script>alert" not in page.text
        assert "&lt;script&gt;alert(1)" in page.text
    assert f'href="/accounts/{quote(key, safe="")}"' in client.get("/accounts").text


def test_what_is_not_there_is_a_page(house: House) -> None:
    client = house.as_(Role.VIEWER)
    for path in (
        *("/accounts/none", "/licences/none", "/accounts/none/hand-over"),
        *("/accounts/none/to-come", "/licences/none/to-come"),
    ):
        assert client.get(path).status_code == 404, path
    for path in ("/accounts/%00", "/licences/%00", "/licences/%00/to-come"):
        assert client.get(path).status_code == 400, path
    assert client.get("/accounts/x?before=W10").status_code in (400, 404)


# --- stops ---


def test_renewals_stop_an_account_and_lift_it_and_the_log_tells_both(house: House) -> None:
    account(house, "A")
    client = house.as_(Role.RENEWALS)
    sent = client.post("/accounts/A/stop", data={"about": "account:A", "reason": "asked by phone"})
    assert sent.status_code == 303
    assert "asked by phone" in client.get("/accounts/A").text
    lifted = client.post("/accounts/A/lift", data={"about": "account:A"})
    assert lifted.status_code == 303
    assert [row.lifted_at is None for row in house.site.rows(stops)] == [False]
    logged = [(row.what, row.about) for row in house.site.rows(audit) if row.what[:4] == "stop"]
    assert logged == [("stop.made", "account A"), ("stop.lifted", "account A")]


def test_a_stop_that_cannot_be_made_says_all_that_is_wrong_and_keeps_what_was_typed(
    house: House,
) -> None:
    account(house, "A")
    account(house, "B")
    client = house.as_(Role.RENEWALS)
    form = {"about": "account:B", "reason": "", "until": "2020-01-01"}
    answer = client.post("/accounts/A/stop", data=form)
    assert answer.status_code == 422
    for said in ("Reason: say why", "that day is past", "What: choose", 'value="2020-01-01"'):
        assert said in answer.text
    assert house.site.rows(stops) == []


def test_who_only_looks_can_change_nothing(house: House) -> None:
    one = account(house, "A", account_manager="sales")
    task(house, one, "Call", "old")
    before = house.site.business()
    client = house.as_(Role.VIEWER)
    for path in ("stop", "lift", "hand-over"):
        assert client.post(f"/accounts/A/{path}", data={"about": "account:A"}).status_code == 403
    for path in ("/accounts", "/accounts/A", "/accounts/A/hand-over", "/licences", "/search?q=cl"):
        html = client.get(path).text
        assert client.get(path).status_code == 200
        assert 'method="post" action="/accounts' not in html
        assert "New task" not in html
    changed = house.site.business()
    for name in ("tasks", "task_history", "stops", "accounts", "licences"):
        assert changed[name] == before[name]


# --- hand-overs ---


def test_open_tasks_follow_to_the_new_manager(house: House) -> None:
    one = account(house, "A", account_manager="sales")
    person(house, "sales", "Sam Seller")
    moved, other = task(house, one, "Call", "old"), task(house, one, "Write", "third")
    client = house.as_(Role.SALES)
    html = client.get("/accounts/A/hand-over?before=old").text
    seen = re.search(r'name="seen" value="(\w+)"', html)
    assert seen
    form = {"before": "old", "to": "sales", "seen": seen[1]}
    assert client.post("/accounts/A/hand-over", data=form).status_code == 303
    assert {row.id: row.assignee for row in house.site.rows(tasks)} == {
        moved: "sales",
        other: "third",
    }
    told = [(row.task_id, row.who, row.what, row.note) for row in house.site.rows(task_history)]
    assert told == [(moved, "sales", "assigned", "to sales")]
    logged = [row for row in house.site.rows(audit) if row.what == "account.handed-over"]
    assert [(row.who, row.about, row.detail["tasks"]) for row in logged] == [
        ("sales", "account A", [moved])
    ]
    again = client.post("/accounts/A/hand-over", data=form)
    assert again.status_code == 409, "they are not those that were seen"


def test_tasks_that_changed_meanwhile_are_shown_anew_and_not_moved(house: House) -> None:
    one = account(house, "A", account_manager="sales")
    person(house, "sales")
    task(house, one, "Call", "old")
    client = house.as_(Role.RENEWALS)
    form = {"before": "old", "to": "sales", "seen": "something else"}
    answer = client.post("/accounts/A/hand-over", data=form)
    assert (answer.status_code, "changed meanwhile" in answer.text) == (409, True)
    assert [row.assignee for row in house.site.rows(tasks)] == ["old"]


def test_sales_hand_over_their_own_accounts_only_and_to_people_we_know(house: House) -> None:
    account(house, "theirs", account_manager="somebody")
    account(house, "mine", account_manager="sales")
    client = house.as_(Role.SALES)
    form = {"before": "old", "to": "nobody", "seen": ""}
    assert client.post("/accounts/theirs/hand-over", data=form).status_code == 403
    answer = client.post("/accounts/mine/hand-over", data=form)
    assert answer.status_code == 422
    assert "expected the key of one of our people" in answer.text


LOAD = {
    "entity": "account",
    "key": "{key}",
    "name": "{name}",
    "account_manager": "{manager}",
    "renewal_manager": "{manager}",
}


def loaded(house: House, rows: dict[str, str]) -> None:
    """An import of accounts: key to manager."""
    lines = ["key,name,manager", *(f"{key},Client {key},{who}" for key, who in rows.items())]
    root = house.site.root
    (root / "accounts.csv").write_text("\n".join(lines), encoding="utf-8")
    source = SourceSettings(kind="csv", path="accounts.csv", load=[LOAD])
    options = Options(hand_over=handing.open_for)
    report = import_source(house.engine, "accounts", source, house.site.clock, root, options)
    assert report.problems == []


def test_an_import_that_changes_the_manager_opens_one_task_for_the_new_one(house: House) -> None:
    loaded(house, {"A": "anna", "B": "ben"})
    assert house.site.rows(tasks) == [], "whoever is first takes nothing over"
    loaded(house, {"A": "carl", "B": "ben"})
    loaded(house, {"A": "carl", "B": "ben"})
    told = [(row.kind, row.title, row.assignee) for row in house.site.open_tasks()]
    assert told == [("hand-over", "Take over Client A", "carl")]
    loaded(house, {"A": "dora", "B": "ben"})
    assert [row.assignee for row in house.site.open_tasks()] == ["dora"]


@contextmanager
def counted(engine: Engine) -> Iterator[list[str]]:
    """The statements that run while the block lasts."""
    ran: list[str] = []

    def note(conn: object, cursor: object, sql: str, *_: object) -> None:
        ran.append(sql)

    event.listen(engine, "before_cursor_execute", note)
    yield ran
    event.remove(engine, "before_cursor_execute", note)


def test_hand_overs_cost_no_statement_for_each_account(house: House) -> None:
    counts = []
    for many in (3, 300):
        loaded(house, {f"{many}-{n}": "anna" for n in range(many)})
        with counted(house.engine) as ran:
            loaded(house, {f"{many}-{n}": "ben" for n in range(many)})
        counts.append(len(ran))
    assert len(house.site.open_tasks()) == 303
    assert counts[1] <= counts[0] + 2


# --- licences ---


def test_licences_are_listed_by_expiry_and_filtered(house: House) -> None:
    one = account(house, "A", account_manager="sales")
    two = account(house, "B")
    licence(house, one, "soon", 5)
    licence(house, two, "late", 90, auto_renew=True)
    licence(house, two, "over", -5)
    licence(house, two, "away", 8, status="cancelled")
    client = house.as_(Role.VIEWER)
    for query, expected in (
        ("", ["soon", "late"]),
        ("?days=30", ["soon"]),
        ("?auto=yes", ["late"]),
        ("?auto=no", ["soon"]),
        ("?manager=sales", ["soon"]),
        ("?state=expired", ["over"]),
        ("?state=cancelled", ["away"]),
        ("?state=ended", []),
        ("?days=junk&state=junk&auto=junk", ["soon", "late"]),
    ):
        assert listed(client.get(f"/licences{query}").text) == expected, query


def test_licences_are_filtered_by_the_schedule_that_they_walk(house: House) -> None:
    house.site.mailed()
    licence(house, account(house, "B"), "unseen", 9)
    client = house.as_(Role.VIEWER)
    assert listed(client.get("/licences?schedule=renewal").text) == ["L-1"]
    assert listed(client.get("/licences?schedule=other").text) == []


def test_a_licence_tells_its_dates_as_explain_does(house: House) -> None:
    house.site.mailed()
    client = house.as_(Role.VIEWER)
    html, (mail,) = client.get("/licences/L-1").text, house.site.ledger()
    coming = "/licences/L-1/to-come"
    assert "3 days after" not in html, "the planner is asked apart"
    assert f'href="{coming}"' in html
    for headers in ({}, {"HX-Request": "true"}):
        later = client.get(coming, headers=headers).text
        assert "3 days after Sun 2026-12-20 is Wed 2026-12-23" in later
        assert "30 days before" not in later, "what is over stands on the page"
    for said in (
        "30 days before Sun 2026-12-20 is Fri 2026-11-20",
        f'href="/outbox/{mail.id}"',
        "renewal / heads-up",
        'href="/accounts/A-1"',
        "first seen",
    ):
        assert said in html, said


# --- as many statements for a large book as for a small one ---


def fill(house: House, count: int) -> None:
    """``count`` licences of a quarter as many accounts, with a walk and a contact each."""
    start = date(2026, 12, 1)
    with house.engine.begin() as conn:
        conn.execute(
            insert(accounts),
            [
                {"id": n, "key": f"A{n}", "name": f"Client {n}", "updated_at": NOON}
                for n in range(1, count // 4 + 1)
            ],
        )
        conn.execute(
            insert(licences),
            [
                {
                    "key": f"L{n}",
                    "account_id": 1 + n % (count // 4),
                    "product": f"Product {n % 9}",
                    "term": 1,
                    "expires_on": start + timedelta(days=n % 300),
                    "updated_at": NOON,
                }
                for n in range(count)
            ],
        )


PAGES = (
    "/accounts",
    "/accounts?sort=expiry",
    "/accounts/A1",
    "/accounts/A1/hand-over",
    "/accounts/A1/to-come",
    "/licences",
    "/licences/L8",
    "/licences/L8/to-come",
    "/search?q=client",
    "/search?q=pr",
)


def test_no_page_asks_more_of_a_large_book_than_of_a_small_one(house: House) -> None:
    client, counts = house.as_(Role.VIEWER), []
    for size in (200, 20_000):
        with house.engine.begin() as conn:
            conn.execute(licences.delete())
            conn.execute(accounts.delete())
        fill(house, size)
        counts.append({})
        for path in PAGES:
            with counted(house.engine) as ran:
                assert client.get(path).status_code == 200, path
            counts[-1][path] = len(ran)
    assert counts[0] == counts[1]
    assert max(counts[1].values()) < 60


# --- how they look ---

LOOKS = (
    "/accounts",
    "/accounts?sort=expiry",
    "/accounts/A-1",
    "/accounts/A-1/hand-over",
    "/accounts/A-1/to-come",
    f"/accounts/{quote(SLASHED, safe='')}",
    "/licences",
    "/licences/L-1",
    "/licences/L-1/to-come",
    "/search?q=client",
    "/search/words?q=client",
)


def test_pages_of_the_book_are_right_on_every_screen(sqlite_house: House, browser: Browser) -> None:
    house = sqlite_house
    lived(house)
    other = account(house, SLASHED, name=HOSTILE, account_manager="sales", tags=["x" * 300])
    licence(house, other, f"L/{HOSTILE}", product=HOSTILE)
    task(house, other, HOSTILE, "old", detail=HOSTILE, due_on=TODAY)
    with house.engine.begin() as conn:
        row = {"scope": "account", "subject_id": other, "reason": HOSTILE, "made_at": NOON}
        conn.execute(insert(stops).values(row))
    assert wrong_with(house.opened_by(browser, Role.ADMIN), *LOOKS) == []


def test_what_is_to_come_appears_by_itself_and_is_told_to_those_who_listen(
    sqlite_house: House, browser: Browser
) -> None:
    sqlite_house.site.mailed()
    context = sqlite_house.opened_by(browser, Role.VIEWER, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    for path, said in (
        ("/accounts/A-1", "2 entries to come."),
        ("/accounts/A-1/hand-over", "2 entries to come."),
        ("/licences/L-1", "1 entry to come."),
    ):
        page.goto(path)
        expect(page.locator(".ahead .story li").first).to_be_visible()
        expect(page.locator("#ahead-said")).to_have_text(said)
        expect(page.locator(".ahead")).not_to_have_attribute("aria-busy", "true")
    context.close()


@pytest.mark.parametrize("path", ["/accounts/A-1", "/licences/L-1"])
def test_while_what_is_to_come_cannot_be_told_the_page_stands_and_leads_to_it(
    sqlite_house: House, browser: Browser, path: str
) -> None:
    sqlite_house.site.mailed()
    context = sqlite_house.opened_by(browser, Role.VIEWER, viewport={"width": 360, "height": 900})
    page = context.new_page()
    page.route("**/to-come", lambda route: route.fulfill(status=503))
    with page.expect_response("**/to-come"):
        page.goto(path)
    way = page.get_by_role("link", name="What is to come")
    expect(page.locator(".ahead")).not_to_have_attribute("aria-busy", "true")
    assert (faults(page), is_too_wide(page)) == ([], False)
    page.unroute("**/to-come")
    way.click()
    page.wait_for_url(f"**{path}/to-come")
    expect(page.get_by_text("renewal / grace").first).to_be_visible()
    context.close()


def test_from_the_search_box_to_an_account_to_its_licence_by_keyboard(
    sqlite_house: House, browser: Browser
) -> None:
    house = sqlite_house
    house.site.mailed()
    account(house, "Z", name="Client Zed")
    context = house.opened_by(browser, Role.VIEWER, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto("/")
    page.keyboard.press("/")
    page.keyboard.type("client")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search?q=client")
    box = page.locator("#q")
    box.fill("client one")
    page.locator("#found a[data-row]").first.wait_for()
    expect(page.locator("#found a[data-row]")).to_have_count(1)
    page.locator("#found a[data-row]").first.click()
    page.wait_for_url("**/accounts/A-1")
    page.get_by_role("link", name="Product L-1", exact=True).first.click()
    page.wait_for_url("**/licences/L-1")
    assert "heads-up" in page.content()
    context.close()
