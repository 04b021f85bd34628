"""Who a schedule is for. Any one table suffices; inside a table every condition must hold."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from fnmatch import fnmatchcase

from worker.schedules.model import Condition


def matches(tables: tuple[tuple[Condition, ...], ...], fields: Mapping[str, object]) -> bool:
    """Whether ``fields`` (``licence.amount``, ``account.segment`` …) satisfy an audience.

    No table at all means everybody.
    """
    return not tables or any(all(holds(line, fields) for line in table) for table in tables)


def holds(condition: Condition, fields: Mapping[str, object]) -> bool:
    """Whether one condition holds. A field without a value satisfies only ``not`` and ``set``.

    A field with several values (tags) satisfies a condition when any of them does; ``not`` when
    none does.
    """
    value = fields.get(condition.field)
    values: list[object] = list(value) if isinstance(value, list | tuple) else [value]
    values = [item for item in values if item is not None and item != ""]
    if condition.is_set is not None:
        return bool(values) == condition.is_set
    if condition.none_of is not None:
        return not any(item in condition.none_of for item in values)
    return any(_one(condition, item) for item in values)


def _one(condition: Condition, value: object) -> bool:
    if condition.any_of is not None:
        return value in condition.any_of
    if condition.like is not None:
        return fnmatchcase(str(value).casefold(), condition.like.casefold())
    number = float(value)  # type: ignore[arg-type]  # the loader admits these on numbers only
    low = condition.at_least is None or number >= condition.at_least
    return low and (condition.at_most is None or number <= condition.at_most)


def why_not(tables: tuple[tuple[Condition, ...], ...], fields: Mapping[str, object]) -> str:
    """The first condition of each table that does not hold, in words: ``licence.amount is 289,
    asked is at least 300``. Empty when some table holds."""
    if matches(tables, fields):
        return ""
    missed = (next(line for line in table if not holds(line, fields)) for table in tables)
    return "; or ".join(dict.fromkeys(_said(line, fields.get(line.field)) for line in missed))


def _said(condition: Condition, value: object) -> str:
    told = f"{value:f}" if isinstance(value, Decimal) else str(value)
    if value in (None, "", []):
        told = "empty"
    return f"{condition.field} is {told}, asked is {_asked(condition)}"


def _asked(condition: Condition) -> str:
    if condition.is_set is not None:
        return "any value" if condition.is_set else "no value"
    if condition.any_of is not None:
        return " or ".join(map(str, condition.any_of))
    if condition.none_of is not None:
        return "not " + " or ".join(map(str, condition.none_of))
    if condition.like is not None:
        return f"like {condition.like}"
    low = f"at least {condition.at_least}" if condition.at_least is not None else ""
    high = f"at most {condition.at_most}" if condition.at_most is not None else ""
    return " and ".join(filter(None, (low, high)))
