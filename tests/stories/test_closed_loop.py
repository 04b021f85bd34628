"""You said, we did: from an imported renewal to the letter about what was done, with the shipped
schedules, a client's phone and the staff's pages, on one clock."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click
import pytest
from click.testing import CliRunner
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import Engine

from tests.browsers import faults, is_too_wide
from tests.clients.conftest import Site, opened
from tests.desk.conftest import House
from tests.outbox.world import CONTACT, LICENCE
from tests.staff import OFFICE
from worker.access.rules import Role
from worker.bootstrap import App
from worker.cadence import flow
from worker.cadence.explain_commands import explain
from worker.cadence.records import walks
from worker.channels.folder import FolderChannel
from worker.outbox.records import messages
from worker.schedules.flow import read_drafts

SHIPPED = Path(__file__).parents[2] / "schedules"
WARSAW = ZoneInfo("Europe/Warsaw")
PHONE = {"width": 360, "height": 780}
SAID = "Nobody calls back when something breaks."
DONE = "Since Monday a second person works on your cases."

CLIENT = {
    "entity": "account",
    "key": "{account}",
    "name": "Nowak i Syn",
    "timezone": WARSAW.key,
    "country": "PL",
    "language": "en",
    "account_manager": "sales",
}
PERSON = CONTACT | {"name": "Anna Nowak"}
MANAGER = {"entity": "staff", "key": "sales", "name": "Maria Lind", "email": "{email}"}


class Office(Site):
    """A book with one client and the schedules as they ship; its mails are files, and all is done
    by the beat of the wired application."""

    @property
    def wired(self) -> App:
        assert self.app is not None
        return self.app

    @property
    def folder(self) -> FolderChannel:
        return FolderChannel(self.root / "var/outbox")

    def term(self, start: str, end: str) -> None:
        """The file of licences arrives, with this term of the client's licence."""
        row = {"licence": "L-1", "account": "A-1", "product": "Backup", "status": "active"}
        row |= {"start": start, "end": end, "auto": "no"}
        self._load("licences", row, CLIENT, LICENCE)

    def people(self) -> None:
        """Who works here, and who signs at the client's."""
        self._load("staff", {"email": "maria@example.com"}, MANAGER)
        person = {"contact": "C-1", "account": "A-1", "email": "anna@example.com"}
        self._load("people", person, PERSON)

    def apply_shipped(self) -> None:
        shutil.copytree(SHIPPED, self.root / "schedules", dirs_exist_ok=True)
        drafts, problems = read_drafts(self.root)
        assert problems == []
        flow.apply(self.engine, self.clock, drafts, OFFICE)

    def beats_until(self, happened: Callable[[], object], days: int) -> None:
        """Beats whenever something is due, as long as ``days``; fails when it does not happen."""
        end = self.clock.now() + timedelta(days=days)
        self.wired.tick()
        while not happened():
            self.clock.advance_to(min(self._due(), end))
            assert self.clock.now() < end, "it did not happen in time"
            self.wired.tick()

    def _due(self) -> datetime:
        now = self.clock.now()
        waiting = [one.next_at for table in (walks, messages) for one in self.rows(table)]
        return min((at for at in waiting if at and at > now), default=now + timedelta(days=1))

    def left(self, kind: str) -> list[Any]:
        """The mails of a class that left, as the ledger has them."""
        return [one for one in self.rows(messages) if one.state == "accepted" and one.kind == kind]

    def mail_of(self, row: Any) -> EmailMessage:
        """The file of a mail that left."""
        (mail,) = [one for one in self.mails() if row.mail_key in one["Message-ID"]]
        return mail

    def says(self, command: click.Command, *words: str) -> str:
        """What a command prints at this hour."""
        done = CliRunner().invoke(command, words, obj=self.wired, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.stdout


@pytest.fixture
def office(engine: Engine, database_url: str, root: Path) -> Iterator[Office]:
    environ = {"PERENNIAL_BOOK__TIMEZONE": WARSAW.key}
    with opened(engine, database_url, root, environ, Office) as made:
        assert isinstance(made, Office)
        yield made


@pytest.fixture
def house(office: Office) -> Iterator[House]:
    made = House(office, str(office.client.base_url).rstrip("/"))
    yield made
    made.close()


def part(mail: EmailMessage, kind: str) -> str:
    found = mail.get_body((kind,))
    assert found is not None
    return str(found.get_content())


def fits(page: Page) -> bool:
    """Whether a page is right on the phone that it is read on."""
    return not is_too_wide(page) and faults(page) == []


def renewed(office: Office) -> None:
    """A year ends, and the next one is bought before the first reminder goes out."""
    office.term("2025-12-21", "2026-12-20")
    office.people()
    office.apply_shipped()
    office.wired.tick()
    office.later(days=3)
    office.term("2026-12-21", "2027-12-20")


def answered_on_a_phone(office: Office, browser: Browser, mail: EmailMessage) -> None:
    """The 3 in the mail is tapped, confirmed and explained, at home, without any script."""
    page = browser.new_page(viewport=PHONE, java_script_enabled=False)
    page.set_content(part(mail, "html"))
    page.get_by_role("link", name="3", exact=True).click()
    expect(page.locator("#score-3")).to_be_checked()
    assert office.said() == [], "a tap counts nothing"
    page.get_by_role("button").click()
    page.wait_for_url("**/more")
    page.locator("#comment").fill(SAID)
    page.get_by_role("button").click()
    page.wait_for_url("**/thanks")
    assert not is_too_wide(page)
    page.close()
    assert office.said() == [(3, SAID, "human")]


def closed_by_staff(house: House, browser: Browser) -> None:
    """The account manager finds the task in the morning, calls, and says what was done."""
    context = house.opened_by(browser, Role.SALES, viewport=PHONE)
    page = context.new_page()
    page.goto("/worklist")
    page.get_by_role("link", name="Answer a client who is not content").first.click()
    for words in (SAID, "Anna Nowak", "Nowak i Syn"):
        expect(page.locator("main")).to_contain_text(words)
    page.locator("#note").fill("Called Anna: three cases are open since October.")
    page.get_by_role("button", name="Add the note").click()
    expect(page.locator(".said")).to_be_visible()
    house.site.later(hours=3)
    page.locator("#close-note").fill(DONE)
    page.get_by_role("button", name="Close the task").click()
    expect(page.locator(".said")).to_contain_text("is closed")
    page.goto("/outbox")
    page.locator("tr", has_text="after-renewal / told").get_by_role("link").first.click()
    expect(page.locator("main")).to_contain_text(DONE)
    assert fits(page)
    context.close()


def read_on_the_account_page(house: House, browser: Browser) -> None:
    """All of it stands in the story of the account, the newest first."""
    context = house.opened_by(browser, Role.VIEWER, viewport=PHONE)
    page = context.new_page()
    page.goto("/accounts/A-1")
    told = " ".join(page.locator("ol.story").all_inner_texts())
    places = [
        told.find(words)
        for words in (
            "done Answer a client who is not content",
            "What we did after your answer",
            "task Answer a client who is not content",
            "Anna Nowak: 3 of 10",
            SAID,
            "One question",
            "L-1 renewed",
        )
    ]
    assert -1 not in places, told
    assert places == sorted(places), told
    assert fits(page)
    context.close()


def test_a_renewal_becomes_an_answer_a_task_and_you_said_we_did(
    office: Office, house: House, browser: Browser
) -> None:
    renewed(office)
    office.beats_until(lambda: office.left("survey"), days=14)
    (asked,) = office.left("survey")
    when = asked.accepted_at.astimezone(WARSAW)
    assert (f"{when:%a %d %b}", 9 <= when.hour < 17) == ("Tue 01 Dec", True)

    office.later(hours=10)  # in the evening, at home
    answered_on_a_phone(office, browser, office.mail_of(asked))
    office.beats_until(office.open_tasks, days=2)
    (task,) = office.open_tasks()
    assert (task.kind, task.assignee, str(task.due_on)) == ("feedback", "sales", "2026-12-04")

    closed_by_staff(house, browser)
    office.beats_until(lambda: len(office.left("survey")) == 2, days=2)
    told = office.left("survey")[-1]
    assert (told.origin, told.address) == ("told", "anna@example.com")
    words = part(office.mail_of(told), "plain")
    assert words.index(SAID) < words.index(DONE)

    read_on_the_account_page(house, browser)
    licence = office.says(explain, "L-1")
    assert "after-renewal, term 2: ended (answered)" in licence
    assert "after-renewal/ask (term 2): sent to anna@example.com" in licence
    assert "perennial explain --account A-1" in licence
    client = office.says(explain, "--account", "A-1")
    assert "feedback, answer 1, 3 of 10, from 2026-12-01: ended (closed)" in client
    assert "feedback/answer (cycle 1): sent to sales" in client
    assert "after-renewal/told (letter): sent to anna@example.com" in client
