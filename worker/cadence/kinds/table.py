"""The kinds of steps there are, by the key that a step uses."""

from __future__ import annotations

from worker.cadence.kinds.contract import Kind
from worker.cadence.kinds.email import EmailKind
from worker.cadence.kinds.task import TaskKind

KINDS: dict[str, Kind] = {
    "email": EmailKind(),
    "task": TaskKind(),
}
