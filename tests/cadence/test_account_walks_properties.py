"""Whatever clients and our people do: walks of accounts and answers, lived through to the end."""

from __future__ import annotations

import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from tests.cadence.conftest import DAY, EVERY_DAY, WEEKDAYS
from tests.cadence.dormant import dormant
from tests.cadence.test_answer_walks import AskedBook, feedback
from tests.cadence.test_reviews import review
from worker.cadence import ahead, heard
from worker.cadence.library import Library
from worker.cadence.records import steps, walks
from worker.catalogue.records import accounts, contacts
from worker.channels.contract import Channel
from worker.channels.rehearsal import RehearsalChannel
from worker.db.engine import make_engine, reading
from worker.db.types import metadata
from worker.kernel.dates import Allowance, Period, zone
from worker.reactivation.records import episodes
from worker.worklist import store as worklist

BEGIN = datetime(2027, 1, 25, 12, tzinfo=UTC)
END = BEGIN + 130 * DAY
ZONES = ("UTC", "Europe/Warsaw", "America/Chicago", "Pacific/Auckland")
ADDRESSES = ("ann@example.com", "bob@example.com", "eve@example.com")
AFTER = ("on the day", "1 day after", "2 days after", "5 days after", "12 days after")
AROUND = ("9 days before", "2 days before", *AFTER)
LADDERS = ('["any"]', '["any"]', '["decision-maker", "any"]', '["procurement"]')
HAPPENS = ("flag", "flag", "answer", "answer", "answer", "order", "close", "done", "reply")


@dataclass(frozen=True)
class World:
    """A book, its schedules by stem, the allowance, and what happens: when, what, to whom."""

    accounts: tuple[tuple[str, str], ...]
    contacts: tuple[tuple[str, str, str], ...]
    schedules: tuple[tuple[str, str], ...]
    allowance: Allowance
    happens: tuple[tuple[datetime, str, str], ...]


@st.composite
def _steps(draw: st.DrawFn, offsets: tuple[str, ...], *, conditions: bool) -> list[str]:
    written = []
    for offset in draw(st.lists(st.sampled_from(offsets), min_size=1, max_size=4, unique=True)):
        unless = '\nunless = ["task-open"]' if conditions and draw(st.booleans()) else ""
        task = draw(st.integers(0, 3)) == 0
        ladder = draw(st.sampled_from(LADDERS))
        written.append(f"task {offset}" if task else f"{offset} | to = {ladder}{unless}")
    return written


@st.composite
def _schedules(draw: st.DrawFn) -> tuple[tuple[str, str], ...]:
    found = []
    for stem in draw(st.lists(st.sampled_from(STEMS), min_size=2, max_size=4, unique=True)):
        said = draw(_steps(AROUND if stem == "review" else AFTER, conditions=stem != "review"))
        limits = [
            f'group_by = "{draw(st.sampled_from(["contact", "licence"]))}"',
            f'late = "{draw(st.sampled_from(["latest", "latest", "all", "skip"]))}"',
            f'valid_for = "{draw(st.integers(1, 9))} days"',
        ]
        days = draw(st.sampled_from([WEEKDAYS, EVERY_DAY]))
        closed = draw(st.sampled_from(["earlier", "later"]))
        office = f'hours = "09:00-17:00"\n{days}\nholidays = "none"\nwhen_closed = "{closed}"'
        found.append((stem, _text(stem, said, office, "\n".join(limits))))
    return tuple(found)


STEMS = ("silent", "quiet", "feedback", "thanks", "review")


def _text(stem: str, said: list[str], office: str, limits: str) -> str:
    if stem in ("feedback", "thanks"):
        text = feedback(*said, audience="")
        head, _, rest = text.partition("[calendar]")
        return f"{head}[calendar]\n{office}\n[limits]\n{limits}\n{rest[rest.index('[[steps]]') :]}"
    if stem == "review":
        return review(*said, every="1 month", calendar=office, limits=limits)
    return dormant(*said, calendar=office, limits=limits)


