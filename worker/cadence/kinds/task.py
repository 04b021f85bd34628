"""``task``: work for a person, opened in the same transaction as the decision."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.engine import Connection

from worker.cadence.kinds.contract import Acted, Action, Occasion
from worker.worklist import store as worklist


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
    schedule = action.line.schedule.stem
    return worklist.NewTask(
        key=f"step:{schedule}:{step.id}:{row.licence_id}:{row.licence_term}",
        kind="step",
        title=step.keys.task,
        detail=f"{row.account_name}: licence {row.licence_key} expires on {row.licence_expires_on}",
        account_id=row.licence_account_id,
        licence_id=row.licence_id,
        assignee=_assignee(action),
        due_on=calendar.add_span(today, step.keys.due_in) if step.keys.due_in else None,
    )


KIND = TaskKind()
