"""The closed loop: a client who is not content has somebody's task, and hears what was done.

The task closes only with words on what was done. They are kept with the answer and mailed to
whoever gave it: "you said, we did". An anonymous answer opens no task, because nothing leads to its
person.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.engine import Connection

from worker.cadence.audience import matches
from worker.cadence.library import library_of
from worker.catalogue.records import accounts
from worker.surveys import rules, telling
from worker.surveys.numbers import DETRACTOR
from worker.surveys.records import responses
from worker.worklist import store as worklist
from worker.worklist.kinds import FEEDBACK
from worker.worklist.rules import Ending, calendar_of, due_on
from worker.worklist.store import NewTask

TRIGGER = "survey-answered"
"""Where a schedule with this trigger runs, its steps open the tasks."""

_SUBJECT = "answer-"


def key_of(response_id: int) -> str:
    """The key of the task about an answer that no schedule opens."""
    return f"{FEEDBACK}:{response_id}"


def answer_of(task_key: str) -> int | None:
    """The answer that the task of that key is about; ``None`` for tasks about anything else.

    Steps of walks write ``step:SCHEDULE:STEP:answer-ID:CYCLE``.
    """
    for part in task_key.split(":")[1:]:
        number = part.removeprefix(_SUBJECT)
        if number.isdigit() and (number != part or task_key == f"{FEEDBACK}:{part}"):
            return int(number)
    return None


def open_feedback(conn: Connection, response_id: int, now: datetime, today: date) -> int | None:
    """Opens the task about an answer that is not content, in the caller's transaction; its number.

    Nothing is opened for others, for what is not surely a person's, for an anonymous answer, where
    one is open already, and where a schedule does it. It is due two working days after ``today``.
    """
    row = _about(conn, response_id)
    if row is None or row.vote >= 0 or _is_scheduled(conn, row):
        return None
    new = NewTask(
        key=key_of(row.id),
        kind=FEEDBACK,
        title=f"{row.account_name} is not content: {row.score} of 10",
        detail=f"Asked by the schedule {row.schedule}. Find out what is wrong, do something about "
        "it, and close the task with what was done: the client reads it.",
        account_id=row.account_id,
        licence_id=row.licence_id,
        assignee=row.account_account_manager or row.account_renewal_manager,
        due_on=due_on(FEEDBACK, today, calendar_of("UTC", "")),
    )
    return next(iter(worklist.open_tasks(conn, [new], now)), None)


def note_change(conn: Connection, response_id: int, score: int, now: datetime) -> None:
    """Writes into the history of an open task that its client has changed the answer."""
    open_ones = [
        task.id
        for task in worklist.open_ones(conn, [FEEDBACK])
        if answer_of(task.key) == response_id
    ]
    worklist.tell_history(conn, open_ones, None, "answer changed", f"{score} of 10 now", now)


def hear(conn: Connection, task: Any, ending: Ending, who: str, now: datetime) -> None:
    """Tells the client what was done, when ``who`` closes the task about its answer; in the
    transaction that closes it."""
    response_id = answer_of(task.key) if task.kind == FEEDBACK else None
    if response_id is not None:
        telling.tell_one(conn, response_id, ending.words, who, now)


def _is_scheduled(conn: Connection, row: Row[Any]) -> bool:
    """Whether a schedule that runs opens a task for answers like this one."""
    fields: dict[str, object] = {
        f"account.{one.key}": getattr(row, f"account_{one.key}") for one in accounts.c
    }
    fields |= {"answer.score": row.score, "answer.group": DETRACTOR}
    fields["answer.schedule"] = row.schedule
    return any(
        any(step.kind == "task" for step in schedule.steps)
        and (not schedule.audience or matches(schedule.audience, fields))
        for inforce in library_of(conn).active(conn).values()
        if (schedule := inforce.schedule).trigger == TRIGGER
    )


_ANSWER = [responses.c[name] for name in ("id", "schedule", "score", "vote", "licence_id")]


def _about(conn: Connection, response_id: int) -> Row[Any] | None:
    query = (
        select(*_ANSWER, *[column.label(f"account_{column.key}") for column in accounts.c])
        .join(accounts, accounts.c.id == responses.c.account_id)
        .where(
            responses.c.id == response_id,
            responses.c.judged == rules.HUMAN,
            responses.c.promise != rules.ANONYMOUS,
        )
    )
    return conn.execute(query).first()
