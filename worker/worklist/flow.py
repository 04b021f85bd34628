"""What people do to tasks: each a transaction with its line of history and of the audit log.

Whoever acts says which version they saw. If somebody else changed the task meanwhile, nothing is
done and ``ChangedError`` carries the task as it stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Protocol

from sqlalchemy import Engine, Row
from sqlalchemy.engine import Connection

from worker.access import audit
from worker.access.rules import MEANS, Role
from worker.kernel.errors import FindingsError, PerennialError
from worker.kernel.keys import new_attempt_id
from worker.worklist import people, rules, store
from worker.worklist.kinds import PROMISE
from worker.worklist.rules import Ending, Hand
from worker.worklist.store import NewTask


class ChangedError(PerennialError):
    """Somebody else changed the task meanwhile, or closed it; ``task`` is how it stands now."""

    exit_code = 1

    def __init__(self, task: Row[Any]) -> None:
        self.task = task
        super().__init__(_how_it_stands(task))


def _how_it_stands(task: Row[Any]) -> str:
    if task.closed_at is not None:
        by = f" by {task.closed_by}" if task.closed_by else ""
        return f"Task {task.id} was closed meanwhile{by}: {task.outcome}. Nothing was changed."
    has = f"{task.assignee} has it" if task.assignee else "nobody has it"
    return f"Task {task.id} was changed meanwhile: {has} now. Nothing was changed."


def claim(
    engine: Engine, hand: Hand, number: int, seen: int, now: datetime, capacity: int
) -> Row[Any]:
    """Makes a task that nobody has this person's. Of two who claim at once, one gets it."""
    with engine.begin() as conn:
        held = store.held(conn, hand.staff) if hand.staff else 0
        task = _as_seen(conn, number, seen)
        _refuse(rules.against_claim(hand, task, held, capacity))
        values = {"assignee": hand.staff, "claimed_at": now, "snoozed_until": None}
        return _changed(conn, hand, task, values, _Told("claimed", None, now))


def give_back(engine: Engine, hand: Hand, number: int, seen: int, now: datetime) -> Row[Any]:
    """Leaves a task to its pool."""
    with engine.begin() as conn:
        task = _as_seen(conn, number, seen)
        _refuse(rules.against_work(hand, task))
        _refuse("Nobody has this task." if task.assignee is None else None)
        values = {"assignee": None, "claimed_at": None, "pool": str(rules.pool_of(task))}
        said = f"by {task.assignee}"
        return _changed(conn, hand, task, values, _Told("given-back", said, now))


def assign(engine: Engine, hand: Hand, number: int, seen: int, to: str, now: datetime) -> Row[Any]:
    """Gives a task to a member of staff, named by key or login; capacity is theirs to mind."""
    with engine.begin() as conn:
        task = _as_seen(conn, number, seen)
        _refuse(rules.against_work(hand, task))
        key = people.find(conn, to)
        if key is None:
            raise FindingsError(f"assignee: expected a member of staff, got {to!r}.")
        values = {"assignee": key, "claimed_at": None, "snoozed_until": None}
        return _changed(conn, hand, task, values, _Told("assigned", f"to {key}", now))


@dataclass(frozen=True, slots=True)
class Today:
    """The moment, and the civil day of the book at that moment."""

    now: datetime
    day: date


def snooze(
    engine: Engine, hand: Hand, number: int, seen: int, until: date, today: Today
) -> Row[Any]:
    """Takes a task off the lists until that day."""
    with engine.begin() as conn:
        task = _as_seen(conn, number, seen)
        _refuse(rules.against_work(hand, task))
        _refuse(rules.against_snoozing(until, today.day))
        told = _Told("snoozed", f"until {until}", today.now)
        return _changed(conn, hand, task, {"snoozed_until": until}, told)


def note(engine: Engine, hand: Hand, number: int, seen: int, words: str, now: datetime) -> Row[Any]:
    """Adds words to the history of a task."""
    with engine.begin() as conn:
        task = _as_seen(conn, number, seen)
        _refuse(rules.against_work(hand, task))
        _refuse(rules.against_note(words))
        return _changed(conn, hand, task, {}, _Told("noted", words.strip(), now))


