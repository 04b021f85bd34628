"""Few mails, whatever the book: grouping, gathering and the budget, lived through to the end."""

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

from tests.cadence.conftest import DAY, EVERY_DAY, WEEKDAYS, Book, schedule_text
from worker.cadence import ahead
from worker.cadence.library import Library
from worker.cadence.records import of_licence, steps, walks
from worker.catalogue.records import accounts, licences
from worker.channels.contract import Channel
from worker.channels.rehearsal import RehearsalChannel
from worker.db.engine import make_engine, reading
from worker.db.types import metadata
from worker.kernel.dates import Allowance, Period, zone
from worker.schedules.calendar import calendar_for

FIRST = date(2027, 3, 1)
"""The first day on which a licence ends; a Monday."""
BEGIN = datetime(2027, 1, 25, 12, tzinfo=UTC)
END = datetime(2027, 7, 1, tzinfo=UTC)
ZONES = ("UTC", "Europe/Warsaw", "America/Chicago", "Pacific/Auckland")
ADDRESSES = ("ann@example.com", "bob@example.com", "eve@example.com")
OFFSETS = (
    "30 days before",
    "20 days before",
    "7 days before",
    "5 days before",
    "1 day before",
    "on the day",
    "1 day after",
    "4 days after",
    "10 days after",
)

LADDERS = ('["any"]', '["decision-maker", "any"]', '["procurement"]', '["procurement", "reseller"]')
ZONED = {"timezone": "{timezone}", "reseller": "{reseller}"}


@dataclass(frozen=True)
class World:
    """A book as files, its schedules by stem, the allowance, and when it is first seen."""

    accounts: tuple[tuple[str, str, str], ...]
    contacts: tuple[tuple[str, str, str, str], ...]
    licences: tuple[tuple[str, str, date, date], ...]
    schedules: tuple[tuple[str, str], ...]
    allowance: Allowance
    seen: datetime


@st.composite
def _schedules(draw: st.DrawFn) -> str:
    offsets = draw(st.lists(st.sampled_from(OFFSETS), min_size=1, max_size=4, unique=True))
    ladders = st.sampled_from(LADDERS)
    written = []
    for offset in offsets:
        task = draw(st.integers(0, 6)) == 0
        written.append(f"task {offset}" if task else f"{offset} | to = {draw(ladders)}")
    group = draw(st.sampled_from(["contact", "contact", "contact", "licence"]))
    gather = draw(st.integers(0, 9)) if group == "contact" else 0
    limits = [
        f'group_by = "{group}"',
        f'late = "{draw(st.sampled_from(["latest", "latest", "all"]))}"',
        f'valid_for = "{draw(st.integers(1, 9))} days"',
        *([f'gather = "{gather} days"'] if gather else []),
    ]
    closed = draw(st.sampled_from(["earlier", "later"]))
    days = draw(st.sampled_from([WEEKDAYS, EVERY_DAY]))
    office = f'hours = "09:00-17:00"\n{days}\nholidays = "none"\nwhen_closed = "{closed}"'
    mail_class = draw(st.sampled_from(["contractual", "commercial", "commercial", "survey"]))
    return schedule_text(*written, calendar=office, limits="\n".join(limits), mail_class=mail_class)


@st.composite
def _worlds(draw: st.DrawFn) -> World:
    held, people, sold = [], [], []
    for name in ["Maple", *draw(st.lists(st.sampled_from(["Pine", "Stark"]), unique=True))]:
        held.append((name, draw(st.sampled_from(ZONES)), draw(st.sampled_from(["", "Gold"]))))
        for address in draw(st.lists(st.sampled_from(ADDRESSES), max_size=2, unique=True)):
            role = draw(st.sampled_from(["decision-maker", "procurement"]))
            people.append((name, address, role, draw(st.sampled_from(["no", "no", "no", "yes"]))))
        for number in range(draw(st.integers(1, 8))):
            ends = FIRST + draw(st.integers(0, 20)) * DAY
            starts = ends - draw(st.sampled_from([365, 365, 365, 25, 6])) * DAY
            sold.append((f"{name}-{number}", name, starts, ends))
    stems = ("alpha", "beta", "gamma")[: draw(st.integers(1, 3))]
    return World(
        tuple(held),
        tuple(people),
        tuple(sold),
        tuple((stem, draw(_schedules())) for stem in stems),
        Allowance(draw(st.integers(1, 3)), draw(st.integers(2, 8))),
        BEGIN + draw(st.sampled_from([0, 0, 0, 30, 38, 47])) * DAY,
    )


class _Quiet(Book):
    """A book whose mails nobody writes."""

    def machine(self, *, channel: Channel | None = None, **said: Any) -> Any:
        silent = RehearsalChannel(self.root / "mails", END, per_step=0)
        return super().machine(channel=channel or silent, **said)


