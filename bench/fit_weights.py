"""``python -m bench.fit_weights``: fits the weights of the score, on quarters that no bar sees.

Seen are CDNOW's two cut-offs, which are no part of the bar, and those cut-offs of UCI's wholesaler
and of Oxford's suppliers whose 90 days had closed by the first one that ``bench/dormancy.py``
measures. The bar's own are opened only after that, to say what the weights are worth there.

The fit is a logistic regression of who fell on the signals. Each cut-off counts as much as every
other and has an intercept of its own, because how many fall is the supplier's, not the signals'. No
weight may be negative, and all are pulled towards those of the field's notes: the more, the less
these few suppliers can say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from statistics import fmean
from typing import NamedTuple

from bench.dormancy import DATA, SUPPLIERS, book_of
from worker.reactivation import metrics
from worker.reactivation.calibration import fell, is_regular, is_scorable
from worker.reactivation.history import Book
from worker.reactivation.house import QUARTER, look_at
from worker.reactivation.signals import Signals, look
from worker.reactivation.weights import WEIGHTS

FIELD = Signals(0.36, 0.19, 0.07, 2.04, 0.64, 0.39, 0.0)
"""The weights of the field's notes, fitted on other suppliers; ``swings`` was not among them."""
SEEN: Mapping[str, Sequence[str]] = {
    "UCI wholesaler": ("2010-06-30", "2010-07-31", "2010-08-31", "2010-09-30", "2010-10-31"),
    "Oxford": ("2014-12-31", "2015-03-31", "2015-06-30"),
    "CDNOW": SUPPLIERS["CDNOW"].cuts,
}
PULLS = (0.0, 0.001, 0.01, 0.1)
"""How strongly weights are pulled, in log loss for each spread of a signal squared."""


class Case(NamedTuple):
    """The regular clients of one cut-off: their signals, and who of them fell."""

    supplier: str
    signals: list[Signals]
    fell: list[bool]


def cases(name: str, book: Book, days: Sequence[str]) -> Iterator[Case]:
    """The clients of a supplier on these cut-offs; only what is known on each is in its signals."""
    for cut in (date.fromisoformat(day).toordinal() for day in days):
        house, found = look_at(book, cut), Case(name, [], [])
        for span in book.spans:
            client = book.client(span, cut)
            seen = look(client, house) if is_scorable(client, cut) else None
            if seen is not None and is_regular(seen):
                net = book.client(span, cut + QUARTER).net(cut, cut + QUARTER)
                found.signals.append(seen.signals)
                found.fell.append(fell(net, seen.net_a_year))
        yield found


def fit(seen: Sequence[Case], pull: float) -> Signals:
    """The weights that say best who fell: the least log loss, no weight below 0."""
    import numpy as np
    from scipy.optimize import minimize

    known = [(np.array(one.signals), np.array(one.fell, float)) for one in seen]
    spread = np.concatenate([signals for signals, _ in known]).std(axis=0)
    count, prior = len(WEIGHTS), np.array(FIELD)

    def loss(said: np.ndarray) -> tuple[float, np.ndarray]:
        off = (said[:count] - prior) * spread
        whole, slope = pull * float(off @ off), np.zeros(len(said))
        slope[:count] = 2 * pull * off * spread
        for place, (signals, was) in enumerate(known, start=count):
            z = signals @ said[:count] + said[place]
            error = (1 / (1 + np.exp(-z)) - was) / len(was) / len(known)
            whole += float(np.mean(np.logaddexp(0, z) - was * z)) / len(known)
            slope[:count] += error @ signals
            slope[place] = error.sum()
        return whole, slope

    start = np.concatenate([prior, np.zeros(len(known))])
    bounds = [(0, None)] * count + [(None, None)] * len(known)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds)
    return Signals(*(float(weight) for weight in found.x[:count]))


def auc(weights: Signals, of: Sequence[Case]) -> dict[str, float]:
    """The mean ROC-AUC over the cut-offs of each supplier."""
    found: dict[str, list[float]] = {}
    for one in of:
        said = [sum(w * s for w, s in zip(weights, two, strict=True)) for two in one.signals]
        found.setdefault(one.supplier, []).append(metrics.auc(said, one.fell))
    return {supplier: fmean(values) for supplier, values in found.items()}


def main() -> None:
    """Fits, then opens the bar's cut-offs; prints the weights and what they are worth on both."""
    seen: list[Case] = []
    bar: list[Case] = []
    for name, days in SEEN.items():
        supplier = SUPPLIERS[name]
        if not (DATA / supplier.file).is_file():
            print(f"left out: no {supplier.file}")
            continue
        book = book_of(supplier)
        seen += cases(name, book, days)
        bar += cases(name, book, supplier.cuts) if supplier.is_bar else ()
        print(f"{name}: fitted on {', '.join(days)}")
    tried = {"the field's": FIELD, "the code's": WEIGHTS}
    tried |= {f"fitted, pull {pull:g}": fit(seen, pull) for pull in PULLS}
    print(f"\n{'weights':20}", *(name[:13].rjust(13) for name in Signals._fields))
    for name, weights in tried.items():
        print(f"{name:20}", *(f"{weight:13.2f}" for weight in weights))
    for what, of in (("seen while fitting", seen), ("the bar, unseen", bar)):
        print(f"\nAUC on {what}")
        for name, weights in tried.items():
            worth = [f"{supplier} {value:.4f}" for supplier, value in auc(weights, of).items()]
            print(f"  {name:20}", *worth)


if __name__ == "__main__":
    main()
