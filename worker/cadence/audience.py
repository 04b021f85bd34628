"""Who a schedule is for. Any one table suffices; inside a table every condition must hold."""

from __future__ import annotations

from collections.abc import Mapping
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
