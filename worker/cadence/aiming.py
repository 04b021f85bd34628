"""Which planned mail a person means, whether it is theirs to touch, and whether there is time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import Row, bindparam, exists, select
from sqlalchemy.engine import Connection

from worker.access.audit import Actor
from worker.cadence import load, store
from worker.cadence.decisions import called
from worker.cadence.facts import Planned, Timeline, account_slot
from worker.cadence.library import Defaults, InForce, library_of
from worker.cadence.records import of_licence, steps, walks
from worker.cadence.rules import FOR_EVER, HELD, TAKEN_OVER
from worker.catalogue.records import accounts, licences
from worker.db.prepared import Prepared
from worker.kernel.errors import FindingsError, UsageError, did_you_mean
from worker.outbox import store as outbox
from worker.outbox.records import messages
from worker.outbox.rules import ACCEPTED, DUE, OPEN, SENDING
from worker.schedules.calendar import SLOT


class Place(NamedTuple):
    """One step of one walk."""

    walk_id: int
    step: str


class NotYoursError(FindingsError):
    """The account is in other hands, and this person may touch the mails of their own only."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who intervenes. ``staff`` is their key among our own people; without ``everywhere`` they may
    touch the mails of the accounts that they manage."""

    by: Actor
    staff: str | None = None
    everywhere: bool = True

    def may(self, row: Any) -> bool:
        """Whether the account of this row (account_ columns) is theirs."""
        managers = (row.account_account_manager, row.account_renewal_manager)
        return self.everywhere or (self.staff is not None and self.staff in managers)


@dataclass(frozen=True, slots=True)
class Aim:
    """A step of a walk, with all that has to do with it. ``decided`` is its row, if there is one,
    ``copies`` the rows of its mail; ``gone`` says why the walk is over."""

    place: Place
    row: Row[Any]
    inforce: InForce
    line: Timeline
    anchor: date
    item: Planned
    decided: Row[Any] | None
    copies: Sequence[Any]
    gone: str | None

    @property
    def step(self) -> str:
        """The step's id."""
        return self.place.step

    @property
    def key(self) -> str:
        """The key of the licence, or of the account where the walk is about none."""
        return str(self.row.licence_key or self.row.account_key)

    @property
    def said(self) -> str:
        """The mail, for sentences about it."""
        return f"{self.row.walk_schedule}/{self.step} of {called(self.row)}"

    @property
    def edge(self) -> date:
        """The last day of the "before" side."""
        return self.line.edge(self.anchor)

    @property
    def slot(self) -> int:
        """Which ten minutes the account's mails leave in."""
        return account_slot(self.row.account_key)

    def leaves_at(self, now: datetime) -> datetime:
        """When the mail would leave as things stand: at its own moment, at the end of what it waits
        for, or now, whichever is last."""
        own, one = self.item.opens_at + self.slot * SLOT, self.decided
        if one is not None and one.decision == "put-off" and one.at < FOR_EVER:
            own = max(own, one.at)
        return max(own, now)

    def day(self, now: datetime) -> date:
        """The day on which the mail would go: its own, or today when that is past."""
        return max(self.item.day or self.item.due_on, self.line.calendar.today(now))


def find(
    conn: Connection, key: str, step: str, schedule: str | None, *, back: bool = False
) -> Place:
    """The step of a licence's current term, or of an account's own walk: of several on one
    schedule, the first on which it is still to come, or, to give it ``back``, the last on which a
    person has it. ``UsageError`` when the schedule has to be named; its trigger tells a licence
    from an account of the same key.
    """
    found = _of_account(conn, key, step, back=back) | _of_licence(conn, key)
    found = dict(sorted(found.items()))
    if not found:
        raise FindingsError(
            f"No schedule has looked at a licence or an account {key!r} yet; see: "
            f"perennial explain {key}"
        )
    if schedule is None and len(found) > 1:
        having = [s for s in found if _has(conn, s, step)]
        if len(having) != 1:
            raise UsageError(f"{key} walks {', '.join(found)}; say which: --schedule NAME")
        schedule = having[0]
    name = schedule or next(iter(found))
    if name not in found:
        hint = did_you_mean(name, found, otherwise=f"there are: {', '.join(found)}")
        raise UsageError(f"{key} walks no schedule {name!r}; {hint}")
    return Place(found[name], step)


def _of_licence(conn: Connection, key: str) -> dict[str, int]:
    """The walks of a licence's current term, by schedule."""
    query = (
        select(walks.c.id, walks.c.schedule)
        .join(licences, of_licence)
        .where(licences.c.key == key, walks.c.cycle == licences.c.term)
        .order_by(walks.c.schedule)
    )
    return {row.schedule: row.id for row in conn.execute(query)}


def _of_account(conn: Connection, key: str, step: str, *, back: bool) -> dict[str, int]:
    """The walks of an account itself, by schedule: the first on which the step is still to come,
    else the last; ``back``: before them the last on which a person has it."""
    mine = (steps.c.walk_id == walks.c.id) & (steps.c.step == step)
    waits = (messages.c.mail_key == steps.c.mail_key) & messages.c.state.in_(OPEN)
    columns = (walks.c.id, walks.c.schedule, walks.c.state, steps.c.decision, steps.c.reason)
    query = (
        select(*columns, exists().where(waits).label("waits"))
        .join(accounts, accounts.c.id == walks.c.account_id)
        .outerjoin(steps, mine)
        .where(accounts.c.key == key)
        .order_by(walks.c.schedule, walks.c.anchor_on.desc(), walks.c.id.desc())
    )
    rows = conn.execute(query).all()
    found = {row.schedule: row.id for row in reversed(rows)}
    found |= {row.schedule: row.id for row in rows if _is_to_come(row)}
    if back:
        taken = [row for row in reversed(rows) if row.reason in (HELD, TAKEN_OVER)]
        found |= {row.schedule: row.id for row in taken}
    return found


