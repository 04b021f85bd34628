"""``email``: a mail to the first rung of the ladder that has anybody reachable.

Where the schedule groups, one mail speaks of every licence of an account whose same step goes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Row
from sqlalchemy.engine import Connection

from worker.cadence.budget import BUDGET, ORDER, day_with_room
from worker.cadence.decisions import called
from worker.cadence.kinds.contract import Acted, Action, Occasion
from worker.cadence.ladder import People
from worker.cadence.resting import OPEN_FEEDBACK, RESTS, at_rest
from worker.kernel.keys import new_mail_key
from worker.outbox import store as outbox
from worker.outbox.rules import DUE
from worker.outbox.store import Mailed
from worker.worklist import store as worklist
from worker.worklist.kinds import NO_CONTACT

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Travelling:
    """The steps that travel together in one mail, by their places among the actions."""

    places: Sequence[int]
    actions: Sequence[Action]

    @property
    def first(self) -> Action:
        return self.actions[0]


class EmailKind:
    """Writes messages into the ledger; the ledger sends them."""

    def act(self, conn: Connection, actions: Sequence[Action], on: Occasion) -> list[Acted]:
        people = People.around(conn, [action.row for action in actions], on.stops)
        mails = sorted(grouped(actions), key=lambda mail: ORDER.index(_class(mail)))
        rungs = [people.rung(mail.first) for mail in mails]
        room = Room.load(conn, mails, [rung.contacts for rung in rungs], on)
        resting = at_rest(conn, actions, on.now)
        acted: dict[int, Acted] = {}
        messages: list[tuple[Any, ...]] = []
        orphans: list[Action] = []
        for mail, rung in zip(mails, rungs, strict=True):
            if not rung.contacts:
                orphans += [] if rung.silenced else mail.actions
                acted |= dict.fromkeys(mail.places, unreachable(rung.silenced))
                continue
            if _class(mail) == RESTS and mail.first.row.account_id in resting:
                rests = [_rest(action, on.now) for action in mail.actions]
                acted |= dict(zip(mail.places, rests, strict=True))
                continue
            put_off = room.wait(mail, rung.contacts)
            if put_off:
                acted |= dict(zip(mail.places, put_off, strict=True))
                continue
            key = new_mail_key(on.now)
            messages += [message(mail, contact, key, on.now) for contact in rung.contacts]
            acted |= dict.fromkeys(mail.places, Acted("waiting", None, key))
        outbox.add(conn, messages)
        worklist.open_tasks(conn, [no_contact(action) for action in orphans], on.now)
        return [acted[place] for place in range(len(actions))]


KIND = EmailKind()


def _class(mail: Travelling) -> Any:
    return mail.first.line.schedule.mail_class


def grouped(actions: Sequence[Action]) -> Iterator[Travelling]:
    """What travels together: all of an account and step where the schedule groups, else what is
    about one licence."""
    together: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for place, action in enumerate(actions):
        schedule = action.line.schedule
        alone = action.row.walk_id if schedule.limits.group_by == "licence" else None
        key = schedule.stem, action.decision.step.id, action.row.account_id, alone
        together[key].append(place)
    for places in together.values():
        yield Travelling(places, [actions[place] for place in places])


def unreachable(silenced: str | None) -> Acted:
    """Nobody to write to: by their own wish or ours, or because nobody is known."""
    if silenced:
        return Acted("suppressed", silenced)
    return Acted("blocked", "no-reachable-contact")


class Room:
    """What the addresses of a batch got lately, and what the batch adds to it."""

    def __init__(self, on: Occasion, mailed: Mapping[str, Sequence[Mailed]] | None) -> None:
        self._on = on
        self._mailed = mailed
        self._added: dict[str, list[date]] = defaultdict(list)

    @classmethod
    def load(
        cls,
        conn: Connection,
        mails: Sequence[Travelling],
        rungs: Sequence[Sequence[Row[Any]]],
        on: Occasion,
    ) -> Room:
        """Asks the ledger only when something in the batch may have to wait."""
        waiting = {
            contact.email
            for mail, rung in zip(mails, rungs, strict=True)
            if _class(mail) != "contractual"
            for contact in rung
        }
        if not waiting:
            return cls(on, None)
        since = (on.now - timedelta(days=on.allowance.days + 1)).date()
        return cls(on, outbox.mailed_on(conn, sorted(waiting), since))

    def wait(self, mail: Travelling, rung: Sequence[Row[Any]]) -> list[Acted]:
        """What becomes of steps for which an address has no room; nothing when all have, and then
        the mail is counted."""
        if self._mailed is None:
            return []
        calendar = mail.first.line.calendar
        today = calendar.today(self._on.now)
        if _class(mail) != "contractual":
            free = max(self._free(contact.email, calendar.tz, today) for contact in rung)
            if free > today:
                return [put_off(action, free) for action in mail.actions]
        for contact in rung:
            self._added[contact.email].append(today)
        return []

    def _free(self, address: str, tz: ZoneInfo, today: date) -> date:
        """The first day on which an address has room."""
        assert self._mailed is not None
        got = [one.counts_on(tz, today) for one in self._mailed.get(address, ())]
        got += [min(day, today) for day in self._added[address]]
        return day_with_room(got, today, self._on.allowance)


def put_off(action: Action, day: date, why: str = BUDGET) -> Acted:
    """The step waits until ``day``; it is skipped when it would be too late by then."""
    calendar, walk = action.line.calendar, action.walk
    until = calendar.next_opening(calendar.closes_at(day - _DAY), walk.slot)
    valid = action.decision.valid_until
    if until is None or (valid is not None and until > valid):
        return Acted("skipped", why)
    due_on = action.decision.due_on
    if due_on <= walk.edge < calendar.today(until):
        return Acted("skipped", why)
    return Acted("put-off", why, until=until)


def _rest(action: Action, now: datetime) -> Acted:
    """Looked at again the next day, and every day until the client has an answer."""
    return put_off(action, action.line.calendar.today(now) + _DAY, OPEN_FEEDBACK)


def message(mail: Travelling, contact: Row[Any], key: str, now: datetime) -> tuple[Any, ...]:
    """A row of the ledger, in the order of ``outbox.NEW``."""
    decision, line = mail.first.decision, mail.first.line
    return (
        key,
        contact.email,
        contact.id,
        line.schedule.stem,
        decision.step.id,
        mail.first.version_id,
        decision.step.template,
        line.schedule.mail_class,
        line.calendar.today(max(now, decision.at)),
        DUE,
        now,
        max(action.decision.valid_until or now for action in mail.actions),
        now,
    )


def no_contact(action: Action) -> worklist.NewTask:
    """One task for an account of which nobody can be written to."""
    row = action.row
    return worklist.NewTask(
        key=f"no-contact:{row.account_key}",
        kind=NO_CONTACT,
        title="No reachable contact",
        detail=f"{row.account_name}: nobody to write to about {called(row)}",
        account_id=row.account_id,
        licence_id=row.licence_id,
        assignee=row.account_account_manager,
    )
