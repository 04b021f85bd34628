"""The page of one planned mail: what it says, and who may hold it, write into it, take it over."""

from __future__ import annotations

import re

import httpx
import pytest
from playwright.sync_api import Browser
from sqlalchemy import insert, select, update

from tests.browsers import wrong_with
from tests.cadence.dormant import dormant, episode
from tests.desk.conftest import House
from tests.outbox.world import SCHEDULE
from worker.access.rules import Role
from worker.cadence.records import interventions, steps, walks
from worker.catalogue.records import accounts
from worker.db.engine import reading
from worker.desk.mails import url_of
from worker.outbox.records import messages
from worker.reactivation.records import episodes

HEADS_UP, GRACE = url_of(1, "heads-up"), url_of(1, "grace")
PATHS = (HEADS_UP, GRACE)


def planned(house: House, *, manager: str = "sales") -> None:
    """A client whose heads-up is decided and waits, and whose grace mail is still to come."""
    house.site.licence(account="A-1", name="Maple & Sons")
    house.site.contact(licence="1", email="anna@example.com")
    house.site.apply()
    house.site.decide()
    with house.engine.begin() as conn:
        conn.execute(update(accounts).values(account_manager=manager))


def send(page: httpx.Client, path: str, kind: str, **fields: str) -> httpx.Response:
    """Sends a form of the page at ``path`` as a browser does."""
    found = re.search(r'name="seen" value="(\w+)"', page.get(path).text)
    seen = found.group(1) if found else ""
    return page.post(f"{path}/{kind}", data={"seen": seen, "reason": "I phone first"} | fields)


def standing(house: House) -> list[tuple[str, str]]:
    query = select(interventions).where(interventions.c.lifted_at.is_(None))
    with reading(house.engine) as conn:
        return [(row.kind, row.step) for row in conn.execute(query.order_by(interventions.c.id))]


def decision(house: House, step: str) -> tuple[str, str | None] | None:
    query = select(steps.c.decision, steps.c.reason).where(steps.c.step == step)
    with reading(house.engine) as conn:
        row = conn.execute(query).first()
    return (row.decision, row.reason) if row else None


def test_the_page_says_when_to_whom_why_and_how_it_reads(house: House) -> None:
    planned(house)
    page = house.as_(Role.VIEWER)
    now, later = page.get(HEADS_UP).text, page.get(GRACE).text
    assert "anna@example.com" in now
    assert "30 days before" in now
    assert "Product L-1" in now
    assert "Wed 23 Dec 2026" in later
    assert "Product L-1" in later, "a mail that is not decided can be read, too"
    assert 'src="/mails/1/grace/html"' in later
    assert "Product L-1" in page.get(f"{GRACE}/html").text


def test_a_mail_to_come_is_read_as_of_its_own_day(house: House) -> None:
    planned(house)
    page = house.as_(Role.VIEWER)
    now, later = page.get(HEADS_UP).text, page.get(GRACE).text
    assert "expires in 30 days" in now
    assert "This is how it would leave now." in now
    assert "expired on" in later, "three days after the expiry it has expired"
    assert "expires in" not in later
    assert "This is how it would leave on its day, Wed 23 Dec 2026." in later
    assert "expired on" in page.get(f"{GRACE}/html").text


def test_a_client_in_another_zone_has_its_clock_named(house: House) -> None:
    house.site.licence(account="A-1", name="Maple & Sons")
    house.site.contact(licence="1", email="anna@example.com")
    with house.engine.begin() as conn:
        conn.execute(update(accounts).values(timezone="America/Chicago"))
    house.site.apply(SCHEDULE.replace('timezone = "UTC"', 'timezone = "account"'))
    house.site.decide()
    page = house.as_(Role.VIEWER)
    clocks = re.compile(r"Wed 23 Dec 2026, 15:(\d\d) \(09:\1 America/Chicago\)")
    for path in (GRACE, "/licences/L-1/to-come", "/accounts/A-1/to-come"):
        assert clocks.search(page.get(path).text), path


def test_a_reason_is_told_in_a_sentence_and_its_code_is_there_for_who_asks(house: House) -> None:
    planned(house)
    page = house.as_(Role.SALES)
    assert send(page, HEADS_UP, "hold", until="2026-12-01").status_code == 303
    text = page.get("/licences/L-1/to-come").text + page.get("/licences/L-1").text
    assert '<span title="held-by-person">A person held the mail back' in text
    assert ">held-by-person" not in text


