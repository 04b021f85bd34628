"""The last look before a mail leaves: licence, contact, audience and schedule as they are now.

Runs inside the transaction of the ledger's claim. The step that the mail belongs to is judged
once more by the planner, as if it had not been decided yet; only when the answer is still "do it
now" may the mail go.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Row
from sqlalchemy.engine import Connection

from worker.cadence import (
    asking,
    last_question,
    load,
    people_store,
    resting,
    standing,
    store,
    writing_store,
)
from worker.cadence.addressed import Judge, Post
from worker.cadence.budget import BUDGET, day_with_room
from worker.cadence.facts import Timeline, Walk, account_slot
from worker.cadence.ladder import why_silent
from worker.cadence.letters import context, managers, writer
from worker.cadence.library import Defaults, InForce, Library
from worker.cadence.quiet import USUAL_QUIET, Quiet
from worker.cadence.rules import HELD, Decision, decide, gather
from worker.catalogue import stops
from worker.catalogue.stops import Stops
from worker.kernel.dates import USUAL_ALLOWANCE, Allowance
from worker.outbox import holds
from worker.outbox import store as outbox
from worker.outbox.mending import MENDED
from worker.outbox.records import STEP
from worker.outbox.rules import Drop, Go, Verdict, Wait
from worker.outbox.store import Message
from worker.templating.context import Asked, SenderView
from worker.worklist import store as worklist


@dataclass(frozen=True, slots=True)
class Rechecker:
    """Answers the ledger.

    ``sender`` is the human in whose name mails go out where the account has none. ``stale`` names
    the sources that are too old to mail by. A rehearsal takes approvals as given.
    """

    library: Library
    defaults: Defaults
    sender: SenderView
    allowance: Allowance = USUAL_ALLOWANCE
    stale: Callable[[Connection, datetime], Collection[str]] = lambda conn, now: ()
    asks: bool = True
    judges: Mapping[str, Judge] = field(default_factory=dict)
    """Who judges letters that are no step of a walk, by their origin."""
    quiet: Quiet = USUAL_QUIET
    unread: bool = False
    """Whether nobody reads the mails: then nobody asks in whose words they would go."""

    def __call__(
        self, conn: Connection, messages: Sequence[Message], now: datetime
    ) -> Mapping[int, Verdict]:
        letters = [message for message in messages if message.origin != STEP]
        mails = [message for message in messages if message.origin == STEP]
        found = self.post(conn, letters, now) if letters else {}
        return {**found, **self._steps(conn, mails, now)} if mails else found

    @property
    def post(self) -> Post:
        """The last look at letters."""
        return Post(self.judges, self.defaults, self.sender, self.allowance)

    def _steps(
        self, conn: Connection, messages: Sequence[Message], now: datetime
    ) -> Mapping[int, Verdict]:
        view = _View.load(conn, self, messages, now)
        judged = {message.id: self._judged(view, message) for message in messages}
        going = {id_: any(one.goes for one in rows) for id_, rows in judged.items()}
        found = {
            message.id: self._verdict(conn, view, message, judged[message.id], going)
            for message in messages
        }
        asking.forget(conn, [*_unasked(messages, found)])
        return found

    def _judged(self, view: _View, message: Message) -> list[_Judged]:
        """Every step that travels in the mail, as it is judged now.

        A licence that was pulled in goes along while one is there whose own day has come.
        """
        found = [self._judge(view, message, row) for row in view.steps.get(message.mail_key, [])]
        due = [one.verdict.due_on for one in found if isinstance(one.verdict, Decision) and one.due]
        if not due or all(one.due for one in found):
            return found
        return [one if one.due else _gathered(one, min(due), view.now) for one in found]

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
        asked: Asked | None = None
        if _asks(good):
            looked = self._question(conn, view, message, contact, good)
            if not isinstance(looked, Asked):
                return looked
            asked = looked
        wait = self._wait(conn, view, message, good)
        if wait:
            return wait
        go = self._go(view, contact, good, asked)
        if (go.version_id, go.template) != (message.version_id, message.template):
            outbox.reword(conn, message.id, go.version_id, go.template)
        return go

    def _wait(
        self, conn: Connection, view: _View, message: Message, good: Sequence[_Judged]
    ) -> Wait | None:
        """What a mail that could go has to wait for."""
        if view.stale and any(one.row.licence_source in view.stale for one in good):
            return Wait(None, holds.STALE)
        inforce, line = view.active[good[0].row.walk_schedule], view.lines[good[0].row.walk_id]
        today = line.calendar.today(view.now)
        approve = inforce.schedule.limits.approve
        if self.asks and approve != "never":
            each_day = approve == "always"
            answer = holds.ask(conn, inforce.version_id, message.day, view.now, each_day=each_day)
            if answer.asked:
                worklist.open_tasks(conn, [_question(inforce, message.day)], view.now)
            if not answer.approved:
                return Wait(None, holds.APPROVAL)
        if inforce.schedule.mail_class == "contractual":
            return None
        if inforce.schedule.mail_class == resting.RESTS:
            row, slot = good[0].row, view.slot(good[0])
            rest = resting.wait(conn, row.account_id, line.calendar, slot, view.now)
            if rest:
                return rest
        got = outbox.mailed_on(conn, [message.address], today - timedelta(self.allowance.days + 1))
        # Of mails that are on their way side by side the one that was decided first has the place.
        days = [
            one.counts_on(line.calendar.tz, today)
            for one in got.get(message.address, ())
            if one.mail_key != message.mail_key and (one.left or one.id < message.id)
        ]
        if day_with_room(days, today, self.allowance) == today:
            return None
        tomorrow = line.calendar.next_opening(line.calendar.closes_at(today), view.slot(good[0]))
        return Wait(tomorrow, BUDGET)

    def _question(
        self,
        conn: Connection,
        view: _View,
        message: Message,
        contact: Row[Any],
        good: Sequence[_Judged],
    ) -> Asked | Wait | Drop:
        row = good[0].row
        copy = last_question.Copy(
            message.mail_key,
            contact,
            row.account_id,
            [one.row.walk_id for one in good],
            view.lines[row.walk_id].calendar,
            view.slot(good[0]),
        )
        return last_question.look(conn, copy, self.quiet, view.now)

    def _judge(self, view: _View, message: Message, row: Row[Any]) -> _Judged:
        """The decision about the step now; else when to look again; else nothing."""
        inforce = view.active.get(row.walk_schedule)
        if inforce is None:
            return _Judged(row, None, None, moved=False)
        contact = view.contacts.get(message.contact_id or 0)
        line = view.lines[row.walk_id]
        moved = (
            contact is None
            or contact.email != message.address
            or why_silent(contact, inforce.schedule.mail_class, view.stops, line.at(view.now).today)
            is not None
        )
        history = view.histories.get(row.walk_id, load.NOTHING)
        gone = load.over(inforce, row, row.walk_cycle, history)
        anchor = load.anchor_of(inforce, row, gone)
        if anchor is None or (gone is None and not load.in_audience(inforce, row)):
            return _Judged(row, None, view.now, moved)
        walk = load.walk_of(
            row,
            inforce,
            line,
            row.walk_first_act_at,
            anchor=anchor,
            gone=gone,
            history=history,
            without=(row.step, message.mail_key),
            waited=_wait_of(message, row, view.now),
            held=frozenset((row.step,)) if row.step_reason == HELD else frozenset(),
            stopped=None if gone else load.why_stopped(view.stops, row, line, view.now),
        )
        verdict = decide(walk, view.now)
        for decision in verdict.decisions:
            if decision.step.id == row.step:
                return _Judged(row, walk, decision, moved)
        return _Judged(row, walk, verdict.next_at, moved)

    def _go(
        self, view: _View, contact: Row[Any], good: Sequence[_Judged], asked: Asked | None
    ) -> Go:
        rows = [one.row for one in good]
        row, verdict = rows[0], good[0].verdict
        assert isinstance(verdict, Decision)
        inforce = view.active[row.walk_schedule]
        today = view.lines[row.walk_id].calendar.today(view.now)
        languages = (contact.language, row.account_language, self.defaults.language)
        return Go(
            context(writer(row, view.staff, self.sender), contact, rows, inforce, today, asked),
            tuple(language for language in languages if language),
            inforce.version_id,
            verdict.step.template or "",
            standing.latest(view.edits, rows),
        )


@dataclass(frozen=True, slots=True)
class _Judged:
    """One step of a mail: the decision about it now, else when to look again, else nothing.

    ``moved``: the contact is not to be reached any more at the address the mail was written to.
    """

    row: Row[Any]
    walk: Walk | None
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


def _asks(good: Sequence[_Judged]) -> bool:
    """Whether the mail asks a question, or reminds of one."""
    verdict = good[0].verdict
    return isinstance(verdict, Decision) and verdict.step.kind == "survey"


def _unasked(
    messages: Sequence[Message], found: Mapping[int, Verdict]
) -> Iterator[tuple[str, int | None]]:
    """Those who will not be asked after all, because their mail goes to nobody."""
    for message in messages:
        dropped = isinstance(found[message.id], Drop) and not message.in_doubt
        if dropped and message.kind == "survey":
            yield message.mail_key, message.contact_id


def _waited(message: Message, row: Row[Any]) -> bool:
    """Whether we made the step wait, before its mail was written or since, or could not send it."""
    return message.reason in (MENDED, *holds.WAITED) or row.step_reason in (HELD, *holds.WAITED)


def _wait_of(message: Message, row: Row[Any], now: datetime) -> dict[str, datetime]:
    """Until when the step had to wait; a hold by a person ended when the mail was decided."""
    if row.step_reason == HELD:
        return {row.step: row.step_at}
    return {row.step: now} if _waited(message, row) else {}


def _gathered(one: _Judged, first_due: date, now: datetime) -> _Judged:
    """A step that is not due by itself, judged as company of one that is."""
    if one.walk is None or isinstance(one.verdict, Decision):
        return one
    days = one.walk.line.schedule.limits.gather_days
    found = gather(one.walk, one.row.step, first_due, days, now) if days else None
    return replace(one, verdict=found) if found else one


@dataclass(frozen=True, slots=True)
class _View:
    """The rows around a batch of messages, as they are at ``now``."""

    now: datetime
    active: Mapping[str, InForce]
    steps: Mapping[str, list[Row[Any]]]
    lines: Mapping[int, Timeline]
    histories: Mapping[int, load.History]
    contacts: Mapping[int, Row[Any]]
    stops: Stops
    stale: Collection[str]
    staff: Mapping[str, Row[Any]]
    edits: standing.Edits

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
        staff = people_store.staff_of(conn, [] if checker.unread else managers(steps.values()))
        return cls(
            now,
            active,
            steps,
            lines,
            load.histories(conn, sorted(lines), now, lines),
            {person.id: person for person in people_store.contacts_by_id(conn, people)},
            stops.standing(conn),
            checker.stale(conn, now),
            {person.key: person for person in staff},
            standing.edits_of(conn, [] if checker.unread else sorted(lines)),
        )

    def slot(self, one: _Judged) -> int:
        """Which ten minutes the account's mails leave in."""
        return account_slot(one.row.account_key)


