"""Editing a schedule while it runs: `plan` says what comes of it, nothing goes out twice, and no
old text leaves."""

from __future__ import annotations

import tempfile
from collections import Counter
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.cadence.conftest import Book, schedule_text
from tests.staff import OFFICE
from worker.cadence import edits, flow
from worker.cadence.edits import Outlook
from worker.db.engine import make_engine, reading
from worker.db.types import metadata
from worker.kernel.dates import Period
from worker.schedules.flow import read_drafts

CADENCE = ("30 days before", "14 days before", "3 days after")
SUBJECT = Path("renewal/heads-up/en/subject.txt")


@pytest.fixture
def client(book: Book) -> Book:
    """One client whose licence ends on 20 December 2026; today, 20 November, is 30 days before
    and that step was just mailed."""
    book.licence()
    book.contact()
    book.apply(schedule_text(*CADENCE))
    book.run()
    book.later(days=1)
    return book


def _edit(book: Book, *steps: str, **more: str) -> Outlook:
    """Rewrites the file and asks what would come of it; nothing is applied."""
    path = book.root / "schedules/renewal.toml"
    path.write_text(schedule_text(*steps, **more), encoding="utf-8")
    return _outlook(book)


def _outlook(book: Book) -> Outlook:
    drafts, problems = read_drafts(book.root)
    assert problems == []
    period = Period(book.now.date(), book.now.date() + timedelta(days=90))
    with reading(book.engine) as conn:
        return edits.outlook(conn, drafts, book.asked(), period)


def _effects(view: Outlook) -> list[tuple[str, str, str, str | None, str | None]]:
    return [(e.licence, e.step, e.change, e.before, e.after) for e in view.effects]


def _apply(book: Book) -> None:
    drafts, problems = read_drafts(book.root)
    assert problems == []
    flow.apply(book.engine, book.clock, drafts, OFFICE)
    book.run()


def _as_announced(book: Book, view: Outlook) -> None:
    """Applies, and fails unless what `plan` announced is what the engine now has in mind."""
    _apply(book)
    comes = [(r.licence, r.step, r.decision, r.reason, r.at) for r in _outlook(book).records]
    announced = [(r.licence, r.step, r.decision, r.reason, r.at) for r in view.records]
    past = [one for one in announced if one[2] not in ("planned", "nothing")]
    assert comes == [one for one in announced if one not in past]


def test_an_added_step_already_past_is_superseded_and_one_to_come_is_planned(client: Book) -> None:
    view = _edit(client, "45 days before", *CADENCE, "7 days before")
    assert view.changes.edited == ("renewal",)
    assert _effects(view) == [("L-1", "7-days-before", "added", None, "planned 2026-12-13")]
    _as_announced(client, view)
    assert client.decisions()["45-days-before"] == ("superseded", "new-step")
    client.live_until("2027-02-01")
    assert client.sent() == [
        "2026-11-20 30-days-before",
        "2026-12-06 14-days-before",
        "2026-12-13 7-days-before",
        "2026-12-23 3-days-after",
    ]


def test_a_removed_step_is_not_done(client: Book) -> None:
    view = _edit(client, "30 days before", "3 days after")
    assert _effects(view) == [("L-1", "14-days-before", "removed", "planned 2026-12-06", None)]
    _as_announced(client, view)
    client.live_until("2027-02-01")
    assert client.sent() == ["2026-11-20 30-days-before", "2026-12-23 3-days-after"]


def test_a_removed_step_takes_its_pending_mail_along(book: Book) -> None:
    book.licence()
    book.contact()
    book.apply(schedule_text(*CADENCE))
    book.decide()
    assert book.states() == [("due", None)]
    _edit(book, "14 days before", "3 days after")
    _apply(book)
    assert book.states() == [("cancelled", "decided-anew")]
    assert book.decisions() == {}
    book.live_until("2027-02-01")
    assert book.sent() == ["2026-12-06 14-days-before", "2026-12-23 3-days-after"]