class Hears(Protocol):
    """Hears, in the transaction that closes a task, what came of it: ``who`` closed it."""

    def __call__(
        self, conn: Connection, task: Any, ending: Ending, who: str, now: datetime
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class More:
    """What some outcomes ask for besides (``why``, ``until``), the civil day of the book, and who
    hears of it."""

    why: str = ""
    until: date | None = None
    today: date | None = None
    hears: Hears | None = None


def close(
    engine: Engine,
    hand: Hand,
    number: int,
    seen: int,
    outcome: str,
    words: str,
    now: datetime,
    more: More = More(),
) -> Row[Any]:
    """Closes a task with an outcome that fits its kind. What waited for it goes on in the same
    transaction: stops are lifted, and whoever opened it hears of it."""
    ending = Ending(outcome, words.strip(), more.why, more.until)
    with engine.begin() as conn:
        task = _as_seen(conn, number, seen)
        _refuse(rules.against_work(hand, task))
        _refuse(rules.against_ending(task.kind, ending, more.today or now.date()))
        who = hand.by.name
        if not store.close_seen(conn, number, seen, outcome, who, ending.told(), now):
            raise ChangedError(_standing(conn, number))
        if more.hears is not None:
            more.hears(conn, task, ending, who, now)
        _audit(conn, hand, number, _Told("closed", outcome, now))
        return _standing(conn, number)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A task that a person opens: ``to`` names a member of staff, or is empty for the pool of its
    kind; ``account`` is the id of the account it is about. ``mark`` is that of the form, so that a
    form that is sent twice opens one task."""

    kind: str
    title: str
    detail: str
    due_on: date | None
    to: str
    account: int | None
    mark: str = ""


def open_by_hand(engine: Engine, hand: Hand, wanted: Wanted, today: Today) -> int:
    """Opens a task, or a promise; its id. Raises ``FindingsError`` with all that is wrong."""
    with engine.begin() as conn:
        key = people.find(conn, wanted.to) if wanted.to else None
        faults = _faults(wanted, key, today)
        if not hand.role.may(Role.SALES):
            faults = [f"Your role is {hand.role}: {MEANS[hand.role]}."]
        if faults:
            raise FindingsError("\n".join(faults))
        new = _new(wanted, key, hand)
        for number in store.open_tasks(conn, [new], today.now):
            _audit(conn, hand, number, _Told("opened", wanted.kind, today.now))
        return store.number_of(conn, new.key)


def _faults(wanted: Wanted, key: str | None, today: Today) -> list[str]:
    given = wanted.kind, wanted.title, wanted.detail, wanted.due_on, wanted.to
    found = rules.faults_of_new(*given, today.day)
    if wanted.to and key is None:
        found.append(f"assignee: expected a member of staff, got {wanted.to!r}.")
    if wanted.kind == PROMISE and wanted.account is None:
        found.append("account: a promise is made to a client; choose the account.")
    return found


def _new(wanted: Wanted, assignee: str | None, hand: Hand) -> NewTask:
    return NewTask(
        f"{wanted.kind}:{wanted.mark or new_attempt_id()}",
        wanted.kind,
        wanted.title.strip(),
        wanted.detail.strip() or None,
        wanted.account,
        assignee=assignee,
        due_on=wanted.due_on,
        opened_by=hand.by.name,
    )


# --- what they share ---


@dataclass(frozen=True, slots=True)
class _Told:
    """A line of the history: what was done, and what it says."""

    what: str
    note: str | None
    now: datetime


def _standing(conn: Connection, number: int) -> Row[Any]:
    task = store.one(conn, number)
    if task is None:
        raise FindingsError(f"No task has the number {number}; see: perennial tasks")
    return task


def _as_seen(conn: Connection, number: int, seen: int) -> Row[Any]:
    task = _standing(conn, number)
    if task.closed_at is not None or task.version != seen:
        raise ChangedError(task)
    return task


def _refuse(why: str | None) -> None:
    if why is not None:
        raise FindingsError(why)


def _changed(
    conn: Connection, hand: Hand, task: Row[Any], values: Mapping[str, Any], told: _Told
) -> Row[Any]:
    """Makes the change if the task is still as it was read, and writes it down twice."""
    changed = store.change(conn, task.id, task.version, values)
    if changed is None:
        raise ChangedError(_standing(conn, task.id))
    store.tell_history(conn, [task.id], hand.by.name, told.what, told.note, told.now)
    _audit(conn, hand, task.id, told)
    return changed


def _audit(conn: Connection, hand: Hand, number: int, told: _Told) -> None:
    """The log holds no words of people: a note stands in the history alone."""
    detail = {"note": told.note} if told.note and told.what != "noted" else {}
    audit.note(conn, hand.by, f"task.{told.what}", f"task {number}", told.now, detail)
