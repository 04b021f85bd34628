"""Pictures of a client that fell silent, drawn as SVG: its orders of two years, its product lines.

The classes stand in ``style.css``. They hold numbers and escaped words only.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

HEIGHT, STEP, GAP = 40, 10, 2
_LATELY = 3
"""So many of the last bars are the quarter that the score judged."""
_LEAST = 1.5  # what is there is seen, however small
_WIDTH = 100


def sparkline(nets: Sequence[float], title: str) -> str:
    """Bars of what was bought, the oldest first; a step without an order is a gap on the ground.

    A step in which more was given back than bought counts as nothing.
    """
    most = max(*nets, 0.0) or 1.0
    drawn = []
    for place, net in enumerate(nets):
        if net <= 0:
            continue
        tall = max(net / most * (HEIGHT - 2), _LEAST)
        name = ' class="lately"' if place >= len(nets) - _LATELY else ""
        drawn.append(
            f'<rect{name} x="{place * STEP}" y="{HEIGHT - 1 - tall:.1f}" '
            f'width="{STEP - GAP}" height="{tall:.1f}"/>'
        )
    wide = len(nets) * STEP
    since = wide - _LATELY * STEP - GAP / 2
    return (
        f'<svg class="spark" viewBox="0 0 {wide} {HEIGHT}" preserveAspectRatio="none" role="img">'
        f"<title>{escape(title)}</title>"
        f'<line class="ground" x1="0" x2="{wide}" y1="{HEIGHT - 0.5}" y2="{HEIGHT - 0.5}"/>'
        f'<line class="since" x1="{since}" x2="{since}" y1="0" y2="{HEIGHT}"/>'
        f"{''.join(drawn)}</svg>"
    )


def left(drop: float, title: str) -> str:
    """A bar of what is left of the usual of a product line; ``drop`` is from 0 to 1."""
    wide = (1 - min(1.0, max(0.0, drop))) * _WIDTH
    return (
        f'<svg class="left" viewBox="0 0 {_WIDTH} 8" preserveAspectRatio="none" role="img">'
        f'<title>{escape(title)}</title><rect class="all" width="{_WIDTH}" height="8"/>'
        f'<rect width="{wide:.1f}" height="8"/></svg>'
    )
