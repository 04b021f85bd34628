"""One licence, lived through day by day: every morning asks what the page of rules says.

Nothing is computed ahead. A day is spent moment by moment (something becomes known; the hour of
the client's mails comes; a stopped worker returns), and at each of them the steps without a
decision are looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from tests.oracle.days import ONE, Calendar, civil
from tests.oracle.hands import Hold, Waiting
from tests.oracle.life import Event, Picture, first_moment
from tests.oracle.script import Line, Script, admits

HOUR = timedelta(hours=1)
Verdict = tuple[str, str | None]


@dataclass
class Outcome:
    """What must have become of a step, or has to be accepted.

    ``verdict`` is decision and reason, ``also`` others that the rules bear as well. ``done``: a
    mail or task at a moment from ``earliest`` to ``latest`` of ``day``; ``on_time``: at the
    account's own slot. ``due`` is the date before any shift, ``planned`` the one after.
    """

    line: Line
    verdict: Verdict | None  # None: nothing has been decided yet
    due: date
    planned: date | None
    also: set[Verdict] = field(default_factory=set)
    day: date | None = None
    earliest: datetime | None = None
    latest: datetime | None = None
    on_time: bool = False
    optional: bool = False  # the row may be missing

    @property
    def done(self) -> bool:
        return self.verdict == ("sent", None)


@dataclass
class Walk:
    """One term of one licence walking one schedule."""

    number: int
    picture: Picture
    seen: datetime
    calendar: Calendar
    first_act: datetime | None = None  # None: not yet in the audience
    parked: bool = False
    ended: datetime | None = None
    redated: bool = False
    undone: dict[int, tuple[Line, date, date]] = field(default_factory=dict)
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    mailed_on: date | None = None
    holds: dict[int, Hold] = field(default_factory=dict)  # by a step's place
    earliest: date = date.max  # the first planned day of what is undone

    @property
    def awake(self) -> bool:
        return self.ended is None and not self.parked and self.first_act is not None


class Life:
    """A licence under one schedule. ``spend`` lives through it; ``walks`` then tells."""

    def __init__(
        self,
        script: Script,
        pictures: Sequence[Picture],
        calendar_of: Callable[[Picture], Calendar],
        slot: int,
        applied: datetime,
        outages: Sequence[tuple[datetime, datetime]] = (),
        hands: Sequence[Event] = (),
    ) -> None:
        self.script, self.pictures, self.calendar_of, self.slot = (
            script,
            pictures,
            calendar_of,
            slot,
        )
        self.applied, self.outages, self.hands = applied, outages, hands
        self.walks: list[Walk] = []
        self.calendar = calendar_of(pictures[0])

    @property
    def walk(self) -> Walk | None:
        return self.walks[-1] if self.walks else None

    def spend(self, last: date) -> list[Walk]:
        """Lives until the end of ``last``; returns the walks of all terms."""
        coming = list(self.pictures)
        day = wake = civil(coming[0].since, self.calendar.zone)
        while day <= last:
            if day >= wake:
                self._spend_day(day, coming)
                wake = self._next_news(day, coming)
            day += ONE
        for walk in self.walks:
            self._leave_open(walk)
        return self.walks

    def _next_news(self, day: date, coming: Sequence[Picture]) -> date:
        """Until this day every morning is as uneventful as the last."""
        zone = self.calendar.zone
        news = [civil(picture.since, zone) for picture in coming[:1]]
        news += [back for _, until in self.outages if (back := civil(until, zone)) > day]
        news += [touched for at, *_ in self.hands if (touched := civil(at, zone)) > day]
        if self.walk and self.walk.awake:
            news.append(self.walk.earliest)
        return min(news, default=date.max)

    def _spend_day(self, day: date, coming: list[Picture]) -> None:
        night = first_moment(day + ONE, self.calendar.zone)
        looks = [until for _, until in self.outages]
        if self.calendar.is_open(day):
            looks.append(self.calendar.moment(day, self.slot))
        hands = [event for event in self.hands if civil(event[0], self.calendar.zone) == day]
        looks += [event[0] for event in hands]
        marks: list[tuple[datetime, int, Any]] = [(look, 2, None) for look in looks]
        marks += [(event[0], 1, event) for event in hands]
        while coming and coming[0].since < night:
            known = coming.pop(0)
            marks.append((known.since, 0, known))
        for moment, order, news in sorted(marks, key=lambda mark: mark[:2]):
            if order == 0:
                self._learn(news)
            elif order == 1:
                self._touch(news)
                continue
            if self._may_act(day, moment):
                self._look(day, moment)

    def _may_act(self, day: date, moment: datetime) -> bool:
        walk = self.walk
        if not (walk and walk.awake and self.calendar.is_open(day)):
            return False
        if any(down <= moment < until for down, until in self.outages):
            return False
        opens, closes = self.calendar.window(day)
        return opens <= moment < closes

    # What people do by hand

    def _touch(self, event: Event) -> None:
        moment, kind, data = event
        walk = self.walk
        lines = [line for line in self.script.lines if line.id == data["step"]]
        if not (walk and walk.awake and lines):
            return
        (line,) = lines
        if kind == "lift":
            self._lift(walk, line, moment)
        elif line.place in walk.undone and kind == "take-over":
            walk.holds.pop(line.place, None)
            self._decide(walk, line, ("suppressed", "taken-over"))
        elif line.place in walk.undone:
            walk.holds[line.place] = Hold.until(data["until"], self.calendar, self.slot)

    def _lift(self, walk: Walk, line: Line, moment: datetime) -> None:
        taken = walk.outcomes.get(line.place)
        if taken and taken.verdict == ("suppressed", "taken-over"):
            del walk.outcomes[line.place]
            walk.undone[line.place] = (line, taken.due, taken.planned or taken.due)
        elif line.place not in walk.holds:
            return
        walk.holds[line.place] = Hold.lifted(moment, self.calendar, self.slot)
        walk.earliest = min(walk.earliest, walk.undone[line.place][2])

    # What becomes known

    def _learn(self, picture: Picture) -> None:
        self.calendar = self.calendar_of(picture)
        walk = self.walk
        if walk is None or walk.number != picture.number:
            if walk and walk.ended is None:
                self._end(walk, "renewed", picture.since)
            walk = Walk(picture.number, picture, picture.since, self.calendar)
            self.walks.append(walk)
            walk.undone = {line.place: (line, date.min, date.min) for line in self.script.lines}
        if walk.ended is None and picture.status != "active":
            self._end(walk, picture.status, picture.since)
        if walk.ended is None:
            self._consider(walk, picture)

    def _consider(self, walk: Walk, picture: Picture) -> None:
        moved = (picture.expires_on, picture.starts_on) != (
            walk.picture.expires_on,
            walk.picture.starts_on,
        )
        walk.redated |= moved or self.calendar is not walk.calendar
        walk.picture, walk.calendar = picture, self.calendar
        if not admits(self.script, picture.licence, picture.account):
            walk.parked = True
            return
        if walk.parked or walk.first_act is None:
            walk.parked = False
            walk.first_act = max(picture.since, self.applied)
        self._set_dates(walk)

    def _set_dates(self, walk: Walk) -> None:
        picture, seen_on = walk.picture, civil(walk.seen, self.calendar.zone)
        expired = seen_on > picture.expires_on
        for line, *_ in list(walk.undone.values()):
            due, planned = self.calendar.plan(picture.expires_on, line.when)
            walk.undone[line.place] = (line, due, planned or due)
            reasons = [
                ("before-term", picture.starts_on is not None and due <= picture.starts_on),
                ("no-open-moment", planned is None),
                ("history", expired and not walk.redated and (planned or due) < seen_on),
            ]
            found = [("skipped", reason) for reason, true in reasons if true]
            if found:
                self._decide(walk, line, *found)
        walk.earliest = min((day for _, _, day in walk.undone.values()), default=date.max)

    def _end(self, walk: Walk, reason: str, moment: datetime) -> None:
        walk.ended = moment
        today = civil(moment, walk.calendar.zone)
        for outcome in walk.outcomes.values():
            if not outcome.done and max(outcome.due, outcome.planned or outcome.due) >= today:
                outcome.also.add(("cancelled", reason))
        never_walked = walk.first_act is None
        for line, _, planned in list(walk.undone.values()):
            if never_walked:
                due, shifted = walk.calendar.plan(walk.picture.expires_on, line.when)
                walk.undone[line.place] = (line, due, shifted or due)
            waiting = [
                ("skipped", "too-late"),
                ("skipped", "no-open-moment"),
                ("superseded", "later-step"),
            ]
            also = waiting if planned < today and not never_walked else []
            self._decide(walk, line, ("cancelled", reason), *also)
            optional = walk.parked or never_walked or moment <= self.applied
            walk.outcomes[line.place].optional = optional

    def _leave_open(self, walk: Walk) -> None:
        for line, due, planned in walk.undone.values():
            if walk.first_act is not None:
                walk.outcomes[line.place] = Outcome(line, None, due, planned, optional=True)

    # What is decided

    def _decide(self, walk: Walk, line: Line, verdict: Verdict, *also: Verdict) -> None:
        _, due, planned = walk.undone.pop(line.place)
        walk.outcomes[line.place] = Outcome(line, verdict, due, planned, set(also))
        walk.earliest = min((day for _, _, day in walk.undone.values()), default=date.max)

    def _do(self, walk: Walk, line: Line, day: date, moment: datetime) -> None:
        planned = walk.undone[line.place][2]
        self._decide(walk, line, ("sent", None))
        outcome = walk.outcomes[line.place]
        regular = self.calendar.moment(day, self.slot)
        opens = self.calendar.window(day)[0]
        assert walk.first_act is not None
        outcome.day, outcome.on_time = day, planned == day and moment == regular
        outcome.earliest = max(opens, walk.first_act) if moment == regular else moment
        outcome.latest = (opens if moment == regular else moment) + HOUR
        if line.kind == "email":
            walk.mailed_on = day

    def _look(self, day: date, moment: datetime) -> None:
        walk = self.walk
        assert walk
        lines = sorted(walk.undone.values(), key=lambda item: (item[1], item[0].place))
        waiting = Waiting(walk.holds, self.calendar, self.slot, walk.picture.expires_on)
        for line, verdict in list(waiting.hopeless(walk, lines, day, moment, self.script)):
            self._decide(walk, line, verdict)
        lines = [item for item in lines if item[0].place in walk.undone]
        back = waiting.over(lines, moment)
        lines = [item for item in lines if not waiting.keeps(item)]
        own = [line for line, _, planned in lines if planned == day]
        late = [line for line, _, planned in lines if planned < day]
        come = moment >= self.calendar.moment(day, self.slot)
        back = list(self._meeting_conditions(walk, back))
        if not come and any(line.kind == "email" for line in own):
            for line in [line for line in back if line.kind == "email"]:
                self._decide(walk, line, ("superseded", "same-day"))
                back.remove(line)
        if come:
            own = list(self._meeting_conditions(walk, own))
        if self.script.late == "skip":
            for line in late:
                self._decide(walk, line, ("skipped", "late"))
        elif self.script.late == "latest":
            self._latest(walk, late, bool(own or back), day, moment)
        left = sorted(walk.undone.values(), key=lambda item: (item[1], item[0].place))
        going = [line for line, *_ in left if line in back or (come and line in own)]
        self._on_time(walk, going, day, moment)
        if self.script.late == "all":
            own_mail = any(line.kind == "email" for line in [*own, *back])
            self._all(walk, late, own_mail, day, moment)

    def _meeting_conditions(self, walk: Walk, lines: Sequence[Line]) -> Iterator[Line]:
        facts = set(walk.picture.licence.get("facts", ()))
        if any(outcome.done and outcome.line.kind == "task" for outcome in walk.outcomes.values()):
            facts.add("task-open")
        for line in lines:
            if facts & line.unless or (line.only_if and not facts & line.only_if):
                self._decide(walk, line, ("skipped", "condition"))
            else:
                yield line

    def _on_time(self, walk: Walk, own: Sequence[Line], day: date, moment: datetime) -> None:
        mails = [line for line in own if line.kind == "email"]
        for line in own:
            if line.kind != "email":
                self._do(walk, line, day, moment)
            elif line is not mails[-1]:
                self._decide(walk, line, ("superseded", "same-day"))
            elif walk.mailed_on != day:
                self._do(walk, line, day, moment)

    def _latest(
        self, walk: Walk, late: Sequence[Line], company: bool, day: date, moment: datetime
    ) -> None:
        for line in late if company else late[:-1]:
            self._decide(
                walk, line, ("superseded", "later-step"), *self._hindrances(walk, line, day, moment)
            )
        if late and not company:
            self._act_late(walk, late[-1], day, moment)

    def _all(
        self, walk: Walk, late: Sequence[Line], mail_today: bool, day: date, moment: datetime
    ) -> None:
        for line in reversed(late):
            if line.kind == "email" and mail_today:
                hindrances = self._hindrances(walk, line, day, moment)
                self._decide(walk, line, *(hindrances or [("superseded", "same-day")]))
                continue
            self._act_late(walk, line, day, moment)
            if line.kind == "email" and line.place in walk.outcomes:
                mail_today = walk.outcomes[line.place].done or mail_today

    def _act_late(self, walk: Walk, line: Line, day: date, moment: datetime) -> None:
        hindrances = self._hindrances(walk, line, day, moment)
        if hindrances:
            self._decide(walk, line, *hindrances)
        elif line.kind == "email" and walk.mailed_on == day:
            return  # another day
        elif list(self._meeting_conditions(walk, [line])):
            self._do(walk, line, day, moment)

    def _hindrances(self, walk: Walk, line: Line, day: date, moment: datetime) -> list[Verdict]:
        _, due, planned = walk.undone[line.place]
        assert walk.first_act is not None
        start = max(self.calendar.moment(planned, self.slot), walk.first_act)
        found: list[Verdict] = []
        if moment > self.calendar.valid_until(start, self.script.valid_days):
            found.append(("skipped", "too-late"))
        if due <= walk.picture.expires_on < day:
            found.append(("skipped", "no-open-moment"))
        return found