@st.composite
def _worlds(draw: st.DrawFn) -> World:
    held, people = [], []
    for name in ["Maple", *draw(st.lists(st.sampled_from(["Pine", "Stark"]), unique=True))]:
        held.append((name, draw(st.sampled_from(ZONES))))
        reached = st.lists(st.sampled_from(ADDRESSES), min_size=1, max_size=2, unique=True)
        for address in draw(reached) if name == "Maple" or draw(st.booleans()) else []:
            people.append((name, address, draw(st.sampled_from(["decision-maker", "procurement"]))))
    minutes = st.integers(0, 60 * 24 * 60)
    who = st.sampled_from([name for name, _ in held])
    happens = draw(
        st.lists(st.tuples(minutes, st.sampled_from(HAPPENS), who), min_size=5, max_size=14)
    )
    return World(
        tuple(held),
        tuple(people),
        draw(_schedules()),
        Allowance(draw(st.integers(1, 3)), draw(st.integers(2, 8))),
        tuple((BEGIN + timedelta(minutes=at), what, key) for at, what, key in sorted(happens)),
    )


class _Quiet(AskedBook):
    """A book whose mails nobody writes, and which remembers when each walk was seen to be over."""

    over: dict[int, datetime]
    answered = 0

    def machine(self, *, channel: Channel | None = None, **said: Any) -> Any:
        silent = RehearsalChannel(self.root / "mails", END, per_step=0)
        return super().machine(channel=channel or silent, **said)

    def happen(self, what: str, key: str) -> None:
        """One thing happens to an account, and the engine looks."""
        if what == "flag":
            for stem in ("silent", "quiet"):
                if not self._is_flagged(stem, key):
                    self.flag(key, schedule=stem)
        elif what == "answer":
            self.answered += 1
            self.answer(self.answered, 3, key)
        elif what in ("order", "close"):
            self.end("ordered" if what == "order" else "closed", key)
        elif what == "done":
            self._close_tasks(key)
        else:
            self._hear(key)
        self.run()
        for row in self.rows(select(walks).where(walks.c.state == "ended")):
            self.over.setdefault(row.id, self.now)

    def rows(self, query: Any) -> list[Any]:
        with reading(self.engine) as conn:
            return list(conn.execute(query))

    def _is_flagged(self, stem: str, key: str) -> bool:
        mine = (episodes.c.schedule == stem) & (episodes.c.account_id == self.id_of(key))
        return bool(self.rows(select(episodes.c.id).where(mine, episodes.c.ended_on.is_(None))))

    def _close_tasks(self, key: str) -> None:
        number = self.id_of(key)
        keys = [task.key for task in self.open_tasks() if task.account_id == number]
        with self.engine.begin() as conn:
            worklist.close_keys(conn, [one for one in keys if one[:5] == "step:"], "x", self.now)

    def _hear(self, key: str) -> None:
        mine = (walks.c.account_id == self.id_of(key)) & (walks.c.state != "ended")
        numbers = [row.id for row in self.rows(select(walks.c.id).where(mine))]
        with self.engine.begin() as conn:
            heard.note(conn, numbers, heard.ANSWERED, self.now)


@contextmanager
def _book(world: World) -> Iterator[_Quiet]:
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        engine = make_engine(f"sqlite:///{root}/book.db", durable=False)
        metadata.create_all(engine)
        (root / "instance").mkdir()
        book = _Quiet(engine, root / "instance")
        book.over = {}
        book.start_at(BEGIN)
        book.allowance = world.allowance
        try:
            _fill(book, world)
            yield book
        finally:
            engine.dispose()


def _fill(book: _Quiet, world: World) -> None:
    text = "\n".join(["account,timezone", *(",".join(one) for one in world.accounts)])
    named = {"entity": "account", "key": "{account}", "name": "{account}"}
    book._load_text("accounts", text, named | {"timezone": "{timezone}"})
    lines = [f"{a}-{e},{a},{e},{role}" for a, e, role in world.contacts]
    load = {"entity": "contact", "key": "{contact}"}
    load |= {name: f"{{{name}}}" for name in ("account", "email", "role")}
    if lines:
        book._load_text("people", "\n".join(["contact,account,email,role", *lines]), load)
    book.apply_all(dict(world.schedules))


