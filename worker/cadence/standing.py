"""What people did with planned mails, as it stands: queries on interventions, a few for a batch.

What a hold or a take-over does stands in the step's own row, so the planner asks nothing here; the
last look before a mail asks once for a batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import Row, bindparam, insert, select, tuple_, update
from sqlalchemy.engine import Connection

from worker.access.records import users
from worker.cadence.decisions import called
from worker.cadence.records import interventions
from worker.db import bulk
from worker.db.prepared import Prepared
from worker.templating.own import NOTHING_OWN, Own
from worker.worklist import store as worklist

HOLD, EDIT, TAKE_OVER = "hold", "edit", "take-over"
"""Kinds of interventions; of each at most one stands on a step."""
DONE = {HOLD: "held", EDIT: "edited", TAKE_OVER: "taken over"}
"""What was done to the mail."""

_LASTING = interventions.c.lifted_at.is_(None)
_EDITS = Prepared(
    select(
        *[interventions.c[name] for name in ("id", "walk_id", "step", "subject", "words")]
    ).where(bulk.listed(interventions.c.walk_id), _LASTING, interventions.c.kind == EDIT)
)

Edits = Mapping[tuple[int, str], Row[Any]]
"""By walk and step."""


def edits_of(conn: Connection, walk_ids: Sequence[int]) -> Edits:
    """The words of their own that people wrote for steps of these walks."""
    rows = _EDITS.rows(conn, ids=walk_ids) if walk_ids else []
    return {(row.walk_id, row.step): row for row in rows}


def latest(edits: Edits, rows: Sequence[Row[Any]]) -> Own:
    """The words for a mail that speaks of these steps: those that were written last."""
    if not edits:
        return NOTHING_OWN
    mine = [edits[key] for row in rows if (key := (row.walk_id, row.step)) in edits]
    last = max(mine, key=lambda row: row.id, default=None)
    return Own(last.subject, last.words) if last else NOTHING_OWN


_OF_STEP = Prepared(
    select(interventions).where(
        interventions.c.walk_id == bindparam("walk"),
        interventions.c.step == bindparam("step"),
        _LASTING,
    )
)


def of_step(conn: Connection, walk_id: int, step: str) -> dict[str, Row[Any]]:
    """What stands on one step, by kind."""
    return {row.kind: row for row in _OF_STEP.rows(conn, walk=walk_id, step=step)}


_OF_WALKS = Prepared(
    select(interventions)
    .where(bulk.listed(interventions.c.walk_id), _LASTING)
    .order_by(interventions.c.id)
)


def of_walks(conn: Connection, walk_ids: Sequence[int]) -> list[Row[Any]]:
    """Everything that stands on these walks, the oldest first."""
    return _OF_WALKS.rows(conn, ids=list(walk_ids)) if walk_ids else []


class New(NamedTuple):
    """An intervention to keep."""

    walk_id: int
    step: str
    kind: str
    reason: str
    who: str
    own: Own = NOTHING_OWN
    until: date | None = None


def put(conn: Connection, new: Sequence[New], now: datetime) -> None:
    """Keeps these; what stood of the same kind on the same step ends."""
    for one in new:
        lift(conn, one.walk_id, one.step, [one.kind], now)
        values = one._asdict() | {"subject": one.own.subject, "words": one.own.words}
        del values["own"]
        conn.execute(insert(interventions).values(**values, made_at=now))


def lift(
    conn: Connection, walk_id: int, step: str, kinds: Sequence[str], now: datetime
) -> list[str]:
    """Ends what stands on a step; which kinds stood."""
    mine = (interventions.c.walk_id == walk_id) & (interventions.c.step == step)
    ended = (
        update(interventions)
        .where(mine, _LASTING, interventions.c.kind.in_(kinds))
        .values(lifted_at=now)
        .returning(interventions.c.kind)
    )
    return sorted(conn.execute(ended).scalars())


class Over(NamedTuple):
    """A hold that is over: the walk's row with its licence, the step, and what was decided then."""

    row: Row[Any]
    step: str
    decision: str
    reason: str | None


def end_holds(conn: Connection, over: Sequence[Over], now: datetime) -> None:
    """Ends holds whose steps were decided; whoever held a mail that then did not go is told."""
    if not over:
        return
    places = [(one.row.walk_id, one.step) for one in over]
    named = tuple_(interventions.c.walk_id, interventions.c.step).in_(places)
    mine = (named, interventions.c.kind == HOLD)
    holders = {
        (row.walk_id, row.step): row.who
        for row in conn.execute(select(interventions).where(*mine).order_by(interventions.c.id))
    }
    conn.execute(update(interventions).where(*mine, _LASTING).values(lifted_at=now))
    for walk_id, step in places:
        worklist.close(conn, hold_key(walk_id, step), "the hold is over", now)
    lost = [
        _not_sent(conn, one, holders.get((one.row.walk_id, one.step), ""))
        for one in over
        if one.decision in _IN_VAIN
    ]
    worklist.open_tasks(conn, lost, now)


_IN_VAIN = ("skipped", "superseded", "suppressed", "blocked")
"""What may become of a mail for which the client still waits; not that its licence was renewed."""


def person(conn: Connection, login: str) -> str | None:
    """The key among our own people of whoever signs in by this name."""
    return conn.execute(select(users.c.staff).where(users.c.login == login)).scalar()


def hold_key(walk_id: int, step: str) -> str:
    """The key of the task that reminds of a hold."""
    return f"hold:{walk_id}:{step}"


def taken_key(walk_id: int, step: str) -> str:
    """The key of the task of whoever took a mail over."""
    return f"taken-over:{walk_id}:{step}"


def _not_sent(conn: Connection, one: Over, who: str) -> worklist.NewTask:
    row, holder = one.row, person(conn, who)
    return worklist.NewTask(
        key=f"hold-lost:{row.walk_id}:{one.step}",
        kind="held-mail",
        title="A mail that was held did not go",
        detail=f"{row.account_name}: {row.walk_schedule}/{one.step} of {called(row)}, "
        f"held by {who or 'nobody known'}, ended as {one.decision} ({one.reason}). "
        f"Why: perennial explain {row.licence_key or row.account_key}",
        account_id=row.account_id,
        licence_id=row.licence_id,
        assignee=holder or row.account_renewal_manager or row.account_account_manager,
    )
