"""Pictures of a report, drawn as SVG that fills its line: bars of parts, shares with intervals.

Their colours are those of ``cadence/picture.py``; the classes here stand in ``STYLE``. Words from
the book are escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from worker.kernel.estimates import Estimate

STYLE = """\
.on-time{fill:var(--q4)}.late{fill:var(--q2)}.leaked{fill:var(--mark)}
.lost{fill:var(--soft)}.open{fill:var(--q0)}
.bar rect,.whisker rect{stroke:var(--paper);stroke-width:1;vector-effect:non-scaling-stroke}
.bar .open{stroke:var(--soft)}
.whisker line{stroke:var(--line);stroke-width:1;vector-effect:non-scaling-stroke}
.whisker .reach{fill:var(--q2)}
.whisker .zero{stroke:var(--soft)}
.whisker .here{stroke:var(--ink);stroke-width:3}
"""

WIDTH = 1000
_LEAST = 4  # what is there is seen, however small
_GRID = (0.0, 0.25, 0.5, 0.75, 1.0)

Part = tuple[str, int]
"""The class of a part of a bar, and how much it is."""


def bar(title: str, parts: Sequence[Part], longest: int) -> str:
    """A bar of several parts, as long as their sum is of ``longest``."""
    scale = (WIDTH - _LEAST * len(parts)) / max(longest, 1)
    x, drawn = 0.0, []
    for name, count in parts:
        if count:
            width = _LEAST + count * scale
            place = f'x="{x:.1f}" y="1" width="{width:.1f}" height="14"'
            drawn.append(f'<rect class="{name}" {place}/>')
            x += width
    return _picture("bar", title, "".join(drawn), 16)


def whisker(title: str, found: Estimate, low: float = 0.0, high: float = 1.0) -> str:
    """A share on a scale from ``low`` to ``high``: a line where it is, a band for its interval."""

    def at(value: float) -> float:
        return (value - low) / (high - low) * WIDTH

    drawn = [_line("zero" if part == -low / (high - low) else "", part * WIDTH) for part in _GRID]
    if found.low is not None and found.high is not None:
        width = max(at(found.high) - at(found.low), _LEAST)
        drawn.append(
            f'<rect class="reach" x="{at(found.low):.1f}" y="4" width="{width:.1f}" height="14"/>'
        )
    if found.value is not None:
        drawn.append(_line("here", at(found.value)))
    return _picture("whisker", title, "".join(drawn), 22)


def reach(found: Sequence[Estimate]) -> float:
    """The end of a scale around 0 that holds all of ``found``: 10 %, 25 %, 50 % or 100 %."""
    ends = [abs(end) for one in found for end in (one.low, one.high) if end is not None]
    return next((end for end in (0.1, 0.25, 0.5) if end >= max(ends, default=0)), 1.0)


def _line(name: str, x: float) -> str:
    return f'<line class="{name}" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="22"/>'


def _picture(name: str, title: str, drawn: str, height: int) -> str:
    return (
        f'<svg class="{name}" viewBox="0 0 {WIDTH} {height}" preserveAspectRatio="none" role="img">'
        f"<title>{escape(title)}</title>{drawn}</svg>"
    )