@dataclass(frozen=True)
class Told:
    """A step in a mail that left: whose, which, and when, in the client's own days."""

    account: str
    schedule: Any
    walk: int
    cycle: int
    step: str
    place: tuple[date, int]  # due date, then place in the file
    anchor: date
    left: date
    at: datetime
    key: str


def _due(anchor: date, said: str) -> date:
    words = said.split()
    if said == "on the day":
        return anchor
    return anchor + int(words[0]) * DAY * (-1 if words[2] == "before" else 1)


def _told(book: _Quiet) -> list[Told]:
    query = (
        select(steps, walks.c.anchor_on, walks.c.schedule, walks.c.cycle)
        .add_columns(accounts.c.key.label("account"), accounts.c.timezone)
        .join(walks, walks.c.id == steps.c.walk_id)
        .join(accounts, accounts.c.id == walks.c.account_id)
        .where(steps.c.mail_key.is_not(None))
        .order_by(steps.c.id)
    )
    left = {row.mail_key: row.accepted_at for row in book.ledger() if row.accepted_at}
    with reading(book.engine) as conn:
        active = Library().active(conn)
    found = []
    for row in book.rows(query):
        if row.mail_key in left:
            schedule, at = active[row.schedule].schedule, left[row.mail_key]
            number = [step.id for step in schedule.steps].index(row.step)
            place = _due(row.anchor_on, str(schedule.steps[number].when)), number
            on = at.astimezone(zone(row.timezone)).date()
            one = (row.account, schedule, row.walk_id, row.cycle, row.step, place, row.anchor_on)
            found.append(Told(*one, on, at, row.mail_key))
    return found


few = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@given(_worlds())
@few
def test_the_rules_hold_for_walks_of_accounts_and_answers_in_any_book(world: World) -> None:
    with _book(world) as book:
        for at, what, key in world.happens:
            book.live_to(at)
            book.happen(what, key)
            if what in ("order", "close"):
                _episodes_are_over(book, key)
        book.live_to(END)
        told = _told(book)
        event(f"mails: {min(len(told), 3)}")
        _within_the_budget(book, world)
        _mails_are_in_order(told)
        _nothing_goes_twice(book, told)
        _what_is_over_sends_no_more(book, told)
        _no_step_is_lost(book)


def _episodes_are_over(book: _Quiet, key: str) -> None:
    """Once an order came, or a person closed the episode, no walk of it goes on."""
    mine = (walks.c.account_id == book.id_of(key)) & walks.c.schedule.in_(("silent", "quiet"))
    assert {row.state for row in book.rows(select(walks.c.state).where(mine))} <= {"ended"}


def _within_the_budget(book: _Quiet, world: World) -> None:
    """None of these mails is contractual: all of them wait for room."""
    query = select(contacts.c.id, accounts.c.timezone).join(accounts)
    zones = {row.id: zone(row.timezone) for row in book.rows(query)}
    got: dict[str, list[datetime]] = defaultdict(list)
    for row in sorted(book.ledger(), key=lambda row: row.accepted_at or END):
        if row.state == "accepted":
            there = zones[row.contact_id]
            today = row.accepted_at.astimezone(there).date()
            days = [at.astimezone(there).date() for at in got[row.address]]
            before = [day for day in days if day > today - world.allowance.days * DAY]
            event(f"{len(before)} mails before")
            assert len(before) < world.allowance.mails, (row.address, row.day)
            got[row.address].append(row.accepted_at)


def _mails_are_in_order(told: list[Told]) -> None:
    of_walk: dict[int, list[Told]] = defaultdict(list)
    for one in sorted(told, key=lambda one: one.at):
        of_walk[one.walk].append(one)
        assert (one.place[0] <= one.anchor) == (one.left <= one.anchor) or _is_fixed(one), one
        assert one.left >= one.anchor or not _is_fixed(one), one
    for mails in of_walk.values():
        assert len({one.left for one in mails}) == len(mails), mails
        places = [one.place for one in mails]
        assert places == sorted(places), mails


