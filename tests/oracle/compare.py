"""One licence at a time: what was decided beside what the rules say."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any

from tests.oracle.days import ONE, Calendar, civil
from tests.oracle.life import Book
from tests.oracle.script import Line, Script, as_date
from tests.oracle.walk import Outcome, Walk

Row = Mapping[str, Any]
SLOTS = range(6)
OPEN_ENDED = {"planned", "waiting", "put-off"}  # not decided yet


@dataclass(frozen=True)
class Disagreement:
    """One thing that the engine did otherwise. ``kind`` is one word for counting."""

    kind: str
    licence: str
    cycle: int | None
    step: str | None
    said: str

    def __str__(self) -> str:
        walk = f"licence {self.licence}" + (f", term {self.cycle}" if self.cycle else "")
        return f"{walk}, {self.step or 'no step'}: {self.said} [{self.kind}]"


@dataclass
class Case:
    """All that is known about one licence under one schedule."""

    script: Script
    key: str
    account: Mapping[str, Any]
    walks: list[Walk]
    rows: dict[tuple[int, str], list[Row]]
    nothing: list[Row]
    auto: bool


class Comparison:
    """Compares licence by licence; ``found`` collects the disagreements."""

    def __init__(self, book: Book, first: date, last: date) -> None:
        self.book, self.first, self.last = book, first, last
        self.found: list[Disagreement] = []
        self.slots: dict[str, list[tuple[set[int], Row]]] = defaultdict(list)

    def merge(self, other: Comparison) -> None:
        """Takes over what ``other`` found."""
        self.found += other.found
        for key, uses in other.slots.items():
            self.slots[key] += uses

    def object(self, kind: str, row: Row, said: str) -> None:
        """Notes a disagreement about a decision that was made."""
        key = str(row.get("licence") or row.get("subject"))
        self.found.append(Disagreement(kind, key, row.get("cycle"), row.get("step"), said))

    def miss(self, kind: str, case: Case, walk: Walk, line: Line, said: str) -> None:
        """Notes a disagreement about a decision that is not there."""
        self.found.append(Disagreement(kind, case.key, walk.number, line.id, said))

    def compare(self, case: Case) -> None:
        """Compares all walks of one licence under one schedule."""
        for walk in case.walks:
            mails: list[Row] = []
            for outcome in walk.outcomes.values():
                rows = case.rows.pop((walk.number, outcome.line.id), [])
                self._compare(case, walk, outcome, rows)
                if outcome.line.kind == "email":
                    mails += [row for row in rows if row["decision"] == "sent" and row.get("at")]
            self._check_mails(case, walk, mails)
        for rows in case.rows.values():
            for row in rows:
                said = (
                    f"{row.get('decision')}, but there is no such step, or this term never walked"
                )
                self.object("phantom", row, said)
        for row in case.nothing:
            self._check_nothing(case, row)

    def _compare(self, case: Case, walk: Walk, outcome: Outcome, rows: Sequence[Row]) -> None:
        if not rows:
            if self._must_be_there(case, walk, outcome):
                self.miss(
                    "missing", case, walk, outcome.line, f"nothing; expected {_told(outcome)}"
                )
            return
        if len(rows) > 1:
            what = " and ".join(f"{row['decision']} at {row['at']}" for row in rows)
            self.object("twice", rows[0], f"decided {len(rows)} times: {what}")
        for row in rows:
            self._compare_row(case, walk, outcome, row)

    def _must_be_there(self, case: Case, walk: Walk, outcome: Outcome) -> bool:
        if outcome.optional or walk.seen > self._night:
            return False
        if all(other.verdict == ("skipped", "history") for other in walk.outcomes.values()):
            return False  # the walk ended as history before it began
        planned = outcome.planned or outcome.due
        if outcome.done:
            assert outcome.day is not None
            assert outcome.latest is not None
            over = outcome.latest - timedelta(hours=1)
            return self.first <= outcome.day <= self.last and over < self._night
        # At the edges of the period a step that went nowhere may count by either of its dates.
        return self.first <= min(planned, outcome.due) and max(planned, outcome.due) <= self.last

    @property
    def _night(self) -> datetime:
        return datetime.combine(self.last + ONE, time(0), UTC)

    def _compare_row(self, case: Case, walk: Walk, outcome: Outcome, row: Row) -> None:
        self._check_fields(case, outcome, row)
        verdict = (row["decision"], row.get("reason"))
        calendar = walk.calendar
        at = datetime.fromisoformat(row["at"]) if row.get("at") else None
        if row["decision"] == "sent":
            if at is None:
                self.object("field", row, "sent, but no moment is given")
                return
            self._check_sent(case, walk, outcome, row, at)
        elif outcome.verdict is None:
            if row["decision"] not in OPEN_ENDED:
                self.object("decision", row, f"{_said(row)}; nothing was to be decided yet")
        elif outcome.done and not self.reaches(case, outcome.line):
            pass  # nobody to write to; only a mail would be wrong
        elif (
            outcome.done
            and row["decision"] in OPEN_ENDED
            and outcome.day
            and outcome.day > self.last
        ):
            pass
        elif verdict != outcome.verdict and verdict not in outcome.also:
            decided = row["decision"] == outcome.verdict[0]
            kind = "reason" if decided else "decision"
            self.object(kind, row, f"{_said(row)}; expected {_told(outcome)}")
        self._check_due(outcome, row, at, calendar)
        self._check_period(row, outcome, at, calendar)

    def _check_fields(self, case: Case, outcome: Outcome, row: Row) -> None:
        wanted = {"kind": outcome.line.kind, "account": case.account["key"], "subject": case.key}
        for name, value in wanted.items():
            if row.get(name) != value:
                self.object("field", row, f"{name} is {row.get(name)!r}, expected {value!r}")

    def _check_due(
        self, outcome: Outcome, row: Row, at: datetime | None, calendar: Calendar
    ) -> None:
        allowed = {outcome.due}
        if outcome.done and not outcome.on_time and outcome.day:
            allowed.add(outcome.day)  # late: counted as due today
        if as_date(row.get("due_on")) not in allowed:
            self.object("due", row, f"due on {row.get('due_on')}, expected {outcome.due}")

    def _check_period(
        self, row: Row, outcome: Outcome, at: datetime | None, calendar: Calendar
    ) -> None:
        days = {outcome.due, outcome.planned or outcome.due}
        days |= {civil(at, calendar.zone), at.astimezone(UTC).date()} if at else set()
        if max(days) < self.first:
            self.object("period", row, f"{_said(row)}: before the first day, {self.first}")

    def _check_sent(self, case: Case, walk: Walk, outcome: Outcome, row: Row, at: datetime) -> None:
        calendar = walk.calendar
        day = civil(at, calendar.zone)
        opens, closes = calendar.window(day)
        if not calendar.is_open(day):
            self.object("hours", row, f"{_said(row)}: {day:%a %d %b %Y} is not an open day")
        elif not opens <= at < closes:
            self.object(
                "hours",
                row,
                f"{_said(row)}: outside {calendar.hours.opens}-{calendar.hours.closes}",
            )
        if walk.ended and at >= walk.ended:
            self.object("after-end", row, f"{_said(row)}: the walk had ended at {walk.ended}")
        elif not outcome.done:
            self.object("decision", row, f"{_said(row)}; expected {_told(outcome)}")
        elif day != outcome.day:
            self.object("day", row, f"{_said(row)}; expected {_told(outcome)}")
        else:
            self._check_moment(case, outcome, row, at, calendar)
        late = outcome.done and not outcome.on_time
        if row.get("reason") is not None and not (late and row["reason"] == "late"):
            self.object("reason", row, f"{_said(row)}; a step that is done has no reason")
        if outcome.line.kind == "email":
            self._check_addresses(case, outcome.line, row)

    def _check_moment(
        self, case: Case, outcome: Outcome, row: Row, at: datetime, calendar: Calendar
    ) -> None:
        assert outcome.day is not None
        assert outcome.earliest is not None
        assert outcome.latest is not None
        if outcome.on_time:
            slots = {slot for slot in SLOTS if calendar.moment(outcome.day, slot) == at}
            if slots:
                self.slots[case.account["key"]].append((slots, row))
            else:
                self.object(
                    "moment", row, f"{_said(row)}: not one of the six slots of {outcome.day}"
                )
        elif not outcome.earliest <= at <= outcome.latest:
            said = f"expected from {outcome.earliest} to {outcome.latest}"
            self.object("moment", row, f"{_said(row)}; {said}")

    def _check_addresses(self, case: Case, line: Line, row: Row) -> None:
        if self.book.contacts is None:
            return
        got = {address.lower() for address in row.get("to") or ()}
        wanted = self.addressees(case, line)
        if got != wanted or not got:
            self.object("address", row, f"to {sorted(got)}, expected {sorted(wanted)}")

    def reaches(self, case: Case, line: Line) -> bool:
        """Whether a step has anybody to go to; tasks always have."""
        return (
            self.book.contacts is None or line.kind != "email" or bool(self.addressees(case, line))
        )

    def addressees(self, case: Case, line: Line) -> set[str]:
        """The addresses of the first rung that has any, in small letters."""
        if self.book.contacts is None:
            return set()
        for rung in line.to:
            key = case.account.get("reseller") if rung == "reseller" else case.account["key"]
            found = {
                contact["email"].lower()
                for contact in self.book.contacts.get(str(key), ())
                if reached(contact, case.script)
                and (rung in ("any", "reseller") or contact.get("role") == rung)
            }
            if found:
                return found
        return set()

    def _check_mails(self, case: Case, walk: Walk, mails: list[Row]) -> None:
        """What must hold for the mails of a walk, whichever they should have been."""
        mails.sort(key=lambda row: (datetime.fromisoformat(row["at"]), row["due_on"]))
        for before, row in pairwise(mails):
            days = [
                civil(datetime.fromisoformat(mail["at"]), walk.calendar.zone)
                for mail in (before, row)
            ]
            if days[0] == days[1]:
                self.object(
                    "same-day", row, f"the second mail on {days[0]}, after {before['step']}"
                )
            if row["due_on"] < before["due_on"] and case.script.late != "all" and not walk.redated:
                said = f"due {row['due_on']}, sent after {before['step']}, which is due later"
                self.object("order", row, said)

    def _check_nothing(self, case: Case, row: Row) -> None:
        done = [
            outcome
            for walk in case.walks
            for outcome in walk.outcomes.values()
            if outcome.done and outcome.day and self.first <= outcome.day <= self.last
            if self.reaches(case, outcome.line)
        ]
        outside = {
            walk.first_act is None for walk in case.walks if walk.ended is None or walk.first_act
        }
        if done:
            self.object("nothing", row, f"gets nothing, it says; expected {_told(done[0])}")
        elif not row.get("reason"):
            self.object("reason", row, "gets nothing, without a reason")
        elif len(outside) == 1 and outside != {row["reason"] == "not-in-audience"}:
            where = "outside" if outside == {True} else "inside"
            self.object(
                "reason", row, f"gets nothing: {row['reason']}, but it is {where} the audience"
            )

    def check_slots(self) -> None:
        """One account, one slot."""
        for key, uses in self.slots.items():
            usual = Counter(slot for slots, _ in uses for slot in slots).most_common(1)[0][0]
            for slots, row in uses:
                if usual not in slots:
                    said = f"{_said(row)}: slot {min(slots)}, while account {key} has slot {usual}"
                    self.object("slot", row, said)


def reached(contact: Mapping[str, Any], script: Script) -> bool:
    """Whether mail of this class may go to a contact."""
    if not contact.get("email"):
        return False
    return script.mail_class == "contractual" or not contact.get("opt_out")


def _said(row: Row) -> str:
    reason = f" ({row['reason']})" if row.get("reason") else ""
    return f"{row.get('decision')}{reason} at {row.get('at')}"


def _told(outcome: Outcome) -> str:
    if outcome.verdict is None:
        return "no decision yet"
    if outcome.done:
        return f"sent on {outcome.day:%a %d %b %Y} (due {outcome.due})"
    return f"{outcome.verdict[0]} ({outcome.verdict[1]}), due {outcome.due}"
