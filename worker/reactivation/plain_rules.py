"""The rules of commercial tools, to be measured beside the score: what each makes of a client.

Every rule gives a strength (the higher, the more at risk) and a flag. A tool calls the flagged
ones, the largest first.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from worker.reactivation.history import Client
from worker.reactivation.house import QUARTER, YEAR
from worker.reactivation.signals import Seen

RULES = ("recency", "silent-gap", "last-year", "rfm")
"""Days since the last order; silence against the median gap; the last 90 days against the same a
year ago; recency, frequency and money by fifths."""

_FIFTHS = 5


class Case(NamedTuple):
    """A client on a cut-off, as the rules see it."""

    client: Client
    seen: Seen
    cut: int


class Called(NamedTuple):
    """What a rule says of each client, in the order given."""

    strength: list[float]
    flagged: list[bool]


def judge(cases: Sequence[Case]) -> Mapping[str, Called]:
    """What each of ``RULES`` says of these clients."""
    silence = [float(case.seen.silence) for case in cases]
    gaps = [case.seen.silence / max(1.0, case.seen.rhythm.usual_gap) for case in cases]
    years = [_against_last_year(case) for case in cases]
    return {
        "recency": Called(silence, [days > QUARTER for days in silence]),
        "silent-gap": Called(gaps, [ratio > 2 for ratio in gaps]),
        "last-year": Called([-share for share in years], [share <= 0.5 for share in years]),
        "rfm": _rfm(cases),
    }


def _against_last_year(case: Case) -> float:
    """The last 90 days against the same ones a year ago; against a usual quarter without those."""
    then = case.client.net(case.cut - YEAR - QUARTER, case.cut - YEAR)
    return case.seen.net / then if then > 0 else case.seen.net / (case.seen.net_a_year / 4)


def _rfm(cases: Sequence[Case]) -> Called:
    """Fifths from 1 to 5, the best is 5; at risk are good clients who were long not seen."""
    recency = _fifths(cases, lambda case: -case.seen.silence)
    frequency = _fifths(cases, lambda case: case.seen.orders_a_year)
    money = _fifths(cases, lambda case: case.seen.net_a_year)
    together = list(zip(recency, frequency, money, strict=True))
    return Called(
        [-float(r + f + m) for r, f, m in together],
        [r <= 2 and f >= 3 and m >= 3 for r, f, m in together],
    )


def _fifths(cases: Sequence[Case], value: Callable[[Case], float]) -> list[int]:
    values = [value(case) for case in cases]
    ranked = sorted(values)
    return [
        min(_FIFTHS, 1 + (bisect_right(ranked, one) - 1) * _FIFTHS // len(ranked)) for one in values
    ]
