"""Whatever people do, in any order: what is closed stays as it is, nothing is forgotten."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete

from tests.worklist.conftest import NOW, TODAY, Office, hand, on
from worker.access.rules import Role
from worker.kernel.errors import FindingsError
from worker.worklist import flow
from worker.worklist.flow import ChangedError
from worker.worklist.records import task_history, tasks

PEOPLE = st.sampled_from(["SARA", "TOM", "ANN"])
ROLES = st.sampled_from(list(Role))
ACTS = st.tuples(
    st.sampled_from(["claim", "give_back", "assign", "snooze", "note", "close"]),
    PEOPLE,
    ROLES,
    st.sampled_from([0, 0, 0, 1]),  # how many versions behind
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    kind=st.sampled_from(["step", "answer", "brake", "promise"]), acts=st.lists(ACTS, max_size=12)
)
def test_no_sequence_changes_what_is_closed_or_loses_history(
    office: Office, kind: str, acts: list[tuple[str, str, Role, int]]
) -> None:
    with office.engine.begin() as conn:
        conn.execute(delete(task_history))
        conn.execute(delete(tasks))
    number = office.open("k", kind, account_id=office.account)
    for what, who, role, behind in acts:
        before, told = office.task(number), office.history(number)
        try:
            act(office.engine, what, hand(who, role), number, before.version - behind)
        except (ChangedError, FindingsError):
            assert office.task(number) == before, "a refusal leaves everything as it was"
            assert office.history(number) == told
            continue
        after, now_told = office.task(number), office.history(number)
        assert before.closed_at is None, "what is closed is not changed"
        assert behind == 0, "nobody changes what they did not see"
        assert role is not Role.VIEWER
        assert after.version == before.version + 1
        assert now_told[:-1] == told, "history only grows"
        assert now_told[-1][0] == who.lower()
        assert after.assignee is not None or after.pool is not None, "somebody may claim it"


def act(engine: Engine, what: str, who: Any, number: int, seen: int) -> None:
    if what == "claim":
        flow.claim(engine, who, number, seen, NOW, 25)
    elif what == "give_back":
        flow.give_back(engine, who, number, seen, NOW)
    elif what == "assign":
        flow.assign(engine, who, number, seen, "TOM", NOW)
    elif what == "snooze":
        flow.snooze(engine, who, number, seen, on(27), TODAY)
    elif what == "note":
        flow.note(engine, who, number, seen, "words", NOW)
    else:
        outcome = "kept" if seen % 2 else "done"
        flow.close(engine, who, number, seen, outcome, "", NOW)
