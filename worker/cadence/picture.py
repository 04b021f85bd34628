"""Pictures of a rehearsal, drawn as SVG: a calendar of days as a heat map, and bars.

The pictures hold numbers, dates and fixed words only, never a word from the book, so that they may
stand in a page as they are. Their colours are the classes of ``STYLE``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from worker.kernel.dates import Period

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

# One hue in five steps: light to dark on white, dark to light on black.
STYLE = """\
:root{--ink:#17222e;--soft:#536271;--line:#c9d2db;--paper:#fff;--q0:#eef1f4;--q1:#c5dff2;
--q2:#8fc0e3;--q3:#4f97cc;--q4:#226ca8;--q5:#0c3f70;--mark:#b4560b}
@media (prefers-color-scheme:dark){
:root{--ink:#e6ecf2;--soft:#a5b3c1;--line:#3a4754;--paper:#12181f;
--q0:#212a33;--q1:#1d4466;--q2:#27659a;--q3:#3f8bc8;--q4:#7ab6e6;--q5:#c6e3fb;--mark:#ffb066}}
.q0{fill:var(--q0)}.q1{fill:var(--q1)}.q2{fill:var(--q2)}.q3{fill:var(--q3)}.q4{fill:var(--q4)}
.q5{fill:var(--q5)}.busiest{stroke:var(--mark);stroke-width:2}
.month{fill:none;stroke:var(--soft);stroke-width:1;stroke-linejoin:round;opacity:.55}
.calendar text{fill:var(--soft);font:12px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
.calendar .year{fill:var(--ink);font-weight:600}
"""

_BANDS = 5
_STRIP_WEEKS = 54  # up to here a period is drawn as one strip; beyond, a strip for each year
_LABELS = 42  # the width of the column of weekdays
_TOP = 22  # the height of the line of months
_BETWEEN = 16  # the space between two strips
_WIDTH = 960  # what a strip fills where it can


@dataclass(frozen=True, slots=True)
class DayCount:
    """What goes out on one civil day: mails to clients, tasks for people."""

    day: date
    mails: int
    tasks: int

    @property
    def total(self) -> int:
        return self.mails + self.tasks


@dataclass(frozen=True, slots=True)
class Band:
    """One shade of the heat map: days with ``low`` to ``high`` mails and tasks."""

    level: int
    low: int
    high: int

    def __str__(self) -> str:
        return f"{self.low:,}" if self.low == self.high else f"{self.low:,}–{self.high:,}"


@dataclass(frozen=True, slots=True)
class Calendar:
    """A drawn calendar. ``labels`` stands still beside ``grid`` when that scrolls sideways."""

    labels: str
    grid: str
    width: int
    height: int
    legend: tuple[Band, ...]


@dataclass(frozen=True, slots=True)
class _Strip:
    """Weeks side by side, from the Monday ``start``; days outside ``period`` stay empty."""

    year: int
    start: date
    period: Period

    @property
    def weeks(self) -> int:
        return (self.period.last - self.start).days // 7 + 1

    def place(self, day: date) -> tuple[int, int]:
        """Column and row of ``day``, both from 0."""
        week, weekday = divmod((day - self.start).days, 7)
        return week, weekday


def every_day(period: Period) -> Iterator[date]:
    """The days of ``period``, in order."""
    for ahead in range((period.last - period.first).days + 1):
        yield period.first + timedelta(days=ahead)


def counted(number: int, noun: str) -> str:
    """``1 mail``, ``2,310 mails``."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def day_name(day: date) -> str:
    """``Tue 14 Mar 2006``, whatever the machine's language."""
    return f"{WEEKDAYS[day.weekday()]} {day.day} {MONTHS[day.month - 1]} {day.year}"


def volume(count: DayCount) -> str:
    """``37 mails, 2 tasks``; what is not there is not named."""
    parts = [(count.mails, "mail"), (count.tasks, "task")]
    return ", ".join(counted(number, noun) for number, noun in parts if number) or "nothing"


def bands(totals: Iterable[int]) -> tuple[Band, ...]:
    """Nothing, then at most five shades in equal ratios from the least busy day to the busiest.

    Ratios, since days of renewals differ by factors: a few month ends outweigh the other days.
    """
    busy = [total for total in totals if total > 0]
    if not busy:
        return (Band(0, 0, 0),)
    low, high = min(busy), max(busy)
    lows = {low}
    for step in range(1, _BANDS):
        lows.add(min(high, max(low, _rounded(low * (high / low) ** (step / _BANDS)))))
    edges = [*sorted(lows), high + 1]
    # Few shades are spread over the whole scale, so that two of them differ at a glance.
    last = len(edges) - 2
    shades = [
        Band(_BANDS - (last - place) * (_BANDS - 1) // max(last, 1), edge, edges[place + 1] - 1)
        for place, edge in enumerate(edges[:-1])
    ]
    return (Band(0, 0, 0), *shades)


def _rounded(value: float) -> int:
    """To two digits, as a person would write a limit: 251 becomes 250."""
    unit = int(10 ** max(0, len(str(int(value))) - 2))
    return round(value / unit) * unit


def calendar(
    days: Mapping[date, DayCount], period: Period, link: Callable[[date], str] | None = None
) -> Calendar:
    """Draws ``period``: a row for each weekday, a column for each week, a year below the other.

    ``link`` gives the address, fit for an attribute, that the square of a busy day leads to. Days
    of ``period`` that ``days`` leaves out are days with nothing. A period of up to 54 weeks is one
    strip, even across New Year; a longer one has a strip for each calendar year, January
    under January.
    """
    strips = _strips(period)
    pitch = min(30, max(17, _WIDTH // max(strip.weeks for strip in strips)))
    tall = _TOP + 7 * pitch + _BETWEEN
    counts = {day: days.get(day, DayCount(day, 0, 0)) for day in every_day(period)}
    legend = bands(count.total for count in counts.values())
    busiest = max(counts.values(), key=lambda count: count.total, default=None)
    grid, labels = [], []
    width = 0
    for nth, strip in enumerate(strips):
        names = _month_labels(strip)
        width = max(width, strip.weeks * pitch, *(at * pitch + 8 * len(name) for at, name in names))
        shift = f'<g transform="translate(0 {nth * tall})">'
        marked = busiest.day if busiest and busiest.total else None
        cells = "".join(
            _linked(_cell(strip, counts[day], pitch, legend, day == marked), counts[day], link)
            for day in every_day(strip.period)
        )
        grid.append(f"{shift}{_texts(names, pitch)}{cells}{_month_lines(strip, pitch)}</g>")
        labels.append(f"{shift}{_row_labels(strip.year, pitch)}</g>")
    height = len(strips) * tall - _BETWEEN + 2
    return Calendar("".join(labels), "".join(grid), width + 2, height, legend)


def _strips(period: Period) -> list[_Strip]:
    start = period.first - timedelta(days=period.first.weekday())
    whole = _Strip(period.first.year, start, period)
    if whole.weeks <= _STRIP_WEEKS:
        return [whole]
    strips = []
    for year in range(period.first.year, period.last.year + 1):
        january = date(year, 1, 1)
        part = Period(max(period.first, january), min(period.last, date(year, 12, 31)))
        strips.append(_Strip(year, january - timedelta(days=january.weekday()), part))
    return strips


def _month_labels(strip: _Strip) -> list[tuple[int, str]]:
    """Column and name of each month; a January after the strip's first year bears its year."""
    found = []
    for day in every_day(strip.period):
        if day.day == 1 or day == strip.period.first:
            name = MONTHS[day.month - 1]
            if day.month == 1 and day.year != strip.year:
                name += f" {day.year}"
            found.append((strip.place(day)[0], name))
    if len(found) > 1 and found[1][0] - found[0][0] < 2:
        del found[0]  # no room for the name of a month that has only its last days here
    return found


def _texts(names: list[tuple[int, str]], pitch: int) -> str:
    return "".join(f'<text x="{at * pitch + 1}" y="13">{name}</text>' for at, name in names)


def _row_labels(year: int, pitch: int) -> str:
    rows = "".join(
        f'<text x="0" y="{_TOP + row * pitch + pitch // 2 + 3}">{name}</text>'
        for row, name in enumerate(WEEKDAYS)
    )
    return f'<text class="year" x="0" y="13">{year}</text>{rows}'


def _cell(
    strip: _Strip, count: DayCount, pitch: int, legend: tuple[Band, ...], busiest: bool
) -> str:
    week, weekday = strip.place(count.day)
    level = max(band.level for band in legend if band.low <= count.total)
    look = f"q{level} busiest" if busiest else f"q{level}"
    return (
        f'<rect class="{look}" data-day="{count.day.isoformat()}" x="{week * pitch + 2}"'
        f' y="{_TOP + weekday * pitch + 1}" width="{pitch - 3}" height="{pitch - 3}" rx="2">'
        f"<title>{day_name(count.day)}: {volume(count)}</title></rect>"
    )


def _linked(cell: str, count: DayCount, link: Callable[[date], str] | None) -> str:
    """The square of a day as a link. Who walks by keyboard takes those of the table below."""
    if link is None or not count.total:
        return cell
    said = f"{day_name(count.day)}: {volume(count)}"
    return f'<a href="{link(count.day)}" aria-label="{said}" tabindex="-1">{cell}</a>'


def _month_lines(strip: _Strip, pitch: int) -> str:
    """A line before the first day of each month, down its column and round the corner."""
    path = []
    for day in every_day(strip.period):
        week, weekday = strip.place(day)
        if day.day == 1 and day != strip.period.first:
            x, top, bottom = week * pitch + 0.5, _TOP - 0.5, _TOP + 7 * pitch - 0.5
            corner = f"M{x + pitch} {top}V{top + weekday * pitch}H{x}" if weekday else f"M{x} {top}"
            path.append(f"{corner}V{bottom}")
    return f'<path class="month" d="{"".join(path)}"/>' if path else ""


def bar(done: int, undone: int, longest: int) -> str:
    """A bar of two parts, as long as ``done + undone`` is of ``longest``; it fills its line."""
    scale = 1000 / max(longest, 1)
    first = max(4.0, done * scale) if done else 0.0
    second = max(4.0, undone * scale) if undone else 0.0
    return (
        '<svg class="bar" viewBox="0 0 1000 14" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="done" x="0" y="0" width="{first:.1f}" height="14"/>'
        f'<rect class="undone" x="{first:.1f}" y="0" width="{second:.1f}" height="14"/></svg>'
    )


def standalone(days: Mapping[date, DayCount], period: Period) -> str:
    """The calendar with its legend as an SVG file of its own, for a page that shows images."""
    drawn = calendar(days, period)
    width, height = drawn.width + _LABELS + 24, drawn.height + 60
    legend = []
    x = _LABELS
    for band in drawn.legend:
        legend.append(
            f'<rect class="q{band.level}" x="{x}" y="-11" width="14" height="14" rx="2"/>'
            f'<text x="{x + 20}" y="0">{band}</text>'
        )
        x += 40 + 8 * len(str(band))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="calendar" role="img"'
        f' viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
        f"<title>Mails and tasks a day, {day_name(period.first)} to {day_name(period.last)}</title>"
        f"<style>{STYLE}.ground{{fill:var(--paper)}}</style>"
        f'<rect class="ground" width="{width}" height="{height}" rx="6"/>'
        f'<g transform="translate(12 12)">{drawn.labels}</g>'
        f'<g transform="translate({12 + _LABELS} 12)">{drawn.grid}</g>'
        f'<g transform="translate(12 {height - 16})">{"".join(legend)}'
        f'<text x="{x + 8}" y="0">mails and tasks a day</text></g></svg>\n'
    )
