"""Letters that are no step of a walk: the last look before one leaves.

Whoever has such a letter to send puts it into the ledger under an origin of its own and gives the
machine a judge for that origin. What holds for every letter is looked at here: that the contact is
still there and may be written to, that the letter is not too late, that its address has room. The
judge says whether there is still a reason for it, and what it says.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Row, select
from sqlalchemy.engine import Connection

from worker.cadence import people_store
from worker.cadence.budget import BUDGET, day_with_room
from worker.cadence.ladder import why_silent
from worker.cadence.letters import managers, writer
from worker.cadence.library import Defaults
from worker.cadence.resting import OPEN_FEEDBACK, RESTS
from worker.cadence.unheard import waits_for_us
from worker.catalogue import stops
from worker.catalogue.records import accounts
from worker.catalogue.stops import Stops
from worker.db import bulk
from worker.db.prepared import Prepared
from worker.kernel.dates import Allowance
from worker.outbox import holds
from worker.outbox import store as outbox
from worker.outbox.rules import Drop, Go, Verdict, Wait
from worker.outbox.store import Message
from worker.schedules.calendar import wall_moment
from worker.templating.context import AccountView, ContactView, MailContext, SenderView

OPENS = time(9)
"""When a letter that had to wait may leave, on the client's wall."""

UNKNOWN_ORIGIN = "unknown-origin"
_LATER = timedelta(minutes=10)

_ACCOUNT = ("key", "name", "timezone", "language", "account_manager", "renewal_manager")
_ACCOUNTS = Prepared(
    select(accounts.c.id, *[accounts.c[name].label(f"account_{name}") for name in _ACCOUNT]).where(
        bulk.listed(accounts.c.id)
    )
)


@dataclass(frozen=True, slots=True)
class Addressed:
    """A letter with the contact that it goes to, as both are now. ``account`` has account_ columns,
    ``today`` is the account's civil day, ``languages`` the contact's first."""

    message: Message
    contact: Row[Any]
    account: Row[Any]
    sender: SenderView
    today: date
    languages: tuple[str, ...]

    def go(self, **more: Any) -> Go:
        """The letter may leave; ``more`` are fields of its ``MailContext``."""
        return Go(
            lambda: MailContext(
                self.today,
                AccountView(self.account.account_name, self.account.account_key),
                ContactView(self.contact.name, self.contact.email, self.contact.role),
                (),
                self.sender,
                self.message.step,
                mail_class=self.message.kind,  # type: ignore[arg-type]  # as the row was made
                **more,
            ),
            self.languages,
            None,
            self.message.template,
        )


Judge = Callable[[Connection, Sequence[Addressed], datetime], Mapping[int, Verdict]]
"""Says for letters of one origin whether each may leave, by the message's id; runs in the claim's
transaction."""

