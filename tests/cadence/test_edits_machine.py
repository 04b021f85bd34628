"""Any edits, at any time, among imports, renewals and cancellations: nothing goes out twice, with
an old text or after a renewal, and what `plan` announced is what then happens."""

from __future__ import annotations

import re
import sqlite3
import tempfile
from collections import Counter
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import select

from tests.cadence.conftest import Book, schedule_text
from tests.staff import OFFICE
from worker.cadence import edits, flow
from worker.cadence.edits import Outlook
from worker.cadence.findings import findings
from worker.cadence.library import Defaults
from worker.cadence.records import of_licence, steps, walks
from worker.catalogue.records import licences
from worker.db.engine import make_engine, reading
from worker.db.types import metadata
from worker.kernel.clock import VirtualClock
from worker.kernel.dates import Period
from worker.outbox.records import messages
from worker.schedules.flow import read_drafts

OFFSETS = (
    *("60 days before", "45 days before", "30 days before", "14 days before", "7 days before"),
    *("on the day", "3 days after", "10 days after"),
)
IDS = ("a", "b", "c", "d", "e")
MOST_STEPS = len(IDS) - 1
EDITS = ("group", "audience", "add or move", "remove", "rename", "text")
GROUPS = ("", 'group_by = "contact"', 'group_by = "contact"\ngather = "5 days"')
LICENCES = ("L-1", "L-2", "L-3")
AHEAD = timedelta(days=45)
YEAR = timedelta(days=365)
MANUAL = '[[audience]]\n"licence.auto_renew" = false\n'
SMALL = '[[audience]]\n"account.segment" = "small"\n'

Mailed = tuple[str, int, str, date]
"""A licence, its term, a step, the day."""


class Small(Book):
    """A book whose one mail is a line: what mails say is not the point, and there are many."""

    def __post_init__(self) -> None:
        (self.root / "schedules").mkdir()
        place = self.root / "templates/renewal/heads-up/en"
        place.mkdir(parents=True)
        for part in ("subject.txt", "body.txt", "body.html"):
            (place / part).write_text("{{ licence.key }}", encoding="utf-8")


