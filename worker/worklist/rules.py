"""What may be done to a task, by whom, with which words; when it is due. Pure.

Each ``against_…`` says in a sentence why not, or returns ``None``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from worker.access.audit import Actor
from worker.access.rules import Role
from worker.kernel.dates import zone
from worker.kernel.errors import did_you_mean
from worker.schedules.calendar import Calendar
from worker.schedules.model import CalendarSpec
from worker.worklist.kinds import OPENED_BY_HAND, PROMISE, kind_of

POOLS = tuple(role for role in Role if role is not Role.VIEWER)
LONGEST_SNOOZE = timedelta(days=366)
LONGEST_TITLE, LONGEST_NOTE = 200, 4000
"""Signs of a title, and of a note."""


@dataclass(frozen=True, slots=True)
class Hand:
    """Who acts on a task: ``by`` is who that is to the audit log, ``staff`` the key that their
    tasks bear, if they are a member of staff."""

    by: Actor
    role: Role
    staff: str | None


@dataclass(frozen=True, slots=True)
class Ending:
    """What came of a task: an outcome of its kind; ``words`` for the history; ``why`` and ``until``
    where the outcome asks for them."""

    outcome: str
    words: str = ""
    why: str = ""
    until: date | None = None

    def told(self) -> str:
        """The same for the history, but for the outcome."""
        until = f"until {self.until}" if self.until else ""
        return "; ".join(part for part in (self.why, until, self.words.strip()) if part)


def pools_of(role: Role) -> list[str]:
    """The pools whose tasks a person may claim: their own role's, and those below it."""
    return [str(pool) for pool in POOLS if role.may(pool)]


def pool_of(task: Any) -> Role:
    """The pool of a task: its own, else that of its kind."""
    return Role(task.pool) if task.pool in list(POOLS) else kind_of(task.kind).pool


def may_work(hand: Hand, task: Any) -> bool:
    """Whether this person may change the task: it is theirs, or nobody's in one of their pools;
    who does renewals may change what others have, too."""
    if not hand.role.may(Role.SALES):
        return False
    if task.assignee is not None and task.assignee == hand.staff:
        return True
    least = Role.RENEWALS if task.assignee is not None else Role.SALES
    return hand.role.may(least) and hand.role.may(pool_of(task))


def against_work(hand: Hand, task: Any) -> str | None:
    """Why this person may not change the task."""
    if may_work(hand, task):
        return None
    if task.assignee is not None and hand.role.may(pool_of(task)):
        return (
            f"{task.assignee} has this task; who does renewals, or {task.assignee}, may change it."
        )
    return f"This task is for the role {pool_of(task)}; yours is {hand.role}."


def against_claim(hand: Hand, task: Any, held: int, capacity: int) -> str | None:
    """Why this person may not claim the task. ``held`` are the open tasks that they claimed."""
    if hand.staff is None:
        return (
            "Your user stands for no member of staff, so no task can be yours; an admin sets that "
            "on the page Users."
        )
    if task.assignee is not None:
        return f"{task.assignee} has this task already."
    if held >= capacity:
        return (
            f"{hand.staff} has claimed {held} open tasks and may have {capacity} at a time "
            "([worklist] capacity): close one or give one back first."
        )
    return against_work(hand, task)


def against_closing(kind: str, outcome: str) -> str | None:
    """Why a task of that kind may not be closed with this outcome."""
    known = kind_of(kind)
    if known.answer:
        return f"A task of the kind {kind} is not closed by hand. {known.answer}."
    if outcome not in known.outcomes:
        near = did_you_mean(outcome, known.outcomes)
        fits = ", ".join(known.outcomes) + (f"; {near}" if near else "")
        return f"outcome: {outcome!r} does not fit the kind {kind}; it is one of: {fits}"
    return None


def against_ending(kind: str, ending: Ending, today: date) -> str | None:
    """Why a task of that kind may not be closed like this."""
    known, outcome = kind_of(kind), ending.outcome
    return (
        against_closing(kind, outcome)
        or _against_why(ending, known.why.get(outcome, {}))
        or _against_until(ending, today, needed=outcome in known.until)
        or _against_silence(ending, known.words)
        or against_long("note", ending.words, LONGEST_NOTE)
    )


def _against_silence(ending: Ending, words: str) -> str | None:
    return f"note: expected {words}; got nothing." if words and not ending.words.strip() else None


def _against_why(ending: Ending, words: Mapping[str, str]) -> str | None:
    if ending.why in words or (not words and not ending.why):
        return None
    if not words:
        return f"why: the outcome {ending.outcome} takes no reason; say it in the note."
    near = did_you_mean(ending.why, words)
    fits = ", ".join(words) + (f"; {near}" if near else "")
    got = repr(ending.why) if ending.why else "nothing"
    return f"why: the outcome {ending.outcome} needs a reason, got {got}; it is one of: {fits}"


def _against_until(ending: Ending, today: date, *, needed: bool) -> str | None:
    if not needed:
        return f"until: the outcome {ending.outcome} takes no day." if ending.until else None
    if ending.until is None:
        return f"until: the outcome {ending.outcome} needs the day on which to look again."
    return against_snoozing(ending.until, today)


def usual_outcome(kind: str) -> str:
    """The outcome that is meant when a person gives none; empty where none fits."""
    return next(iter(kind_of(kind).outcomes), "")


def against_snoozing(until: date, today: date) -> str | None:
    """Why a task may not rest until that day."""
    if today < until <= today + LONGEST_SNOOZE:
        return None
    return (
        f"until: expected a day after today and within a year, got {until}; "
        f"write e.g. {today + timedelta(days=7)}"
    )


def against_note(note: str) -> str | None:
    """Why this note may not be kept."""
    if not note.strip():
        return "note: expected some words, got none."
    return against_long("note", note, LONGEST_NOTE)


def against_long(what: str, text: str, most: int) -> str | None:
    """Why a text may not be kept: it is too long, or holds a NUL, which PostgreSQL refuses."""
    if "\x00" in text:
        return f"{what}: expected text, got a NUL sign."
    if len(text) > most:
        return f"{what}: expected at most {most} signs, got {len(text)}."
    return None


def faults_of_new(
    kind: str, title: str, detail: str, due_on: date | None, assignee: str | None, today: date
) -> list[str]:
    """Everything that is wrong with a task that a person opens."""
    found: list[str | None] = []
    if kind not in OPENED_BY_HAND:
        found.append(f"kind: expected one of {', '.join(OPENED_BY_HAND)}, got {kind!r}.")
    if not title.strip():
        found.append("title: expected what is to be done, got nothing.")
    found += [against_long("title", title, LONGEST_TITLE)]
    found += [against_long("detail", detail, LONGEST_NOTE)]
    if due_on is not None and not today <= due_on <= today + 2 * LONGEST_SNOOZE:
        found.append(f"due: expected today or a day of the next two years, got {due_on}.")
    if kind == PROMISE and due_on is None:
        found.append("due: a promise needs the day on which it is to be kept.")
    if kind == PROMISE and not assignee:
        found.append("assignee: a promise needs somebody who keeps it.")
    return [fault for fault in found if fault]


def calendar_of(timezone: str, country: str) -> Calendar:
    """The working days of our own people: Monday to Friday, the book's public holidays left out."""
    return Calendar(CalendarSpec(), zone(timezone), country or None)


def due_on(kind: str, today: date, calendar: Calendar) -> date:
    """When a task that is opened today is due if nobody says: ``Kind.days`` working days later."""
    return calendar.nth_open_day(today, kind_of(kind).days, 1)
