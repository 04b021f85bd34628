"""The kinds of steps there are, by the key that names them in a file."""

from __future__ import annotations

from worker.schedules.kinds import email, survey, task, webhook
from worker.schedules.kinds.contract import StepKind

KINDS: dict[str, StepKind] = {
    kind.name: kind for kind in (email.KIND, survey.KIND, task.KIND, webhook.KIND)
}
NOUNS = {name: kind.noun for name, kind in KINDS.items()}
