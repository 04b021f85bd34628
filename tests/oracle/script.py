"""A schedule as the judge reads it: straight from its TOML, only what it needs."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal, InvalidOperation
from typing import Any

from tests.oracle.days import Hours

_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_OPERATORS = frozenset({"at_least", "at_most", "not", "like", "set"})


@dataclass(frozen=True)
class Line:
    """One step."""

    place: int
    id: str
    when: str
    kind: str
    to: tuple[str, ...]
    unless: frozenset[str]
    only_if: frozenset[str]


@dataclass(frozen=True)
class Script:
    """One schedule."""

    stem: str
    mail_class: str
    lines: tuple[Line, ...]
    audience: tuple[Mapping[str, Any], ...]
    zone: str
    country: str
    hours: Hours
    late: str
    valid_days: int

    @property
    def reach(self) -> int:
        """The longest offset in days, business days counted twice, months as 31."""
        return max(_length(line.when) for line in self.lines)


def read(text: str, stem: str) -> Script:
    """Reads the text of ``schedules/<stem>.toml``."""
    data = tomllib.loads(text)
    calendar, limits = data.get("calendar", {}), data.get("limits", {})
    return Script(
        stem=stem,
        mail_class=data.get("class", "contractual"),
        lines=tuple(_line(place, step) for place, step in enumerate(data["steps"])),
        audience=tuple(data.get("audience", ())),
        zone=calendar.get("timezone", "account"),
        country=calendar.get("holidays", "account"),
        hours=_hours(calendar),
        late=limits.get("late", "latest"),
        valid_days=_days(limits.get("valid_for", "3 days")),
    )


def _line(place: int, step: Mapping[str, Any]) -> Line:
    (kind,) = {"email", "task", "survey", "webhook"} & step.keys()
    return Line(
        place,
        step["id"],
        step["when"],
        kind,
        tuple(step.get("to", ("any",))),
        frozenset(step.get("unless", ())),
        frozenset(step.get("only_if", ())),
    )


def _hours(calendar: Mapping[str, Any]) -> Hours:
    opens, closes = (
        time.fromisoformat(word) for word in calendar.get("hours", "09:00-17:00").split("-")
    )
    days = calendar.get("days", _WEEKDAYS[:5])
    return Hours(
        opens,
        closes,
        frozenset(map(_WEEKDAYS.index, days)),
        frozenset(calendar.get("extra_holidays", ())),
        calendar.get("when_closed", "earlier"),
    )


def _days(text: str) -> int:
    count, unit = text.split()
    return int(count) * (7 if unit.startswith("week") else 1)


def _length(when: str) -> int:
    if when == "on the day":
        return 0
    factors = {"day": 1, "week": 7, "month": 31}
    factor = 2 if " business " in when else factors[when.split()[-2].rstrip("s")]
    return int(when.split(maxsplit=1)[0]) * factor


def admits(script: Script, licence: Mapping[str, Any], account: Mapping[str, Any]) -> bool:
    """Whether a licence is in the audience: any table, and all of its lines."""
    rows = {"licence": licence, "account": account}
    return not script.audience or any(
        all(
            _holds(wanted, rows[path.split(".")[0]].get(path.split(".")[1]))
            for path, wanted in table.items()
        )
        for table in map(_flat, script.audience)
    )


def _flat(table: Mapping[str, Any]) -> dict[str, Any]:
    """``licence = { auto_renew = false }`` says the same as ``"licence.auto_renew" = false``."""
    found: dict[str, Any] = {}
    for key, value in table.items():
        if "." in key:
            found[key] = value
        else:
            found |= {f"{key}.{field}": wanted for field, wanted in value.items()}
    return found


def _holds(wanted: Any, got: Any) -> bool:
    if not isinstance(wanted, dict):
        return _is_any(wanted, got)
    assert wanted.keys() <= _OPERATORS, wanted
    return all(_operator(name, value, got) for name, value in wanted.items())


def _operator(name: str, value: Any, got: Any) -> bool:
    if name == "set":
        return value is (got not in (None, "", []))
    if name == "not":
        return not _is_any(value, got)
    if got is None:
        return False
    if name == "like":
        pattern = re.escape(value).replace(r"\*", ".*").replace(r"\?", ".")
        return re.fullmatch(pattern, str(got), re.DOTALL) is not None
    amount, bound = _number(got), _number(value)
    if amount is None or bound is None:
        return False
    return amount >= bound if name == "at_least" else amount <= bound


def _is_any(wanted: Any, got: Any) -> bool:
    choices = wanted if isinstance(wanted, list) else [wanted]
    haves = got if isinstance(got, list) else [got]
    return any(_same(choice, have) for choice in choices for have in haves)


def _same(wanted: Any, got: Any) -> bool:
    if isinstance(wanted, bool) or isinstance(got, bool):
        return wanted is got
    if isinstance(wanted, int | float):
        return got is not None and _number(got) == _number(wanted)
    return bool(wanted == got)


def _number(value: Any) -> Decimal | None:
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return None


def as_date(value: date | str | None) -> date | None:
    """A date from a row: a date, ISO text, or nothing."""
    return date.fromisoformat(value) if isinstance(value, str) and value else value or None
