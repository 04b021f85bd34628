"""The words and tables of figures, the same on the terminal and on the pages."""

from __future__ import annotations

from worker.kernel.dates import Period
from worker.kernel.estimates import Estimate
from worker.surveys.figures import ACCOUNTS, ANSWERS, INFLUENCE, Figure, Report
from worker.surveys.numbers import Change

FEW = 30
"""Below so many votes a score says little, and the figures say that."""

VOTERS = {
    ANSWERS: "each answer",
    ACCOUNTS: "each account, one vote",
    INFLUENCE: "each account, its most influential role",
}
"""Who votes, by the word of a method; revenue is told with its currency."""

MARKS = (
    "NPS, Net Promoter Score and Net Promoter System are marks of Bain & Company, NICE Systems and "
    "Fred Reichheld."
)
_INTERVALS = (
    "Intervals are 95 %, adjusted Wald. They take votes as independent: answers of one account are "
    "not, which is why they are also counted with one vote for each account."
)


def score(value: float | None) -> str:
    """NPS as people read it: ``+46.2``, ``−18.2``; a dash where there is none."""
    return "–" if value is None else f"{value * 100:+.1f}".replace("-", "−").replace("+0.0", "0.0")


def between(found: Estimate) -> str:
    """``+35.0 to +55.9``; nothing where there is no interval."""
    if found.low is None or found.high is None:
        return ""
    return f"{score(found.low)} to {score(found.high)}"


def voters(figure: Figure) -> str:
    """Who votes in a figure."""
    if figure.who in VOTERS:
        return VOTERS[figure.who]
    currency = figure.method.partition("/")[0].partition("-")[2]
    return f"each account, by revenue in {currency}"


def group_name(group: str | None) -> str:
    """A group as people call it; those without the word are ``(none)``."""
    return "all" if group is None else group or "(none)"


def share(value: float | None) -> str:
    """``23 %``; a dash where nothing is known."""
    return "–" if value is None else f"{value * 100:.0f} %"


def row(figure: Figure) -> dict[str, object]:
    """A figure as a line of a table."""
    tally = figure.tally
    return {
        "group": group_name(figure.group),
        "votes": voters(figure),
        "n": figure.n,
        "promoters": _count(tally.promoters),
        "passives": _count(tally.passives),
        "detractors": _count(tally.detractors),
        "nps": score(figure.estimate.value),
        "95_%_interval": between(figure.estimate),
        "population": "–" if figure.population is None else figure.population,
        "response_rate": share(figure.response_rate),
    }


def _count(count: float) -> str:
    return f"{count:,.0f}" if float(count).is_integer() else f"{count:,.1f}"


def changed(found: Change, earlier: Period) -> str:
    """What changed against the period before, and whether chance alone may do that."""
    sure = "unlikely to be chance" if found.p < 0.05 else "chance alone may do that"
    how = f"z = {found.z:.2f}, " if found.z is not None else ""
    reach = between(Estimate(found.value, found.low, found.high))
    return (
        f"Against {earlier.first} to {earlier.last}: {score(found.value)} points, 95 % {reach} "
        f"({how}p = {found.p:.3f}): {sure}."
    )


def notes(report: Report) -> list[str]:
    """What a reader must know before believing the figures; only what applies."""
    said = []
    first = report.whole[0].n if report.whole else 0
    if 0 < first < FEW:
        said.append(f"Only {first} answered: look at the interval, not at the score.")
    if report.hidden_whole:
        said.append(
            f"{_answers(report.hidden_whole)} left out everywhere: too few to be shown without "
            "telling whose they are."
        )
    elif report.hidden:
        said.append(
            f"{_answers(report.hidden)} left out of the groups, and counted in the whole: fewer "
            "than five in a group are not shown."
        )
    return [*said, *([_INTERVALS, MARKS] if report.whole else [])]


def _answers(count: int) -> str:
    return f"{count:,} protected answer is" if count == 1 else f"{count:,} protected answers are"
