"""The outbox as people see it: lists, one mail as it was sent, and a word on those in doubt."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.sync_api import Browser
from sqlalchemy import select, update

from tests.browsers import wrong_with
from tests.desk.conftest import House, shown
from worker.access.records import audit
from worker.access.rules import Role
from worker.channels.folder import FolderChannel
from worker.db.engine import reading
from worker.events.records import events
from worker.outbox.records import messages

PATHS = (
    "/outbox",
    "/outbox?state=unknown",
    "/outbox?state=to-leave",
    "/outbox?first=2026-13-01",
    "/outbox/1",
    "/outbox/2",
)


def mailed(house: House) -> None:
    """One mail about two licences went out; it is kept as a file where the house looks for it."""
    house.site.mailed()
    outbox = house.site.root / "var/outbox"
    outbox.parent.mkdir(exist_ok=True)
    house.site.folder.folder.rename(outbox)


def in_doubt(house: House) -> None:
    """A second mail, of which nobody knows whether it left."""
    house.site.licence("L-2")
    house.site.contact("C-2", licence="L-2", email="boris@example.com")
    house.site.decide()
    since = house.site.clock.now() - timedelta(hours=3)
    values = {"state": "unknown", "unknown_since": since, "channel": "sendgrid", "next_at": since}
    values |= {"started_at": since}
    with house.engine.begin() as conn:
        conn.execute(update(messages).where(messages.c.id == 2).values(**values, attempts=1))
        told = {"channel": "sendgrid", "key": "e-1", "kind": "deferred", "at": since}
        told |= {"received_at": since, "address": "boris@example.com", "raw": {"ip": "192.0.2.7"}}
        key = conn.execute(select(messages.c.mail_key).where(messages.c.id == 2)).scalar()
        conn.execute(events.insert().values(**told, mail_key=key, detail="busy"))


def state_of(house: House, id_: int) -> str:
    with reading(house.engine) as conn:
        return str(conn.execute(select(messages.c.state).where(messages.c.id == id_)).scalar())


def test_the_outbox_lists_mails_and_filters_them(house: House) -> None:
    mailed(house)
    in_doubt(house)
    page = house.as_(Role.VIEWER)
    assert "anna@example.com" in shown(page.get("/outbox"))
    assert "Not known whether sent (1)" in page.get("/outbox").text
    for query, anna, boris in (
        ("state=accepted", True, False),
        ("state=unknown", False, True),
        ("schedule=renewal&step=heads-up", True, True),
        ("schedule=renewal&step=grace", False, False),
        ("address=BORIS%40example.com", False, True),
        ("first=2026-11-20&last=2026-11-20", True, True),
        ("last=2026-11-19", False, False),
        ("state=to-leave", False, False),
        ("state=held", False, False),
    ):
        text = page.get(f"/outbox?{query}").text.replace("<wbr>", "")
        assert ("anna@example.com" in text, "boris@example.com</a>" in text) == (anna, boris), query


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("first=yesterday", "first: expected a day such as 2027-03-31"),
        ("state=lost", "state: there is no &#39;lost&#39;"),
        ("first=2026-12-02&last=2026-12-01", "lies before the first"),
    ],
)
def test_filters_that_cannot_be_used_are_told(sqlite_house: House, query: str, said: str) -> None:
    answer = sqlite_house.as_(Role.VIEWER).get(f"/outbox?{query}")
    assert answer.status_code == 422
    assert said in answer.text


def test_pages_go_on_where_the_last_one_ended(house: House) -> None:
    house.site.book(120)
    house.site.apply()
    house.site.decide()
    page = house.as_(Role.VIEWER)
    for state in ("", "to-leave"):
        seen: list[str] = []
        path = f"/outbox?state={state}"
        while path:
            text = page.get(path).text
            seen += [part.split('"')[0] for part in text.split('data-row href="')[1:]]
            path = text.split('rel="next" href="')[1].split('"')[0] if 'rel="next"' in text else ""
            path = path.replace("&amp;", "&")
        assert len(seen) == len(set(seen)) == 120, state


def test_a_mail_is_shown_as_it_lies_in_its_file(house: House) -> None:
    mailed(house)
    text = house.as_(Role.VIEWER).get("/outbox/1").text
    assert "This is the file that was written when it was sent." in text
    assert "Product L-1" in text
    assert "/a/…" in text
    paths = house.site.links() if house.site.folder.folder.exists() else {}
    assert not paths


def test_a_mail_that_no_file_keeps_is_written_anew_and_says_so(house: House) -> None:
    house.site.mailed()
    with house.engine.begin() as conn:
        conn.execute(update(messages).values(channel="sendgrid"))
    text = house.as_(Role.VIEWER).get("/outbox/1").text
    assert "It is written anew here" in text
    assert "Product L-1" in text
    assert "expires in 30 days" in text, "counted on the day on which it left"


def test_the_html_of_a_mail_can_run_nothing_and_fetch_nothing(house: House) -> None:
    mailed(house)
    answer = house.as_(Role.VIEWER).get("/outbox/1/html")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "sandbox" in policy
    assert "script-src" not in policy
    assert "<table" in answer.text
    page = house.as_(Role.VIEWER).get("/outbox/1").text
    assert 'sandbox="" src="/outbox/1/html"' in page


def test_only_admins_read_what_a_provider_sent_in_its_own_words(house: House) -> None:
    mailed(house)
    in_doubt(house)
    assert "192.0.2.7" in house.as_(Role.ADMIN).get("/outbox/2").text
    for role in (Role.VIEWER, Role.SALES, Role.RENEWALS):
        text = house.as_(role).get("/outbox/2").text
        assert "deferred" in text
        assert "192.0.2.7" not in text


def test_who_must_say_whether_a_mail_left_sees_what_it_says(house: House) -> None:
    mailed(house)
    in_doubt(house)
    shown = house.as_(Role.RENEWALS).get("/outbox/2").text
    assert "This is what it said when it was tried last" in shown
    assert "It never left" not in shown
    assert "L-2" in shown
    assert "boris@example.com" in shown


@pytest.mark.parametrize(
    ("word", "state"), [("sent", "accepted"), ("not-sent", "due"), ("give-up", "given-up")]
)
def test_a_doubt_is_settled_and_stands_in_the_audit_log(
    house: House, word: str, state: str
) -> None:
    mailed(house)
    in_doubt(house)
    answer = house.as_(Role.RENEWALS).post("/outbox/2/settle", data={"word": word})
    assert answer.status_code == 303
    assert state_of(house, 2) == state
    with reading(house.engine) as conn:
        row = conn.execute(select(audit).where(audit.c.what == "mail.settled")).one()
    assert (row.who, row.via) == ("renewals", "page")


def test_what_is_not_in_doubt_cannot_be_settled(house: House) -> None:
    mailed(house)
    answer = house.as_(Role.RENEWALS).post("/outbox/1/settle", data={"word": "not-sent"})
    assert answer.status_code == 422
    assert state_of(house, 1) == "accepted"
    assert house.as_(Role.RENEWALS).post("/outbox/1/settle", data={"word": "x"}).status_code == 422


@pytest.mark.parametrize("role", [Role.VIEWER, Role.SALES])
def test_a_smaller_role_settles_nothing(house: House, role: Role) -> None:
    mailed(house)
    in_doubt(house)
    page = house.as_(role)
    assert 'name="word"' not in page.get("/outbox/2").text
    assert page.post("/outbox/2/settle", data={"word": "sent"}).status_code == 403
    assert state_of(house, 2) == "unknown"


@pytest.mark.parametrize("path", ["/outbox/999", "/outbox/0", "/outbox/99999999999999999999"])
def test_a_mail_that_is_not_there_is_not_found(sqlite_house: House, path: str) -> None:
    assert sqlite_house.as_(Role.VIEWER).get(path).status_code == 404
    assert sqlite_house.as_(Role.VIEWER).get(f"{path}/html").status_code == 404


@pytest.mark.parametrize("path", PATHS)
def test_pages_are_right_on_every_screen(sqlite_house: House, browser: Browser, path: str) -> None:
    mailed(sqlite_house)
    in_doubt(sqlite_house)
    assert wrong_with(sqlite_house.opened_by(browser, Role.ADMIN), path) == []


def test_somebody_settles_a_doubt_in_a_browser(sqlite_house: House, browser: Browser) -> None:
    mailed(sqlite_house)
    in_doubt(sqlite_house)
    context = sqlite_house.opened_by(browser, Role.RENEWALS)
    page = context.new_page()
    page.goto("/")
    page.keyboard.press("g")
    page.keyboard.press("o")
    page.get_by_role("link", name="Not known whether sent").click()
    assert "for 3 h 0 min by sendgrid; 1 event told" in page.inner_text("main")
    page.get_by_role("button", name="It was sent").click()
    page.wait_for_url("**/outbox/2")
    assert "Noted: it was sent." in page.inner_text("main")
    assert state_of(sqlite_house, 2) == "accepted"
    context.close()


def test_the_folder_of_the_house_is_where_the_file_channel_writes(sqlite_house: House) -> None:
    app = sqlite_house.site.app
    assert app is not None
    channel = app.channel
    assert isinstance(channel, FolderChannel)
    assert channel.folder == app.root / app.settings.mail.file.folder