class Editing(RuleBasedStateMachine):
    """Two accounts, three licences and those that come later, and a file that people edit, apply
    or leave for a while. Every mail carries the number of the text it was written from."""

    @initialize()
    def begin(self) -> None:
        self.place = tempfile.TemporaryDirectory(prefix="perennial-edits-")
        root = Path(self.place.name)
        self.engine = make_engine(f"sqlite:///{root}/perennial.db", durable=False)
        metadata.create_all(self.engine)
        self.book = Small(self.engine, root)
        self.text, self.texts_at = 0, {"": 0}  # mail file -> the text in force when it was written
        self.steps = {"a": "30 days before", "b": "7 days before", "c": "3 days after"}
        self.limits, self.audience = "", ""
        self.ends: dict[str, date] = {}
        self.terms: dict[str, tuple[int, datetime]] = {}
        for number, key in enumerate(LICENCES):
            self.say(key, date(2026, 12, 20) + timedelta(days=3 * number))
        for account in ("A-1", "A-2"):
            self.book.accounts([{"account": account, "segment": "small"}])
            self.book.person(account, f"{account.lower()}@example.com")
        self.change_text()
        self.in_force, self.applied = self.text, dict(self.steps)
        flow.apply(self.engine, self.book.clock, self.drafts(), OFFICE)
        self.book.run()
        self.note()

    # --- the book ---

    def say(self, key: str, end: date, status: str = "active", **more: str) -> None:
        """Imports a licence; every other one belongs to the first account."""
        self.ends[key] = end
        account = "A-1" if int(key[2:]) % 2 else "A-2"
        self.book.licence(
            key,
            account=account,
            name=account,
            start=(end - YEAR).isoformat(),
            end=end.isoformat(),
            status=status,
            **more,
        )

    @rule(days=st.integers(5, 70), auto=st.sampled_from(["no", "no", "yes"]))
    def import_a_new_licence(self, days: int, auto: str) -> None:
        if len(self.ends) < 6:
            self.say(f"L-{len(self.ends) + 1}", self.book.now.date() + timedelta(days), auto=auto)

    @rule(key=st.sampled_from(LICENCES))
    def renew(self, key: str) -> None:
        self.say(key, self.ends[key] + YEAR)
        with reading(self.engine) as conn:
            term = conn.execute(select(licences.c.term).where(licences.c.key == key)).scalar_one()
        self.terms[key] = (term, self.book.now)

    @rule(key=st.sampled_from(LICENCES), days=st.integers(-10, 10))
    def correct(self, key: str, days: int) -> None:
        self.say(key, self.ends[key] + timedelta(days=days))

    @rule(key=st.sampled_from(LICENCES), status=st.sampled_from(["cancelled", "active"]))
    def cancel_or_take_it_back(self, key: str, status: str) -> None:
        self.say(key, self.ends[key], status)

    @rule(hours=st.sampled_from([1, 20, 24, 24 * 3, 24 * 9, 24 * 21]))
    def live(self, hours: int) -> None:
        self.book.run()
        self.book.live_until((self.book.now + timedelta(hours=max(hours, 24))).date().isoformat())
        self.note()

    @rule(hours=st.integers(1, 24 * 5))
    def be_down(self, hours: int) -> None:
        self.book.later(hours=hours)

    @rule()
    def decide_and_send_nothing(self) -> None:
        self.book.decide()

    # --- the file ---

    @rule(edit=st.sampled_from(sorted(EDITS)), data=st.data())
    def edit(self, edit: str, data: st.DataObject) -> None:
        """Changes the file; it runs once it is applied."""
        match edit:
            case "group":
                self.limits = data.draw(st.sampled_from(GROUPS))
            case "audience":
                self.audience = data.draw(st.sampled_from(["", MANUAL, SMALL]))
            case "add or move":
                when = data.draw(st.sampled_from(OFFSETS))
                known = sorted(self.steps) if len(self.steps) == MOST_STEPS else IDS
                if when not in self.steps.values():
                    self.steps[data.draw(st.sampled_from(known))] = when
            case "remove":
                if len(self.steps) > 1:
                    del self.steps[data.draw(st.sampled_from(sorted(self.steps)))]
            case "rename":
                old = data.draw(st.sampled_from(sorted(self.steps)))
                new = data.draw(st.sampled_from([id_ for id_ in IDS if id_ not in self.steps]))
                self.steps[new] = self.steps.pop(old)
            case _:
                self.change_text()

    @rule(edit=st.sampled_from(sorted(EDITS)), data=st.data())
    def edit_and_apply(self, edit: str, data: st.DataObject) -> None:
        self.edit(edit, data)
        self.apply()

    def change_text(self) -> None:
        self.text += 1
        self.book.template("renewal/heads-up", f"Text {self.text} {{{{ licence.key }}}}")

    def drafts(self) -> Any:
        told = [f"{id_} = {when}" for id_, when in self.steps.items()]
        text = schedule_text(*told, limits=self.limits, audience=self.audience)
        (self.book.root / "schedules/renewal.toml").write_text(text, encoding="utf-8")
        drafts, problems = read_drafts(self.book.root)
        assert problems == []
        return drafts

    @rule()
    def apply(self) -> None:
        """What plan announces is what happens on a copy when nothing else changes."""
        self.book.run()
        self.note()
        drafts, today = self.drafts(), self.book.now.date()
        with reading(self.engine) as conn:
            period = Period(today, today + AHEAD)
            view = edits.outlook(conn, drafts, self.book.asked(), period)
            told = findings(conn, drafts, view, Defaults(), today)
        if view.changes:
            self.renamed_steps_are_told([p.got for p in told if p.code == "renamed-step"])
            as_it_is, as_applied = self.lived(), self.lived(drafts)
            assert as_applied == _announced(view), "the forecast"
            assert as_applied - as_it_is == _effects(view, "after", as_applied - as_it_is)
            assert as_it_is - as_applied == _effects(view, "before", as_it_is - as_applied)
        flow.apply(self.engine, self.book.clock, drafts, OFFICE)
        self.in_force, self.applied = self.text, dict(self.steps)

    def renamed_steps_are_told(self, told: list[str]) -> None:
        gone = {when for id_, when in self.applied.items() if id_ not in self.steps}
        for id_, when in self.steps.items():
            if id_ not in self.applied and when in gone:
                assert any(f"'{id_}'" in said for said in told), (id_, told)

    def lived(self, drafts: Any = None) -> set[Mailed]:
        """What is mailed from now to the end of the look ahead, on a copy of everything."""
        with tempfile.TemporaryDirectory(prefix="perennial-copy-") as folder:
            root = Path(folder) / "instance"
            root.mkdir()
            live = sqlite3.connect(Path(self.place.name) / "perennial.db")
            into = sqlite3.connect(root / "perennial.db")
            live.backup(into)
            live.close()
            into.close()
            engine = make_engine(f"sqlite:///{root}/perennial.db", durable=False)
            copy = Small(engine, root, VirtualClock(self.book.now))
            known = len(_mailed(copy))
            if drafts is not None:
                flow.apply(engine, copy.clock, drafts, OFFICE)
            copy.run()
            copy.live_until((self.book.now.date() + AHEAD + timedelta(days=1)).isoformat())
            found = set(_mailed(copy)[known:])
            engine.dispose()
            return found

    # --- what must hold ---

    def note(self) -> None:
        for path in self.book.folder.folder.glob("*/*.eml"):
            self.texts_at.setdefault(path.stem.rpartition("_")[2], self.in_force)

    @invariant()
    def nothing_twice(self) -> None:
        if hasattr(self, "in_force"):
            found = _mailed(self.book)
            steps_ = Counter((licence, term, step) for licence, term, step, _ in found)
            days = Counter((licence, term, day) for licence, term, _, day in found)
            assert [one for one, count in steps_.items() if count > 1] == []
            assert [one for one, count in days.items() if count > 1] == []

    @invariant()
    def nothing_with_an_old_text(self) -> None:
        if hasattr(self, "in_force"):
            for row in self.book.ledger():
                if row.state == "accepted":
                    number = self.texts_at.get(row.mail_key, self.in_force)
                    assert re.match(rf"Text {number} ", row.subject), (row.subject, number)

    @invariant()
    def nothing_after_a_renewal(self) -> None:
        if hasattr(self, "in_force"):
            for licence, term, step, day in _mailed(self.book):
                now, since = self.terms.get(licence, (term, self.book.now))
                assert term >= now or day <= since.date(), (licence, term, step, day)

    def teardown(self) -> None:
        if hasattr(self, "in_force"):
            self.book.run()
            self.note()
            self.nothing_twice()
            self.nothing_with_an_old_text()
            self.nothing_after_a_renewal()
            self.engine.dispose()
            self.place.cleanup()


