"""From an answer on its page to a task and a mail, by the schedules that are shipped."""

from __future__ import annotations

import shutil
from datetime import date
from typing import Any

import httpx
import pytest

from tests.desk.conftest import House, shown
from tests.desk.test_feedback import DONE, rows
from tests.outbox.world import SCHEDULE
from tests.templating.small import SHIPPED
from worker.access.rules import Role
from worker.cadence.records import walks
from worker.outbox.records import messages
from worker.surveys import rules
from worker.worklist.records import tasks

BETTER = "Somebody who calls back"


def answered(house: House, score: int, promise: str = rules.NAMED) -> list[Any]:
    """Anna answers on the page that a mail of the shipped schedules' instance leads to, and the
    machine looks; the open tasks then. It is Friday, 20 November 2026."""
    site = house.site
    for stem in ("feedback", "referral"):
        shutil.copy(SHIPPED.parent / f"schedules/{stem}.toml", site.root / "schedules")
    site.mailed(SCHEDULE)
    link = site.asked(promise)
    site.later(minutes=5)
    assert site.send(link, score=score).status_code in (200, 303)  # thanks, or asks why first
    if promise != rules.ANONYMOUS:
        site.send(f"{link}/more", comment="Nobody calls back.", improve=BETTER)
    look(house)
    return open_ones(house)


def look(house: House) -> None:
    """The machine as it is wired does what is due."""
    assert house.site.app is not None
    for _ in range(3):
        house.site.app.tick()


def open_ones(house: House) -> list[Any]:
    return [row for row in rows(house, tasks) if row.closed_at is None]


def close(page: httpx.Client, task: Any, **fields: str) -> httpx.Response:
    """Sends the form that closes a task as a browser does."""
    return page.post(f"/worklist/{task.id}/close", data={"version": str(task.version)} | fields)


def walked(house: House) -> list[tuple[str, str, str | None]]:
    """(schedule, state, reason) of the walks of answers."""
    found = [row for row in rows(house, walks) if row.subject == "answer"]
    return sorted((row.schedule, row.state, row.reason) for row in found)


@pytest.mark.parametrize("promise", [rules.NAMED, rules.CONFIDENTIAL])
def test_who_is_not_content_is_answered_and_told_what_was_done(house: House, promise: str) -> None:
    (task,) = answered(house, 3, promise)
    assert (task.kind, task.title) == ("feedback", "Answer a client who is not content")
    assert (task.key.split(":")[1:3], task.due_on) == (["feedback", "answer"], date(2026, 11, 24))
    sales = house.as_(Role.SALES)
    page = shown(sales.get(f"/worklist/{task.id}"))
    for words in ("3 of 10", "Nobody calls back.", BETTER):
        assert words in page
    assert ("anna@example.com" in page) == (promise == rules.NAMED)
    refused = close(sales, task, outcome="done")
    assert (refused.status_code, len(open_ones(house))) == (422, 1)
    assert close(sales, task, outcome="done", note=DONE).status_code == 303
    look(house)
    letter = rows(house, messages)[-1]
    assert (letter.address, letter.state) == ("anna@example.com", "accepted")
    assert letter.template == "feedback/told"
    assert walked(house) == [
        ("feedback", "ended", "completed"),
        ("referral", "parked", "not-in-audience"),
    ]


def test_who_would_recommend_us_is_asked_for_a_name_and_gets_no_letter(house: House) -> None:
    before = len(rows(house, messages))
    (task,) = answered(house, 10)
    assert (task.kind, task.title) == ("referral", "Ask for a name, or for a sentence to quote")
    assert task.due_on == date(2026, 11, 27)
    assert close(house.as_(Role.SALES), task, outcome="quoted").status_code == 303
    look(house)
    assert open_ones(house) == []
    assert len(rows(house, messages)) == before + 1, "the mail that asked, and nothing after it"


@pytest.mark.parametrize(("score", "promise"), [(7, rules.NAMED), (0, rules.ANONYMOUS)])
def test_others_are_nobodys_work(house: House, score: int, promise: str) -> None:
    assert answered(house, score, promise) == []


def test_what_is_answered_on_a_saturday_is_monday_mornings_work(house: House) -> None:
    house.site.later(hours=24)
    assert answered(house, 3) == []
    house.site.later(days=2)
    look(house)
    (task,) = open_ones(house)
    assert task.due_on == date(2026, 11, 25)
