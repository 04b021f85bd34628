"""The kinds of steps there are, by the key that names them in a file."""

from __future__ import annotations

from pydantic.fields import FieldInfo

from worker.schedules.kinds import email, task, webhook
from worker.schedules.kinds.contract import StepKind

KINDS: dict[str, StepKind] = {kind.name: kind for kind in (email.KIND, task.KIND, webhook.KIND)}

# Words that the format knows and this release does not run.
LATER: dict[str, FieldInfo] = {
    "survey": FieldInfo(annotation=str, description="the survey to send"),
}
NOUNS = {name: kind.noun for name, kind in KINDS.items()} | {name: f"a {name}" for name in LATER}
