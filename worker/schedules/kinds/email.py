"""``email``: a mail to the first of some roles that can be reached."""

from __future__ import annotations

from collections.abc import Collection

from pydantic import Field

from worker.config.validation import Finding
from worker.kernel.errors import nearest
from worker.schedules.fields import TO, Roles, Shape
from worker.schedules.kinds.contract import Found, StepKind, Table, listed


class EmailKeys(Shape):
    """``email`` is a folder under ``templates/``, ``to`` the roles, tried in order."""

    email: str = Field(description='the mail: a folder under templates/, e.g. "renewal/heads-up"')
    to: Roles = Field(default=("any",), description=TO)


def _check(step: Table, templates: Collection[str] | None) -> Found:
    email = step.get("email")
    if templates is None or not isinstance(email, str) or email in templates:
        return
    near = nearest(email, templates)
    named = ", ".join(sorted(templates)) or "none"
    hint = f"did you mean {near!r}?" if near else f"there are: {named}"
    yield ("email",), Finding("template", "a mail under templates/", hint, repr(email))


def _meet(step: Table, other: Table) -> bool:
    roles, others = set(listed(step.get("to", ["any"]))), set(listed(other.get("to", ["any"])))
    return bool(roles & others) or "any" in roles | others


KIND = StepKind("email", "an email", EmailKeys, _meet, _check)
