"""The last look before a mail leaves: licence, contact, audience and schedule as they are now.

Runs inside the transaction of the ledger's claim. The step that the mail belongs to is judged
once more by the planner, as if it had not been decided yet; only when the answer is still "do it
now" may the mail go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row
from sqlalchemy.engine import Connection

from worker.cadence import load, store
from worker.cadence.facts import Timeline
from worker.cadence.library import Defaults, InForce, Library
from worker.cadence.rules import Decision, decide
from worker.outbox import store as outbox
from worker.outbox.rules import Drop, Go, Verdict, Wait
from worker.outbox.store import Message
from worker.templating.context import (
    AccountView,
    ContactView,
    LicenceView,
    MailContext,
    SenderView,
)


@dataclass(frozen=True, slots=True)
class Rechecker:
    """Answers the ledger; ``sender`` is the human in whose name mails go out."""

    library: Library
    defaults: Defaults
    sender: SenderView

    def __call__(
        self, conn: Connection, messages: Sequence[Message], now: datetime
    ) -> Mapping[int, Verdict]:
        view = _View.load(conn, self, messages, now)
        verdicts: dict[int, Verdict] = {}
        for message in messages:
            rows = view.steps.get(message.mail_key, [])
            verdicts[message.id] = self._verdict(conn, view, message, rows)
        return verdicts

    def _verdict(
        self, conn: Connection, view: _View, message: Message, rows: Sequence[Row[Any]]
    ) -> Verdict:
        """All that travels in one mail; a row that may not go leaves the table."""
        if not rows:
            return Drop("cancelled", "withdrawn")
        contact = view.contacts.get(message.contact_id or 0)
        good: list[Row[Any]] = []
        stopped: Wait | Drop | None = None
        for row in rows:
            verdict = self._judge(view, message, row)
            moved = contact is None or contact.email != message.address
            if isinstance(verdict, Decision) and verdict.decision == "planned" and not moved:
                good.append(row)
            else:
                stopped = _stop(conn, view, message, row, verdict)
        if good and contact is not None:
            return self._go(view, contact, good)
        return stopped or Drop("cancelled", "withdrawn")

    def _judge(self, view: _View, message: Message, row: Row[Any]) -> Decision | datetime | None:
        """The decision about the step now; else when to look again; else nothing."""
        inforce = view.active.get(row.walk_schedule)
        if inforce is None:
            return None
        gone = load.left(row, row.walk_cycle)
        if gone is None and not load.in_audience(inforce, row):
            return view.now
        walk = load.walk_of(
            row,
            inforce,
            view.lines[row.walk_id],
            row.walk_first_act_at,
            anchor=row.licence_expires_on if gone != "renewed" else row.walk_anchor_on,
            gone=gone,
            history=view.histories.get(row.walk_id, load.NOTHING),
            without=(row.step, message.mail_key),
        )
        verdict = decide(walk, view.now)
        for decision in verdict.decisions:
            if decision.step.id == row.step:
                return decision
        return verdict.next_at

    def _go(self, view: _View, contact: Row[Any], rows: Sequence[Row[Any]]) -> Go:
        row = rows[0]
        today = view.lines[row.walk_id].calendar.today(view.now)
        languages = (contact.language, row.account_language, self.defaults.language)
        return Go(
            _context(self.sender, contact, rows, today),
            tuple(language for language in languages if language),
        )


@dataclass(frozen=True, slots=True)
class _View:
    """The rows around a batch of messages, as they are at ``now``."""

    now: datetime
    active: Mapping[str, InForce]
    steps: Mapping[str, list[Row[Any]]]
    lines: Mapping[int, Timeline]
    histories: Mapping[int, load.History]
    contacts: Mapping[int, Row[Any]]

    @classmethod
    def load(
        cls, conn: Connection, checker: Rechecker, messages: Sequence[Message], now: datetime
    ) -> _View:
        active = checker.library.active(conn)
        steps: dict[str, list[Row[Any]]] = {}
        lines: dict[int, Timeline] = {}
        for row in store.walks_of_mails(conn, sorted({m.mail_key for m in messages})):
            steps.setdefault(row.mail_key, []).append(row)
            inforce = active.get(row.walk_schedule)
            if inforce:
                lines[row.walk_id] = load.line_of(inforce, row, checker.defaults)
        people = sorted({m.contact_id for m in messages if m.contact_id})
        return cls(
            now,
            active,
            steps,
            lines,
            load.histories(conn, sorted(lines), now, lines),
            {person.id: person for person in store.contacts_by_id(conn, people)},
        )


def _stop(
    conn: Connection,
    view: _View,
    message: Message,
    row: Row[Any],
    verdict: Decision | datetime | None,
) -> Wait | Drop:
    """Records why the step does not go now, and has the engine judge it again where it may."""
    if isinstance(verdict, Decision) and verdict.decision != "planned":
        store.rewrite_step(conn, row.step_id, verdict.decision, verdict.reason)
        return Drop(verdict.decision, verdict.reason or "")
    if _sent_to_others(conn, message):
        # Somebody has this mail already: deciding anew would mail them twice.
        later = verdict if isinstance(verdict, datetime) else None
        return Wait(later, "waits") if later and later > view.now else Drop("cancelled", "moved")
    store.withdraw_step(conn, row.step_id)
    store.wake(conn, [row.walk_id], view.now)
    return Drop("cancelled", "decided-anew")


def _sent_to_others(conn: Connection, message: Message) -> bool:
    return any(
        other.id != message.id and other.state in ("sending", "accepted", "unknown")
        for other in outbox.of_mails(conn, [message.mail_key])
    )


def _context(
    sender: SenderView, contact: Row[Any], rows: Sequence[Row[Any]], today: Any
) -> Callable[[], MailContext]:
    """Puts the mail's data together when it is really written."""

    def build() -> MailContext:
        row = rows[0]
        return MailContext(
            today=today,
            account=AccountView(row.account_name, row.account_key),
            contact=ContactView(contact.name, contact.email, contact.role),
            licences=tuple(_licence(row, today) for row in rows),
            sender=sender,
            step=row.step,
        )

    return build


def _licence(row: Row[Any], today: Any) -> LicenceView:
    columns = {
        name.removeprefix("licence_"): value
        for name, value in row._mapping.items()
        if name.startswith("licence_")
    }
    return LicenceView.from_row(columns, today)
