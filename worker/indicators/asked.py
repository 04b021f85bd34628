"""What the indicators are counted of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from worker.indicators.rules import back
from worker.kernel.dates import Period

GROUPS = ("segment", "country", "account-manager", "channel")
"""How clients may be split, by what the book says of them today. ``channel`` tells resellers, their
clients and direct clients apart."""

QUARTERS = 8
"""So many quarters of the past are told."""


@dataclass(frozen=True, slots=True)
class Costs:
    """What one mail and one task of a person cost, in cents of ``currency``; ``None``: not said."""

    currency: str
    mail: float | None
    task: float | None


@dataclass(frozen=True, slots=True)
class Asked:
    """The period, the split, the discount a year (0.1 is 10 %), and what contacts cost."""

    period: Period
    by: str | None = None
    discount: float = 0.1
    costs: Costs = Costs("", None, None)

    @property
    def year(self) -> Period:
        """The year that ends with the period."""
        return Period(self.year_ago + timedelta(days=1), self.period.last)

    @property
    def year_ago(self) -> date:
        return back(self.period.last, 12)

    @property
    def quarter(self) -> Period:
        """The 91 days that end with the period."""
        return Period(self.period.last - timedelta(days=90), self.period.last)

    @property
    def quarters(self) -> list[date]:
        """The last day, and the same day of each quarter before it: a year is four of them."""
        return [back(self.period.last, 3 * number) for number in range(QUARTERS + 4)]


def usual_period(today: date, months: int) -> Period:
    """So many months up to today: the first day is the one on which the change begins."""
    return Period(back(today, months), today)