def test_a_mail_is_held_and_given_back(house: House) -> None:
    planned(house)
    page = house.as_(Role.SALES)
    assert send(page, HEADS_UP, "hold", until="2026-12-01").status_code == 303
    assert decision(house, "heads-up") == ("put-off", "held-by-person")
    text = page.get(HEADS_UP).text
    assert "Held until the end of Tue 1 Dec 2026" in text
    assert "I phone first" in text
    assert send(page, HEADS_UP, "lift", what="back").status_code == 303
    house.site.run()
    assert len(house.site.mails()) == 1


def test_words_are_looked_at_before_they_are_saved(house: House) -> None:
    planned(house)
    page = house.as_(Role.SALES)
    words = {"subject": "For Anna", "words": "Dear <Anna>,\nit was good to meet."}
    answer = send(page, HEADS_UP, "edit", look="1", **words)
    assert answer.status_code == 200
    assert "not saved yet" in answer.text
    assert answer.text.count("Dear &lt;Anna&gt;,") == 2, "in the form and in the mail"
    assert standing(house) == []
    assert send(page, HEADS_UP, "edit", **words).status_code == 303
    house.site.run()
    assert [mail["Subject"] for mail in house.site.mails()] == ["For Anna"]


def test_a_mail_taken_over_never_leaves(house: House) -> None:
    planned(house)
    page = house.as_(Role.SALES)
    assert send(page, HEADS_UP, "take-over").status_code == 303
    house.site.run()
    assert house.site.mails() == []
    (task,) = [row for row in house.site.open_tasks() if row.kind == "taken-over"]
    assert task.assignee == "sales"


def test_a_form_that_cannot_be_used_comes_back_with_all_faults_and_all_words(
    house: House,
) -> None:
    planned(house)
    page = house.as_(Role.SALES)
    answer = send(page, HEADS_UP, "hold", reason="", until="2026-01-01")
    assert answer.status_code == 422
    assert "A reason that a colleague understands is missing." in answer.text
    assert "2026-01-01, is past" in answer.text
    assert 'value="2026-01-01"' in answer.text
    answer = send(page, HEADS_UP, "edit", words="x" * 2001)
    assert answer.status_code == 422
    assert "2,001 characters" in answer.text
    assert standing(house) == []


def test_who_acts_on_what_they_did_not_see_is_shown_both(house: House) -> None:
    planned(house)
    page = house.as_(Role.SALES)
    found = re.search(r'name="seen" value="(\w+)"', page.get(HEADS_UP).text)
    assert found
    send(house.as_(Role.RENEWALS), HEADS_UP, "hold", reason="Legal looks at it")
    stale = {"seen": found.group(1), "reason": "Mine", "words": "Hello"}
    answer = page.post(f"{HEADS_UP}/edit", data=stale)
    assert answer.status_code == 409
    assert "Legal looks at it" in answer.text
    assert "Hello" in answer.text
    assert standing(house) == [("hold", "heads-up")]


def test_the_page_of_a_mail_that_has_left_leads_to_what_left(house: House) -> None:
    planned(house)
    house.site.run()
    page = house.as_(Role.SALES)
    answer = page.get(HEADS_UP)
    assert answer.status_code == 303
    assert page.get(answer.headers["location"]).status_code == 200
    refused = send(page, HEADS_UP, "hold", seen=_seen_by_nobody(), reason="Wait")
    assert refused.status_code in (409, 422)
    assert "the mail has left" in refused.text
    assert standing(house) == []


def _seen_by_nobody() -> str:
    return "0" * 16


def test_a_viewer_changes_nothing(house: House) -> None:
    planned(house)
    page = house.as_(Role.VIEWER)
    assert 'name="reason"' not in page.get(HEADS_UP).text
    for kind in ("hold", "edit", "take-over", "lift"):
        assert send(page, HEADS_UP, kind, words="x", what="back").status_code == 403
    assert standing(house) == []


def test_sales_of_another_account_change_nothing(house: House) -> None:
    planned(house, manager="somebody-else")
    page = house.as_(Role.SALES)
    assert "in the care of others" in page.get(HEADS_UP).text
    for kind in ("hold", "edit", "take-over", "lift"):
        answer = send(page, HEADS_UP, kind, words="x", what="back")
        assert answer.status_code == 403, kind
    assert standing(house) == []
    assert send(house.as_(Role.RENEWALS), HEADS_UP, "hold").status_code == 303


