"""The words and tables of a report, the same on the terminal and on the page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal

from worker.cadence.picture import MONTHS, counted, day_name
from worker.kernel.dates import Period
from worker.reports.cohort import MONTH, NO_CURRENCY
from worker.reports.figures import Cohort, Figure, Report, Step, figures, of_cohort

FEW = 5
"""Below so many licences a share says nothing, and the report says that."""

LABELS = {
    "renewal_rate": "Licences renewed",
    "logo_renewal_rate": "Accounts renewed",
    "on_time_rate": "Renewed on time",
    "late_days": "Days late, median",
    "leakage_rate": "Leaked",
    "coverage": "Told before the deadline",
    "seen_in_time": "In the book before it",
    "closing_day_known": "Closing day known",
    "due_value": "Due",
    "renewed_value": "Renewed",
    "leaked_value": "Leaked",
    "gross_renewal_rate": "Gross renewal rate",
    "net_renewal_rate": "Net renewal rate",
    "on_time_value_rate": "Renewed on time",
    "leaked_value_rate": "Leaked, share",
    "base_arr": "Yearly value at start",
    "base_grr": "GRR of the base",
    "base_nrr": "NRR of the base",
    "base_accounts_kept": "Accounts of the base kept",
}
"""What a metric is called; those without a name stand in the lead, or in a table of their own."""

_INTERVALS = (
    "Intervals are 95 %: Wilson's for shares, Newcombe's for differences. They take licences as "
    "independent; those of one account are not, so the truth is wider."
)
_VALUE = (
    "Value is each licence's amount of today: terms carry none of their own, so a change of price "
    "or quantity shows in no rate."
)
_STEPS = (
    "Who gets a step is not drawn by lot: licences without it were late, excluded or unreachable. "
    "Its effect is a hint, not a cause."
)


def lead(report: Report) -> str:
    """What was due and what became of it, in one sentence."""
    whole, period = report.whole, report.asked.period
    when = f"from {day_name(period.first)} to {day_name(period.last)}"
    if not whole.due:
        return f"No licence was due {when}."
    verb = "was" if whole.due == 1 else "were"
    fates = [
        (whole.outcomes["renewed"], "renewed"),
        (whole.outcomes["lost"], "cancelled or ended"),
        (whole.outcomes["leaked"], f"unresolved after {report.asked.grace} days of grace"),
        (whole.outcomes["open"], "still open"),
    ]
    told = ", ".join(f"{number:,} {fate}" for number, fate in fates if number)
    return (
        f"{counted(whole.due, 'licence')} of {counted(whole.accounts, 'account')} {verb} due "
        f"{when}: {told}."
    )


def notes(report: Report) -> list[str]:
    """What a reader must know before believing the figures; only what applies."""
    whole, said = report.whole, []
    renewed, still = whole.outcomes["renewed"], whole.outcomes["open"]
    if not whole.due:
        return [_VALUE] if report.base else []
    if still:
        left = f"{counted(still, 'licence')} may still be renewed within grace"
        said.append(f"{left}: until then they count as not renewed.")
    if whole.known < renewed:
        unknown = f"Of {renewed - whole.known:,} of {counted(renewed, 'renewal')} no closing day"
        said.append(f"{unknown} is known: the new term's start stands for it.")
    if whole.seen < whole.due:
        missed = counted(whole.due - whole.seen, "licence")
        said.append(f"{missed} came into the book after the deadline, too late to be told.")
    if whole.valued < whole.due:
        without = counted(whole.due - whole.valued, "licence")
        said.append(f"{without} without an amount: in the counts, and in no value.")
    if whole.purses:
        said.append(_VALUE)
    return [*said, *([_STEPS] if report.steps else []), _INTERVALS]


def warning(report: Report) -> str | None:
    """What is said before all figures where there are too few licences for any."""
    whole = report.whole
    if not 0 < whole.due < FEW:
        return None
    was, verb = ("licence", "was") if whole.due == 1 else ("licences", "were")
    return (
        f"Only {whole.due} {was} {verb} due: read the counts and leave the shares alone. With so "
        "few, one licence more or less changes every share, which is why the intervals are so wide."
    )


def elsewhere(span: Period | None) -> str | None:
    """Where to look instead of a period in which nothing was due; ``span`` is that of the book."""
    if span is None:
        return None
    days = f"--from {span.first} --to {span.last}"
    return f"The book has licences due in other days: perennial report renewals {days}"


def rates(report: Report) -> list[Figure]:
    """The figures of the whole cohort that are not money."""
    return [f for f in of_cohort(report.whole) if f.currency is None and f.metric in LABELS]


def purses(report: Report) -> Iterator[tuple[str, list[Figure]]]:
    """Currency by currency, what was due and what is left of the base."""
    whole = [f for f in figures(report) if f.group is None and f.currency is not None]
    for currency in sorted({figure.currency or "" for figure in whole}):
        yield currency_name(currency), [f for f in whole if f.currency == currency]


def currency_name(currency: str) -> str:
    return "no currency" if currency == NO_CURRENCY else currency


def group_name(report: Report, group: str | None) -> str:
    """A group as people call it; those without the word are ``(none)``."""
    if group is None:
        return "all"
    return month_name(group) if report.asked.by == MONTH else group or "(none)"


def month_name(month: str) -> str:
    """``Nov 2026`` for ``2026-11``."""
    first = date.fromisoformat(f"{month}-01")
    return f"{MONTHS[first.month - 1]} {first.year}"


def percent(share: float | Decimal | None) -> str:
    """A share as people read it, always as wide."""
    return "–".rjust(7) if share is None else f"{share * 100:5.1f} %"


def points(difference: float | None) -> str:
    """A difference of two shares, in percentage points with its sign."""
    return "–" if difference is None else f"{difference * 100:+.1f}"


def interval(low: float | None, high: float | None) -> str:
    """``95.2 to  97.9 %``; nothing where there is no interval."""
    return "" if low is None or high is None else f"{low * 100:5.1f} to {high * 100:5.1f} %"


def _between(low: float | None, high: float | None) -> str:
    return f"{points(low)} to {points(high)}"


def value(figure: Figure) -> str:
    """The value of a figure, by what it measures."""
    if figure.method == "sum":
        return f"{figure.value:,.2f}"
    if figure.method in ("median", "count"):
        return "–" if figure.value is None else f"{figure.value:g}".replace("-", "−")
    return percent(figure.value)


def rows(shown: Sequence[Figure]) -> list[dict[str, object]]:
    """The table of figures, a line for each."""
    wide = max((len(value(figure)) for figure in shown), default=0)
    return [
        {
            "figure": LABELS[figure.metric],
            "value": value(figure).rjust(wide),
            "95_%_interval": interval(figure.low, figure.high),
            "n": figure.n,
        }
        for figure in shown
    ]


def group_rows(report: Report) -> list[dict[str, object]]:
    """A line for each group: counts, and shares with the interval of the first."""
    return [_group_row(report, cohort) for cohort in report.groups]


def _group_row(report: Report, cohort: Cohort) -> dict[str, object]:
    found = {figure.metric: figure for figure in of_cohort(cohort) if figure.currency is None}
    rate = found["renewal_rate"]
    return {
        "group": group_name(report, cohort.group),
        "due": cohort.due,
        "renewed": percent(rate.value),
        "95_%_interval": interval(rate.low, rate.high),
        "accounts": percent(found["logo_renewal_rate"].value),
        "on_time": percent(found["on_time_rate"].value),
        "leaked": percent(found["leakage_rate"].value),
        "told": percent(found["coverage"].value),
        "days_late": value(found["late_days"]).rjust(9),
    }


def group_purses(report: Report) -> Iterator[tuple[str, list[dict[str, object]]]]:
    """Currency by currency, a line for each group that has money in it."""
    for currency in sorted(report.whole.purses):
        lines = [
            _purse_row(report, cohort, currency)
            for cohort in report.groups
            if currency in cohort.purses
        ]
        yield currency_name(currency), lines


def _purse_row(report: Report, cohort: Cohort, currency: str) -> dict[str, object]:
    found = {f.metric: f for f in of_cohort(cohort) if f.currency == currency}
    gross = found["gross_renewal_rate"]
    return {
        "group": group_name(report, cohort.group),
        "n": gross.n,
        "due": value(found["due_value"]).rjust(16),
        "gross": percent(gross.value),
        "95_%_interval": interval(gross.low, gross.high),
        "net": percent(found["net_renewal_rate"].value),
        "on_time": percent(found["on_time_value_rate"].value),
        "leaked": value(found["leaked_value"]).rjust(16),
    }


def step_row(step: Step) -> dict[str, object]:
    """A line of the table of steps: the share with it, without it, and the difference."""
    effect = step.effect
    return {
        "step": step.name,
        "with": percent(step.soon / step.given if step.given else None),
        "n_with": step.given,
        "without": percent(step.soon_without / step.without if step.without else None),
        "n_without": step.without,
        "points": points(effect.value),
        "95_%_interval": "" if effect.low is None else _between(effect.low, effect.high),
    }