@contextmanager
def _book(world: World) -> Iterator[Book]:
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        engine = make_engine(f"sqlite:///{root}/book.db", durable=False)
        metadata.create_all(engine)
        (root / "instance").mkdir()
        book = _Quiet(engine, root / "instance")
        book.start_at(world.seen)
        book.allowance = world.allowance
        try:
            _fill(book, world)
            yield book
        finally:
            engine.dispose()


def _fill(book: Book, world: World) -> None:
    lines = [",".join(one) for one in (("Gold", "UTC", ""), *world.accounts)]
    text = "\n".join(["account,timezone,reseller", *lines])
    named = {"entity": "account", "key": "{account}", "name": "{account}"}
    book._load_text("accounts", text, named | ZONED)
    lines = [f"{a}-{e},{a},{e},{role},{out}" for a, e, role, out in world.contacts]
    lines.append("agent,Gold,agent@example.com,technical,no")
    fields = ("account", "email", "role", "opt_out")
    load = {"entity": "contact", "key": "{contact}"} | {name: f"{{{name}}}" for name in fields}
    book._load_text("people", "\n".join(["contact," + ",".join(fields), *lines]), load)
    lines = [f"{key},{of},{starts},{ends}" for key, of, starts, ends in world.licences]
    load = {"entity": "licence", "key": "{licence}", "account": "{account}"}
    load |= {"starts_on": "{starts_on}", "expires_on": "{expires_on}"}
    book._load_text("licences", "\n".join(["licence,account,starts_on,expires_on", *lines]), load)
    book.apply_all(dict(world.schedules))


@dataclass(frozen=True)
class Told:
    """A step in a mail that left: what it was and when, in the client's own days."""

    licence: str
    account: str
    walk: int
    schedule: Any
    place: tuple[date, int]  # own due date, then place in the file
    anchor: date
    starts: date
    own_day: date  # the open day on which it falls by itself
    due_on: date  # as recorded: today for a late step
    left: date
    at: datetime
    key: str
    zone: str

    @property
    def pulled(self) -> bool:
        return self.own_day > self.left


def _due(anchor: date, said: str) -> date:
    words = said.split()
    if said == "on the day":
        return anchor
    return anchor + int(words[0]) * DAY * (-1 if words[2] == "before" else 1)


def _told(book: Book) -> list[Told]:
    query = (
        select(steps, walks.c.anchor_on, walks.c.schedule, licences.c.key, licences.c.starts_on)
        .add_columns(accounts.c.key.label("account"), accounts.c.timezone)
        .join(walks, walks.c.id == steps.c.walk_id)
        .join(licences, of_licence)
        .join(accounts, accounts.c.id == licences.c.account_id)
        .where(steps.c.mail_key.is_not(None))
        .order_by(steps.c.id)
    )
    left = {row.mail_key: row.accepted_at for row in book.ledger() if row.accepted_at}
    with reading(book.engine) as conn:
        active = Library().active(conn)
        rows = [row for row in conn.execute(query) if row.mail_key in left]
    found = []
    for row in rows:
        schedule, at = active[row.schedule].schedule, left[row.mail_key]
        calendar = calendar_for(schedule, row.timezone, None)
        number = [step.id for step in schedule.steps].index(row.step)
        due = _due(row.anchor_on, str(schedule.steps[number].when))
        own = calendar.land(due, row.anchor_on)
        assert own is not None
        on = at.astimezone(zone(row.timezone)).date()
        place, ends = (due, number), (row.anchor_on, row.starts_on)
        one = (row.key, row.account, row.walk_id, schedule, place, *ends, own, row.due_on, on, at)
        found.append(Told(*one, row.mail_key, row.timezone))
    return found


few = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@given(_worlds())
@few
def test_the_budget_and_the_rules_of_grouping_hold_in_any_book(world: World) -> None:
    with _book(world) as book:
        book.live_to(END)
        told = _told(book)
        event(f"pulled in: {any(one.pulled for one in told)}")
        _within_the_budget(book, world, told)
        _no_step_is_lost_or_doubled(book)
        _nothing_is_pulled_too_far(told)
        _mails_are_in_order(told)
        _one_mail_for_one_matter(book, told)


def _within_the_budget(book: Book, world: World, told: list[Told]) -> None:
    """A day is the civil day of the client for whom the mail is that may have to wait."""
    zones = {one.key: one.zone for one in told}
    got: dict[str, list[datetime]] = defaultdict(list)
    span = timedelta(days=world.allowance.days)
    for row in book.ledger():
        if row.state != "accepted":
            continue
        days = [at.astimezone(zone(zones[row.mail_key])).date() for at in got[row.address]]
        today = row.accepted_at.astimezone(zone(zones[row.mail_key])).date()
        before = [day for day in days if day > today - span]
        if row.kind != "contractual":
            event(f"{len(before)} mails before")
            assert len(before) < world.allowance.mails, (row.address, row.day)
        got[row.address].append(row.accepted_at)