@pytest.mark.parametrize(
    "path",
    [
        "/mails/99/heads-up",
        "/mails/1/no-such",
        "/mails/1/heads-up/x",
        "/mails/99999999999999999999/a",
    ],
)
def test_what_is_no_planned_mail_is_not_found(sqlite_house: House, path: str) -> None:
    planned(sqlite_house)
    assert sqlite_house.as_(Role.ADMIN).get(path).status_code in (404, 405)


@pytest.mark.parametrize("path", PATHS)
def test_pages_are_right_on_every_screen(sqlite_house: House, browser: Browser, path: str) -> None:
    planned(sqlite_house)
    send(sqlite_house.as_(Role.SALES), GRACE, "edit", subject="Ours", words="Two\n\nparagraphs")
    send(sqlite_house.as_(Role.SALES), GRACE, "hold")
    assert wrong_with(sqlite_house.opened_by(browser, Role.ADMIN), path) == []


def test_somebody_holds_a_mail_in_a_browser(sqlite_house: House, browser: Browser) -> None:
    planned(sqlite_house)
    context = sqlite_house.opened_by(browser, Role.SALES)
    page = context.new_page()
    page.goto("/outbox?state=to-leave")
    page.get_by_role("link", name="anna@example.com").click()
    page.get_by_role("link", name="hold, edit or take over").click()
    form = page.locator("form[action$='/hold']")
    form.get_by_label("Why").fill("She is on leave")
    form.get_by_role("button", name="Hold").click()
    page.wait_for_load_state()
    assert "is held until the hold is lifted" in page.inner_text("main")
    sqlite_house.site.run()
    assert sqlite_house.site.mails() == []
    page.get_by_role("button", name="Lift the hold").click()
    page.wait_for_load_state()
    sqlite_house.site.run()
    assert len(sqlite_house.site.mails()) == 1
    context.close()


def test_the_walk_of_these_tests_is_the_first(sqlite_house: House) -> None:
    planned(sqlite_house)
    with reading(sqlite_house.engine) as conn:
        assert conn.execute(select(walks.c.id)).scalars().all() == [1]


# --- about the account itself ---


def fell_silent(house: House) -> str:
    """A client of sales that was flagged today; the page of the mail that comes of it."""
    text = dormant("miss-you = 3 days after").replace("silent/miss-you", "reactivation/we-miss-you")
    (house.site.root / "schedules/silent.toml").write_text(text, encoding="utf-8")
    planned(house)
    with house.engine.begin() as conn:
        number = conn.execute(select(accounts.c.id)).scalar_one()
        today = house.site.clock.now().date()
        conn.execute(insert(episodes), episode("silent", number, 1, today))
    house.site.decide()
    house.site.decide()
    with reading(house.engine) as conn:
        walk = conn.execute(select(walks.c.id).where(walks.c.subject == "account")).scalar_one()
    return url_of(walk, "miss-you")


def test_a_mail_to_a_silent_client_is_read_and_held_where_its_account_is_told(house: House) -> None:
    here = fell_silent(house)
    sales = house.as_(Role.SALES)
    assert f'href="{here}"' in sales.get("/accounts/A-1/to-come").text
    page = sales.get(here).text
    assert "Maple &amp; Sons: orders less than usual, flagged on 2026-11-20" in page
    assert "Is there anything we can do for Maple &amp; Sons?" in page
    assert "/licences/" not in page.partition("<h1>")[0].rpartition('class="trail"')[2]
    assert "None" not in page
    assert send(sales, here, "hold").status_code == 303
    assert standing(house) == [("hold", "miss-you")]
    assert "Held until the hold is lifted" in sales.get(here).text
    assert sales.post(f"{here}/lift", data={"what": "back"}).status_code == 303
    assert standing(house) == []


def test_a_mail_to_a_silent_client_that_waits_is_reached_from_the_outbox(house: House) -> None:
    here = fell_silent(house)
    house.site.later(days=3)
    house.site.decide()
    with reading(house.engine) as conn:
        mine = messages.c.schedule == "silent"
        number = conn.execute(select(messages.c.id).where(mine)).scalar_one()
    page = house.as_(Role.SALES).get(f"/outbox/{number}").text
    assert 'href="/accounts/A-1">A-1</a>' in page
    assert f'href="{here}"' in page
