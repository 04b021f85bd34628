"""Who falls silent: the protocol on real orders, with the field's models and rules beside it.

Cut-offs roll; only rows up to each are read; regular clients (four order days in the year) are
judged by the 90 days after it. Per cut-off: ROC-AUC and average precision of the order by risk,
precision of its first 50, then precision and share of the lost value of the queue's first 50. The
queue is ordered by chance³ × money; a rule of a tool calls whom it flags, the largest first.

The models: BG/NBD, fitted by ``lifetimes`` on the clients of the cut-off, and gradient boosting
(scikit-learn), trained on the quarters of the same supplier that had closed by then.
"""

from __future__ import annotations

import csv
import gzip
import random
import resource
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from statistics import fmean
from time import perf_counter, process_time
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Engine

from bench.peak import watched
from worker.catalogue.records import accounts, order_days
from worker.db import bulk
from worker.db.engine import make_engine
from worker.reactivation import backtest, flow, metrics
from worker.reactivation.backtest import Figure, Trial
from worker.reactivation.calibration import fell as fell_by_half
from worker.reactivation.calibration import is_regular, is_scorable
from worker.reactivation.history import Book, Client
from worker.reactivation.house import QUARTER, look_at
from worker.reactivation.metrics import Top
from worker.reactivation.rules import EXPONENT
from worker.reactivation.signals import Seen, look

DATA = Path(__file__).parents[2] / "shared" / "data"
OVER_BGNBD, MOST_OFF = 0.02, 0.05
SECONDS, SECONDS_WITH_LINES, MEGABYTES = 5.0, 15.0, 300
LAST = date(2026, 6, 10)


class Supplier(NamedTuple):
    """A file of real orders: how it is read, the cut-offs, whether the bar holds for it."""

    file: str
    read: Callable[[Path], Iterable[tuple[str, date, str, float]]]
    cuts: tuple[str, ...]
    is_bar: bool = True


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def _wholesaler(path: Path) -> Iterator[tuple[str, date, str, float]]:
    """Invoice lines; those without a customer are left out. A product line is the beginning of the
    stock code."""
    for row in _rows(path):
        if row["CustomerID"]:
            amount = int(row["Quantity"]) * float(row["UnitPrice"])
            day = date.fromisoformat(row["InvoiceDate"][:10])
            yield row["CustomerID"], day, row["StockCode"][:2], amount


def _council(path: Path) -> Iterator[tuple[str, date, str, float]]:
    for row in _rows(path):
        day = date.fromisoformat(row["date"])
        yield row["supplier_id"], day, row["category"], float(row["amount"])


def _music_shop(path: Path) -> Iterator[tuple[str, date, str, float]]:
    with gzip.open(path, "rt", encoding="ascii") as file:
        for line in file:
            _, buyer, day, _, amount = line.split()
            yield buyer, date.fromisoformat(day), "", float(amount)


SUPPLIERS = {
    "UCI wholesaler": Supplier(
        "online-retail-2-to-2011-07.csv.gz",
        _wholesaler,
        ("2011-01-31", "2011-02-28", "2011-03-31", "2011-04-30"),
    ),
    "Oxford": Supplier(
        "oxford-spend-to-2017-03.csv.gz",
        _council,
        ("2015-09-30", "2015-12-31", "2016-03-31", "2016-06-30", "2016-09-30", "2016-12-31"),
    ),
    "CDNOW": Supplier("cdnow-sample.txt.gz", _music_shop, ("1997-12-31", "1998-03-31"), False),
}


def book_of(supplier: Supplier) -> Book:
    """The file's lines, added up by client, day and product line."""
    sums: dict[tuple[str, int, str], list[float]] = {}
    for client, day, line, amount in supplier.read(DATA / supplier.file):
        of = sums.setdefault((client, day.toordinal(), line), [0.0, 0])
        of[0] += amount
        of[1] += amount > 0
    ids = {client: place for place, client in enumerate(sorted({key[0] for key in sums}), 1)}
    rows = ((ids[c], day, line, "GBP", net, int(n)) for (c, day, line), (net, n) in sums.items())
    return Book.of(sorted(rows))


# --- the models beside ----------------------------------------------------------------------------


def _summary(client: Client, cut: int) -> tuple[int, int, int]:
    days = client.ordered
    return len(days) - 1, days[-1] - days[0], cut - days[0]


