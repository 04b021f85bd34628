"""Pictures of clients and money, drawn as SVG whose colours are those of the page's style sheet.

Words from the book are escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import log10

_WIDTH, _HEIGHT = 720, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 20, 700, 34, 376
_RADIUS = 5
_COLUMNS = 240
_BASE, _TALL = 200, 150


@dataclass(frozen=True, slots=True)
class Dot:
    """A client in the matrix: how sure it is to stay (0 to 1), cents of profit, its class, and what
    is said of it."""

    chance: float
    profit: int
    name: str
    told: str


def matrix(
    title: str, dots: Sequence[Dot], cut: tuple[float, float], corners: Sequence[tuple[str, str]]
) -> str:
    """Clients by chance of staying (to the right) and profit (upwards, each step ten times as
    much), with the lines ``cut`` (profit, chance) between the fields. ``corners`` are the words of
    the four fields: upper left, upper right, lower left, lower right; a name and what is in it."""
    x, y = _across(dots, cut[1]), _upwards(dots, cut[0])
    at = f"{x(cut[1]):.1f}"
    level = f"{y(cut[0]):.1f}"
    drawn = [
        f'<rect class="ground" x="{_LEFT}" y="{_TOP}" width="{_RIGHT - _LEFT}" '
        f'height="{_BOTTOM - _TOP}"/>',
        f'<line class="cut" x1="{at}" x2="{at}" y1="{_TOP}" y2="{_BOTTOM}"/>',
        f'<line class="cut" x1="{_LEFT}" x2="{_RIGHT}" y1="{level}" y2="{level}"/>',
        *(
            _dot(dot, _apart(place, x(dot.chance), x(cut[1])), y(dot.profit))
            for place, dot in enumerate(dots)
        ),
        *_corners(corners),
        f'<text class="axis" x="{_RIGHT}" y="{_HEIGHT - 6}" text-anchor="end">'
        "surer to stay →</text>",
    ]
    return _svg("matrix", title, "".join(drawn), _WIDTH, _HEIGHT)


def _across(dots: Sequence[Dot], cut: float) -> _Scale:
    known = [cut, *(dot.chance for dot in dots)]
    room = max((max(known) - min(known)) * 0.12, 0.02)
    return _Scale(min(known) - room, max(known) + room, _LEFT, _RIGHT)


def _upwards(dots: Sequence[Dot], cut: float) -> _Scale:
    known = [_tens(cut), *(_tens(dot.profit) for dot in dots)]
    room = max((max(known) - min(known)) * 0.1, 0.1)
    return _Scale(min(known) - room, max(known) + room, _BOTTOM, _TOP, tens=True)


def _tens(cents: float) -> float:
    """Where an amount lies on a scale of tens; nothing and losses lie at the bottom."""
    return log10(max(cents, 100))


@dataclass(frozen=True, slots=True)
class _Scale:
    low: float
    high: float
    start: float
    end: float
    tens: bool = False

    def __call__(self, value: float) -> float:
        value = _tens(value) if self.tens else value
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def _apart(place: int, x: float, cut: float) -> float:
    """Clients of one state have one chance: they are drawn a little apart, always in the same way,
    and each on its own side of the line."""
    moved = x + (place * 37 % 41 - 20) * 0.9
    return max(moved, cut + _RADIUS) if x >= cut else min(moved, cut - _RADIUS)


def _dot(dot: Dot, x: float, y: float) -> str:
    return (
        f'<circle class="{dot.name}" cx="{x:.1f}" cy="{y:.1f}" r="{_RADIUS}">'
        f"<title>{escape(dot.told)}</title></circle>"
    )


def _corners(corners: Sequence[tuple[str, str]]) -> list[str]:
    places = [
        (_LEFT + 4, 22, "start"),
        (_RIGHT - 4, 22, "end"),
        (_LEFT + 4, _BOTTOM + 18, "start"),
        (_RIGHT - 4, _BOTTOM + 18, "end"),
    ]
    return [
        f'<text x="{x}" y="{y}" text-anchor="{anchor}"><tspan class="name">{escape(name)}</tspan> '
        f"{escape(told)}</text>"
        for (x, y, anchor), (name, told) in zip(places, corners, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of parts that stand on each other: class and height of each; what is written below
    it, above it, and said of it."""

    label: str
    parts: Sequence[tuple[str, float]]
    value: str
    told: str
    base: float = 0.0


def columns(name: str, title: str, shown: Sequence[Column]) -> str:
    """Columns side by side, as tall as the tallest of them allows; ``base`` lifts one up."""
    top = max((one.base + sum(part for _, part in one.parts) for one in shown), default=0) or 1
    step = (_WIDTH - 20) / max(len(shown), 1)
    drawn = [
        f'<line class="ground" x1="10" x2="{_WIDTH - 10}" y1="{_BASE}" y2="{_BASE}"/>',
        *(_column(one, 10 + place * step, step, top) for place, one in enumerate(shown)),
    ]
    return _svg(f"columns {name}", title, "".join(drawn), _WIDTH, _COLUMNS)


def _column(one: Column, x: float, step: float, top: float) -> str:
    level, drawn, wide = _BASE - one.base / top * _TALL, [], min(step * 0.62, 90)
    left, middle = x + (step - wide) / 2, x + step / 2
    for name, part in one.parts:
        height = part / top * _TALL
        level -= height
        drawn.append(
            f'<rect class="{name}" x="{left:.1f}" y="{level:.1f}" width="{wide:.1f}" '
            f'height="{max(height, 0):.1f}"/>'
        )
    drawn.append(
        f'<text class="value" x="{middle:.1f}" y="{level - 7:.1f}">{escape(one.value)}</text>'
    )
    drawn.append(f'<text x="{middle:.1f}" y="{_BASE + 20}">{escape(one.label)}</text>')
    return f"<g><title>{escape(one.told)}</title>{''.join(drawn)}</g>"


def _svg(name: str, title: str, drawn: str, width: int, height: int) -> str:
    return (
        f'<svg class="{name}" viewBox="0 0 {width} {height}" role="img">'
        f"<title>{escape(title)}</title>{drawn}</svg>"
    )
