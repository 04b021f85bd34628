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
        judged = {message.id: self._judged(view, message) for message in messages}
        going = {id_: any(one.goes for one in rows) for id_, rows in judged.items()}
        return {
            message.id: self._verdict(conn, view, message, judged[message.id], going)
            for message in messages
        }

    def _judged(self, view: _View, message: Message) -> list[_Judged]:
        """Every step that travels in the mail, as it is judged now."""
        contact = view.contacts.get(message.contact_id or 0)
        moved = contact is None or contact.email != message.address
        return [
            _Judged(row, self._judge(view, message, row), moved)
            for row in view.steps.get(message.mail_key, [])
        ]

    def _verdict(
        self,
        conn: Connection,
        view: _View,
        message: Message,
        judged: Sequence[_Judged],
        going: Mapping[int, bool],
    ) -> Verdict:
        """All that travels in one mail; a row that may not go leaves the table."""
        stopped: Wait | Drop = Drop("cancelled", "withdrawn")
        for one in judged:
            if not one.goes:
                stopped = _stop(conn, view, message, one, going)
        good = [one for one in judged if one.goes]
        contact = view.contacts.get(message.contact_id or 0)
        if not good or contact is None:
            return stopped
        go = self._go(view, contact, good)
        if (go.version_id, go.template) != (message.version_id, message.template):
            outbox.reword(conn, message.id, go.version_id, go.template)
        return go

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

    def _go(self, view: _View, contact: Row[Any], good: Sequence[_Judged]) -> Go:
        rows = [one.row for one in good]
        row, verdict = rows[0], good[0].verdict
        assert isinstance(verdict, Decision)
        today = view.lines[row.walk_id].calendar.today(view.now)
        languages = (contact.language, row.account_language, self.defaults.language)
        return Go(
            _context(self.sender, contact, rows, today),
            tuple(language for language in languages if language),
            view.active[row.walk_schedule].version_id,
            verdict.step.template or "",
        )


@dataclass(frozen=True, slots=True)
class _Judged:
    """One step of a mail: the decision about it now, else when to look again, else nothing.

    ``moved``: the contact is no longer reached at the address that the mail was written to.
    """

    row: Row[Any]
    verdict: Decision | datetime | None
    moved: bool

    @property
    def due(self) -> bool:
        """Whether the step is still a mail to send now."""
        verdict = self.verdict
        if not isinstance(verdict, Decision) or verdict.decision != "planned":
            return False
        return verdict.step.mails

    @property
    def goes(self) -> bool:
        """Whether it may go in this mail."""
        return self.due and not self.moved


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
    judged: _Judged,
    going: Mapping[int, bool],
) -> Wait | Drop:
    """Records why the step does not go now, and has the engine judge it again where it may."""
    row, verdict = judged.row, judged.verdict
    if isinstance(verdict, Decision) and verdict.decision != "planned":
        store.rewrite_step(conn, row.step_id, verdict.decision, verdict.reason)
        return Drop(verdict.decision, verdict.reason or "")
    if _sent_to_others(conn, message, going):
        # Somebody has this mail already: deciding anew would mail them twice.
        contact = view.contacts.get(message.contact_id or 0)
        if judged.due and contact is not None and contact.email:
            outbox.readdress(conn, message, contact.email, view.now)
        later = verdict if isinstance(verdict, datetime) else None
        return Wait(later, "waits") if later and later > view.now else Drop("cancelled", "moved")
    store.withdraw_step(conn, row.step_id)
    store.wake(conn, [row.walk_id], view.now)
    return Drop("cancelled", "decided-anew")


def _sent_to_others(conn: Connection, message: Message, going: Mapping[int, bool]) -> bool:
    """Whether another copy of this mail has left or may leave; ``going`` tells of this batch.

    The copies are held: one that another worker claims at this moment is waited for.
    """
    return any(
        going.get(other.id, other.state in ("sending", "accepted", "unknown"))
        for other in outbox.of_mails(conn, [message.mail_key], hold=True)
        if other.id != message.id
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
