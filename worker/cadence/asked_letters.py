"""Questions that no step of a walk asks: a letter of the origin ``asked`` and an invitation beside
it. Nothing here commits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.engine import Connection

from worker.cadence import asking, people_store
from worker.cadence.addressed import OPENS, Addressed
from worker.cadence.ladder import why_silent
from worker.cadence.library import Defaults
from worker.cadence.quiet import FEEDBACK, QUIET, USUAL_QUIET, Quiet, free_on
from worker.cadence.records import invitations
from worker.cadence.unheard import waits_for_us
from worker.catalogue import stops
from worker.catalogue.records import accounts
from worker.kernel.keys import new_mail_key
from worker.outbox import store as outbox
from worker.outbox.rules import Drop, Verdict, Wait
from worker.outbox.store import Letter
from worker.schedules.calendar import wall_moment
from worker.schedules.model import SURVEYS
from worker.templating.context import Asked

ASKED = "asked"
"""The origin of these letters."""

STEP = "ask"
VALID = timedelta(days=10)
"""A letter that has not left by then asks nobody any more."""

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of whom. ``schedule``: the name that its answers are counted under, ``survey``
    a folder under ``templates/survey/``."""

    schedule: str
    survey: str
    contact_id: int
    promise: str = "named"
    open_days: int = 30
    product: str | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """What counts for everybody: how long people are left in peace, and where the book is."""

    quiet: Quiet = USUAL_QUIET
    defaults: Defaults = field(default_factory=Defaults)


class Outcome(NamedTuple):
    """The number of the invitation; else why nobody is asked (``quiet-time``, ``open-feedback``,
    ``opt-out``, ``no-reachable-contact`` …), and the first day on which it may be tried again."""

    invitation_id: int | None = None
    why: str | None = None
    free_on: date | None = None


def ask(conn: Connection, question: Question, terms: Terms, now: datetime) -> Outcome:
    """Asks a contact by a letter that leaves as soon as its address has room.

    Whoever was asked lately is not asked, and the outcome says until when: ask again then.
    """
    person = next(iter(people_store.contacts_by_id(conn, [question.contact_id])), None)
    if person is None or not person.email:
        return Outcome(why="no-reachable-contact")
    account = _account(conn, person.account_id)
    today = now.astimezone(ZoneInfo(account.timezone or terms.defaults.timezone)).date()
    silent = why_silent(person, "survey", stops.standing(conn), today)
    if silent:
        return Outcome(why=silent)
    if waits_for_us(conn, [person.account_id], now):
        return Outcome(why=FEEDBACK, free_on=today + _DAY)
    last = asking.lately(conn, [person.email], [person.account_id], terms.quiet, today)
    free = _free(last, person, terms.quiet, today)
    if free > today:
        return Outcome(why=QUIET, free_on=free)
    key = new_mail_key(now)
    outbox.add_letters(conn, [_letter(question, person.email, key, today, now)], now)
    asking.invite(conn, [_invitation(question, person, account, key, terms.defaults, now)])
    mine = (invitations.c.mail_key == key) & (invitations.c.contact_id == person.id)
    return Outcome(conn.execute(select(invitations.c.id).where(mine)).scalar_one())


def _account(conn: Connection, account_id: int) -> Any:
    """The company of a contact, held: nobody asks another of its people meanwhile."""
    names = ("id", "segment", "language", "timezone")
    query = select(*[accounts.c[name] for name in names]).where(accounts.c.id == account_id)
    return conn.execute(query.with_for_update(key_share=True)).one()


def _free(last: asking.Lately, person: Any, quiet: Quiet, today: date) -> date:
    return max(
        free_on(last.addresses.get(person.email), quiet.contact_days, today),
        free_on(last.accounts.get(person.account_id), quiet.account_days, today),
    )


def _letter(question: Question, address: str, key: str, today: date, now: datetime) -> Letter:
    return Letter(
        key,
        address,
        question.contact_id,
        ASKED,
        question.schedule,
        STEP,
        f"{SURVEYS}{question.survey}",
        "survey",
        today,
        now,
        now + VALID,
    )


def _invitation(
    question: Question, person: Any, account: Any, key: str, defaults: Defaults, now: datetime
) -> tuple[Any, ...]:
    """A row in the order of ``asking.NEW``."""
    return (
        question.schedule,
        question.survey,
        None,
        person.id,
        person.account_id,
        None,
        key,
        question.promise,
        person.role,
        account.segment,
        question.product,
        person.language or account.language or defaults.language,
        now.astimezone(ZoneInfo(defaults.timezone)).date(),
        now,
        now + timedelta(days=question.open_days),
    )


@dataclass(frozen=True, slots=True)
class AskedJudge:
    """The last look at such letters: is the question still open, and may it be asked now?"""

    quiet: Quiet = USUAL_QUIET
    timezone: str = "UTC"

    def __call__(
        self, conn: Connection, some: Sequence[Addressed], now: datetime
    ) -> Mapping[int, Verdict]:
        found = {one.message.id: self._look(conn, one, now) for one in some}
        dropped = [one.message for one in some if isinstance(found[one.message.id], Drop)]
        asking.forget(conn, [(m.mail_key, m.contact_id) for m in dropped if not m.in_doubt])
        return found

    def _look(self, conn: Connection, one: Addressed, now: datetime) -> Verdict:
        asked = asking.by_mail(conn, one.message.mail_key, one.contact.id)
        if asked is None:
            return Drop("cancelled", "withdrawn")
        if asked.answered:
            return Drop("cancelled", "answered")
        if asked.closes_at is not None and asked.closes_at <= now:
            return Drop("cancelled", "closed")
        if waits_for_us(conn, [asked.account_id], now):
            return Wait(self._morning(one, one.today + _DAY), FEEDBACK)
        emails, ids = [one.contact.email], [asked.account_id]
        last = asking.lately(conn, emails, ids, self.quiet, one.today, before=asked.id)
        free = _free(last, one.contact, self.quiet, one.today)
        if free > one.today:
            return Wait(self._morning(one, free), QUIET)
        return one.go(survey=Asked(asked.mail_key, asked.promise))

    def _morning(self, one: Addressed, day: date) -> datetime:
        zone = ZoneInfo(one.account.account_timezone or self.timezone)
        return wall_moment(day, OPENS, zone)
