"""The ledger's world, with a provider that tells of its mails."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.engine import Connection

from tests.outbox.world import CONTACT, World
from worker.cadence.records import happenings, of_licence, returned, steps, walks
from worker.catalogue.records import contacts, licences, preferences, suppressions
from worker.channels.told import Kind, Told, as_raw, copy_mark
from worker.db.engine import reading
from worker.events import flow
from worker.events.flow import Taken
from worker.events.records import events
from worker.outbox.records import messages
from worker.worklist.records import tasks

LADDER = """
name = "Licence renewal"
trigger = "licence-expiry"
class = "{kind}"

[calendar]
timezone = "UTC"
hours = "09:00-17:00"
days = ["mon", "tue", "wed", "thu", "fri"]
holidays = "none"
when_closed = "later"

[limits]
valid_for = "3 days"

[[steps]]
id = "heads-up"
when = "30 days before"
email = "renewal/heads-up"
to = ["decision-maker", "procurement"]

[[steps]]
id = "reminder"
when = "20 days before"
email = "renewal/reminder"
to = ["decision-maker", "procurement"]
unless = ["clicked"]
"""


@dataclass
class EventWorld(World):
    """One licence at first, whose heads-up is due at noon on a Friday."""

    numbers: Any = field(default_factory=itertools.count)

    def person(self, key: str, role: str = "decision-maker", licence: str = "L-1") -> str:
        """A contact of the licence's account; the address."""
        row = {"contact": key, "account": f"A-{licence}", "email": f"{key}@example.com"}
        self._load("people", row, CONTACT | {"role": role})
        return row["email"]

    def apply_ladder(self, kind: str = "contractual") -> None:
        self.apply(LADDER.format(kind=kind))

    # --- the provider ---

    def event(self, kind: str, to: str, *, after: float = 60, mail: int = -1, **more: Any) -> Told:
        """An event about the copy for ``to`` of the newest mail to it (or the ``mail``-th),
        ``after`` seconds from now."""
        rows = [row for row in self.ledger() if row.address == to]
        at = self.clock.now() + timedelta(seconds=after)
        said = {
            "key": f"e{next(self.numbers)}",
            "kind": kind,
            "at": at,
            "mail_key": rows[mail].mail_key,
            "copy": copy_mark(to),
            "address": to,
            "raw": as_raw({"event": kind}),
        }
        return make(**(said | more))

    def tell(self, *told: Told) -> Taken:
        """The provider tells, in one batch."""
        with self.engine.begin() as conn:
            return flow.take(conn, "sendgrid", told, self.clock.now())

    # --- what came of it ---

    def fates(self) -> dict[str, str | None]:
        """The fate of the newest mail to each address."""
        return {row.address: row.fate for row in self.ledger()}

    def kept(self) -> Sequence[Any]:
        with reading(self.engine) as conn:
            return conn.execute(select(events).order_by(events.c.id)).all()

    def silent(self) -> dict[str, str]:
        with reading(self.engine) as conn:
            rows = conn.execute(select(suppressions.c.address, suppressions.c.reason))
            return {row.address: row.reason for row in rows}

    def happened(self, key: str = "L-1") -> set[str]:
        """What is noted on the walks of a licence."""
        query = (
            select(happenings.c.what)
            .join(walks, walks.c.id == happenings.c.walk_id)
            .join(licences, of_licence)
            .where(licences.c.key == key)
        )
        with reading(self.engine) as conn:
            return set(conn.execute(query).scalars())

    def chosen(self) -> dict[str, set[str]]:
        """What people opted out of, by address."""
        query = select(contacts.c.email, preferences.c.no_commercial, preferences.c.no_surveys)
        query = query.join(preferences, preferences.c.contact_id == contacts.c.id)
        with reading(self.engine) as conn:
            return {
                row.email: {name for name in ("no_commercial", "no_surveys") if row._mapping[name]}
                for row in conn.execute(query)
            }


def make(**said: Any) -> Told:
    """Something told, by the words of our vocabulary."""
    return Told(**(said | {"kind": Kind(said["kind"])}))


def final_state(conn: Connection) -> dict[str, list[Any]]:
    """All that events may have changed, without numbers that depend on the order."""
    asked = {
        "messages": select(messages.c.mail_key, messages.c.address, messages.c.state)
        .add_columns(messages.c.fate, messages.c.fate_at)
        .order_by(messages.c.mail_key, messages.c.address),
        "events": select(*[c for c in events.c if c.name not in ("id", "received_at")]).order_by(
            events.c.key
        ),
        "suppressions": select(suppressions).order_by(suppressions.c.address),
        "steps": select(steps.c.walk_id, steps.c.step, steps.c.mail_key).order_by(
            steps.c.walk_id, steps.c.step
        ),
        "returned": select(*[c for c in returned.c if c.name != "returned_at"]).order_by(
            returned.c.walk_id, returned.c.mail_key
        ),
        "walks": select(walks.c.id, walks.c.next_at).order_by(walks.c.id),
        "happenings": select(happenings).order_by(happenings.c.walk_id, happenings.c.what),
        "preferences": select(preferences).order_by(preferences.c.contact_id),
        "tasks": select(tasks.c.key, tasks.c.title, tasks.c.detail).order_by(tasks.c.key),
    }
    return {name: [tuple(row) for row in conn.execute(query)] for name, query in asked.items()}