NOBODY: Mapping[str, Judge] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Post:
    """Answers the ledger about letters."""

    judges: Mapping[str, Judge]
    defaults: Defaults
    sender: SenderView
    allowance: Allowance

    def __call__(
        self, conn: Connection, messages: Sequence[Message], now: datetime
    ) -> Mapping[int, Verdict]:
        verdicts: dict[int, Verdict] = {}
        by_origin: dict[str, list[Addressed]] = defaultdict(list)
        standing = stops.standing(conn)
        read = {one.message.id: one for one in self.read(conn, messages, now)}
        for message in messages:
            one = read.get(message.id)
            against = _against(conn, message, one, standing, now)
            if against is None and one is not None:
                by_origin[message.origin].append(one)
            elif against is not None:
                verdicts[message.id] = against
        for origin, some in by_origin.items():
            judged = self.judged(conn, origin, some, now)
            verdicts |= {one.message.id: judged[one.message.id] for one in some}
        verdicts |= self._resting(conn, read.values(), verdicts, now)
        going = [one for one in read.values() if isinstance(verdicts[one.message.id], Go)]
        return verdicts | self._without_room(conn, going, now)

    def judged(
        self, conn: Connection, origin: str, some: Sequence[Addressed], now: datetime
    ) -> Mapping[int, Verdict]:
        """What the judge of ``origin`` says; a process that knows none leaves them to others."""
        judge = self.judges.get(origin)
        if judge is None:
            return {one.message.id: Wait(now + _LATER, UNKNOWN_ORIGIN) for one in some}
        return judge(conn, some, now)

    def read(self, conn: Connection, messages: Sequence[Message], now: datetime) -> list[Addressed]:
        """The letters whose contact is in the book."""
        ids = sorted({message.contact_id for message in messages if message.contact_id})
        people = {person.id: person for person in people_store.contacts_by_id(conn, ids)}
        keys = sorted({person.account_id for person in people.values()})
        companies = {row.id: row for row in (_ACCOUNTS.rows(conn, ids=keys) if keys else [])}
        ours = {one.key: one for one in people_store.staff_of(conn, managers([companies.values()]))}
        return [
            self._addressed(message, person, companies[person.account_id], ours, now)
            for message in messages
            if (person := people.get(message.contact_id or 0)) is not None
        ]

    def _addressed(
        self,
        message: Message,
        person: Row[Any],
        account: Row[Any],
        ours: Mapping[str, Row[Any]],
        now: datetime,
    ) -> Addressed:
        languages = person.language, account.account_language, self.defaults.language
        today = now.astimezone(self._zone(account)).date()
        sender = writer(account, ours, self.sender)
        known = tuple(language for language in languages if language)
        return Addressed(message, person, account, sender, today, known)

    def _zone(self, account: Row[Any]) -> ZoneInfo:
        return ZoneInfo(account.account_timezone or self.defaults.timezone)

    def _resting(
        self,
        conn: Connection,
        read: Collection[Addressed],
        verdicts: Mapping[int, Verdict],
        now: datetime,
    ) -> dict[int, Verdict]:
        """Advertising to accounts of whom somebody waits for an answer of ours."""
        some = [
            one
            for one in read
            if one.message.kind == RESTS and isinstance(verdicts[one.message.id], Go)
        ]
        waiting = waits_for_us(conn, {one.account.id for one in some}, now)
        return {
            one.message.id: Wait(
                wall_moment(one.today + timedelta(days=1), OPENS, self._zone(one.account)),
                OPEN_FEEDBACK,
            )
            for one in some
            if one.account.id in waiting
        }

    def _without_room(
        self, conn: Connection, going: Sequence[Addressed], now: datetime
    ) -> dict[int, Verdict]:
        """Those whose address has had its share: they wait for the morning that has room."""
        some = [one for one in going if one.message.kind != "contractual"]
        if not some:
            return {}
        since = min(one.today for one in some) - timedelta(self.allowance.days + 1)
        got = outbox.mailed_on(conn, sorted({one.message.address for one in some}), since)
        found: dict[int, Verdict] = {}
        for one in some:
            zone = self._zone(one.account)
            days = [
                mailed.counts_on(zone, one.today)
                for mailed in got.get(one.message.address, ())
                if mailed.mail_key != one.message.mail_key
                and (mailed.left or mailed.id < one.message.id)
            ]
            free = day_with_room(days, one.today, self.allowance)
            if free > one.today:
                found[one.message.id] = Wait(wall_moment(free, OPENS, zone), BUDGET)
        return found


def _against(
    conn: Connection, message: Message, one: Addressed | None, standing: Stops, now: datetime
) -> Drop | None:
    """What forbids a letter, whatever it is about."""
    if one is None:
        return Drop("cancelled", "withdrawn")
    why = why_silent(one.contact, message.kind, standing, one.today)
    if why is None and standing.hold("account", one.account.id, one.today) == "stopped":
        why = "stopped"
    if why is not None:
        return Drop("suppressed", why)
    if one.contact.email != message.address:
        if one.contact.email and not message.in_doubt:
            outbox.readdress(conn, message, one.contact.email, now)
        return Drop("cancelled", "moved")
    late = now > message.valid_until and message.reason not in holds.WAITED
    return Drop("skipped", "too-late") if late else None
