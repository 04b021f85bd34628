"""``survey``: a question by mail, asked of those who were left in peace for long enough.

The first step asks and notes an invitation for each whom it asks, in the same transaction. A later
step of the same survey reminds those who have not answered; where nobody could be asked so far, it
asks in its place.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Row
from sqlalchemy.engine import Connection

from worker.cadence import asking
from worker.cadence.kinds.contract import Acted, Action, Occasion
from worker.cadence.kinds.email import (
    Room,
    Travelling,
    grouped,
    message,
    no_contact,
    put_off,
    unreachable,
)
from worker.cadence.ladder import People, Rung
from worker.cadence.quiet import FEEDBACK, QUIET, free_on
from worker.cadence.unheard import waits_for_us
from worker.kernel.keys import new_mail_key
from worker.outbox import store as outbox
from worker.schedules.model import Step
from worker.worklist import store as worklist

_DAY = timedelta(days=1)


class _Choice(NamedTuple):
    """Who gets the mail, or what becomes of its steps instead. ``asks``: it is no reminder."""

    people: Sequence[Row[Any]] = ()
    instead: Sequence[Acted] = ()
    asks: bool = True


class SurveyKind:
    """Writes messages into the ledger and invitations beside them."""

    def act(self, conn: Connection, actions: Sequence[Action], on: Occasion) -> list[Acted]:
        mails = list(grouped(actions))
        known = _Known.load(conn, mails, on)
        room = Room.load(
            conn, mails, [known.rungs[place].contacts for place in range(len(mails))], on
        )
        acted: dict[int, Acted] = {}
        messages: list[tuple[Any, ...]] = []
        invited: list[tuple[Any, ...]] = []
        for place, mail in enumerate(mails):
            choice = known.choose(place, mail)
            instead = choice.instead or room.wait(mail, choice.people)
            if instead:
                acted |= dict(zip(mail.places, instead, strict=True))
                continue
            key = new_mail_key(on.now)
            messages += [message(mail, contact, key, on.now) for contact in choice.people]
            if choice.asks:
                invited += [_invitation(mail, contact, key, on) for contact in choice.people]
                known.note(mail, choice.people)
            acted |= dict.fromkeys(mail.places, Acted("waiting", None, key))
        outbox.add(conn, messages)
        asking.invite(conn, invited)
        worklist.open_tasks(conn, [no_contact(action) for action in known.orphans], on.now)
        return [acted[place] for place in range(len(actions))]


KIND = SurveyKind()


@dataclass(frozen=True, slots=True)
class _Known:
    """What a batch is judged by: whom each mail may go to, who was asked already, and when."""

    on: Occasion
    rungs: Sequence[Rung]
    invited: Mapping[int, Sequence[Any]]
    unhappy: frozenset[int]
    addresses: dict[str, date]
    accounts: dict[int, date]
    orphans: list[Action]

    @classmethod
    def load(cls, conn: Connection, mails: Sequence[Travelling], on: Occasion) -> _Known:
        actions = [action for mail in mails for action in mail.actions]
        people = People.around(conn, [action.row for action in actions], on.stops)
        rungs = [people.everybody(mail.first, _first(mail).keys.to) for mail in mails]
        invited: dict[int, list[Any]] = defaultdict(list)
        for row in asking.of_walks(conn, [action.row.walk_id for action in actions]):
            invited[row.walk_id].append(row)
        addresses = [person.email for rung in rungs for person in rung.contacts]
        accounts = sorted({mail.first.row.account_id for mail in mails})
        last = asking.lately(conn, addresses, accounts, on.quiet, (on.now - _DAY).date())
        unhappy = waits_for_us(conn, accounts, on.now)
        found = dict(last.addresses), dict(last.accounts)
        return cls(on, rungs, invited, unhappy, *found, [])

    def choose(self, place: int, mail: Travelling) -> _Choice:
        """Whom this mail asks or reminds."""
        rung, account = self.rungs[place], mail.first.row.account_id
        today = mail.first.line.calendar.today(self.on.now)
        asked = [one for action in mail.actions for one in self.invited.get(action.row.walk_id, ())]
        if asked and mail.first.decision.step is not _first(mail):
            return self._remind(mail, rung, asked)
        if not rung.contacts:
            return self._nobody(mail, rung)
        if account in self.unhappy:
            return _Choice(instead=_wait(mail, today + _DAY, FEEDBACK))
        free = free_on(self.accounts.get(account), self.on.quiet.account_days, today)
        days = {person.id: self._free(person, today) for person in rung.contacts}
        free = max(free, min(days.values()))
        if free > today:
            return _Choice(instead=_wait(mail, free, QUIET))
        ready = [person for person in rung.contacts if days[person.id] <= today]
        return _Choice(ready[: _first(mail).keys.at_most])

    def _free(self, person: Row[Any], today: date) -> date:
        return free_on(self.addresses.get(person.email), self.on.quiet.contact_days, today)

    def _remind(self, mail: Travelling, rung: Rung, asked: Sequence[Any]) -> _Choice:
        """Those who were asked, have not answered, may still do so, and can be written to."""
        open_ = [one for one in asked if not one.answered and _is_open(one, self.on.now)]
        if not open_:
            why = "answered" if all(one.answered for one in asked) else "closed"
            return _Choice(instead=[Acted("skipped", why)] * len(mail.actions))
        wanted = {one.contact_id for one in open_}
        people = [person for person in rung.contacts if person.id in wanted]
        return _Choice(people, asks=False) if people else self._nobody(mail, rung)

    def _nobody(self, mail: Travelling, rung: Rung) -> _Choice:
        if not rung.silenced and not rung.contacts:
            self.orphans.extend(mail.actions)
        said = unreachable(rung.silenced or ("withdrawn" if rung.contacts else None))
        return _Choice(instead=[said] * len(mail.actions))

    def note(self, mail: Travelling, people: Sequence[Row[Any]]) -> None:
        """Counts whom the batch asks itself."""
        today = mail.first.line.calendar.today(self.on.now)
        self.accounts[mail.first.row.account_id] = today
        self.addresses.update({person.email: today for person in people})


def _first(mail: Travelling) -> Step:
    """The step that asks, whose keys are those of its reminders too."""
    return mail.first.line.schedule.asking(mail.first.decision.step)


def _is_open(invitation: Any, now: datetime) -> bool:
    return invitation.closes_at is None or bool(invitation.closes_at > now)


def _wait(mail: Travelling, day: date, why: str) -> list[Acted]:
    return [put_off(action, day, why) for action in mail.actions]


def _invitation(mail: Travelling, contact: Row[Any], key: str, on: Occasion) -> tuple[Any, ...]:
    """A row in the order of ``asking.NEW``; about one licence where the mail is."""
    first, step = mail.first, _first(mail)
    row = first.row
    products = {action.row.licence_product for action in mail.actions}
    return (
        first.line.schedule.stem,
        step.keys.survey,
        row.walk_id,
        contact.id,
        row.account_id,
        row.licence_id if len(mail.actions) == 1 else None,
        key,
        step.keys.promise,
        contact.role,
        row.account_segment,
        products.pop() if len(products) == 1 else None,
        contact.language or row.account_language or on.defaults.language,
        on.now.astimezone(ZoneInfo(on.defaults.timezone)).date(),
        on.now,
        on.now + timedelta(days=step.keys.open_for.count),
    )
