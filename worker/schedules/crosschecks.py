"""What is wrong with a schedule as a whole, although each line may be right by itself.

Looks at the raw data and passes over what has the wrong shape, so that these findings come
together with those about single values.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any

from worker.config.validation import Finding, UnfitError
from worker.kernel.dates import zone, zone_names
from worker.kernel.toml import Path_
from worker.schedules import words
from worker.schedules.kinds import survey
from worker.schedules.kinds.contract import Found, listed
from worker.schedules.kinds.table import KINDS, NOUNS
from worker.schedules.model import Offset
from worker.schedules.shape import TRIGGERS

_OF_TRIGGERS = {
    "every": "relationship-review",
    "at_least_score": "account-dormant",
    "at_least_stake": "account-dormant",
    "lanes": "account-dormant",
    "per_week": "account-dormant",
    "pause": "account-dormant",
}
"""Keys that belong to one trigger."""
_NO_BEFORE = {
    "licence-renewed": "'3 business days after'",
    "account-dormant": "'on the day'",
    "survey-answered": "'on the day'",
}
"""Triggers whose day is not known before it is there, and what to write instead."""
_OF_LICENCES = ("licence-expiry", "notice-deadline", "licence-renewed")
_KEYS = {name: tuple(kind.keys.model_fields) for name, kind in KINDS.items()}


def check(data: Mapping[str, Any], templates: Collection[str] | None) -> Found:
    """All findings, each with the path it is about; ``templates=None`` leaves them unchecked."""
    trigger = data.get("trigger")
    if isinstance(trigger, str):
        yield from _trigger(trigger, data)
    yield from _audience(data.get("audience"), str(trigger))
    yield from _calendar(_table(data.get("calendar")))
    steps = data.get("steps")
    if steps == []:
        yield ("steps",), Finding("empty", "a schedule has at least one step", "add [[steps]]")
    if isinstance(steps, list):
        tables = [(number, step) for number, step in enumerate(steps) if isinstance(step, dict)]
        for number, step in tables:
            yield from _step(number, step, templates)
        yield from _same_ids(tables)
        yield from _same_moments(tables)
        yield from survey.of_schedule(data.get("class"), tables)
        yield from _speaks_of_licences(data.get("class"), str(trigger), tables)
        if isinstance(trigger, str) and trigger in _NO_BEFORE:
            yield from _nothing_before(tables, trigger)


def notes(data: Mapping[str, Any]) -> Found:
    """What is accepted and has no effect."""
    limits = _table(data.get("limits"))
    if "gather" in limits and limits.get("group_by") != "contact":
        said = "licences are gathered only where group_by is 'contact'"
        yield ("limits", "gather"), Finding("note", said)


def _table(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _not_yet(what: str, instead: str) -> Finding:
    return Finding("not-yet", f"{what} does not run in this release", instead)


def _trigger(trigger: str, data: Mapping[str, Any]) -> Found:
    if trigger == "relationship-review" and "every" not in data:
        hint = 'add e.g. every = "6 months"'
        yield ("trigger",), Finding("range", "a 'relationship-review' says how often", hint)
    for key, owner in _OF_TRIGGERS.items():
        if key in data and trigger in TRIGGERS and trigger != owner:
            said = f"{key!r} belongs to the trigger {owner!r}; this is {trigger!r}"
            yield (key,), Finding("unknown-key", said, "remove it")


def _audience(audience: object, trigger: str) -> Found:
    for number, table in enumerate(audience if isinstance(audience, list) else []):
        for field in table if isinstance(table, dict) else ():
            yield from _unknown_there(number, str(field), trigger)
        if table == {}:
            said = "an empty table would match everybody"
            hint = "add a condition, or remove all [[audience]] tables"
            yield ("audience", number), Finding("empty", said, hint)


def _unknown_there(number: int, field: str, trigger: str) -> Found:
    """A field that the subjects of a trigger do not have."""
    if trigger not in TRIGGERS:
        return
    if field.startswith("licence.") and trigger not in _OF_LICENCES:
        said = f"{field!r} is of a licence, and {trigger!r} is about none"
        yield ("audience", number, field), Finding("range", said, "use account.* fields")
    if field.startswith("answer.") and trigger != "survey-answered":
        said = f"{field!r} is of an answer; only 'survey-answered' is about one"
        yield ("audience", number, field), Finding("range", said, "use account.* fields")


def _nothing_before(steps: list[tuple[int, Any]], trigger: str) -> Found:
    """After a renewal there is no "before": it is not known until it is there."""
    for number, step in steps:
        offset = _offset(step.get("when"))
        if offset and offset[2] == "before":
            said = f"a step of {trigger!r} comes on the day or after it"
            hint = f"write e.g. {_NO_BEFORE[trigger]}"
            yield ("steps", number, "when"), Finding("range", said, hint)


def _speaks_of_licences(mail_class: object, trigger: str, steps: list[tuple[int, Any]]) -> Found:
    """A contractual mail that speaks of no licence must not exist: it would be blocked."""
    mails = any("email" in step for _, step in steps)
    about_none = trigger in TRIGGERS and trigger not in _OF_LICENCES
    if mails and about_none and mail_class == "contractual":
        said = f"a contractual mail speaks of a licence, and {trigger!r} is about none"
        yield ("class",), Finding("kind", said, 'write class = "commercial"')


def _step(number: int, step: Mapping[str, Any], templates: Collection[str] | None) -> Found:
    here = ("steps", number)
    kinds = [kind for kind in NOUNS if kind in step]
    if not kinds:
        hint = 'add e.g. email = "renewal/heads-up" or task = "Call about the renewal"'
        yield here, Finding("kind", "a step needs one of email, survey, task or webhook", hint)
    if len(kinds) > 1:
        said = f"a step does one thing; this one has {', '.join(kinds)}"
        yield here, Finding("kind", said, "make a [[steps]] of its own for each")
    for kind in kinds:
        for path, finding in KINDS[kind].check(step, templates):
            yield (*here, *path), finding
    if len(kinds) == 1:
        yield from _strangers(here, step, kinds[0])
    both = [word for word in listed(step.get("unless")) if word in listed(step.get("only_if"))]
    if both:
        said = f"{both[0]!r} stands in unless and in only_if: the step would never be done"
        yield (*here, "only_if"), Finding("range", said, "remove one of the two")


def _strangers(here: Path_, step: Mapping[str, Any], kind: str) -> Found:
    """Keys that belong to steps of other kinds."""
    for key in sorted({key for keys in _KEYS.values() for key in keys} - {*NOUNS}):
        owners = [name for name, keys in _KEYS.items() if key in keys]
        if key in step and kind not in owners:
            said = f"{key!r} belongs to {' or '.join(owners)} steps; this step is {NOUNS[kind]}"
            yield (*here, key), Finding("kind", said, "remove it")


def _same_ids(steps: list[tuple[int, Any]]) -> Found:
    first: dict[str, int] = {}
    for number, step in steps:
        name = step.get("id")
        if not isinstance(name, str):
            continue
        if name in first:
            said = f"steps[{first[name]}] is called {name!r} too"
            hint = "give each step an id of its own"
            yield ("steps", number, "id"), Finding("twice", said, hint)
        first.setdefault(name, number)


def _same_moments(steps: list[tuple[int, Any]]) -> Found:
    dated = [(number, step, _offset(step.get("when"))) for number, step in steps]
    for place, (number, step, moment) in enumerate(dated):
        for earlier, other, its_moment in dated[:place]:
            if moment is not None and moment == its_moment and _same_people(step, other):
                said = f"steps[{earlier}] goes to the same people at the same moment"
                hint = "move one of them, or give them different roles"
                yield ("steps", number, "when"), Finding("twice", said, hint)
                break


def _offset(when: object) -> tuple[int, str, str] | None:
    if not isinstance(when, str):
        return None
    try:
        offset: Offset = words.offset(when)
    except UnfitError:
        return None
    if offset.unit == "weeks":
        return offset.count * 7, "days", offset.side
    return offset.count, offset.unit, offset.side


def _same_people(step: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return any(
        name in step and name in other and kind.meet(step, other) for name, kind in KINDS.items()
    )


def _calendar(calendar: Mapping[str, Any]) -> Found:
    """A window whose first hour, when mails are spread, is one that summer time leaves out."""
    hours, name = calendar.get("hours"), calendar.get("timezone", "account")
    if not isinstance(hours, str):
        return
    try:
        opens, closes = words.hours(hours)
    except UnfitError:
        return
    gap = None
    if name == "account" and opens < time(4):
        gap = "in some zones the clock skips this hour when summer time begins"
    elif isinstance(name, str) and name in zone_names() and opens < time(4):
        day = _skipped_on(name, opens, closes)
        gap = f"in {name} the clock skips this hour on {day}" if day else None
    if gap:
        hint = f"{gap}; open later, e.g. '09:00-17:00'"
        expected = "a window whose first hour exists on every day"
        yield ("calendar", "hours"), Finding("dst", expected, hint, repr(hours))


@lru_cache(maxsize=64)
def _skipped_on(name: str, opens: time, closes: time) -> date | None:
    """The first day from 2026 to 2037 on which part of the first hour, or the close, is skipped."""
    tz, day = zone(name), date(2026, 1, 1)
    first = [words.minutes(opens) + step for step in range(0, 60, 15)]
    while day.year < 2038:
        noon = datetime.combine(day, time(12), tz)
        if noon.utcoffset() != (noon - timedelta(days=1)).utcoffset() and any(
            not _exists(datetime.combine(day, time(minute // 60, minute % 60), tz))
            for minute in (*first, words.minutes(closes))
        ):
            return day
        day += timedelta(days=1)
    return None


def _exists(moment: datetime) -> bool:
    there = moment.astimezone(UTC).astimezone(moment.tzinfo)
    return there.replace(tzinfo=None) == moment.replace(tzinfo=None)
