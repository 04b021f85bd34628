"""The small languages of a schedule: offsets, hours, spans of days, names of days.

Each function takes what stands in the file and returns the model's value, or raises a finding
that says what was expected and what to write instead.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from datetime import time
from typing import Any

from worker.config.validation import Finding, UnfitError, not_a, one_of, shown
from worker.config.values import zone_name
from worker.kernel.errors import did_you_mean
from worker.schedules.model import Offset, Span, Unit

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MOST = {"days": 3650, "business days": 2600, "weeks": 520, "months": 120}  # ten years
_OFFSET = re.compile(
    r"(?P<count>\d{1,9}) (?P<business>business )?(?P<unit>day|week|month)s? (?P<side>before|after)"
)
_SPAN = re.compile(r"(?P<count>\d{1,9}) (?P<business>business )?(?P<unit>day|week)s?")
_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def text(read: Callable[[str], Any]) -> Callable[[object], Any]:
    """Makes ``read`` refuse what is no text; a value that was read before passes as it is."""

    def check(value: object) -> Any:
        if isinstance(value, str):
            return read(value)
        if isinstance(value, bool | int | float | list | dict):
            raise not_a("type", "text", "put it in quotes")
        return value

    return check


def offset(said: str) -> Offset:
    """``60 days before``, ``2 business days after``, ``on the day``."""
    if said == "on the day":
        return Offset(0, "days", "on")
    found = _OFFSET.fullmatch(said)
    if not found or (found["business"] and found["unit"] != "day"):
        raise not_a("offset", "an offset", _offset_hint(said))
    unit: Unit = "business days" if found["business"] else _plural(found["unit"])
    count = int(found["count"])
    if count == 0:
        raise not_a("offset", "an offset of at least one day", "write 'on the day'")
    if count > _MOST[unit]:
        raise not_a("offset", "an offset of at most ten years", f"at most {_MOST[unit]} {unit}")
    return Offset(count, unit, "before" if found["side"] == "before" else "after")


def _plural(unit: str) -> Unit:
    return {"day": "days", "week": "weeks"}.get(unit, "months")  # type: ignore[return-value]  # the pattern admits no other


def _offset_hint(said: str) -> str:
    if re.match(r"\s*[-−+]", said):
        return "write e.g. '7 days before' or '7 days after', without a sign"
    if re.search(r"business\s+(week|month)", said):
        return "business days are counted in days, e.g. '5 business days before'"
    if re.fullmatch(r"\d+ (business )?(day|week|month)s?", said):
        return f"write '{said} before' or '{said} after'"
    return "write e.g. '7 days before'"


def span(most: int, *, business: bool) -> Callable[[str], Span]:
    """A reader of ``3 days``, ``2 weeks`` and, if allowed, ``2 business days``; 1 to ``most``."""
    hint = "write e.g. '3 days' or '2 weeks'"
    hint = "write e.g. '2 business days' or '1 week'" if business else hint

    def read(said: str) -> Span:
        found = _SPAN.fullmatch(said)
        worked = bool(found and found["business"])
        if not found or (worked and (not business or found["unit"] != "day")):
            raise not_a("span", "a number of days", hint)
        days = int(found["count"]) * (7 if found["unit"] == "week" else 1)
        if not 1 <= days <= most:
            raise not_a("span", f"between 1 and {most} days long", hint)
        return Span(days, "business days" if worked else "days")

    return read


def months(said: str) -> int:
    """``6 months`` or ``1 year``, as months: 1 to 120."""
    found = re.fullmatch(r"(\d{1,4}) (month|year)s?", said)
    hint = "write e.g. '6 months' or '1 year'"
    if not found:
        raise not_a("span", "a number of months", hint)
    count = int(found[1]) * (12 if found[2] == "year" else 1)
    if not 1 <= count <= _MOST["months"]:
        raise not_a("span", "between 1 month and 10 years long", hint)
    return count


def within(low: float, high: float, what: str) -> Callable[[object], Any]:
    """A reader of a number from ``low`` to ``high``; ``what`` says what it is."""

    def read(value: object) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise not_a("type", what, "write it without quotes", got=shown(value))
        if not low <= value <= high:
            raise not_a("range", what, f"it has to be from {low:g} to {high:g}", got=shown(value))
        return value

    return read


def hours(said: str) -> tuple[time, time]:
    """``09:00-17:00``: two times of one day, at least an hour apart."""
    found = _HOURS.fullmatch(said)
    if not found:
        hint = "write two times of the clock, e.g. '09:00-17:00'"
        if said.endswith("-24:00"):
            hint = f"write '{said[:-5]}23:59' for a window until midnight"
        raise not_a("hours", "a window of hours", hint)
    opens, closes = time(int(found[1]), int(found[2])), time(int(found[3]), int(found[4]))
    if opens >= closes:
        hint = f"write '{closes:%H:%M}-{opens:%H:%M}'; a window cannot span midnight"
        raise not_a("hours", "a window that opens before it closes", hint)
    if minutes(closes) - minutes(opens) < 60:
        hint = "the first hour of the window is used to spread mails"
        raise not_a("hours", "a window of at least one hour", hint)
    return opens, closes


def minutes(moment: time) -> int:
    """Minutes since midnight."""
    return moment.hour * 60 + moment.minute


def days(value: object) -> object:
    """``["mon", "tue"]`` → ``{0, 1}``, Monday is 0."""
    if isinstance(value, frozenset):
        return value
    named = words(DAYS, empty="a list of days")(value)
    return frozenset(DAYS.index(day) for day in named)


def words(known: tuple[str, ...], *, empty: str = "") -> Callable[[object], tuple[str, ...]]:
    """A reader of a list of ``known`` words, in order; with ``empty`` it refuses an empty one."""

    def read(value: object) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        if not isinstance(value, list):
            raise not_a("type", "a list", f'put it in brackets, e.g. ["{known[0]}"]')
        if not value and empty:
            raise not_a("empty", empty, f'write e.g. ["{known[0]}"]', got="an empty list")
        wrong = [
            one_of(word, known)._replace(at=(number,))
            for number, word in enumerate(value)
            if word not in known
        ]
        wrong += [
            Finding("twice", f"{shown(word)} is named twice", got="", at=(number,))
            for number, word in enumerate(value)
            if word in value[:number]
        ]
        if wrong:
            raise UnfitError(*wrong)
        return tuple(value)

    return read


def zone_or_account(said: str) -> str:
    """``account`` or the name of a zone."""
    return said if said == "account" else zone_name(said)


def whose_holidays(said: str) -> str:
    """``account``, ``none``, or a country whose holidays are known."""
    if said in ("account", "none"):
        return said
    near = did_you_mean(said, ("account", "none")) if len(said) > 3 else ""
    if re.fullmatch(r"[a-z]{2}", said):
        near = f"write {said.upper()!r}"
    if not re.fullmatch(r"[A-Z]{2}", said) or not _has_holidays(said):
        hint = near or 'write an ISO 3166 code such as \'PL\', or "account" or "none"'
        raise not_a("holidays", "a country whose holidays are known", hint)
    return said


def _has_holidays(country: str) -> bool:
    import holidays  # half a second: only for a schedule that names a country

    try:
        holidays.country_holidays(country, years=2027)
    except NotImplementedError:
        return False
    return True


def identifier(said: str) -> str:
    """A name that others refer to: lower-case letters, digits and dashes."""
    if len(said) <= 64 and _NAME.fullmatch(said):
        return said
    plain = unicodedata.normalize("NFKD", said.lower().replace("ł", "l"))
    letters = "".join(sign for sign in plain if not unicodedata.combining(sign))
    tidy = "-".join(re.findall(r"[a-z0-9]+", letters))[:64].strip("-")
    hint = f"write e.g. {tidy!r}" if tidy else "write e.g. 'heads-up'"
    raise not_a("name", "a name of lower-case letters, digits and dashes", hint)


def line(most: int) -> Callable[[str], str]:
    """A reader of a text on one line that says something and is no longer than ``most``."""

    def read(said: str) -> str:
        if not said.strip():
            raise not_a("blank", "a text that says something")
        if any(ord(sign) < 32 or sign in "\x7f\x85\u2028\u2029" for sign in said):
            raise not_a("line", "a text on one line", "remove the line break")
        if len(said) > most:
            raise not_a("too-long", f"at most {most} characters long", f"it has {len(said)}")
        return said

    return read
