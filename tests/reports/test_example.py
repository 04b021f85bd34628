"""The worked example of docs/report.md, counted by the code."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

from tests.reports.conftest import Book, Days, year
from worker.kernel.dates import Period
from worker.reports import figures
from worker.reports.figures import Figure

PAGE = (Path(__file__).parents[2] / "docs" / "report.md").read_text(encoding="utf-8")
EXAMPLE = PAGE.partition("## A worked example")[2]


def table(first: str) -> list[list[str]]:
    """The rows of the example's table whose first column has this name."""
    (body,) = re.findall(rf"^\| {first} \|.*\n\|[-|]+\n((?:\|.*\n)+)", EXAMPLE, re.M)
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in body.splitlines()]


def test_the_figures_of_the_page_are_those_of_its_book(book: Book) -> None:
    for key, account, amount, due, start, closed, status in table("licence"):
        (before, _) = year(due, -1)[1], due
        known: list[Days] = [(before, due)]
        if start:
            known.append((*year(start), closed))
        book.licence(key, *known, account=account, amount=amount, status=status)
    period = Period(date(2026, 7, 1), date(2026, 12, 31))
    found = {f.metric: f for f in figures.figures(book.report(period))}
    told = [[f"`{name}`", *_shown(found[name.strip("`")])] for name, *_ in _names()]
    assert told == table("metric")


def _names() -> list[list[str]]:
    return [[name.strip("`")] for name, *_ in table("metric")]


def _shown(figure: Figure) -> list[str]:
    ends = [f"{end:.1%}".replace("%", " %") if end is not None else "" for end in _ends(figure)]
    if figure.method in ("count", "sum", "median"):
        return [f"{float(figure.value or 0):g}", *ends]
    return [f"{float(figure.value or 0):.1%}".replace("%", " %"), *ends]


def _ends(figure: Figure) -> tuple[float | None, float | None]:
    return figure.low, figure.high