def _is_to_come(row: Row[Any]) -> bool:
    """Whether the step was not done yet, and may still be."""
    if row.decision is None:
        return bool(row.state != "ended")
    return bool(row.decision == "put-off" or row.waits)


def _has(conn: Connection, stem: str, step: str) -> bool:
    inforce = library_of(conn).active(conn).get(stem)
    return inforce is not None and any(one.id == step for one in inforce.schedule.steps)


def aim(
    conn: Connection, place: Place, person: Person, defaults: Defaults, *, hold: bool = False
) -> Aim:
    """What ``place`` means now. With ``hold`` nobody else judges or claims it until the end of the
    transaction.

    Raises ``FindingsError`` when there is no such mail, ``NotYoursError`` when it is not theirs.
    """
    rows = store.walks_by_id(conn, [place.walk_id])
    if rows and hold:
        held = select(accounts.c.id).where(accounts.c.id == rows[0].account_id)
        conn.execute(held.with_for_update(key_share=True)).all()
        rows = store.walks_by_id(conn, [place.walk_id])
    if not rows:
        raise FindingsError("There is no such mail: its walk is gone.")
    row = rows[0]
    if not person.may(row):
        raise NotYoursError(
            f"{row.account_name} is in the care of others; whoever manages it may do this, "
            "and so may those with the role renewals."
        )
    inforce = library_of(conn).active(conn).get(row.walk_schedule)
    if inforce is None:
        raise FindingsError(f"The schedule {row.walk_schedule!r} does not run any more.")
    return _aimed(conn, place, row, inforce, load.line_of(inforce, row, defaults), hold)


def _aimed(
    conn: Connection, place: Place, row: Row[Any], inforce: InForce, line: Timeline, hold: bool
) -> Aim:
    gone = load.left(inforce, row, row.walk_cycle)
    anchor = load.anchor_of(inforce, row, gone) or row.walk_anchor_on
    items = {item.step.id: item for item in line.of(anchor)}
    item = items.get(place.step)
    if item is None or not item.step.mails:
        mails = [id_ for id_, one in items.items() if one.step.mails]
        hint = did_you_mean(place.step, mails, otherwise=f"mails are: {', '.join(mails)}")
        raise FindingsError(f"{row.walk_schedule} has no mail {place.step!r}; {hint}")
    decided = decided_of(conn, place)
    key = decided.mail_key if decided is not None else None
    copies = outbox.of_mails(conn, [key], hold=hold) if key else []
    if key and hold:
        decided = decided_of(conn, place)  # whoever had the copies may have changed it
    return Aim(place, row, inforce, line, anchor, item, decided, copies, gone)


_DECIDED = Prepared(
    select(steps).where(steps.c.walk_id == bindparam("walk"), steps.c.step == bindparam("step"))
)
_TOGETHER = Prepared(
    select(steps.c.walk_id, steps.c.step)
    .where(steps.c.mail_key == bindparam("mail"))
    .order_by(steps.c.walk_id)
)


def decided_of(conn: Connection, place: Place) -> Row[Any] | None:
    """The step's row, if it was decided."""
    return next(iter(_DECIDED.rows(conn, walk=place.walk_id, step=place.step)), None)


def together(conn: Connection, aim: Aim) -> list[Place]:
    """Every step that travels in the same mail, this one included."""
    key = aim.decided.mail_key if aim.decided is not None else None
    if key is None:
        return [aim.place]
    return [Place(*row) for row in _TOGETHER.rows(conn, mail=key)]


def too_late(aim: Aim, *, back: bool = False) -> str | None:
    """Why nothing can be done about this mail any more, in a sentence; ``None`` while it can.
    ``back``: it is to be given back."""
    if aim.gone and not back:
        return f"{aim.said} does not go any more: {aim.gone}."
    decided = aim.decided
    if decided is None or decided.decision == "put-off":
        return None
    if decided.reason == TAKEN_OVER:
        return None if back else f"{aim.said} was taken over already; give it back first."
    if decided.decision != "waiting":
        why = f" ({decided.reason})" if decided.reason else ""
        return f"{aim.said} was decided already: {decided.decision}{why}. Nothing was changed."
    open_ = bool(aim.copies) and all(_may_be_undone(copy) for copy in aim.copies)
    return None if open_ else f"{aim.said}: {_why_too_late(aim.copies)} Nothing was changed."


def _may_be_undone(copy: Any) -> bool:
    return copy.state == DUE and copy.unknown_since is None


def _why_too_late(copies: Sequence[Any]) -> str:
    states = {copy.state for copy in copies}
    if SENDING in states:
        return "the mail is leaving at this moment."
    if ACCEPTED in states:
        return "the mail has left."
    if any(copy.unknown_since for copy in copies):
        return "the mail may have left; nobody knows yet."
    return f"the mail does not wait any more: it is {', '.join(sorted(states)) or 'gone'}."