def test_a_step_moved_to_later_waits_for_its_new_day(client: Book) -> None:
    view = _edit(client, "30 days before", "14-days-before = 7 days before", "3 days after")
    assert _effects(view) == [
        ("L-1", "14-days-before", "moved", "planned 2026-12-06", "planned 2026-12-13")
    ]
    _as_announced(client, view)
    client.live_until("2026-12-20")
    assert client.sent() == ["2026-11-20 30-days-before", "2026-12-13 14-days-before"]


def test_an_undone_step_moved_into_the_past_is_late(client: Book) -> None:
    view = _edit(client, "30 days before", "14-days-before = 31 days before", "3 days after")
    assert _effects(view) == [
        ("L-1", "14-days-before", "moved", "planned 2026-12-06", "planned 2026-11-21")
    ]
    _apply(client)
    assert client.sent() == ["2026-11-20 30-days-before", "2026-11-21 14-days-before"]


def test_a_step_that_was_sent_and_is_moved_is_not_sent_again(client: Book) -> None:
    view = _edit(client, "30-days-before = 20 days before", "14 days before", "3 days after")
    assert _effects(view) == []
    _apply(client)
    client.live_until("2026-12-05")
    assert client.sent() == ["2026-11-20 30-days-before"]


def test_a_renamed_step_is_told_as_one_removed_and_one_added_and_mails_nobody_twice(
    client: Book,
) -> None:
    view = _edit(client, "notice = 30 days before", "second = 14 days before", "3 days after")
    assert _effects(view) == [
        ("L-1", "14-days-before", "removed", "planned 2026-12-06", None),
        ("L-1", "notice", "added", None, "superseded (new-step) 2026-11-20"),
        ("L-1", "second", "added", None, "planned 2026-12-06"),
    ][:1] + [e for e in _effects(view) if e[1] != "14-days-before"]
    assert ("L-1", "second", "added", None, "planned 2026-12-06") in _effects(view)
    _apply(client)
    client.live_until("2027-02-01")
    assert client.sent() == [
        "2026-11-20 30-days-before",
        "2026-12-06 second",
        "2026-12-23 3-days-after",
    ]
    assert client.decisions()["notice"] == ("superseded", "new-step")


def test_a_narrower_audience_silences_those_outside_and_says_who(client: Book) -> None:
    client.licence("L-2", auto="yes")
    client.contact("C-2", licence="L-2")
    client.run()
    audience = '[[audience]]\n"licence.auto_renew" = false\n'
    view = _edit(client, *CADENCE, audience=audience)
    assert _effects(view) == [
        ("L-2", "14-days-before", "removed", "planned 2026-12-06", None),
        ("L-2", "3-days-after", "removed", "cancelled (renewed) 2026-12-23", None),
    ]
    _apply(client)
    assert client.walks("L-2") == [(1, "parked", "not-in-audience")]
    client.live_until("2027-02-01")
    assert client.walks("L-2") == [(n, "parked", "not-in-audience") for n in (1, 2)]
    assert len(client.sent()) == 4


# --- templates ------------------------------------------------------------------------------------


def test_an_edited_template_is_a_change_without_an_effect_on_any_step(client: Book) -> None:
    client.template("renewal/heads-up", "New words")
    view = _outlook(client)
    assert view.changes.edited == ("renewal",)
    assert _effects(view) == []


def test_mails_not_yet_claimed_get_the_new_text_once_it_is_applied(book: Book) -> None:
    book.licence()
    book.contact()
    book.apply(schedule_text(*CADENCE))
    book.decide()
    book.template("renewal/heads-up", "New words for {{ account.name }}")
    _apply(book)
    assert [mail["Subject"] for mail in book.mails()] == ["New words for Client L-1"]


def test_an_edited_template_that_is_not_applied_changes_no_mail(book: Book) -> None:
    book.licence()
    book.contact()
    book.apply(schedule_text(*CADENCE))
    book.decide()
    book.template("renewal/heads-up", "New words")
    book.run()
    (mail,) = book.mails()
    assert "New words" not in mail["Subject"]