def _question(inforce: InForce, day: date) -> worklist.NewTask:
    stem = inforce.schedule.stem
    return worklist.NewTask(
        key=f"approve:{stem}:{inforce.version_id}:{day}",
        kind="approval",
        title=f"Approve the mails of {inforce.schedule.name!r} of {day}",
        detail=f"They wait. See them with: perennial outbox --state due; "
        f"let them go with: perennial approve {stem}",
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
    later = verdict if isinstance(verdict, datetime) and verdict > view.now else None
    if later and _waited(message, row) and not judged.moved:
        return Wait(later, message.reason or row.step_reason)  # it may go, but not at this hour
    others = message.in_doubt or _sent_to_others(conn, message, going)
    if isinstance(verdict, Decision) and verdict.decision != "planned":
        if not others:  # else the step was done, and its row says so
            writing_store.rewrite_step(conn, row.step_id, verdict.decision, verdict.reason)
        return Drop(verdict.decision, verdict.reason or "")
    if others:
        # Somebody has this mail already: deciding anew would mail them twice.
        contact = view.contacts.get(message.contact_id or 0)
        moved = contact is not None and contact.email not in (None, message.address)
        if judged.due and moved and not message.in_doubt:
            assert contact is not None
            outbox.readdress(conn, message, contact.email, view.now)
        return Wait(later, "waits") if later else Drop("cancelled", "moved")
    writing_store.decide_anew(conn, [(row.step_id, row.walk_id)], view.now)
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
