"""What a person does with one planned mail: holds it, writes into it, takes it over, gives it back.

Each is one transaction in which nobody else judges the account. A mail that was decided leaves its
row of the ledger by the way of the last look: it does not go, and its step is decided anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Engine, Row
from sqlalchemy.engine import Connection

from worker.access import audit
from worker.access.audit import Actor
from worker.cadence import aiming, standing, writing_store
from worker.cadence.aiming import Aim, Person, Place
from worker.cadence.decisions import called
from worker.cadence.library import Defaults
from worker.cadence.rules import FOR_EVER, HELD, TAKEN_OVER
from worker.cadence.standing import EDIT, HOLD, TAKE_OVER, New
from worker.kernel.errors import FindingsError
from worker.outbox import store as outbox
from worker.outbox.rules import CANCELLED
from worker.schedules.calendar import DAY, SLOT
from worker.templating.own import NOTHING_OWN, Own
from worker.templating.own import faults as faults_of_words
from worker.worklist import store as worklist

LONGEST_REASON = 500
"""Characters."""
_WAYS = {HOLD: "mail.held", EDIT: "mail.edited", TAKE_OVER: "mail.taken-over"}


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person wants: a kind of intervention, why, until which day, in which words."""

    kind: str
    reason: str
    until: date | None = None
    own: Own = NOTHING_OWN

    def faults(self, today: date) -> list[str]:
        """Everything that is wrong with it, a sentence each; ``today`` is the client's."""
        found = []
        if not self.reason.strip():
            found.append("A reason that a colleague understands is missing.")
        if "\x00" in self.reason:
            found.append("The reason holds a NUL sign; type it anew.")
        if len(self.reason) > LONGEST_REASON:
            found.append(
                f"The reason has {len(self.reason)} characters; {LONGEST_REASON} are the most."
            )
        if self.until is not None and self.until < today:
            found.append(f"The last day of the hold, {self.until}, is past.")
        return found + (list(faults_of_words(self.own)) if self.kind == EDIT else [])


def intervene(
    engine: Engine, place: Place, wish: Wish, person: Person, defaults: Defaults, now: datetime
) -> str:
    """Does what a person wants with one planned mail; says what it is now.

    Raises ``FindingsError`` with every fault of the wish, or because it is too late, and
    ``NotYoursError`` when the account is somebody else's.
    """
    with engine.begin() as conn:
        aim = aiming.aim(conn, place, person, defaults, hold=True)
        faults = wish.faults(aim.line.calendar.today(now))
        late = aiming.too_late(aim)
        if late or faults:
            raise FindingsError(late or " ".join(faults))
        said = _DOES[wish.kind](conn, aim, wish, person.by, now)
        _note(conn, aim, _WAYS[wish.kind], person.by, wish.until, now)
    return said


def _hold(conn: Connection, aim: Aim, wish: Wish, by: Actor, now: datetime) -> str:
    _decide(conn, aim, "put-off", HELD, _end_of(aim, wish.until), now)
    new = New(aim.row.walk_id, aim.step, HOLD, wish.reason, by.name, until=wish.until)
    standing.put(conn, [new], now)
    last = _last_day(aim, wish.until)
    end = f"until the end of {wish.until}" if wish.until else "until the hold is lifted"
    title = f"A mail is held: {aim.step} of {aim.key}"
    key = standing.hold_key(aim.row.walk_id, aim.step)
    worklist.close(conn, key, "held anew", now)
    detail = f"{aim.row.account_name}: held {end}. {wish.reason}"
    task = worklist.NewTask(key, "held-mail", title, detail)
    _open(conn, aim, task, by, last, now)
    return f"{aim.said} is held {end}."


def _take_over(conn: Connection, aim: Aim, wish: Wish, by: Actor, now: datetime) -> str:
    moment = aim.item.opens_at + aim.slot * SLOT
    _decide(conn, aim, "suppressed", TAKEN_OVER, moment, now)
    new = New(aim.row.walk_id, aim.step, TAKE_OVER, wish.reason, by.name)
    standing.lift(conn, aim.row.walk_id, aim.step, [HOLD], now)
    standing.put(conn, [new], now)
    worklist.close(conn, standing.hold_key(aim.row.walk_id, aim.step), "taken over", now)
    title = f"Write yourself: {aim.step} of {aim.key}"
    about = aim.inforce.trigger.says(aim.row)
    detail = f"{aim.row.account_name}: {about}. The machine does not send this mail. {wish.reason}"
    key = standing.taken_key(aim.row.walk_id, aim.step)
    task = worklist.NewTask(key, "taken-over", title, detail)
    _open(conn, aim, task, by, aim.day(now), now)
    return f"{aim.said} is taken over: the machine does not send it, and a task is open."


def _edit(conn: Connection, aim: Aim, wish: Wish, by: Actor, now: datetime) -> str:
    places = aiming.together(conn, aim)
    new = [New(walk_id, step, EDIT, wish.reason, by.name, own=wish.own) for walk_id, step in places]
    standing.put(conn, new, now)
    return f"{aim.said} goes with these words."