def test_what_was_sent_stays_as_it_was_sent(client: Book) -> None:
    before = client.mails()[0].as_string()
    client.template("renewal/heads-up", "New words")
    _apply(client)
    client.live_until("2026-12-07")
    assert sorted(mail["Subject"] == "New words" for mail in client.mails()) == [False, True]
    assert before in [mail.as_string() for mail in client.mails()]


# --- schedules that go and come back --------------------------------------------------------------


def test_a_removed_schedule_falls_silent(client: Book) -> None:
    (client.root / "schedules/renewal.toml").unlink()
    view = _outlook(client)
    assert view.changes.removed == ("renewal",)
    assert [(e.step, e.change) for e in view.effects] == [
        ("14-days-before", "removed"),
        ("3-days-after", "removed"),
    ]
    _apply(client)
    client.live_until("2027-02-01")
    assert client.sent() == ["2026-11-20 30-days-before"]
    assert client.walks() == [(1, "ended", "schedule-removed")]


def test_a_removed_schedule_takes_its_pending_mails_along(book: Book) -> None:
    book.licence()
    book.contact()
    book.apply(schedule_text(*CADENCE))
    book.decide()
    (book.root / "schedules/renewal.toml").unlink()
    _apply(book)
    assert book.mails() == []
    assert book.states() == [("cancelled", "decided-anew")]


def test_a_schedule_that_comes_back_goes_on_where_it_was(client: Book) -> None:
    file = client.root / "schedules/renewal.toml"
    text = file.read_text(encoding="utf-8")
    file.unlink()
    _apply(client)
    client.live_until("2026-12-08")  # the step of the 6th was missed
    file.write_text(text, encoding="utf-8")
    _apply(client)
    client.live_until("2027-02-01")
    assert client.sent() == [
        "2026-11-20 30-days-before",
        "2026-12-08 14-days-before",
        "2026-12-23 3-days-after",
    ]
    assert client.walks() == [(1, "ended", "completed")]


def test_history_comes_to_life_when_a_later_step_is_added(book: Book) -> None:
    book.licence(start="2025-11-10", end="2026-11-10")
    book.contact()
    book.apply(schedule_text(*CADENCE))
    book.run()
    assert book.walks() == [(1, "ended", "history")]
    _edit(book, *CADENCE, "30 days after")
    _apply(book)
    book.live_until("2027-02-01")
    assert book.sent() == ["2026-12-10 30-days-after"]


def test_before_anything_runs_plan_shows_what_apply_would_bring(book: Book) -> None:
    book.licence()
    book.contact()
    view = _edit(book, *CADENCE)
    assert not view.applied
    assert view.changes.added == ("renewal",)
    planned = [(r.step, f"{r.at:%Y-%m-%d}", r.to) for r in view.records if r.at]
    assert planned == [
        ("30-days-before", "2026-11-20", ("c-1@example.com",)),
        ("14-days-before", "2026-12-06", ("c-1@example.com",)),
        ("3-days-after", "2026-12-23", ("c-1@example.com",)),
    ]
    _as_announced_first(book, planned)


def _as_announced_first(book: Book, planned: list[tuple[str | None, str, tuple[str, ...]]]) -> None:
    _apply(book)
    book.live_until("2027-02-01")
    assert book.sent() == [f"{day} {step}" for step, day, _ in planned]


# --- any edits, in any order ----------------------------------------------------------------------

STEPS = (
    "60 days before",
    "30 days before",
    "a = 14 days before",
    "a = 10 days before",
    "b = 14 days before",
    "7 days before",
    "on the day",
    "3 days after",
)