def _is_fixed(one: Told) -> bool:
    """A day that nobody knew before it was there: steps on it may be shifted past it."""
    return bool(one.schedule.trigger != "relationship-review")


def _nothing_goes_twice(book: _Quiet, told: list[Told]) -> None:
    to: dict[str, list[str]] = defaultdict(list)
    for row in book.ledger():
        if row.state == "accepted":
            to[row.mail_key].append(row.address)
    carried = {one.key for one in told}
    assert set(to) == carried, "a mail left that no step remembers: it may be sent again"
    seen = Counter(
        (one.account, one.schedule.stem, one.cycle, one.step, address)
        for one in told
        for address in to[one.key]
    )
    assert not seen or max(seen.values()) == 1
    for key in carried:
        assert len({(one.account, one.schedule.stem) for one in told if one.key == key}) == 1


def _what_is_over_sends_no_more(book: _Quiet, told: list[Told]) -> None:
    for one in told:
        assert one.at <= book.over.get(one.walk, END), one


def _no_step_is_lost(book: _Quiet) -> None:
    """Every step of a walk that came to its end has one decision, and only reviews go on."""
    with reading(book.engine) as conn:
        active = Library().active(conn)
    mine: dict[int, list[Any]] = defaultdict(list)
    for row in book.rows(select(steps)):
        mine[row.walk_id].append(row)
    for walk in book.rows(select(walks)):
        if walk.state != "ended":
            assert walk.schedule == "review", walk
            assert walk.anchor_on > END.date() - 30 * DAY, walk
            continue
        wanted = sorted(step.id for step in active[walk.schedule].schedule.steps)
        assert sorted(row.step for row in mine[walk.id]) == wanted, walk
        assert "put-off" not in {row.decision for row in mine[walk.id]}, walk
    assert not {row.state for row in book.ledger()} & {"due", "sending", "unknown"}


@given(_worlds(), st.integers(0, 60 * 24 * 60))
@few
def test_what_plan_announces_for_accounts_is_what_goes_out(world: World, minutes: int) -> None:
    asked = BEGIN + timedelta(minutes=minutes)
    with _book(world) as book:
        for at, what, key in world.happens:
            if at <= asked:
                book.live_to(at)
                book.happen(what, key)
        book.live_to(asked)
        book.run()
        with reading(book.engine) as conn:
            period = Period(book.now.date() - DAY, END.date())
            announced = ahead.forecast(conn, book.asked(), period)
        past = {row.id for row in book.ledger()}
        book.live_to(END)
        event(f"announced: {min(len(_announced(announced)), 3)}")
        assert _announced(announced) == _gone(book, past)


Line = tuple[str, str, str, int, str, tuple[str, ...], tuple[int, ...]]


def _announced(records: list[Any]) -> list[Line]:
    """Account, schedule, step, cycle, minute, addresses and companions of every mail to come."""
    mails = [r for r in records if r.kind == "email" and r.decision == "planned" and r.at < END]
    together: dict[str, list[int]] = defaultdict(list)
    for record in mails:
        assert record.licence is None, record
        together[record.message].append(record.cycle)
    return sorted(
        (
            *(record.subject, record.schedule, record.step, record.cycle),
            record.at.astimezone(UTC).isoformat(),
            tuple(sorted(record.to)),
            tuple(sorted(together[record.message])),
        )
        for record in mails
    )


def _gone(book: _Quiet, past: set[int]) -> list[Line]:
    to: dict[str, list[str]] = defaultdict(list)
    for row in book.ledger():
        if row.id not in past and row.state == "accepted":
            to[row.mail_key].append(row.address)
    told = [one for one in _told(book) if one.key in to]
    together: dict[str, list[int]] = defaultdict(list)
    for one in told:
        together[one.key].append(one.cycle)
    return sorted(
        (
            *(one.account, one.schedule.stem, one.step, one.cycle),
            one.at.isoformat(),
            tuple(sorted(to[one.key])),
            tuple(sorted(together[one.key])),
        )
        for one in told
    )