def bg_nbd(book: Book, one: Trial) -> list[float]:
    """1 − P(alive) of each client, fitted on all clients of the cut-off."""
    import numpy as np
    from lifetimes import BetaGeoFitter
    from lifetimes.utils import ConvergenceError

    everybody = [_summary(client, one.cut) for client in book.clients(one.cut) if client.ordered]
    for penalty in (0.0, 0.001, 0.01, 0.1):
        model = BetaGeoFitter(penalizer_coef=penalty)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model.fit(*np.array(everybody, float).T)
            break
        except ConvergenceError:  # a little more penalty helps
            print(f"BG/NBD does not converge with penalty {penalty}", file=sys.stderr)
    asked = np.array([_summary(case.client, one.cut) for case in one.cases], float).T
    return [1 - float(p) for p in np.ravel(model.conditional_probability_alive(*asked))]


def _features(client: Client, seen: Seen, cut: int) -> list[float]:
    """What a booster is given: the signals and the plain figures behind them, scaled by the
    client's own year."""
    year = max(1.0, seen.net_a_year)
    nets = [client.net(cut - days, cut) / year for days in (30, 60, 90, 180, 270)]
    before = [client.net(cut - days - QUARTER, cut - days) / year for days in (90, 180, 270, 365)]
    counts = [sum(day > cut - days for day in client.ordered) for days in (30, 60, 90, 180, 365)]
    gaps = [b - a for a, b in zip(client.ordered, client.ordered[1:], strict=False)]
    rest = [seen.silence, seen.tenure, seen.rhythm.usual_gap, fmean(gaps), max(gaps), len(gaps)]
    own = [seen.silence / max(1.0, seen.rhythm.usual_gap), seen.lows / max(1, seen.quarters)]
    return [*seen.signals, *nets, *before, *counts, *rest, *own, seen.net_a_year]


