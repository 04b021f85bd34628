"""``webhook``: a call to another system, written in the same transaction as the decision.

The step waits until the call is over; then ``settle`` writes the last word on it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, bindparam, func, select, update
from sqlalchemy.engine import Connection

from worker.cadence.kinds.contract import Acted, Action, Occasion
from worker.cadence.records import of_licence, steps, walks
from worker.catalogue.records import accounts, licences
from worker.kernel.clock import Clock
from worker.kernel.keys import call_key
from worker.schedules.kinds.webhook import host_of
from worker.webhooks import store as webhooks
from worker.webhooks.endpoints import task_key
from worker.webhooks.flow import Calling, Failure, Outside
from worker.webhooks.resting import Trouble
from worker.webhooks.rules import DUE
from worker.worklist import store as worklist

TYPE, OF_ACCOUNT = "licence.step", "account.step"
TASK = "failed-call"


class WebhookKind:
    """Writes calls; the room of webhooks makes them."""

    def act(self, conn: Connection, actions: Sequence[Action], on: Occasion) -> list[Acted]:
        rows = [_call(action, on.now) for action in actions]
        webhooks.add(conn, rows)
        return [
            Acted("waiting", None, row[0], host_of(action.decision.step.keys.webhook))
            for action, row in zip(actions, rows, strict=True)
        ]


KIND = WebhookKind()


def _call(action: Action, now: datetime) -> tuple[Any, ...]:
    """A row in the order of ``webhooks.NEW``."""
    row, step = action.row, action.decision.step
    alone = row.licence_id is None
    subject = f"{row.walk_subject} {row.account_key}" if alone else row.licence_key
    key = call_key(action.line.schedule.stem, step.id, subject, row.walk_cycle)
    type_ = OF_ACCOUNT if alone else TYPE
    body = {
        "type": type_,
        "timestamp": now.isoformat(timespec="seconds"),
        "data": _data_of_account(action) if alone else _data(action, now),
    }
    return key, step.keys.webhook, type_, body, DUE, now, now


def _data_of_account(action: Action) -> dict[str, Any]:
    """What is told of a walk without a licence: the account's key, nothing about any person."""
    row, decision = action.row, action.decision
    return {
        "schedule": action.line.schedule.stem,
        "step": decision.step.id,
        "due_on": decision.due_on.isoformat(),
        "account": row.account_key,
        "cycle": row.walk_cycle,
        "anchor_on": row.walk_anchor_on.isoformat(),
    }


def _data(action: Action, now: datetime) -> dict[str, Any]:
    """What is told of the licence as it is now: nothing about any person, and no account's name,
    which may be one."""
    row, decision, line = action.row, action.decision, action.line
    expires_on = row.licence_expires_on
    return {
        "schedule": line.schedule.stem,
        "step": decision.step.id,
        "due_on": decision.due_on.isoformat(),
        "licence": row.licence_key,
        "account": row.account_key,
        "term": row.licence_term,
        "starts_on": row.licence_starts_on.isoformat() if row.licence_starts_on else None,
        "expires_on": expires_on.isoformat(),
        "days_left": (expires_on - line.calendar.today(now)).days,
        "product": row.licence_product,
        "vendor": row.licence_vendor,
        "quantity": row.licence_quantity,
        "amount": None if row.licence_amount is None else f"{row.licence_amount:.2f}",
        "currency": row.licence_currency,
        "auto_renew": bool(row.licence_auto_renew),
    }


def calling(
    engine: Engine,
    clock: Clock,
    outside: Outside,
    *,
    stop: Callable[[], bool],
    pause: Callable[[str], None],
) -> Calling:
    """The calls of steps, with what must happen to the steps when a call is over."""
    return Calling(engine, clock, outside, settle, _tell, _warn, stop=stop, pause=pause)


def settle(conn: Connection, key: str, decision: str, reason: str | None) -> None:
    """Writes what became of the step that waits for the call ``key``: ``sent`` or ``failed``."""
    conn.execute(
        update(steps)
        .where(steps.c.mail_key == key, steps.c.decision == "waiting")
        .values(decision=decision, reason=reason)
    )


def _tell(conn: Connection, failure: Failure, now: datetime) -> None:
    """Opens one task about a call that failed for good."""
    row = conn.execute(_WHOSE, {"key": failure.key}).one()
    attempts = "1 attempt" if failure.attempts == 1 else f"{failure.attempts} attempts"
    task = worklist.NewTask(
        key=f"{TASK}:{failure.key}",
        kind=TASK,
        title=f"A call failed: {failure.host}",
        detail=f"{row.name}: step {row.step} of {row.schedule}, "
        f"{f'licence {row.key}' if row.key else f'account {row.account_key}'}: "
        f"{failure.host} {failure.said}; given up after {attempts}",
        account_id=row.account_id,
        licence_id=row.id,
    )
    worklist.open_tasks(conn, [task], now)


def _warn(conn: Connection, trouble: Trouble, now: datetime) -> None:
    """Opens one task about an endpoint; or closes it, when it is over."""
    key = task_key(trouble.endpoint)
    if trouble.detail is None:
        worklist.close(conn, key, "it takes calls again", now)
        return
    task = worklist.NewTask(key=key, kind=TASK, title=trouble.title, detail=trouble.detail)
    worklist.open_tasks(conn, [task], now)


_WHOSE = (
    select(
        walks.c.schedule,
        steps.c.step,
        licences.c.id,
        licences.c.key,
        accounts.c.id.label("account_id"),
        accounts.c.key.label("account_key"),
        accounts.c.name,
    )
    .join(walks, walks.c.id == steps.c.walk_id)
    .outerjoin(licences, of_licence)
    .join(accounts, accounts.c.id == func.coalesce(walks.c.account_id, licences.c.account_id))
    .where(steps.c.mail_key == bindparam("key"))
)
