"""``task``: work for a person, opened in the same transaction as the decision."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.engine import Connection

from worker.cadence.kinds.contract import Acted, Action, Occasion
from worker.cadence.records import ANSWER
from worker.cadence.triggers import TRIGGERS, Trigger
from worker.worklist import store as worklist
from worker.worklist.kinds import REFERRAL


class TaskKind:
    """Opens a task for the account's manager, renewal manager, or whoever the step names."""

    def act(self, conn: Connection, actions: Sequence[Action], on: Occasion) -> list[Acted]:
        worklist.open_tasks(conn, [_task(action, on.now) for action in actions], on.now)
        return [Acted("sent", None, None, _assignee(action)) for action in actions]


def _assignee(action: Action) -> str:
    """The person who stands behind ``assign_to``; the role itself when nobody is named."""
    role: str = action.decision.step.keys.assign_to
    row = action.row
    people = {
        "renewal-manager": row.account_renewal_manager or row.account_account_manager,
        "account-manager": row.account_account_manager,
        "owner": row.licence_owner or row.account_account_manager,
    }
    return people.get(role) or role


def _task(action: Action, now: datetime) -> worklist.NewTask:
    row, step = action.row, action.decision.step
    calendar = action.line.calendar
    today = calendar.today(now)
    trigger = TRIGGERS[action.line.schedule.trigger]
    return worklist.NewTask(
        key=task_key(row, step.id),
        kind=_kind(trigger, row),
        title=step.keys.task,
        detail=f"{row.account_name}: {trigger.says(row)}",
        account_id=row.account_id,
        licence_id=row.licence_id,
        assignee=_assignee(action),
        due_on=calendar.add_span(today, step.keys.due_in) if step.keys.due_in else None,
    )


def _kind(trigger: Trigger, row: Any) -> str:
    """Of answers only those of clients who are not content are feedback to act upon; who would
    recommend us may be asked for a referral."""
    if trigger.subject != ANSWER:
        return trigger.tasks
    return {"promoter": REFERRAL, "passive": "step"}.get(row.answer_group, trigger.tasks)


def task_key(row: Any, step: str) -> str:
    """The key of the task that a step of this walk opens; ``store.with_open_tasks`` knows it."""
    subject, cycle = row.licence_id, row.licence_term
    if subject is None:
        subject, cycle = f"{row.walk_subject}-{row.walk_subject_id}", row.walk_cycle
    return f"step:{row.walk_schedule}:{step}:{subject}:{cycle}"


KIND = TaskKind()
