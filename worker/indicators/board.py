"""What a report of indicators consists of, whatever it is about: figures, and sections that each
have a picture, its words and the table behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from worker.cadence.picture import day_name
from worker.kernel.dates import Period
from worker.kernel.estimates import Estimate
from worker.reports import picture, words
from worker.reports.figures import Figure
from worker.reports.rules import money

_NARROW = 7

Row = dict[str, object]
Table = list[Row]
"""Rows of one shape with plain values: text, whole numbers, amounts, shares, days."""


class Share(float):
    """A share of 1: people read it as per cent, programs as the number that it is."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A line of a picture: its name, what is drawn (SVG; empty: nothing to draw), its value and
    what is said below."""

    name: str
    drawn: str
    value: str
    told: str


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a page. ``name`` is that of its table as a file; ``axis`` names points of a scale
    below the bars; ``legend`` has a class of the picture and what it means."""

    name: str
    title: str
    hint: str
    table: Table
    bars: Sequence[Bar] = ()
    drawn: str = ""
    axis: Sequence[str] = ()
    legend: Sequence[tuple[str, str]] = ()

    @property
    def is_wide(self) -> bool:
        """Whether the values need more room than a share does."""
        return any(len(bar.value) > _NARROW for bar in self.bars)


@dataclass(frozen=True, slots=True)
class Tile:
    """A figure that stands out: what it is, how sure, and its value."""

    label: str
    told: str
    value: str


@dataclass(frozen=True, slots=True)
class Board:
    """One report, ready to be shown, told or written to files."""

    name: str
    title: str
    lead: str
    period: Period
    figures: Sequence[Figure]
    tiles: Sequence[Tile] = ()
    sections: Sequence[Section] = ()
    notes: Sequence[str] = ()
    exports: Mapping[str, Table] = field(default_factory=dict)

    @property
    def tables(self) -> dict[str, Table]:
        """Every table by the name of its file: those behind pictures, those that are only exported,
        and the figures; without those that have no row."""
        found = {section.name: section.table for section in self.sections}
        found |= self.exports
        found["figures"] = [figure.record(self.period) for figure in self.figures]
        return {name: rows for name, rows in found.items() if rows}


def cell(value: object) -> str:
    """A value as people read it."""
    if value is None or value == "":
        return "–"
    if isinstance(value, Share):
        return percent(value)
    if isinstance(value, int | float | Decimal):
        decimals = {int: 0, float: 1}.get(type(value), 2)
        return f"{value:,.{decimals}f}".replace("-", "−")
    return str(value)


def heading(name: str) -> str:
    """The name of a column as people read it."""
    return name.replace("_", " ").capitalize()


def amount(cents: float, currency: str) -> str:
    """Money as people read it, in whole units: ``12,340 GBP``."""
    return f"{cents / 100:,.0f} {words.currency_name(currency)}".replace("-", "−")


def exact(cents: float) -> Decimal:
    """Money as programs read it."""
    return money(round(cents))


def between(found: Estimate) -> str:
    """The interval of a share in words; nothing where there is none."""
    return " ".join(words.interval(found.low, found.high).split())


def percent(value: float | None) -> str:
    """A share in words."""
    return words.percent(value).strip()


def share(value: float | None) -> Share | None:
    """A share for a table."""
    return None if value is None else Share(value)


def share_row(found: Estimate, part: int, size: int, names: tuple[str, str]) -> Row:
    """The columns of a share: what it is of what, with its interval."""
    return {
        names[0]: part,
        names[1]: size,
        "share": share(found.value),
        "low": share(found.low),
        "high": share(found.high),
    }


def share_bar(name: str, found: Estimate, size: int, of: str) -> Bar:
    """A share as a line of a picture."""
    value, reach = percent(found.value), between(found)
    title = f"{name}: {value}, interval {reach}, {size:,} {of}"
    drawn = picture.whisker(title, found) if found.value is not None else ""
    told = f"{reach}, n = {size:,}" if reach else f"no {of}"
    return Bar(name, drawn, value, told)


def length_bar(
    name: str,
    size: float | None,
    most: float,
    value: str,
    told: str,
    *,
    title: str = "",
    kind: str = "late",
) -> Bar:
    """A size as a line of a picture, as long as it is of ``most``; of ``None`` nothing is drawn.

    ``title`` is what the bar says instead of its name and value, ``kind`` the class of its colour.
    """
    drawn = ""
    if size is not None:
        drawn = picture.bar(title or f"{name}: {value}", [(kind, round(size))], round(most))
    return Bar(name, drawn, value, told)


def share_figure(
    metric: str, group: str | None, found: Estimate, size: int, currency: str | None = None
) -> Figure:
    """A share for programs."""
    return Figure(metric, group, currency, found.value, found.low, found.high, size, "wilson")


def sum_figure(
    metric: str, group: str | None, currency: str | None, cents: float, size: int
) -> Figure:
    """A sum of money for programs."""
    return Figure(metric, group, currency, exact(cents), None, None, size, "sum")


def count_figure(metric: str, group: str | None, count: int, size: int) -> Figure:
    """A count for programs."""
    return Figure(metric, group, None, count, None, None, size, "count")


def named(group: str) -> str:
    """A group as people call it."""
    return group or "(none)"


def period_words(period: Period) -> str:
    """``from Mon 1 Jun 2026 to Tue 1 Sep 2026``."""
    return f"from {day_name(period.first)} to {day_name(period.last)}"


PERCENT_AXIS = ("0 %", "25 %", "50 %", "75 %", "100 %")
