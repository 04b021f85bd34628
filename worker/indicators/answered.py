"""How soon clients hear from us who said that they are not content, as a part of the attention."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from worker.indicators.board import PERCENT_AXIS, Section, share_bar, share_figure, share_row
from worker.reports.figures import Figure
from worker.surveys.attending import Attention, Reached


def _reached(found: Attention) -> Mapping[str, tuple[str, Reached]]:
    """Metric -> what people call it, and what came of it."""
    return {
        "first_contact": ("First contact", found.contact),
        "told": ("Told what was done", found.told),
    }


def figures(found: Attention) -> Iterator[Figure]:
    """Shares and medians in hours, for programs; nothing where no answer became a task."""
    for metric, (_, one) in _reached(found).items() if found.answers else ():
        yield share_figure(metric, None, one.share, one.size)
        hours = None if one.hours is None else round(one.hours, 1)
        size = len(one.spans)
        yield Figure(f"{metric}_hours", None, None, hours, None, None, size, "median")


def section(found: Attention) -> Section:
    """The same as a part of a page."""
    lines = _reached(found).values()
    return Section(
        "answered",
        "After the answer of a client who is not content",
        "Of the answers that became tasks: those after which somebody claimed or closed the task, "
        "noted something or wrote to the client; and those whose client was told what was done.",
        [
            {"what": name, "median_hours": one.hours}
            | share_row(one.share, len(one.spans), one.size, ("reached", "answers"))
            for name, one in lines
        ],
        bars=[
            share_bar(f"{name}, by median after {one.after}", one.share, one.size, "answers")
            for name, one in lines
        ],
        axis=PERCENT_AXIS,
    )
