"""Values of JSON, SQL and Excel as the text that a CSV file would hold for them."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from worker.sources.contract import DateCell

_LONGEST = 30  # digits; a number beyond them is told as it came


def text_of(value: Any, point: str = ".") -> str:
    """A value as text; ``point`` is the decimal sign that the source declares.

    Integers have no point, fractions no trailing zeros: a number of that type is never ambiguous.
    Nothing is blank; a moment counts by the date that it shows.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, int | float | Decimal):
        return _number(value).replace(".", point)
    if isinstance(value, dt.date):  # a moment is one, too
        return DateCell.of(value.date() if isinstance(value, dt.datetime) else value)
    if isinstance(value, list | tuple):
        return ", ".join(text_of(each, point) for each in value)
    return "" if value is None else str(value)


def _number(value: float | Decimal) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _float(value)
    return _decimal(value) if isinstance(value, Decimal) else str(value)


def _float(value: float) -> str:
    """As Excel shows it: up to 15 digits."""
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.15g}"


def _decimal(value: Decimal) -> str:
    if not value.is_finite() or abs(value.adjusted()) > _LONGEST:
        return str(value)
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
