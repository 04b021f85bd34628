"""The arithmetic of reports. Pure: counts and sums in, figures out; ``docs/report.md`` says it in
prose.

Shares and their intervals are in ``kernel/estimates.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from decimal import Decimal

from worker.kernel.dates import Period

CENT = Decimal("0.01")


def gross_rate(pairs: Iterable[tuple[Decimal, Decimal]]) -> Decimal | None:
    """Σ min(final, target) / Σ target over pairs of target and final; what grew does not make up
    for what shrank. Empty where no target is above 0."""
    pairs = list(pairs)
    target = sum((target for target, _ in pairs), Decimal(0))
    return sum((min(pair) for pair in pairs), Decimal(0)) / target if target > 0 else None


def net_rate(pairs: Iterable[tuple[Decimal, Decimal]]) -> Decimal | None:
    """Σ final / Σ target over pairs of target and final; may be above 1."""
    pairs = list(pairs)
    target = sum((target for target, _ in pairs), Decimal(0))
    return sum((final for _, final in pairs), Decimal(0)) / target if target > 0 else None


def median(counts: Mapping[int, int]) -> float | None:
    """The median of whole numbers, given as number -> how often; of two middle ones the mean."""
    size = sum(counts.values())
    if not size:
        return None
    lower, upper = (_nth(counts, place) for place in ((size - 1) // 2, size // 2))
    return (lower + upper) / 2


def _nth(counts: Mapping[int, int], place: int) -> int:
    for number in sorted(counts):
        place -= counts[number]
        if place < 0:
            return number
    raise IndexError(place)


def money(cents: int) -> Decimal:
    """Whole cents as an amount."""
    return (Decimal(cents) / 100).quantize(CENT)


def last_full_months(today: date, months: int = 12) -> Period:
    """The ``months`` calendar months that ended before the month of ``today``."""
    last = today.replace(day=1) - timedelta(days=1)
    years, month = divmod(last.year * 12 + last.month - months, 12)
    return Period(date(years, month + 1, 1), last)


def months_of(period: Period) -> list[str]:
    """Every month that the period touches, in order: ``2026-11``."""
    first, last = (day.year * 12 + day.month - 1 for day in (period.first, period.last))
    return [f"{month // 12:04}-{month % 12 + 1:02}" for month in range(first, last + 1)]
