"""The page of a report: one file, whole in itself, that opens anywhere and years later."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from worker.cadence import picture as house
from worker.kernel.clock import require_aware
from worker.kernel.errors import DependencyDownError
from worker.kernel.estimates import Estimate
from worker.reports import picture, words
from worker.reports.cohort import MONTH
from worker.reports.figures import Cohort, Figure, Report, Step, of_cohort

PARTS = (
    ("on-time", "renewed on time"),
    ("late", "renewed late"),
    ("leaked", "leaked"),
    ("lost", "cancelled or ended"),
    ("open", "still open"),
)
"""The parts of a bar, by class, and what they are called."""

_TILES = ("renewal_rate", "logo_renewal_rate", "on_time_rate", "coverage")


def write(target: Path, report: Report, months: Sequence[Cohort], now: datetime) -> None:
    """Writes the page to ``target``, its folder made if need be; an old one stays until then.

    Raises ``DependencyDownError`` when the file cannot be written.
    """
    environment = Environment(
        loader=PackageLoader("worker.reports", "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=lambda value: f"{value:,}", day=house.day_name)
    text = environment.get_template("renewals.html").render(values(report, months, now))
    part = target.with_name(f"{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8", newline="\n")
        part.replace(target)
    except OSError as error:
        raise DependencyDownError(
            f"{target}: cannot be written ({error.strerror}); name a file in a folder of yours"
        ) from error


def values(report: Report, months: Sequence[Cohort], now: datetime) -> dict[str, object]:
    """What a page about ``report`` is written from: words, rows and pictures."""
    by_metric = {figure.metric: figure for figure in words.rates(report)}
    shares = [f for f in by_metric.values() if f.method == "wilson"]
    return {
        "style": house.STYLE + picture.STYLE,
        "asked": report.asked,
        "lead": words.lead(report),
        "notes": [*filter(None, [words.warning(report)]), *words.notes(report)],
        "whole": report.whole,
        "tiles": [_figure_row(by_metric[name]) for name in _TILES],
        "late_days": words.value(by_metric["late_days"]),
        "parts": PARTS,
        "months": list(_months(months)),
        "rates": [_figure_row(figure) for figure in shares],
        "purses": [
            (currency, [_figure_row(figure) for figure in found])
            for currency, found in words.purses(report)
        ],
        "groups": [] if report.asked.by == MONTH else list(_groups(report)),
        "group_purses": [] if report.asked.by == MONTH else list(words.group_purses(report)),
        "steps": list(_steps(report.steps)),
        "scale": f"{picture.reach([step.effect for step in report.steps]) * 100:g}",
        "made_at": require_aware(now),
        "today": report.asked.today,
    }


def _months(months: Sequence[Cohort]) -> Iterator[dict[str, Any]]:
    longest = max((cohort.due for cohort in months), default=0)
    for cohort in months:
        parts = parts_of(cohort)
        name = words.month_name(cohort.group or "")
        told = [f"{count:,} {label}" for (_, count), (_, label) in zip(parts, PARTS, strict=True)]
        shown = [text for (_, count), text in zip(parts, told, strict=True) if count]
        rate = next(f for f in of_cohort(cohort) if f.metric == "renewal_rate")
        title = f"{name}: {house.counted(cohort.due, 'licence')} due" + "".join(
            f", {text}" for text in shown
        )
        yield {
            "name": name,
            "key": cohort.group,
            "due": cohort.due,
            "parts": [count for _, count in parts],
            "told": " · ".join(shown) or "nothing due",
            "rate": _figure_row(rate),
            "bar": picture.bar(title, parts, longest),
        }


def parts_of(cohort: Cohort) -> list[tuple[str, int]]:
    """What a bar of the cohort is made of, in the order of ``PARTS``."""
    counts = {
        "on-time": cohort.on_time,
        "late": cohort.outcomes["renewed"] - cohort.on_time,
        **{name: cohort.outcomes[name] for name in ("leaked", "lost", "open")},
    }
    return [(name, counts[name]) for name, _ in PARTS]


def _figure_row(figure: Figure) -> dict[str, Any]:
    """A figure with its words, and its picture where it is a share."""
    label = words.LABELS[figure.metric]
    value = words.value(figure).strip()
    reach = " ".join(words.interval(figure.low, figure.high).split())
    row = {"metric": figure.metric, "label": label, "value": value, "interval": reach}
    drawn = ""
    if figure.low is not None:
        found = Estimate(float(figure.value or 0), figure.low, figure.high)
        drawn = picture.whisker(f"{label}: {value}, interval {reach}", found)
    return row | {"n": figure.n, "whisker": drawn}


def _groups(report: Report) -> Iterator[dict[str, Any]]:
    for cohort, cells in zip(report.groups, words.group_rows(report), strict=True):
        rate = next(f for f in of_cohort(cohort) if f.metric == "renewal_rate")
        name = words.group_name(report, cohort.group)
        found = Estimate(float(rate.value or 0), rate.low, rate.high)
        title = f"{name}: {str(cells['renewed']).strip()} of {cohort.due:,} renewed"
        yield {"cells": cells, "whisker": picture.whisker(title, found)}


def _steps(steps: Sequence[Step]) -> Iterator[dict[str, Any]]:
    end = picture.reach([step.effect for step in steps])
    for step in steps:
        cells, effect = words.step_row(step), step.effect
        reach = " ".join(str(cells["95_%_interval"]).split())
        title = f"{step.name}: {cells['points']} points, interval {reach}"
        drawn = picture.whisker(title, effect, -end, end) if effect.value is not None else ""
        yield {"cells": cells, "whisker": drawn}
