"""The protocol on a supplier's own past: score as it would have been, then look at what happened.

Cut-offs lie a quarter apart and back from the last closed one. Regular clients are judged by the 90
days after each: they *fell* when they bought half of their own pace or less.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from worker.reactivation import metrics
from worker.reactivation.calibration import calibrate, fell, is_regular, is_scorable
from worker.reactivation.history import Book
from worker.reactivation.house import QUARTER, YEAR, look_at
from worker.reactivation.metrics import Top
from worker.reactivation.plain_rules import Called, Case, judge
from worker.reactivation.signals import look
from worker.reactivation.weights import log_odds

SCORE = "score"
CALLS = 50
LEAST = 20
"""With fewer regular clients a cut-off tells nothing."""
_MOST_CUTS = 6
_BEFORE = 180  # days that must be known before a cut-off


@dataclass(frozen=True, slots=True)
class Trial:
    """All regular clients of one cut-off: what was said, and what became of them.

    ``usual`` is what each buys in a usual quarter, ``lost`` what is missing from the 90 days after.
    """

    cut: int
    cases: Sequence[Case]
    odds: list[float]
    chances: list[float]
    fell: list[bool]
    usual: list[float]
    lost: list[float]

    def queue(self, exponent: float) -> list[float]:
        """What the queue is ordered by: the chance to the power of ``exponent``, times money."""
        return [p**exponent * usual for p, usual in zip(self.chances, self.usual, strict=True)]


@dataclass(frozen=True, slots=True)
class Figure:
    """How well one way of choosing did, means over the cut-offs.

    ``auc``, ``average_precision`` and ``top_by_risk`` are of its order by risk; ``top`` is that of
    its queue: the clients called first. ``calibration_error`` is over all cut-offs together;
    ``None`` for a rule, which names no chance.
    """

    name: str
    auc: float
    average_precision: float
    top_by_risk: float
    top: Top
    calibration_error: float | None = None


@dataclass(frozen=True, slots=True)
class Backtest:
    """What the protocol found: the cut-offs, how many clients were judged and how many fell."""

    cuts: Sequence[int]
    clients: int
    fell: int
    figures: Sequence[Figure]


def run(book: Book, last: int, exponent: float) -> Backtest | None:
    """Runs the protocol on the cut-offs that ``last``, the last full day, has closed. ``None`` when
    there is too little history to learn anything from it."""
    return sum_up([trial(book, cut) for cut in own_cuts(book, last)], exponent)


def sum_up(tried: Sequence[Trial], exponent: float) -> Backtest | None:
    """What the score and the plain rules did on these cut-offs; those that tell nothing are left
    out, and ``None`` stands for none that does."""
    trials = [one for one in tried if _tells(one)]
    if not trials:
        return None
    called = [judge(one.cases) for one in trials]
    figures = [_of_score(trials, exponent)]
    figures += [_of_rule(name, trials, called) for name in called[0]]
    everybody = [was for one in trials for was in one.fell]
    return Backtest([one.cut for one in trials], len(everybody), sum(everybody), figures)


def own_cuts(book: Book, last: int) -> list[int]:
    """The cut-offs that closed by ``last``, a quarter apart, the earliest first."""
    begun = min((book.days[span.first] for span in book.spans), default=last)
    cuts = [last - QUARTER * back for back in range(1, _MOST_CUTS + 1)]
    return sorted(cut for cut in cuts if cut - begun >= _BEFORE)


def trial(book: Book, cut: int) -> Trial:
    """Scores the regular clients of a cut-off, then opens the 90 days after it."""
    house, calibration = look_at(book, cut), calibrate(book, cut)
    found = Trial(cut, cases := [], [], [], [], [], [])
    for span in book.spans:
        client = book.client(span, cut)
        if not is_scorable(client, cut):
            continue
        seen = look(client, house)
        if not is_regular(seen):
            continue
        z, usual = log_odds(seen.signals), seen.net_a_year * QUARTER / YEAR
        cases.append(Case(client, seen, cut))
        found.odds.append(z)
        found.chances.append(calibration.chance(z))
        after = book.client(span, cut + QUARTER)
        net = after.net(cut, cut + QUARTER) if after.currency == client.currency else 0.0
        found.fell.append(fell(net, seen.net_a_year))
        found.usual.append(usual)
        found.lost.append(max(0.0, usual - net))
    return found


def _tells(one: Trial) -> bool:
    return len(one.fell) >= LEAST and 0 < sum(one.fell) < len(one.fell)


def _of_score(trials: Sequence[Trial], exponent: float) -> Figure:
    orders = [metrics.first(one.queue(exponent), CALLS) for one in trials]
    said = [p for one in trials for p in one.chances]
    happened = [was for one in trials for was in one.fell]
    error = metrics.calibration_error(said, happened)
    return _figure(SCORE, trials, [one.odds for one in trials], orders, error)


def _of_rule(name: str, trials: Sequence[Trial], called: Sequence[Mapping[str, Called]]) -> Figure:
    said = [rules[name].strength for rules in called]
    orders = [
        metrics.first(list(_as_called(rules[name], one)), CALLS)
        for one, rules in zip(trials, called, strict=True)
    ]
    return _figure(name, trials, said, orders, None)


def _as_called(rule: Called, one: Trial) -> Iterator[float]:
    """The flagged ones, the largest first; then the others in the same way."""
    most = max(one.usual) + 1
    for flagged, usual in zip(rule.flagged, one.usual, strict=True):
        yield usual + most if flagged else usual


def _figure(
    name: str,
    trials: Sequence[Trial],
    said: Sequence[list[float]],
    orders: Sequence[list[int]],
    error: float | None,
) -> Figure:
    pairs = list(zip(said, trials, strict=True))
    risky = [metrics.top(metrics.first(s, CALLS), one.fell, one.lost) for s, one in pairs]
    tops = [
        metrics.top(order, one.fell, one.lost) for order, one in zip(orders, trials, strict=True)
    ]
    return Figure(
        name,
        fmean(metrics.auc(s, one.fell) for s, one in pairs),
        fmean(metrics.average_precision(s, one.fell) for s, one in pairs),
        fmean(top.precision for top in risky),
        Top(fmean(top.precision for top in tops), fmean(top.value for top in tops)),
        error,
    )