def _no_step_is_lost_or_doubled(book: Book) -> None:
    with reading(book.engine) as conn:
        active = Library().active(conn)
        held = list(conn.execute(select(walks)))
        rows = list(conn.execute(select(steps)))
    mine: dict[int, list[Any]] = defaultdict(list)
    for row in rows:
        mine[row.walk_id].append(row)
    for walk in held:
        assert walk.state == "ended", walk
        if walk.reason != "history":
            wanted = sorted(step.id for step in active[walk.schedule].schedule.steps)
            assert sorted(row.step for row in mine[walk.id]) == wanted, walk
    assert "put-off" not in {row.decision for row in rows}
    carried = {row.mail_key for row in rows if row.mail_key}
    left = [row.mail_key for row in book.ledger() if row.state == "accepted"]
    assert set(left) <= carried, "a mail left that no step remembers: it may be sent again"
    assert {row.state for row in book.ledger()} <= {"accepted", "cancelled", "superseded"}


def _nothing_is_pulled_too_far(told: list[Told]) -> None:
    mails: dict[str, list[Told]] = defaultdict(list)
    for one in told:
        mails[one.key].append(one)
        assert (one.place[0] <= one.anchor) == (one.left <= one.anchor), one
        assert one.left > one.starts or not one.pulled, one
    for mail in mails.values():
        ripe = [one for one in mail if not one.pulled]
        assert ripe, mail
        first = min(one.due_on for one in ripe)
        last = first + timedelta(days=mail[0].schedule.limits.gather_days)
        for one in mail:
            assert not one.pulled or first <= one.place[0] <= last, one
        assert len({one.licence for one in mail}) == len(mail)
        assert len({one.account for one in mail}) == 1


def _mails_are_in_order(told: list[Told]) -> None:
    of_walk: dict[int, list[Told]] = defaultdict(list)
    for one in sorted(told, key=lambda one: one.at):
        of_walk[one.walk].append(one)
    for mails in of_walk.values():
        days = [one.left for one in mails]
        assert len(set(days)) == len(days), mails
        places = [one.place for one in mails]
        assert places == sorted(places), mails


def _one_mail_for_one_matter(book: Book, told: list[Told]) -> None:
    by_key = {one.key: one for one in told}
    seen: Counter[tuple[Any, ...]] = Counter()
    for row in book.ledger():
        if row.state == "accepted" and by_key[row.mail_key].schedule.limits.group_by == "contact":
            one = by_key[row.mail_key]
            seen[one.account, row.address, row.schedule, row.step, one.at] += 1
    assert not seen or max(seen.values()) == 1


@given(_worlds(), st.integers(0, 60 * 24 * 60))
@few
def test_what_plan_announces_is_what_goes_out(world: World, minutes: int) -> None:
    with _book(world) as book:
        book.live_to(book.now + timedelta(minutes=minutes))
        book.run()
        asked = book.now
        with reading(book.engine) as conn:
            period = Period(asked.date() - DAY, END.date())
            announced = ahead.forecast(conn, book.asked(), period)
        past = {row.id for row in book.ledger()}
        book.live_to(END)
        assert _announced(announced) == _gone(book, past)


Line = tuple[str, str, str, str, tuple[str, ...], tuple[str, ...]]


def _announced(records: list[Any]) -> list[Line]:
    """Licence, schedule, step, minute, addresses and companions of every mail to come."""
    together: dict[str, list[str]] = defaultdict(list)
    mails = [r for r in records if r.kind == "email" and r.decision == "planned"]
    for record in mails:
        together[record.message].append(record.licence)
    return sorted(
        (
            record.licence,
            record.schedule,
            record.step,
            record.at.astimezone(UTC).isoformat(),
            tuple(sorted(record.to)),
            tuple(sorted(together[record.message])),
        )
        for record in mails
    )


def _gone(book: Book, past: set[int]) -> list[Line]:
    to: dict[str, list[str]] = defaultdict(list)
    for row in book.ledger():
        if row.id not in past and row.state == "accepted":
            to[row.mail_key].append(row.address)
    together: dict[str, list[str]] = defaultdict(list)
    told = [one for one in _told(book) if one.key in to]
    for one in told:
        together[one.key].append(one.licence)
    return sorted(
        (
            one.licence,
            one.schedule.stem,
            one.schedule.steps[one.place[1]].id,
            one.at.isoformat(),
            tuple(sorted(to[one.key])),
            tuple(sorted(together[one.key])),
        )
        for one in told
    )
