"""One task: what it is about, what happened to it, and what a person may do about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Path, Response
from sqlalchemy.engine import Connection

from worker.access.rules import Role
from worker.db.engine import reading
from worker.desk import queue, surveys_store
from worker.desk.frame import READ, Desk, Sent, Visit, missing
from worker.desk.survey_answers import TONES, VOTES
from worker.desk.worklist import hand_of, may_claim, today_of
from worker.kernel.errors import FindingsError
from worker.surveys.feedback import answer_of
from worker.worklist import flow, people, rules, store
from worker.worklist.flow import ChangedError, More, Today
from worker.worklist.kinds import kind_of

Number = Annotated[int, Path(ge=1, le=2**62)]
_BACK = ("/worklist?", "/queue")
_TYPED = ("to", "until", "note", "outcome", "why", "again")
Act = Callable[[Desk, Sent, int, int], str]


def mount(router: APIRouter, desk: Desk) -> None:
    """The page of a task, and its forms."""
    viewer, sales = desk.visit(Role.VIEWER), desk.sent(Role.SALES)

    @router.api_route("/worklist/{number}", methods=READ)
    def task(number: Number, asked: Visit = viewer) -> Response:
        return show(desk, asked, number)

    @router.post("/worklist/{number}/{what}")
    def act(number: Number, what: str, asked: Sent = sales) -> Response:
        if what not in ACTS:
            raise missing(f"such form of a task: {what}")
        seen, back = asked.number("version"), asked.one("back")
        try:
            said = ACTS[what](desk, asked, number, seen)
        except ChangedError as error:
            return show(desk, asked, number, 409, seen=seen, said=str(error), what=what)
        except FindingsError as error:
            return show(desk, asked, number, 422, faults=str(error).splitlines(), what=what)
        return desk.see(asked, back if back.startswith(_BACK) else f"/worklist/{number}", said)


def show(
    desk: Desk,
    asked: Visit,
    number: int,
    status: int = 200,
    *,
    seen: int | None = None,
    said: str = "",
    what: str = "",
    faults: Sequence[str] = (),
) -> Response:
    """The page of a task; after a form that could not be used, with all that was typed."""
    with reading(desk.app.engine) as conn:
        task = store.one(conn, number)
        if task is None:
            raise missing(f"task with the number {number}")
        history = store.history(conn, number)
        why = queue.why(conn, task)
        known = people.colleagues(conn)
        answer = _answer(conn, task)
    hand, today = hand_of(asked), today_of(desk, asked)
    book = desk.app.settings.book
    calendar = rules.calendar_of(book.timezone, book.country)
    values: dict[str, Any] = {
        "task": task,
        "why": why,
        "answer": answer,
        "groups": {vote: name for name, vote in VOTES.items()},
        "tones": TONES,
        "kind": kind_of(task.kind),
        "pool": rules.pool_of(task),
        "history": history,
        "people": known,
        "today": today,
        "tomorrow": calendar.nth_open_day(today, 1, 1),
        "is_mine": task.assignee is not None and task.assignee == asked.seat.staff,
        "may_work": task.closed_at is None and rules.may_work(hand, task),
        "may_claim": may_claim(hand, task),
        "why_not": rules.against_claim(hand, task, 0, 1) if hand.staff is None else None,
        "faults": faults,
        "typed": _typed(asked, what),
        # Each change adds one to the version and one line to the history.
        "meanwhile": history[-(task.version - seen) :] if seen is not None else (),
        "conflict": said,
        "what": what,
    }
    return desk.page(asked, "task.html", status, **values)


def _answer(conn: Connection, task: Any) -> Any:
    """The answer that a task is about, with all that its promise lets be seen."""
    number = answer_of(task.key)
    return surveys_store.answer(conn, number) if number is not None else None


def _typed(asked: Visit, what: str) -> Mapping[str, str]:
    """What was typed into the form that could not be used."""
    if what and isinstance(asked, Sent):
        return {name: asked.one(name) for name in _TYPED}
    return dict.fromkeys(_TYPED, "")


def day_of(asked: Sent, name: str) -> date | None:
    """A day as a form sends it; ``None`` when the field is empty."""
    text = asked.one(name)
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise FindingsError(f"{name}: expected a day such as 2027-01-15, got {text!r}.") from None


# --- what a form does, and the sentence that it is answered with ---


def _claim(desk: Desk, asked: Sent, number: int, seen: int) -> str:
    capacity = desk.app.settings.worklist.capacity
    flow.claim(desk.app.engine, hand_of(asked), number, seen, asked.now, capacity)
    return "It is yours."


def _give_back(desk: Desk, asked: Sent, number: int, seen: int) -> str:
    left = flow.give_back(desk.app.engine, hand_of(asked), number, seen, asked.now)
    return f"It waits for somebody of the role {left.pool} now."


def _assign(desk: Desk, asked: Sent, number: int, seen: int) -> str:
    to = asked.one("to")
    given = flow.assign(desk.app.engine, hand_of(asked), number, seen, to, asked.now)
    return f"{given.assignee} has it now."


def _snooze(desk: Desk, asked: Sent, number: int, seen: int) -> str:
    until = day_of(asked, "until")
    if until is None:
        raise FindingsError("until: expected the day on which the task comes back, got nothing.")
    today = Today(asked.now, today_of(desk, asked))
    flow.snooze(desk.app.engine, hand_of(asked), number, seen, until, today)
    return f"It rests until {until:%a %-d %b %Y}."


def _note(desk: Desk, asked: Sent, number: int, seen: int) -> str:
    flow.note(desk.app.engine, hand_of(asked), number, seen, asked.one("note"), asked.now)
    return "Noted."


def _close(desk: Desk, asked: Sent, number: int, seen: int) -> str:
    outcome, note = asked.one("outcome"), asked.one("note")
    until, today = day_of(asked, "again"), today_of(desk, asked)
    more = More(asked.one("why"), until, today, desk.app.hear_closed)
    flow.close(desk.app.engine, hand_of(asked), number, seen, outcome, note, asked.now, more)
    return f"Task {number} is closed: {outcome}."


ACTS: Mapping[str, Act] = {
    "claim": _claim,
    "give-back": _give_back,
    "assign": _assign,
    "snooze": _snooze,
    "note": _note,
    "close": _close,
}