def boosted(book: Book, one: Trial) -> list[float]:
    """Gradient boosting, trained on four quarters that had closed by the cut-off."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    begun = min(book.days)
    known: list[list[float]] = []
    happened: list[bool] = []
    for back in (90, 135, 180, 225):
        if one.cut - back - begun < 2 * QUARTER:
            continue
        for features, was in _closed(book, one.cut - back):
            known.append(features)
            happened.append(was)
    if len(known) < 50 or len(set(happened)) < 2:
        return [0.5] * len(one.cases)
    model = HistGradientBoostingClassifier(
        max_iter=150, learning_rate=0.04, max_leaf_nodes=12, min_samples_leaf=30, random_state=1
    ).fit(known, happened)
    asked = [_features(case.client, case.seen, one.cut) for case in one.cases]
    return [float(p) for p in model.predict_proba(asked)[:, 1]]


def _closed(book: Book, eve: int) -> Iterator[tuple[list[float], bool]]:
    house = look_at(book, eve)
    for span in book.spans:
        client = book.client(span, eve)
        if not is_scorable(client, eve):
            continue
        seen = look(client, house)
        if is_regular(seen):
            net = book.client(span, eve + QUARTER).net(eve, eve + QUARTER)
            yield _features(client, seen, eve), fell_by_half(net, seen.net_a_year)


# --- the protocol ---------------------------------------------------------------------------------


def measure(supplier: Supplier) -> list[Figure]:
    """The score, the rules and the models on all cut-offs of a supplier."""
    book = book_of(supplier)
    cuts = [date.fromisoformat(day).toordinal() for day in supplier.cuts]
    trials = [backtest.trial(book, cut) for cut in cuts]
    found = backtest.sum_up(trials, EXPONENT)
    assert found is not None
    figures = list(found.figures)
    for name, model in (("BG/NBD", bg_nbd), ("boosted trees", boosted)):
        figures.append(_of_model(name, trials, [model(book, one) for one in trials]))
    return figures


def _of_model(name: str, trials: Sequence[Trial], said: Sequence[list[float]]) -> Figure:
    tops, risky = [], []
    for one, chances in zip(trials, said, strict=True):
        weighed = [p**EXPONENT * usual for p, usual in zip(chances, one.usual, strict=True)]
        tops.append(metrics.top(metrics.first(weighed, backtest.CALLS), one.fell, one.lost))
        risky.append(metrics.top(metrics.first(chances, backtest.CALLS), one.fell, one.lost))
    pairs = list(zip(said, trials, strict=True))
    return Figure(
        name,
        fmean(metrics.auc(s, one.fell) for s, one in pairs),
        fmean(metrics.average_precision(s, one.fell) for s, one in pairs),
        fmean(top.precision for top in risky),
        Top(fmean(top.precision for top in tops), fmean(top.value for top in tops)),
        metrics.calibration_error(
            [p for s in said for p in s], [was for one in trials for was in one.fell]
        ),
    )


def reached(figures: Sequence[Figure]) -> list[str]:
    """What of the bar is missed, in words; nothing when all of it is reached."""
    by = {one.name: one for one in figures}
    ours = by[backtest.SCORE]
    missed = []
    if ours.auc < by["BG/NBD"].auc + OVER_BGNBD:
        missed.append(f"AUC below BG/NBD + {OVER_BGNBD}")
    if ours.calibration_error is None or ours.calibration_error > MOST_OFF:
        missed.append(f"calibration error above {MOST_OFF}")
    for rule in ("silent-gap", "last-year"):
        theirs = by[rule].top
        if ours.top.precision < theirs.precision or ours.top.value < theirs.value:
            missed.append(f"queue below {rule}")
    return missed


# --- speed ----------------------------------------------------------------------------------------


def fill(engine: Engine, clients: int, order_days_: int, *, lines: bool) -> None:
    """Clients with about so many order days in three years; one in six has stopped."""
    draw = random.Random(3)
    now = _moment()
    names = ("account_id", "day", "product_line", "currency", "net", "sold", "orders")
    with engine.begin() as conn:
        known = [(i, f"C{i}", f"Firm {i}", now) for i in range(1, clients + 1)]
        bulk.insert(conn, accounts, ("id", "key", "name", "updated_at"), known)
        rows: list[tuple[Any, ...]] = []
        for account in range(1, clients + 1):
            rows += _orders(draw, account, order_days_ / clients, lines=lines)
            if len(rows) >= 50_000 or account == clients:
                bulk.insert(conn, order_days, names, rows)
                rows = []
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.exec_driver_sql("VACUUM ANALYZE order_days")


def _orders(
    draw: random.Random, account: int, mean: float, *, lines: bool
) -> Iterator[tuple[Any, ...]]:
    count = max(1, round(mean * draw.choice((0.3, 0.5, 0.7, 1.0, 1.2, 2.3))))
    last = draw.randrange(200, 500) if account % 6 == 0 else draw.randrange(30)
    days = {last + int(draw.random() * 1000) for _ in range(count)}
    for back in sorted(days, reverse=True):
        bought = draw.sample(range(12), 1 + (draw.random() < 0.5)) if lines else [None]
        for line in bought:
            amount = draw.randrange(5_000, 500_000) / 100
            name = "" if line is None else f"Line {line}"
            yield account, LAST - timedelta(days=back), name, "EUR", amount, amount, 1


def _moment() -> Any:
    from bench.book import NOW

    return NOW


class Speed(NamedTuple):
    """Seconds on the wall, seconds of CPU of all our processes, how many verdicts, and the sum of
    the processes' peaks in MB."""

    seconds: float
    spent: float
    verdicts: int
    peak: float


def speed(engine: Engine) -> Speed:
    """Scores a filled book in a process of its own, and looks at what it and its helper need."""
    url = engine.url.render_as_string(hide_password=False)
    # by -c: a helper reads the script of its parent anew, and ours is not the product's
    script = f"from bench.dormancy import score; score({url!r})"
    told, peak = watched([sys.executable, "-c", script])
    seconds, spent, verdicts = told.split()
    return Speed(float(seconds), float(spent), int(verdicts), peak)


def score(url: str) -> None:
    """Scores the book there once, as each night; prints seconds, CPU seconds and verdicts."""
    engine = make_engine(url)
    began, idle = perf_counter(), process_time()
    found = flow.score(engine, flow.Asked(_moment(), ZoneInfo("UTC"), EXPONENT, as_of=LAST))
    took, ours = perf_counter() - began, process_time() - idle
    assert found is not None
    helper = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(took, ours + helper.ru_utime + helper.ru_stime, len(found.queue))
