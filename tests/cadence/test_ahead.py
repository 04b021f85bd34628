"""A forecast is the machine itself on a copy: it does less, and decides the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.cadence.conftest import Book, day, schedule_text
from worker.cadence import ahead, flow, machine, snapshot
from worker.cadence.decisions import Record
from worker.cadence.lately import Lately
from worker.db.engine import reading
from worker.kernel.dates import Allowance, Period
from worker.schedules.flow import read_drafts

TODAY = day("2026-11-20")
PERIOD = Period(TODAY, TODAY + timedelta(days=89))


@pytest.fixture
def known(book: Book) -> Book:
    """Three licences of one client, whose advertising keeps to a budget."""
    book.allowance = Allowance(1, 2)
    steps = ("60 days before", "30 days before", "14 days before", "3 days after", "10 days after")
    book.apply(schedule_text(*steps, mail_class="commercial"))
    for number, end in enumerate(("2027-01-12", "2027-01-13", "2027-01-20"), 1):
        book.licence(f"L-{number}", account="A-L-1", end=end, start=f"2026{end[4:]}")
    book.contact("C-1", licence="L-1")
    book.decide()
    return book


def _foretold(book: Book) -> list[Record]:
    with reading(book.engine) as conn:
        return ahead.forecast(conn, book.asked(), PERIOD)


def test_mails_that_nobody_reads_are_judged_like_those_that_are_read(
    known: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    quickly, build = _foretold(known), machine.build
    assert Counter(one.decision for one in quickly)["planned"] >= 5
    assert any(one.at.date() > one.due_on for one in quickly), "some wait for their budget"

    def as_usual(*given: Any, **named: Any) -> machine.Machine:
        return build(*given, **named | {"unread": False})

    monkeypatch.setattr(machine, "build", as_usual)
    assert _foretold(known) == quickly


def _counting(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each half of the planner runs from now on."""
    runs: Counter[str] = Counter()

    def counted(name: str, batch: Callable[..., int]) -> Callable[..., int]:
        def run(*given: Any) -> int:
            runs[name] += 1
            return batch(*given)

        return run

    for name in ("follow_batch", "advance_batch"):
        monkeypatch.setattr(flow, name, counted(name, getattr(flow, name)))
    return runs


def test_what_changed_is_followed_once_and_then_only_what_is_due_is_judged(
    known: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = _counting(monkeypatch)
    assert _foretold(known)
    assert runs["follow_batch"] == 1, "nothing changes on a copy that nobody writes to"
    assert runs["advance_batch"] >= 5


def test_a_term_that_opens_by_itself_meanwhile_is_followed(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    book.apply(schedule_text("30 days before", "300 days before"))
    book.licence("L-1", end="2026-12-10", start="2025-12-10", auto="yes")
    book.contact("C-1", licence="L-1")
    book.decide()
    runs = _counting(monkeypatch)
    found = [one for one in _foretold(book) if one.decision == "planned"]
    assert [(one.cycle, one.step) for one in found] == [(2, "300-days-before")]
    assert runs["follow_batch"] > 1


def test_edits_that_are_foreseen_one_after_the_other_are_told_apart(known: Book) -> None:
    def days(*whens: str) -> set[str | None]:
        text = schedule_text(*whens, mail_class="commercial")
        (known.root / "schedules/renewal.toml").write_text(text, encoding="utf-8")
        drafts, _ = read_drafts(known.root)
        asked = replace(known.asked(), drafts=drafts)
        with reading(known.engine) as conn:
            return {one.step for one in ahead.forecast(conn, asked, PERIOD) if one.step}

    assert days("45 days before") == {"45-days-before"}
    assert days("20 days before") == {"20-days-before"}
    assert {one.step for one in _foretold(known) if one.step} > {"14-days-before"}


def test_what_was_foretold_a_moment_ago_is_told_again_while_nothing_changed(
    known: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, lately = _counting(monkeypatch), Lately()

    def told(second: int) -> list[Record]:
        now = known.asked().now + timedelta(seconds=second)
        with reading(known.engine) as conn:
            return ahead.forecast(conn, replace(known.asked(), now=now, lately=lately), PERIOD)

    first = told(1)
    assert first == _foretold(known)
    assert len(first) >= 5
    runs.clear()
    assert told(60) == first
    assert not runs, "nothing was lived through again"
    known.licence("L-2", account="A-L-1", end="2028-01-13", start="2027-01-13")
    known.decide()
    changed = told(61)
    assert changed == _foretold(known)
    assert changed != first
    runs.clear()
    assert told(120) == changed
    assert not runs
    assert told(121) == changed
    assert runs, "after a minute it is made anew"


def test_companies_that_share_an_address_are_copied_in_parts_and_a_mail_to_it_once(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    book.allowance = Allowance(1, 7)
    book.apply(schedule_text("20 days before", "18 days before", mail_class="commercial"))
    book.accounts([{"account": "Gold", "name": "Gold", "reseller": ""}])
    for name in ("A", "B", "C"):
        book.accounts([{"account": name, "name": name, "reseller": "Gold" if name == "C" else ""}])
        book.licence(f"L-{name}", account=name, end="2026-12-10", start="2025-12-10")
    book.person("A", "ann@example.com", key="A/1")
    book.person("B", "ann@example.com", key="B/1")
    book.person("Gold", "gold@example.com")
    book.person("C", "gold@example.com", key="C/1")
    book.live_until("2026-11-21")
    assert book.sent(), "there are mails of the last days to copy"
    whole = _foretold(book)
    assert [one.reason for one in whole] == ["budget"] * 3, "the mails of yesterday count"
    monkeypatch.setattr(snapshot, "_CHUNK", 1)
    assert _foretold(book) == whole
