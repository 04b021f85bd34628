"""``email``: a mail to the first rung of the ladder that has anybody reachable."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row
from sqlalchemy.engine import Connection

from worker.cadence import store
from worker.cadence.kinds.contract import Acted, Action
from worker.kernel.keys import new_mail_key
from worker.outbox import store as outbox
from worker.outbox.rules import DUE
from worker.worklist import store as worklist


class EmailKind:
    """Writes messages into the ledger; the ledger sends them."""

    def act(self, conn: Connection, actions: Sequence[Action], now: datetime) -> list[Acted]:
        rungs = self._rungs(conn, actions)
        messages: list[tuple[Any, ...]] = []
        orphans: list[Action] = []
        acted = []
        for action, rung in zip(actions, rungs, strict=True):
            if not rung:
                orphans.append(action)
                acted.append(Acted("blocked", "no-reachable-contact"))
                continue
            key = new_mail_key()
            messages += [_message(action, contact, key, now) for contact in rung]
            acted.append(Acted("waiting", None, key))
        outbox.add(conn, messages)
        worklist.open_tasks(conn, [_no_contact(action) for action in orphans], now)
        return acted

    def recipients(self, conn: Connection, actions: Sequence[Action]) -> list[list[str]]:
        return [[contact.email for contact in rung] for rung in self._rungs(conn, actions)]

    def _rungs(self, conn: Connection, actions: Sequence[Action]) -> list[list[Row[Any]]]:
        accounts = sorted({action.row.licence_account_id for action in actions})
        people: dict[int, list[Row[Any]]] = defaultdict(list)
        for contact in store.contacts_of(conn, accounts):
            people[contact.account_id].append(contact)
        return [
            first_rung(action.decision.step.keys.to, people[action.row.licence_account_id])
            for action in actions
        ]


KIND = EmailKind()


def first_rung(ladder: Sequence[str], people: Sequence[Row[Any]]) -> list[Row[Any]]:
    """All reachable contacts of the first role in ``ladder`` that has any; ``any`` is everybody.

    One address is written to once, however many contacts share it.
    """
    for role in ladder:
        found: dict[str, Row[Any]] = {}
        for person in people:
            if person.email and role in ("any", person.role):
                found.setdefault(person.email.casefold(), person)
        if found:
            return list(found.values())
    return []


def _message(action: Action, contact: Row[Any], key: str, now: datetime) -> tuple[Any, ...]:
    decision, line = action.decision, action.line
    return (
        key,
        contact.email,
        contact.id,
        line.schedule.stem,
        decision.step.id,
        action.version_id,
        decision.step.keys.email,
        line.schedule.mail_class,
        line.calendar.today(max(now, decision.at)),
        DUE,
        now,
        decision.valid_until,
        now,
    )


def _no_contact(action: Action) -> worklist.NewTask:
    row = action.row
    return worklist.NewTask(
        key=f"no-contact:{row.account_key}",
        kind="no-contact",
        title="No reachable contact",
        detail=f"{row.account_name}: nobody to write to about licence {row.licence_key}",
        account_id=row.licence_account_id,
        licence_id=row.licence_id,
        assignee=row.account_account_manager,
    )
