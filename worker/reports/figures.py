"""What the rows of a period come to: figures, each with its sample and its interval."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from sqlalchemy.engine import Connection

from worker.db.engine import settle_in
from worker.kernel import estimates
from worker.kernel.dates import Period
from worker.kernel.estimates import Estimate
from worker.reports import rules, store
from worker.reports.cohort import GROUPS, MONTH, Asked

OUTCOMES = ("renewed", "lost", "leaked", "open")
"""What became of a due term: renewed; cancelled or ended; nothing, with grace over; still open."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure. ``group`` of ``None`` is the whole cohort, an empty one those without the word;
    a figure without money has no ``currency``. ``n`` is what ``value`` was counted over."""

    metric: str
    group: str | None
    currency: str | None
    value: float | int | Decimal | None
    low: float | None
    high: float | None
    n: int
    method: str

    def record(self, period: Period) -> dict[str, object]:
        """The figure as other programs read it (``--json``)."""
        return {
            "metric": self.metric,
            "group": self.group,
            "currency": self.currency,
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "n": self.n,
            "method": self.method,
            "from": period.first,
            "to": period.last,
        }


@dataclass(slots=True)
class Cohort:
    """Terms that were due, counted; cohorts of groups add up to that of all."""

    group: str | None
    outcomes: Counter[str] = field(default_factory=Counter)
    late: Counter[int] = field(default_factory=Counter)  # days after the due date -> renewals
    known: int = 0
    covered: int = 0
    seen: int = 0
    valued: int = 0
    accounts: int = 0
    accounts_renewed: int = 0
    purses: dict[str, Purse] = field(default_factory=dict)

    @property
    def due(self) -> int:
        return self.outcomes.total()

    @property
    def on_time(self) -> int:
        """Renewals that were closed on the due date or before."""
        return sum(count for days, count in self.late.items() if days <= 0)

    def add(self, cell: Any) -> None:
        """Counts the terms of one cell of ``store.renewals``."""
        self.outcomes[cell.outcome] += cell.terms
        if cell.outcome == "renewed":
            self.late[cell.late] += cell.terms
            self.known += cell.terms * cell.known
        self.covered += cell.terms * cell.covered
        self.seen += cell.terms * (cell.seen or cell.covered)  # told of, so it was there
        self.valued += int(cell.valued)
        if cell.valued:
            self.purses.setdefault(cell.currency, Purse()).add(cell)


@dataclass(slots=True)
class Purse:
    """The money of a cohort in one currency: cents by outcome, at today's amounts."""

    cents: Counter[str] = field(default_factory=Counter)
    on_time: int = 0
    valued: int = 0
    squares: float = 0.0

    @property
    def due(self) -> int:
        return self.cents.total()

    @property
    def pairs(self) -> list[tuple[Decimal, Decimal]]:
        """Target and final. Terms carry no amounts, so both are today's amount of the licence."""
        return [
            (rules.money(cents), rules.money(cents if outcome == "renewed" else 0))
            for outcome, cents in self.cents.items()
        ]

    def add(self, cell: Any) -> None:
        self.cents[cell.outcome] += int(cell.cents)
        self.valued += int(cell.valued)
        self.squares += float(cell.squares)
        if cell.outcome == "renewed" and cell.late <= 0:
            self.on_time += int(cell.cents)


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a schedule: renewed soon after it fell due, out of how many; with and without."""

    schedule: str
    step: str
    soon: int
    given: int
    soon_without: int
    without: int
    offset: float  # days from the due date, on average: steps are told in this order

    @property
    def name(self) -> str:
        return f"{self.schedule}/{self.step}"

    @property
    def effect(self) -> Estimate:
        return estimates.difference(self.soon, self.given, self.soon_without, self.without)


@dataclass(frozen=True, slots=True)
class Report:
    """All that the rows of a period say. ``groups`` is empty when nothing was to be split."""

    asked: Asked
    whole: Cohort
    groups: Sequence[Cohort]
    base: Sequence[tuple[str | None, Any]]  # group, and its row of ``store.base``
    steps: Sequence[Step]


def read(conn: Connection, asked: Asked) -> Report:
    """Reads a report in the view of one transaction."""
    settle_in(conn)
    whole, groups = _cohorts(store.renewals(conn, asked))
    return Report(
        asked,
        whole,
        groups if asked.by else (),
        _base(conn, asked),
        _steps(store.step_effects(conn, asked)),
    )


def by_month(conn: Connection, asked: Asked) -> list[Cohort]:
    """The cohort of each month of the period, those with nothing due among them."""
    monthly = Asked(asked.period, asked.today, MONTH, asked.grace, asked.within)
    found = {cohort.group: cohort for cohort in _cohorts(store.renewals(conn, monthly))[1]}
    return [found.get(name, Cohort(name)) for name in rules.months_of(asked.period)]


def _cohorts(rows: Iterable[Any]) -> tuple[Cohort, list[Cohort]]:
    whole = Cohort(None)
    groups: dict[str, Cohort] = {}
    for row in rows:
        group = groups.setdefault(row.grp, Cohort(row.grp)) if row.kind != "all" else whole
        if row.kind == "cell":
            whole.add(row)
            group.add(row)
        else:
            group.accounts, group.accounts_renewed = row.terms, int(row.valued)
    return whole, [groups[name] for name in sorted(groups)]


def _base(conn: Connection, asked: Asked) -> list[tuple[str | None, Any]]:
    found: list[tuple[str | None, Any]] = [(None, row) for row in store.base(conn, asked, None)]
    if asked.by in GROUPS:
        found += [(row.grp, row) for row in store.base(conn, asked, asked.by)]
    return found


def _steps(rows: Iterable[Any]) -> list[Step]:
    counts: dict[tuple[str, str], dict[int, tuple[int, int]]] = defaultdict(dict)
    offsets: Counter[tuple[str, str]] = Counter()
    for row in rows:
        counts[row.schedule, row.step][row.went] = int(row.soon), row.terms
        offsets[row.schedule, row.step] += int(row.offset)
    found = [
        Step(
            *names,
            *arms.get(1, (0, 0)),
            *arms.get(0, (0, 0)),
            offset=offsets[names] / sum(size for _, size in arms.values()),
        )
        for names, arms in counts.items()
    ]
    return sorted(found, key=lambda step: (step.schedule, step.offset, step.step))


def figures(report: Report) -> Iterator[Figure]:
    """Every figure of a report: the whole, then group by group; the base; the steps."""
    for cohort in (report.whole, *report.groups):
        yield from of_cohort(cohort)
    yield from _of_base(report)
    for step in report.steps:
        yield from _of_step(step)


def of_cohort(cohort: Cohort) -> Iterator[Figure]:
    """The figures of one cohort: counts, rates by count, then money, currency by currency."""
    due, renewed = cohort.due, cohort.outcomes["renewed"]

    def counted(metric: str, value: int) -> Figure:
        return Figure(metric, cohort.group, None, value, None, None, due, "count")

    def share(metric: str, hits: int, size: int) -> Figure:
        return _figure(metric, cohort.group, None, estimates.share_of(hits, size), size, "wilson")

    yield counted("due", due)
    for outcome in OUTCOMES:
        yield counted(outcome, cohort.outcomes[outcome])
    yield counted("without_amount", due - cohort.valued)
    yield share("renewal_rate", renewed, due)
    yield share("logo_renewal_rate", cohort.accounts_renewed, cohort.accounts)
    yield share("on_time_rate", cohort.on_time, due)
    yield share("leakage_rate", cohort.outcomes["leaked"], due)
    yield share("coverage", cohort.covered, due)
    yield share("seen_in_time", cohort.seen, due)
    yield share("closing_day_known", cohort.known, renewed)
    middle = rules.median(cohort.late)
    yield Figure("late_days", cohort.group, None, middle, None, None, renewed, "median")
    for currency, purse in sorted(cohort.purses.items()):
        yield from _of_purse(cohort.group, currency, purse)


def _of_purse(group: str | None, currency: str, purse: Purse) -> Iterator[Figure]:
    def amount(metric: str, cents: int) -> Figure:
        value = rules.money(cents)
        return Figure(metric, group, currency, value, None, None, purse.valued, "sum")

    def share(metric: str, part: int) -> Figure:
        found = estimates.weighted_share(part, purse.due, purse.squares)
        return _figure(metric, group, currency, found, purse.valued, "wilson-kish")

    gross, net = rules.gross_rate(purse.pairs), rules.net_rate(purse.pairs)
    interval = estimates.weighted_share(purse.cents["renewed"], purse.due, purse.squares)
    yield amount("due_value", purse.due)
    yield amount("renewed_value", purse.cents["renewed"])
    yield amount("leaked_value", purse.cents["leaked"])
    found = Estimate(_plain(gross), interval.low, interval.high)
    yield _figure("gross_renewal_rate", group, currency, found, purse.valued, "wilson-kish")
    yield _figure("net_renewal_rate", group, currency, Estimate(_plain(net)), purse.valued, "ratio")
    yield share("on_time_value_rate", purse.on_time)
    yield share("leaked_value_rate", purse.cents["leaked"])


def _plain(value: Decimal | None) -> float | None:
    return None if value is None else float(value)


def _of_base(report: Report) -> Iterator[Figure]:
    """GRR and NRR: of accounts with value at the start, what is left, and what they have now."""
    for group, row in report.base:
        currency = row.currency
        start, least, end = int(row.start), int(row.least), int(row.end)
        yield Figure(
            "base_arr", group, currency, rules.money(start), None, None, row.accounts, "sum"
        )
        grr = estimates.weighted_share(least, start, float(row.squares))
        yield _figure("base_grr", group, currency, grr, row.accounts, "wilson-kish")
        nrr = Estimate(end / start)
        yield _figure("base_nrr", group, currency, nrr, row.accounts, "ratio")
        kept = estimates.share_of(int(row.kept), row.accounts)
        yield _figure("base_accounts_kept", group, currency, kept, row.accounts, "wilson")


def _of_step(step: Step) -> Iterator[Figure]:
    given = estimates.share_of(step.soon, step.given)
    without = estimates.share_of(step.soon_without, step.without)
    total = step.given + step.without
    yield _figure("step_renewed_given", step.name, None, given, step.given, "wilson")
    yield _figure("step_renewed_without", step.name, None, without, step.without, "wilson")
    yield _figure("step_effect", step.name, None, step.effect, total, "newcombe")


def _figure(
    metric: str, group: str | None, currency: str | None, found: Estimate, n: int, method: str
) -> Figure:
    return Figure(metric, group, currency, found.value, found.low, found.high, n, method)
