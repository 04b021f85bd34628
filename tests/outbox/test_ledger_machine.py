"""Anything at any time (P5): imports, renewals, answers, edits, every answer of a provider, deaths
and sleeps of workers, events in any order, a person's word. Nothing goes out twice unless it is
listed as sent again in doubt, nothing that was called off, nothing with old words; nothing is lost,
and all of it is explained (P21)."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import select

from tests.cadence.conftest import schedule_text
from tests.outbox.model import ANSWERS, HOLD, LEASE, About, DiedError, Left, Town
from tests.staff import OFFICE
from worker.cadence import flow, heard
from worker.cadence.ahead import Forecasting
from worker.cadence.explain import explain
from worker.cadence.library import Defaults
from worker.cadence.records import steps, walks
from worker.catalogue import stops
from worker.catalogue.records import licences
from worker.channels.told import Kind, Told, copy_mark
from worker.db.engine import make_engine, reading
from worker.db.types import metadata
from worker.outbox import settling
from worker.schedules.flow import read_drafts
from worker.worklist import store as worklist
from worker.worklist.store import NewTask

KEYS = ("L-1", "L-2", "L-3")
MOST = 6
YEAR = timedelta(days=365)
OFFSETS = ("20 days before", "14 days before", "7 days before")
LABELS = ("swept", "claimed", "started", "sent", "recorded")
BAD_NEWS = ("bounced", "blocked", "dropped", "complained", "unsubscribed")
LADDER = 'to = ["decision-maker", "procurement"]'

CUT = ("cut off, and on its way", "cut off, and not sent")
SAID = (
    *("a client joins", "renewed", "corrected", "cancelled", "not cancelled", "declines"),
    *("does not decline", "asks for a rest", "answers", "answer settled"),
)

answers = st.lists(st.sampled_from([*ANSWERS, *CUT, *CUT]), min_size=1, max_size=4)
licence = st.sampled_from(KEYS)


class Anything(RuleBasedStateMachine):
    """Three licences and those that come later, two people each; one schedule of three mails."""

    @initialize(mail_class=st.sampled_from(["contractual", "contractual", "commercial"]))
    def begin(self, mail_class: str) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="perennial-ledger-")
        root = Path(self.folder.name)
        engine = make_engine(f"sqlite:///{root}/perennial.db", durable=False)
        metadata.create_all(engine)
        self.town = Town(engine, root, mail_class=mail_class)
        self.ends: dict[str, date] = {}
        self.back: set[tuple[str, str]] = set()  # mail and address, of which it is told
        self.when = "20 days before"
        for number, key in enumerate(KEYS):
            self.import_(key, date(2026, 12, 20) + timedelta(days=number))
            self.town.person(f"anna-{key.lower()}", licence=key)
            self.town.person(f"piotr-{key.lower()}", "procurement", licence=key)
        self.town.reword()
        self.apply()

    # --- the book ---

    def import_(self, key: str, end: date, status: str = "active") -> None:
        self.ends[key] = end
        start = (end - YEAR).isoformat()
        self.town.licence(key, start=start, end=end.isoformat(), status=status)

    @rule(what=st.sampled_from(SAID), key=licence, days=st.integers(-10, 30))
    def say(self, what: str, key: str, days: int) -> None:
        """What the file of the business system, a client or a colleague says."""
        id_, term = self.of(key)
        match what:
            case "a client joins":
                self.join(abs(days) + 5)
            case "renewed":
                self.import_(key, self.ends[key] + YEAR)
            case "corrected":
                self.import_(key, self.ends[key] + timedelta(days=days))
            case "cancelled":
                self.import_(key, self.ends[key], "cancelled")
            case "not cancelled":
                self.import_(key, self.ends[key])
            case "declines" | "does not decline":
                with self.town.engine.begin() as conn:
                    heard.decline(conn, id_, term if what == "declines" else None)
            case "asks for a rest":
                rest = self.today + timedelta(days) if days > 0 else None
                with self.town.engine.begin() as conn:
                    heard.rest(conn, id_, term, rest)
            case "answers":
                self.answer(key, id_)
            case _:
                with self.town.engine.begin() as conn:
                    worklist.close(conn, f"answer:{key}", "done", self.town.clock.now())

    def join(self, days: int) -> None:
        if len(self.ends) < MOST:
            key = f"L-{len(self.ends) + 1}"
            self.import_(key, self.today + timedelta(days))
            self.town.person(f"anna-{key.lower()}", licence=key)

    def answer(self, key: str, id_: int) -> None:
        now, task = self.town.clock.now(), f"answer:{key}"
        asked = {"made_by": stops.CLIENT, "task_key": task}
        with self.town.engine.begin() as conn:
            worklist.open_tasks(conn, [NewTask(task, "answer", "A client answered")], now)
            stops.put(conn, "licence", [id_], "renews", None, now, **asked)

    @property
    def today(self) -> date:
        return self.town.clock.now().date()

    def of(self, key: str) -> tuple[int, int]:
        with reading(self.town.engine) as conn:
            query = select(licences.c.id, licences.c.term).where(licences.c.key == key)
            found = conn.execute(query).one()
            return found.id, found.term

    # --- the file ---

    @rule(when=st.sampled_from(OFFSETS), is_reworded=st.booleans())
    def edit_and_apply(self, when: str, is_reworded: bool) -> None:
        self.when = when
        if is_reworded:
            self.town.reword()
        self.apply()

    def apply(self) -> None:
        told = [f"a = 30 days before | {LADDER}", f"b = {self.when} | {LADDER}"]
        told.append(f"c = 3 days after | {LADDER}")
        text = schedule_text(*told, mail_class=self.town.mail_class)
        (self.town.root / "schedules/renewal.toml").write_text(text, encoding="utf-8")
        drafts, problems = read_drafts(self.town.root)
        assert problems == []
        flow.apply(self.town.engine, self.town.clock, drafts, OFFICE)
        self.town.in_force = self.town.text

    # --- work ---

    @rule(minutes=st.sampled_from([1, 6, 31, 60, 60 * 24, 60 * 72, 60 * 24 * 9]))
    def nobody_works_for_a_while(self, minutes: int) -> None:
        self.town.later(minutes=minutes)

    @rule(said=answers)
    def work(self, said: list[str]) -> None:
        self.town.run(self.town.worker(said))

    @rule(said=answers, label=st.sampled_from([*LABELS, "commit"]), number=st.integers(1, 4))
    def work_and_die(self, said: list[str], label: str, number: int) -> None:
        with suppress(DiedError):
            if label == "commit":
                self.town.dying_at_a_commit(2 * number, self.town.worker(said))
            else:
                self.town.run(self.town.worker(said, label, number))

    @rule(
        said=answers,
        label=st.sampled_from(LABELS),
        number=st.integers(1, 2),
        other=answers,
        leases=st.sampled_from([0, 2, 40]),
        key=licence,
        meanwhile=st.sampled_from(
            ["nothing", "renewed", "declines", "answers", "apply", "tell", "bounce"]
        ),
    )
    def work_stand_still_and_go_on(
        self,
        said: list[str],
        label: str,
        number: int,
        other: list[str],
        leases: int,
        key: str,
        meanwhile: str,
    ) -> None:
        """Another worker does what it finds while this one stands still; so may others."""

        def then() -> None:
            match meanwhile:
                case "renewed" | "declines" | "answers":
                    self.say(meanwhile, key, 0)
                case "apply":
                    self.edit_and_apply("14 days before", True)
                case "tell":
                    self.tell(self.town.left, ["delivered"])
                case "bounce":
                    self.tell(self.town.left[-1:], ["bounced"])
                case _:
                    pass
            self.town.clock.advance(LEASE * leases)
            self.town.run(self.town.worker(other))

        self.town.run(self.town.worker(said, label, number, then))

    # --- what the provider tells ---

    def tell(self, about: list[Left], kinds: list[str]) -> None:
        now = self.town.clock.now()
        told = [
            Told(f"{kind} {number}", Kind(kind), now, one.mail_key, copy_mark(one.address))
            for number, one in enumerate(self.town.left)
            for kind in kinds
            if one in about
        ]
        self.town.tell(*told)
        if "bounced" in kinds:
            self.back |= {(one.mail_key, one.address) for one in about}

    @rule(data=st.data())
    def tell_of_some(self, data: st.DataObject) -> None:
        """In any order, doubled, late, or never."""
        if self.town.left:
            some = data.draw(st.lists(st.sampled_from(self.town.left), max_size=4))
            self.tell(some, data.draw(st.sampled_from([["accepted"], ["delivered", "accepted"]])))

    @rule()
    def tell_of_all(self) -> None:
        self.tell(self.town.left, ["accepted", "delivered"])

    @rule(kind=st.sampled_from(BAD_NEWS), data=st.data())
    def bad_news(self, kind: str, data: st.DataObject) -> None:
        if self.town.left:
            self.tell([data.draw(st.sampled_from(self.town.left))], [kind])

    @rule(gives_up=st.booleans())
    def a_person_settles_what_is_asked(self, gives_up: bool) -> None:
        """By the provider's own list, or by giving up."""
        took = {(one.mail_key, one.address) for one in self.town.left}
        for row in self.town.ledger():
            if row.state in ("unknown", "given-up"):
                word = "sent" if (row.mail_key, row.address) in took else "not-sent"
                said = "give-up" if gives_up else word
                now = self.town.clock.now()
                settling.settle(self.town.engine, row.mail_key, row.address, said, now, OFFICE)
                return

    @rule(closed=st.sampled_from([("blocked-mail", "mended"), ("no-contact", "found")]))
    def a_person_mends_what_kept_mails_back(self, closed: tuple[str, str]) -> None:
        self.town.close_tasks(*closed)

    # --- what must hold ---

    @invariant()
    def every_promise(self) -> None:
        if hasattr(self, "town"):
            self.town.account_for()
            self.no_step_goes_out_in_two_mails_unless_the_first_came_back()

    def no_step_goes_out_in_two_mails_unless_the_first_came_back(self) -> None:
        mails: dict[object, list[str]] = defaultdict(list)
        for one in self.town.left:
            for step in one.about:
                if one.mail_key not in mails[step]:
                    mails[step].append(one.mail_key)
        for step, keys in mails.items():
            for key in keys[:-1]:
                sent = {(o.mail_key, o.address) for o in self.town.left if o.mail_key == key}
                assert sent <= self.back, (step, keys)

    def teardown(self) -> None:
        if hasattr(self, "town"):
            try:
                self.calm_days()
                self.every_promise()
                self.nothing_is_lost()
                self.every_licence_is_explained()
            finally:
                self.town.engine.dispose()
                self.folder.cleanup()

    def calm_days(self) -> None:
        """All is well, the provider tells of everything, and a new client joins, who is mailed."""
        self.import_("L-9", self.today + timedelta(days=32))
        self.town.person("witness", licence="L-9")
        for span in (LEASE * 2, HOLD, *[timedelta(hours=6)] * 18):
            self.tell_of_all()
            self.town.run(self.town.worker())
            self.town.clock.advance(span)

    def nothing_is_lost(self) -> None:
        took = {(one.mail_key, one.address) for one in self.town.left}
        rows = self.town.ledger()
        for row in rows:
            assert row.state not in ("sending", "unknown"), row
            assert row.state == "accepted" or row.reason, row
            assert row.state != "accepted" or (row.mail_key, row.address) in took, row
        assert [o.about[0].step for o in self.town.left if o.address == "witness@example.com"] == [
            "a"
        ]
        self._every_step_that_is_called_done_has_a_mail({row.mail_key for row in rows})

    def _every_step_that_is_called_done_has_a_mail(self, keys: set[str]) -> None:
        query = select(steps.c.mail_key, steps.c.decision, steps.c.reason).join(walks)
        with reading(self.town.engine) as conn:
            found = conn.execute(query).all()
        for step in found:
            assert step.decision != "waiting" or step.mail_key in keys, step
            assert step.decision == "waiting" or step.reason, step

    def every_licence_is_explained(self) -> None:
        """And the explanation agrees with the provider's log."""
        asked = Forecasting(Defaults(), self.town.clock.now())
        took = {about for one in self.town.left for about in one.about}
        for key in self.ends:
            with reading(self.town.engine) as conn:
                records = explain(conn, asked, key).records
            sent = {About(key, r.cycle, str(r.step)) for r in records if r.decision == "sent"}
            assert sent == {about for about in took if about.licence == key}
            for record in records:
                assert record.decision in ("sent", "planned") or record.reason, record


TestAnything = Anything.TestCase
TestAnything.settings = settings(
    max_examples=40,
    stateful_step_count=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