class Editing(RuleBasedStateMachine):
    """Three clients, a year that starts two months before their terms end, and people who edit,
    import and apply while it runs. Every mail carries the number of the version it should have."""

    @initialize()
    def begin(self) -> None:
        self.place = tempfile.TemporaryDirectory(prefix="perennial-editing-")
        root = Path(self.place.name)
        self.engine = make_engine(f"sqlite:///{root}/perennial.db", durable=False)
        metadata.create_all(self.engine)
        self.book = Book(self.engine, root)
        self.number = 0
        self.versions: dict[str, int] = {}  # mail file -> the version that ran when it was sent
        self.ends = dict.fromkeys(("L-1", "L-2", "L-3"), date(2027, 1, 10))
        for number, key in enumerate(self.ends, 1):
            self.book.licence(key, start="2026-01-10", end="2027-01-10")
            self.book.contact(f"C-{number}", licence=key)
        self.edit_and_apply({"30 days before", "on the day"})
        self.pass_time(1)

    @rule(steps=st.sets(st.sampled_from(STEPS), min_size=1, max_size=5))
    def edit_and_apply(self, steps: set[str]) -> None:
        """Adds, removes, moves and renames steps, and always rewrites the template."""
        taken = {step.partition(" = ")[0]: step for step in sorted(steps)}
        if {"a", "b"} <= taken.keys():
            del taken["b"]
        self.number += 1
        self.book.template("renewal/heads-up", f"Version {self.number} {{{{ licence.key }}}}")
        self.book.apply(schedule_text(*taken.values()))

    @rule(hours=st.sampled_from([1, 5, 24, 24, 48, 24 * 5, 24 * 14]))
    def pass_time(self, hours: int) -> None:
        day = (self.book.now + timedelta(hours=hours)).date()
        if hours < 24:
            self.book.run()
            self.book.later(hours=hours)
        self.book.live_until(day.isoformat())
        self.note()

    @rule(hours=st.integers(1, 24 * 8))
    def be_down(self, hours: int) -> None:
        self.book.later(hours=hours)

    @rule()
    def decide_only(self) -> None:
        self.book.decide()

    @rule(key=st.sampled_from(["L-1", "L-2", "L-3"]), days=st.integers(-20, 20))
    def correct(self, key: str, days: int) -> None:
        self.ends[key] += timedelta(days=days)
        if abs((self.ends[key] - date(2027, 1, 10)).days) > 100:
            self.ends[key] = date(2027, 1, 10)
        self.book.licence(key, start="2026-01-10", end=self.ends[key].isoformat())

    @rule(
        key=st.sampled_from(["L-1", "L-2", "L-3"]), status=st.sampled_from(["cancelled", "active"])
    )
    def say_status(self, key: str, status: str) -> None:
        end = self.ends[key].isoformat()
        self.book.licence(key, start="2026-01-10", end=end, status=status)

    def note(self) -> None:
        for path in self.book.folder.folder.glob("*/*.eml"):
            self.versions.setdefault(str(path), self.number)

    @invariant()
    def nothing_twice(self) -> None:
        if not hasattr(self, "book"):
            return
        sent = [row for row in self.book.ledger() if row.state == "accepted"]
        by_step = Counter((row.address, row.schedule, row.step) for row in sent)
        assert [step for step, count in by_step.items() if count > 1] == []
        by_day = Counter((row.address, row.accepted_at.date()) for row in sent)
        assert [day for day, count in by_day.items() if count > 1] == []

    @invariant()
    def nothing_with_an_old_text(self) -> None:
        if not hasattr(self, "book"):
            return
        self.note()
        subjects = {row.mail_key: row.subject for row in self.book.ledger() if row.subject}
        for path, number in self.versions.items():
            key = Path(path).stem.rpartition("_")[2]
            assert subjects[key].startswith(f"Version {number} "), (subjects[key], number)

    def teardown(self) -> None:
        if hasattr(self, "book"):
            self.book.run()
            self.nothing_twice()
            self.engine.dispose()
            self.place.cleanup()


TestEditing = Editing.TestCase
TestEditing.settings = settings(
    max_examples=12,
    stateful_step_count=10,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
