"""``task``: work for a person."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from worker.schedules.fields import Line, Shape, WorkingDays
from worker.schedules.kinds.contract import StepKind, Table


class TaskKeys(Shape):
    """``task`` is the title; without ``due_in`` the task has no date."""

    task: Line = Field(description="the title of a task for a person")
    assign_to: Literal["renewal-manager", "account-manager", "owner"] = Field(
        default="renewal-manager", description="who gets the task"
    )
    due_in: WorkingDays | None = Field(
        default=None, description='how long the task may take, e.g. "2 business days"'
    )


def _meet(step: Table, other: Table) -> bool:
    return bool(step.get("assign_to") == other.get("assign_to"))


KIND = StepKind("task", "a task", TaskKeys, _meet)