_DOES = {HOLD: _hold, TAKE_OVER: _take_over, EDIT: _edit}


def lift(
    engine: Engine,
    place: Place,
    person: Person,
    defaults: Defaults,
    now: datetime,
    kinds: Sequence[str] = (HOLD, TAKE_OVER),
) -> str:
    """Gives a mail back to the machine, or takes own words out of it; says what it is now.

    Raises ``FindingsError`` when nothing of these ``kinds`` stands, or when it is too late.
    """
    with engine.begin() as conn:
        aim = aiming.aim(conn, place, person, defaults, hold=True)
        late = aiming.too_late(aim, back=True)
        if EDIT in kinds and late:
            raise FindingsError(late)
        ended: list[str] = []
        for walk_id, step in aiming.together(conn, aim) if EDIT in kinds else [place]:
            ended += standing.lift(conn, walk_id, step, kinds, now)
        if not ended:
            raise FindingsError(f"{aim.said}: nothing of this kind stands. Nothing was changed.")
        said = f"{aim.said} goes with the template's words again."
        if set(ended) & {HOLD, TAKE_OVER}:
            said = _give_back(conn, aim, now)
        _note(conn, aim, "mail.lifted", person.by, None, now)
    return said


def _give_back(conn: Connection, aim: Aim, now: datetime) -> str:
    """The step falls due again: on its own day, or, when that is past, at the next open moment."""
    for key in (standing.hold_key, standing.taken_key):
        worklist.close(conn, key(aim.row.walk_id, aim.step), "given back", now)
    held = aim.decided is not None and aim.decided.reason in (HELD, TAKEN_OVER)
    if not held or aim.gone:
        return f"{aim.said} had been decided; nothing goes on that account."
    calendar = aim.line.calendar
    at = now if calendar.is_open_at(now) else calendar.next_opening(now, aim.slot) or now
    if at < aim.item.opens_at + aim.slot * SLOT:
        assert aim.decided is not None
        writing_store.forget_step(conn, aim.decided.id)
    else:
        _decide(conn, aim, "put-off", HELD, at, now)
    writing_store.wake(conn, [aim.row.walk_id], now)
    return f"{aim.said} is the machine's again."


def _decide(
    conn: Connection, aim: Aim, decision: str, reason: str, at: datetime, now: datetime
) -> None:
    """Writes what a person decided about the step, and takes it out of its mail."""
    if aim.decided is None:
        row = (aim.row.walk_id, aim.step, aim.item.step.kind, decision, reason, aim.item.due_on)
        writing_store.add_steps(conn, [(*row, at, now, aim.inforce.version_id, None, None)])
    else:
        if not [other for other in aiming.together(conn, aim) if other != aim.place]:
            gone = {"state": CANCELLED, "reason": reason, "next_at": None}
            outbox.set_aside(conn, [copy.id for copy in aim.copies], gone)
        writing_store.redecide(conn, aim.decided.id, decision, reason, at)
    writing_store.wake(conn, [aim.row.walk_id], now)


def _end_of(aim: Aim, until: date | None) -> datetime:
    """The moment at which a hold is over: the first opening after its last day."""
    if until is None:
        return FOR_EVER
    calendar = aim.line.calendar
    closes = calendar.closes_at(until)
    return calendar.next_opening(closes, aim.slot) or closes


def _last_day(aim: Aim, until: date | None) -> date:
    """The day by which whoever holds a mail has to look at it: after the hold, or after the last
    day on which the mail may go, there is no going."""
    before = aim.item.due_on <= aim.edge
    edge = aim.edge if before else aim.item.due_on + DAY * aim.line.schedule.limits.valid_days
    return min(until, edge) if until else edge if before else max(edge, aim.item.due_on)


def _open(
    conn: Connection, aim: Aim, task: worklist.NewTask, by: Actor, due_on: date, now: datetime
) -> None:
    """Opens a task for whoever intervened; at the terminal, for who renews the account."""
    row: Row[Any] = aim.row
    assignee = standing.person(conn, by.name) if by.via != "command" else None
    new = worklist.NewTask(
        task.key,
        task.kind,
        task.title,
        task.detail,
        account_id=row.account_id,
        licence_id=row.licence_id,
        assignee=assignee or row.account_renewal_manager or row.account_account_manager,
        due_on=due_on,
    )
    worklist.open_tasks(conn, [new], now)


def _note(
    conn: Connection, aim: Aim, what: str, by: Actor, until: date | None, now: datetime
) -> None:
    """A line of the audit log; the reason may speak of people and stays where it can be erased."""
    detail = {"schedule": aim.row.walk_schedule, "step": aim.step}
    if until:
        detail["until"] = until.isoformat()
    audit.note(conn, by, what, called(aim.row), now, detail)
