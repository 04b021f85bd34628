"""What the demo's people have on their desks: promises kept and open, tasks claimed and snoozed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Engine, select

from worker.access.audit import Actor
from worker.access.rules import Role
from worker.catalogue.records import accounts
from worker.db.engine import reading
from worker.kernel.dates import civil_date, zone
from worker.worklist import flow, store
from worker.worklist.flow import Today, Wanted
from worker.worklist.kinds import BROKEN, BY_HAND, KEPT, PROMISE
from worker.worklist.rules import Hand

ADMIN = "SARA"


class _Given(NamedTuple):
    """A promise: days from today on which it was made, was due, and came to its outcome."""

    who: str
    title: str
    made: int
    due: int
    closed: int = 0
    outcome: str = ""


_PROMISES = (
    _Given("SARA", "Send a quote for two years", -26, -20, -21, KEPT),
    _Given("SARA", "Call back after their stocktaking", -24, -17, -14, KEPT),
    _Given("ANNA", "Send the invoice again, in Polish", -23, -15, -15, KEPT),
    _Given("IVAN", "Ask the vendor about the second location", -22, -12, -9, BROKEN),
    _Given("IVAN", "Send the price list in Russian", -15, -8, -9, KEPT),
    _Given("ANNA", "Confirm the new contact in writing", -9, -3, -4, KEPT),
    _Given("SARA", "Say by when the discount stands", -6, -1),
    _Given("SARA", "Send the offer for all locations together", -2, 0),
    _Given("ANNA", "Call about the change of the owner", -3, 4),
    _Given("IVAN", "Send the terms for five years", -1, 9),
)
# Calls after an order: to whom (the nth client that orders), how many days ago, by whom.
_CALLS = (
    *((0, -81, "SARA"), (3, -74, "SARA"), (5, -66, "ANNA"), (1, -60, "SARA"), (9, -52, "IVAN")),
    *((12, -47, "SARA"), (2, -41, "ANNA"), (7, -33, "SARA"), (15, -26, "SARA"), (4, -20, "IVAN")),
    *((20, -17, "SARA"), (0, -13, "SARA"), (8, -10, "ANNA"), (11, -6, "SARA"), (25, -3, "SARA")),
)
_OUTCOMES = ("will-renew", "done", "will-renew", "no-answer", "will-not-renew")


def fill(engine: Engine, now: datetime, timezone: str) -> None:
    """Opens and closes promises as their people did, and leaves a few tasks to pick from."""
    with reading(engine) as conn:
        ids = conn.execute(select(accounts.c.id).order_by(accounts.c.key)).scalars().all()
        calls = store.open_ones(conn, ["step"])
    desk = _Desk(engine, now, timezone)
    for given, account in zip(_PROMISES, ids, strict=False):
        desk.promise(given, account)
    _free_tasks(desk, ids)
    _calls(desk, engine)
    done = [task for task in calls if task.due_on <= desk.day(-3)]
    for place, task in enumerate(done):
        desk.end(task, _OUTCOMES[place % len(_OUTCOMES)])
    for task in calls[len(done) :][:2]:
        desk.rest(task, 3)


def _free_tasks(desk: _Desk, ids: Sequence[int]) -> None:
    for title, due, account in (
        ("Find out who signs at this client now", 2, ids[11]),
        ("Thank them for recommending us", 3, ids[12]),
    ):
        desk.open(_hand(ADMIN), Wanted(BY_HAND, title, "", desk.day(due), "", account), 0)


def _calls(desk: _Desk, engine: Engine) -> None:
    """The calls that were made to clients who order, each on its day."""
    query = select(accounts.c.id).where(accounts.c.key.like("W-%")).order_by(accounts.c.key)
    with reading(engine) as conn:
        ids = conn.execute(query).scalars().all()
    for place, day, who in _CALLS:
        said = Wanted(BY_HAND, "Ask how the last delivery was", "", desk.day(day), who, ids[place])
        desk.call(_hand(who), said, day)


class _Desk:
    """Does what people did, on the day on which they did it."""

    def __init__(self, engine: Engine, now: datetime, timezone: str) -> None:
        self._engine, self._now, self._zone = engine, now, zone(timezone)

    def day(self, days: int) -> date:
        return civil_date(self._now, self._zone) + timedelta(days=days)

    def _today(self, days: int) -> Today:
        return Today(self._now + timedelta(days=days), self.day(days))

    def open(self, hand: Hand, wanted: Wanted, days: int) -> int:
        return flow.open_by_hand(self._engine, hand, wanted, self._today(days))

    def promise(self, given: _Given, account: int) -> None:
        hand = _hand(given.who)
        said = Wanted(PROMISE, given.title, "", self.day(given.due), given.who, account)
        number = self.open(hand, said, given.made)
        if given.outcome:
            at = self._today(given.closed).now
            flow.close(self._engine, hand, number, 1, given.outcome, "", at)

    def call(self, hand: Hand, wanted: Wanted, day: int) -> None:
        number = self.open(hand, wanted, day)
        at = self._today(day).now + timedelta(hours=1)
        flow.close(self._engine, hand, number, 1, "done", "", min(at, self._now))

    def end(self, task: Any, outcome: str) -> None:
        at = min(self._today(0).now, task.opened_at + timedelta(hours=30))
        hand = _hand(task.assignee)
        flow.close(self._engine, hand, task.id, task.version, outcome, "", at)

    def rest(self, task: Any, days: int) -> None:
        hand, until = _hand(task.assignee), self.day(days)
        flow.snooze(self._engine, hand, task.id, task.version, until, self._today(0))


def _hand(who: str) -> Hand:
    return Hand(Actor(who.lower(), "page"), Role.RENEWALS, who)