def _mailed(book: Book) -> list[Mailed]:
    """Every licence that a mail which left spoke of, in the order in which they left."""
    query = (
        select(licences.c.key, walks.c.cycle, steps.c.step, messages.c.accepted_at)
        .join(steps, steps.c.mail_key == messages.c.mail_key)
        .join(walks, walks.c.id == steps.c.walk_id)
        .join(licences, of_licence)
        .where(messages.c.state == "accepted")
        .order_by(messages.c.accepted_at, messages.c.id, licences.c.key)
    )
    with reading(book.engine) as conn:
        return [(key, term, step, at.date()) for key, term, step, at in conn.execute(query)]


def _announced(view: Outlook) -> set[Mailed]:
    return {
        (str(r.licence), r.cycle, str(r.step), r.at.date())
        for r in view.records
        if r.decision == "planned" and r.at
    }


def _effects(view: Outlook, side: str, real: set[Mailed]) -> set[Mailed]:
    """The mails that the list of effects says appear (``after``) or vanish (``before``); it names
    no term, so that of the real one is taken."""
    terms = {(licence, step, day): term for licence, term, step, day in real}
    found = set()
    for effect in view.effects:
        said = re.fullmatch(r"planned (\S+)", getattr(effect, side) or "")
        if said:
            day = date.fromisoformat(said[1])
            term = terms.get((effect.licence, effect.step, day), 0)
            found.add((effect.licence, term, effect.step, day))
    return found


TestEditing = Editing.TestCase
TestEditing.settings = settings(
    max_examples=30,
    stateful_step_count=12,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
