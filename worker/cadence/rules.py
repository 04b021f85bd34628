"""What a walk does and when: the pure heart of the engine. ``docs/rules.md`` says it in prose.

``decide`` looks at one walk at one moment. The engine calls it when a walk is due, the ledger
calls it again before a mail leaves: there is one judge. ``gather`` says which licences may travel
in a mail that leaves before their own day.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

from worker.cadence.facts import Planned, Walk
from worker.schedules.calendar import DAY, SLOT
from worker.schedules.model import Step

HELD, TAKEN_OVER = "held-by-person", "taken-over"
"""Why a step waits, or waited, for a person; why a person does it instead of the machine."""

FOR_EVER = datetime(9000, 1, 1, tzinfo=UTC)
"""The end of a hold that has none: it stands until it is lifted."""

_OUT = frozenset({"planned", "waiting", "sent", "unknown"})
"""Decisions about a mail that left, or may leave."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of one step. ``planned`` means: do it now (or, foreseen, at ``at``)."""

    step: Step
    decision: str
    reason: str | None
    due_on: date
    at: datetime
    valid_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Decisions that hold now, and when to look again (``None``: never)."""

    decisions: tuple[Decision, ...]
    next_at: datetime | None


def decide(walk: Walk, now: datetime) -> Verdict:
    """What to do about ``walk`` at ``now``, and when to look again."""
    done = walk.done
    undone = [item for item in walk.line.of(walk.anchor_on) if item.step.id not in done]
    if walk.put_off:
        undone = [_as_put_off(walk, item) for item in undone]
    if walk.rests_until:
        undone = [_rested(walk, item, walk.rests_until) for item in undone]
    if walk.left:
        return Verdict(tuple(_passed(walk, undone, "cancelled", walk.left)), None)
    opened = now - walk.slot * SLOT  # windows that were open by then have come to this walk's slot
    wary = _has_hopeless(walk, undone)
    settled: list[Decision] = []
    due: list[Planned] = []
    coming: list[Planned] = []
    for item in undone:
        reason = _never(walk, item) if wary or item.day is None else None
        if reason:
            decision = "superseded" if reason == "new-step" else "skipped"
            settled += _passed(walk, [item], decision, reason)
        elif item.opens_at <= opened:
            due.append(item)
        else:
            coming.append(item)
    again: datetime | None = None
    if walk.stopped:
        settled, due = [*settled, *_passed(walk, due, "suppressed", walk.stopped)], []
    if due:
        resolved, again = _resolve(walk, due, coming, now)
        settled += resolved
    if coming:
        coming_at = min(item.opens_at for item in coming) + walk.slot * SLOT
        again = min(again, coming_at) if again else coming_at
    return Verdict(tuple(settled), again)


def _as_put_off(walk: Walk, item: Planned) -> Planned:
    """A step that has to wait falls on the day until which it was put off."""
    until = walk.put_off.get(item.step.id)
    own, spread = item.opens_at + walk.slot * SLOT, walk.slot * SLOT
    if until is None:
        return item
    if item.step.id in walk.held:
        return item if until < own else _as_held(walk, item, until - spread)
    if until <= own:
        return item  # a correction has moved its own day beyond the wait
    day = walk.line.calendar.today(until)
    return replace(item, day=day, opens_at=until - spread, first_at=item.first_at or item.opens_at)


def _as_held(walk: Walk, item: Planned, opens_at: datetime) -> Planned:
    """A step that a person held falls on the moment at which the hold ends, and is valid from then.

    One that is due on or before the anchor is looked at on the day after it, however long the hold:
    there is no going any more, and that must be said.
    """
    if item.due_on <= walk.edge:
        opens_at = min(opens_at, walk.line.calendar.opens_at(walk.edge + DAY))
    day = walk.line.calendar.today(opens_at)
    return replace(item, day=day, opens_at=opens_at, first_at=opens_at)


def _rested(walk: Walk, item: Planned, until: date) -> Planned:
    """A mail whose day comes before the one until which the client asked us to rest falls on that
    day: of several the last goes. None of them crosses the anchor on that account."""
    if not item.step.mails or item.day is None or item.day >= until:
        return item
    calendar = walk.line.calendar
    opening = calendar.next_opening(calendar.closes_at(until - DAY), walk.slot)
    day = calendar.today(opening) if opening else None
    if item.due_on <= walk.edge and (day is None or day > walk.edge):
        day = calendar.land(walk.edge, walk.edge)
    if day is None or day <= item.day:
        return item
    return replace(item, day=day, opens_at=calendar.opens_at(day), first_at=None)


def _has_hopeless(walk: Walk, undone: Sequence[Planned]) -> bool:
    """Whether ``_never`` may have something to say: once a walk is on its way it seldom has."""
    begun, starts_on = walk.first_act_at, walk.starts_on
    return (
        (starts_on is not None and bool(undone) and undone[0].due_on <= starts_on)
        or walk.anchor_on <= begun.date()
        or max(walk.steps_since.values(), default=begun) > begun
    )


def _never(walk: Walk, item: Planned) -> str | None:
    """Why this step can never be done, whatever the hour; ``None`` when it can."""
    if walk.starts_on and item.due_on <= walk.starts_on:
        return "before-term"
    if item.day is None:
        return "no-open-moment"
    if walk.anchor_on <= walk.first_act_at.date() and _is_history(walk, item):
        return "history"
    since = walk.steps_since.get(item.step.id)
    if since and item.opens_at + walk.slot * SLOT <= since and walk.first_act_at < since:
        return "new-step"
    return None


def _resolve(
    walk: Walk, due: list[Planned], coming: list[Planned], now: datetime
) -> tuple[list[Decision], datetime | None]:
    """Settles the steps whose moment has come; the second value says when to look again."""
    _, today, is_open = walk.line.at(now)
    if not is_open:
        opening = walk.line.calendar.next_opening(now, walk.slot)
        if opening:
            return [], opening
        return _passed(walk, due, "skipped", "no-open-moment"), None
    out: list[Decision] = []
    fresh: list[Planned] = []
    late: list[Planned] = []
    for item in due:
        if not _condition_holds(item.step, walk.happened):
            out += _passed(walk, [item], "skipped", "condition")
        elif _overtaken(walk, item):
            out += _passed(walk, [item], "superseded", "later-step")
        elif item.first_at and _expired(walk, item, today, now):
            why = HELD if _was_held(walk, item) else _expired(walk, item, today, now)
            out += _passed(walk, [item], "skipped", why or "")
        elif _was_held(walk, item) and item.step.mails and _mails_on(coming, today):
            out += _passed(walk, [item], "superseded", "same-day")
        elif item.day == today or _was_held(walk, item):
            fresh.append(item)
        else:
            late.append(item)
    chosen: list[Planned] = []
    if late:
        of_today = [*fresh, *(item for item in coming if item.day == today)]
        chosen, passed = _choose_late(walk, late, of_today, today, now)
        out += passed
    going, again = _one_mail_a_day(walk, fresh, chosen, today)
    return out + _carry_out(walk, going, chosen, today, now), again


def _was_held(walk: Walk, item: Planned) -> bool:
    """Whether the step waited for a person: it is not late on that account."""
    return item.first_at is not None and item.step.id in walk.held


def _mails_on(items: Iterable[Planned], today: date) -> bool:
    """Whether a mail of these is to go on that day."""
    return any(item.step.mails and item.day == today for item in items)


def _overtaken(walk: Walk, item: Planned) -> bool:
    """Whether a later mail of the walk left while this one had to wait: it would come after it."""
    since = walk.overtaken_by.get(item.step.id)
    if not since or not item.step.mails:
        return False
    here = (item.due_on, item.place)
    return any(
        other.step.id in since and other.step.mails and walk.done.get(other.step.id) in _OUT
        for other in walk.line.of(walk.anchor_on)
        if (other.due_on, other.place) > here
    )


def _is_history(walk: Walk, item: Planned) -> bool:
    """A step that was late already when its term, over by then, was first seen."""
    first_day = walk.line.calendar.today(walk.first_act_at)
    return walk.anchor_on < first_day and item.day is not None and item.day < first_day


def _choose_late(
    walk: Walk, late: list[Planned], of_today: list[Planned], today: date, now: datetime
) -> tuple[list[Planned], list[Decision]]:
    """Which late steps are done now, and what becomes of the others (``[limits] late``)."""
    mode = walk.line.schedule.limits.late
    if mode == "skip":
        return [], _passed(walk, late, "skipped", "late")
    if mode == "latest" and of_today:
        return [], _passed(walk, late, "superseded", "later-step")
    wanted = late if mode == "all" else late[-1:]
    passed = _passed(walk, late[: len(late) - len(wanted)], "superseded", "later-step")
    mail_today = any(item.step.mails for item in of_today)
    chosen: list[Planned] = []
    for item in wanted:
        expired = _expired(walk, item, today, now)
        if expired:
            passed += _passed(walk, [item], "skipped", expired)
        elif item.step.mails and mail_today:
            passed += _passed(walk, [item], "superseded", "same-day")
        else:
            chosen.append(item)
    return chosen, passed


def _expired(walk: Walk, item: Planned, today: date, now: datetime) -> str | None:
    """Why a step whose own day is over makes no sense any more; ``None`` while it does."""
    if item.due_on <= walk.edge < today:
        return "no-open-moment"
    return "too-late" if now > _valid_until(walk, item) else None


def _one_mail_a_day(
    walk: Walk, fresh: list[Planned], chosen: list[Planned], today: date
) -> tuple[list[Planned], datetime | None]:
    """The steps that go, in order. After a mail today, other mails wait for the next opening."""
    going = sorted([*chosen, *fresh], key=lambda item: (item.due_on, item.place))
    if today not in walk.mailed_on or all(not item.step.mails for item in going):
        return going, None
    calendar = walk.line.calendar
    tomorrow = calendar.next_opening(calendar.closes_at(today), walk.slot)
    return [item for item in going if not item.step.mails], tomorrow


def _carry_out(
    walk: Walk, going: list[Planned], late: list[Planned], today: date, now: datetime
) -> list[Decision]:
    """Decisions to act; of several mails only the last goes."""
    mails = [item for item in going if item.step.mails]
    out = _passed(walk, mails[:-1], "superseded", "same-day")
    for item in going:
        if item in mails[:-1]:
            continue
        due_on = today if item in late else item.due_on
        until = _valid_until(walk, item)
        out.append(Decision(item.step, "planned", None, due_on, now, until))
    return out


def _valid_until(walk: Walk, item: Planned) -> datetime:
    start = max((item.first_at or item.opens_at) + walk.slot * SLOT, walk.first_act_at)
    return walk.line.valid_until(start)


def _passed(walk: Walk, items: Iterable[Planned], decision: str, reason: str) -> list[Decision]:
    """The same decision not to act, for several steps."""
    spread = walk.slot * SLOT
    return [
        Decision(item.step, decision, reason, item.due_on, item.opens_at + spread) for item in items
    ]


def _condition_holds(step: Step, happened: frozenset[str]) -> bool:
    wanted = not step.only_if or step.only_if & happened
    return bool(wanted) and not step.unless & happened


def gather(walk: Walk, step_id: str, first_due: date, days: int, now: datetime) -> Decision | None:
    """The same step of another licence, pulled into a mail that leaves ``now``.

    ``first_due`` is the earliest due date in that mail; the window spans ``days`` civil days of
    due dates from there. Nothing is pulled across its anchor or its term's start, past an undone
    step of its own walk, or onto a day on which the walk mails anyway. ``None``: not pulled.
    """
    undone = [item for item in walk.line.of(walk.anchor_on) if item.step.id not in walk.done]
    if walk.left or walk.stopped or not undone or undone[0].step.id != step_id:
        return None
    item, today = undone[0], walk.line.at(now).today
    if walk.rests_until and today < walk.rests_until:
        return None
    if not first_due <= item.due_on <= first_due + timedelta(days=days):
        return None
    if step_id in walk.held or not _may_come_early(walk, item, today) or _never(walk, item):
        return None
    busy = today in walk.mailed_on or any(o.day == today and o.step.mails for o in undone[1:])
    if busy or not _condition_holds(item.step, walk.happened):
        return None
    return Decision(item.step, "planned", None, item.due_on, now, _valid_until(walk, item))


def _may_come_early(walk: Walk, item: Planned, today: date) -> bool:
    if item.day is None:
        return False
    same_side = (item.due_on <= walk.edge) == (today <= walk.edge)
    begun = walk.starts_on is None or walk.starts_on < today
    return item.day >= today and same_side and begun


def advanced(walk: Walk, decisions: Iterable[Decision], moment: datetime) -> Walk:
    """``walk`` as it stands once ``decisions`` have been carried out at ``moment``."""
    done = dict(walk.done)
    mailed, happened = set(walk.mailed_on), set(walk.happened)
    for decision in decisions:
        done[decision.step.id] = decision.decision
        if decision.decision == "planned" and decision.step.mails:
            mailed.add(walk.line.calendar.today(moment))
        elif decision.decision == "planned" and decision.step.kind == "task":
            happened.add("task-open")
    return replace(walk, done=done, mailed_on=frozenset(mailed), happened=frozenset(happened))
