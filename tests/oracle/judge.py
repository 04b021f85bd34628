"""Compares what an engine did with what the page of rules says.

Shares no code with the engine: a book of plain rows, a schedule read from its TOML and the records
of decisions go in; disagreements in plain words come out.

The book is a dict: ``accounts`` (key, timezone, country, segment …), ``licences`` (key, account,
status, auto_renew, amount …), ``terms`` (licence, number, starts_on, expires_on, closed_on),
``contacts`` (account, email, role, opt_out; leave the key out and nobody checks addresses), and
``timezone`` and ``country`` for accounts that have none. Dates are dates or ISO text.

Events are ``(moment, kind, data)``, for runs in which the book changes by hand:

=========  ====================================================================================
add        ``account`` (a row, if new), ``licence`` (a row), ``terms``, ``contacts``: first seen now
renew      ``licence`` (its key), starts_on, expires_on, closed_on: the next term
correct    ``licence``, starts_on, expires_on: the current term has other dates
cancel     ``licence``, ``status`` ("cancelled" unless told otherwise)
change     ``licence`` or ``account`` (its key), ``fields``
fact       ``licence``, ``fact`` (clicked, answered …)
hold       ``licence``, ``step``, ``until`` (a day or ``None``): a person keeps the mail back
lift       ``licence``, ``step``: the hold ends, or a mail taken over is given back
take-over  ``licence``, ``step``: a person writes instead
apply      the schedule is applied now, not at the start
down       ``until``: nothing is decided from now until then
=========  ====================================================================================
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from tests.oracle.compare import SLOTS, Case, Comparison, Disagreement, Row
from tests.oracle.days import ONE, Calendar, civil
from tests.oracle.life import HANDS, Book, Event, Picture, index, pictures
from tests.oracle.script import Script, read
from tests.oracle.walk import Life, Walk

EVER = datetime(1900, 1, 1, tzinfo=UTC)


def load(path: Path) -> Script:
    """Reads a schedule from its file."""
    return read(path.read_text("utf-8"), path.stem)


def read_decisions(lines: Iterable[str]) -> list[dict[str, Any]]:
    """Decisions from JSON lines; blank lines do not count."""
    return [json.loads(line) for line in lines if line.strip()]


def judge(
    book: Mapping[str, Any],
    schedule: Script | Sequence[Script],
    decisions: Iterable[Row],
    first_day: date,
    last_day: date,
    events: Sequence[Event] = (),
    *,
    begins: datetime | None = None,
) -> list[Disagreement]:
    """All disagreements over the steps planned from ``first_day`` to ``last_day``.

    Without ``begins`` the run is a rehearsal: later terms are unknown until they were closed, and
    a warm-up precedes the first day. With it the run is a live one: what the book holds was seen,
    and the schedule applied, at that moment, and all else are events.
    """
    scripts = [schedule] if isinstance(schedule, Script) else list(schedule)
    court = Court(
        index(book, events), first_day, last_day, sorted(events, key=lambda e: e[0]), begins
    )
    rows = list(decisions)
    for script in scripts:
        court.hear(script, [row for row in rows if row.get("schedule") == script.stem])
    stems = {script.stem for script in scripts}
    for row in rows:
        if row.get("schedule") not in stems and row.get("decision") != "nothing":
            court.comparison.object(
                "phantom", row, f"no schedule {row.get('schedule')!r} was rehearsed"
            )
    court.comparison.check_slots()
    return court.comparison.found


class Court:
    """Hears one schedule after the other; ``comparison`` collects the disagreements."""

    def __init__(
        self, book: Book, first: date, last: date, events: Sequence[Event], begins: datetime | None
    ) -> None:
        self.book, self.first, self.last, self.begins = book, first, last, begins
        self.events: dict[str, list[Event]] = defaultdict(list)
        self.outages = [(moment, data["until"]) for moment, kind, data in events if kind == "down"]
        self.applied = max((moment for moment, kind, _ in events if kind == "apply"), default=None)
        for event in events:
            for key in _licences_of(event, book):
                self.events[key].append(event)
        self.comparison = Comparison(book, first, last)
        self.calendars: dict[tuple[str, str, str], Calendar] = {}

    def hear(self, script: Script, rows: Sequence[Row]) -> None:
        """Judges all decisions of one schedule."""
        by_licence: dict[str, list[Row]] = defaultdict(list)
        for row in rows:
            by_licence[str(row.get("licence"))].append(row)
        for key in by_licence.keys() - self.book.licences.keys():
            for row in by_licence[key]:
                self.comparison.object("phantom", row, "the book has no such licence")
        slots = self._usual_slots(script, rows)
        readings = {
            months: Comparison(self.book, self.first, self.last) for months in (True, False)
        }
        for key in self.book.licences:
            mine = by_licence.get(key, [])
            case = self.case(script, key, mine, slots, months=True)
            if not case.auto:
                self.comparison.compare(case)
                continue
            # How long a term is that opens by itself is told nowhere: in months or in days.
            readings[True].compare(case)
            readings[False].compare(self.case(script, key, mine, slots, months=False))
        self.comparison.merge(min(readings.values(), key=lambda reading: len(reading.found)))

    def calendar(self, script: Script, account: Mapping[str, Any]) -> Calendar:
        """The calendar that a schedule gives an account."""
        zone = script.zone if script.zone != "account" else self.book.zone_of(account)
        country = script.country if script.country != "account" else self.book.country_of(account)
        key = (script.stem, zone, "" if country == "none" else country)
        if key not in self.calendars:
            self.calendars[key] = Calendar(zone, key[2], script.hours)
        return self.calendars[key]

    def _usual_slots(self, script: Script, rows: Iterable[Row]) -> dict[str, int]:
        """The slot that each account seems to have: the one most of its mails went in."""
        votes: dict[str, Counter[int]] = defaultdict(Counter)
        for row in rows:
            account = self.book.accounts.get(str(row.get("account")))
            if row.get("decision") == "sent" and account and row.get("at"):
                at = datetime.fromisoformat(row["at"])
                calendar = self.calendar(script, account)
                since = at - calendar.moment(civil(at, calendar.zone), 0)
                votes[account["key"]][since // timedelta(minutes=10)] += 1
        return {key: max(SLOTS, key=lambda slot: found[slot]) for key, found in votes.items()}

    def case(
        self,
        script: Script,
        key: str,
        rows: Sequence[Row],
        slots: Mapping[str, int],
        *,
        months: bool,
    ) -> Case:
        """One licence: what must have become of it, and what did."""
        licence = self.book.licences[key]
        account = self.book.accounts[licence["account"]]
        begins = self.begins or self._warm_up(script)
        seen = pictures(
            self.book,
            key,
            begins,
            datetime.combine(self.last + 3 * ONE, time(0), UTC),
            self.events[key],
            replay=self.begins is None,
            months=months,
        )
        hands = [event for event in self.events[key] if event[1] in HANDS]
        slot = slots.get(licence["account"], 0)
        walks = self._live(script, seen, slot, begins, hands) if seen else []
        found: dict[tuple[int, str], list[Row]] = defaultdict(list)
        for row in rows:
            if row.get("decision") != "nothing":
                found[row["cycle"], row["step"]].append(row)
        nothing = [row for row in rows if row.get("decision") == "nothing"]
        auto = any(picture.by_itself for picture in seen)
        return Case(script, key, account, walks, found, nothing, auto)

    def _live(
        self,
        script: Script,
        seen: Sequence[Picture],
        slot: int,
        begins: datetime,
        hands: Sequence[Event],
    ) -> list[Walk]:
        applied, outages = begins, list(self.outages)
        if self.applied:
            applied = self.applied
            outages.append((EVER, applied))
        life = Life(
            script,
            seen,
            lambda picture: self.calendar(script, picture.account),
            slot,
            applied,
            outages,
            hands,
        )
        return life.spend(self.last + 2 * ONE)

    def _warm_up(self, script: Script) -> datetime:
        days = script.reach + script.valid_days + 31
        return datetime.combine(self.first - timedelta(days=days), time(0), UTC)


def _licences_of(event: Event, book: Book) -> Iterable[str]:
    _, kind, data = event
    if kind == "add":
        return [data["licence"]["key"]]
    if "licence" in data:
        return [data["licence"]]
    return [key for key, row in book.licences.items() if row["account"] == data.get("account")]
