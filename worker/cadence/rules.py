"""What a walk does and when: the pure heart of the engine. ``docs/rules.md`` says it in prose.

``decide`` looks at one walk at one moment. The engine calls it when a walk is due, the ledger
calls it again before a mail leaves, and ``foresee`` calls it over and over to see what will come:
there is one judge, so that what is announced is what happens.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from worker.cadence.facts import Planned, Walk
from worker.schedules.calendar import SLOT
from worker.schedules.model import Step


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
    if due:
        resolved, again = _resolve(walk, due, coming, now)
        settled += resolved
    if coming:
        coming_at = min(item.opens_at for item in coming) + walk.slot * SLOT
        again = min(again, coming_at) if again else coming_at
    return Verdict(tuple(settled), again)


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
        elif item.day == today:
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
        if item.due_on <= walk.anchor_on < today:
            passed += _passed(walk, [item], "skipped", "no-open-moment")
        elif now > _valid_until(walk, item):
            passed += _passed(walk, [item], "skipped", "too-late")
        elif item.step.mails and mail_today:
            passed += _passed(walk, [item], "superseded", "same-day")
        else:
            chosen.append(item)
    return chosen, passed


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
    start = max(item.opens_at + walk.slot * SLOT, walk.first_act_at)
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


def foresee(walk: Walk, now: datetime, until: datetime) -> list[Decision]:
    """All decisions of ``walk`` from ``now`` to ``until``, if nothing changes.

    A step that would be done carries ``planned`` and its moment; ``until`` is not included.
    """
    out: list[Decision] = []
    moment: datetime | None = now
    while moment is not None and moment < until:
        verdict = decide(walk, moment)
        out += verdict.decisions
        walk = advanced(walk, verdict.decisions, moment)
        moment = verdict.next_at
    return out


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
