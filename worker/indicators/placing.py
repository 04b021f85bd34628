"""The fields of the loyalty matrix: who is profitable, who is likely to stay. Pure.

Names of the four fields: W. Reinartz and V. Kumar, The Mismanagement of Customer Loyalty, Harvard
Business Review 80 (2002) 86.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import fsum
from statistics import median

from worker.indicators.rules import Chance, Client

_DIGITS = 9  # clients of one chance are not parted by the last digit of their mean

FRIENDS, BUTTERFLIES, BARNACLES, STRANGERS = FIELDS = (
    *("true friends", "butterflies"),
    *("barnacles", "strangers"),
)
"""Profitable and loyal; profitable only; loyal only; neither."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A client in the matrix: cents of profit by the year and the chance that it stays."""

    client: Client
    profit: int
    chance: float
    field: str


def profit_of(client: Client, currency: str) -> int:
    """Yearly value less the cost to serve, in cents: where an account buys in several currencies,
    the one with most value bears its cost."""
    now = client.worth.get(currency, (0, 0))[1]
    largest = max(client.worth, key=lambda name: (client.worth[name][1], name), default=currency)
    return now - (client.cost or 0 if largest == currency else 0)


def lines(profits: Sequence[int], sure: Sequence[float]) -> tuple[float, float]:
    """Where the matrix is cut: at the median of profit, and at the mean of the chances."""
    if not profits:
        return 0.0, 0.0
    return float(median(profits)), round(fsum(sure) / len(sure), _DIGITS)


def place(
    clients: Iterable[Client],
    known: Mapping[str, Chance],
    currency: str,
    cut: tuple[float, float] | None = None,
) -> tuple[list[Placed], tuple[float, float]]:
    """The active clients that buy in ``currency``, each in its field, the most profitable first;
    and the lines between the fields, which are found unless they are given."""
    active = [
        (client, profit_of(client, currency), round(known[client.last].value, _DIGITS))
        for client in clients
        if client.last is not None and client.worth.get(currency, (0, 0))[1] > 0
    ]
    value, loyal = cut or lines([one[1] for one in active], [one[2] for one in active])
    found = [
        Placed(client, profit, chance, field_of(profit >= value, chance >= loyal))
        for client, profit, chance in active
    ]
    return sorted(found, key=lambda one: (-one.profit, one.client.account)), (value, loyal)


def field_of(profitable: bool, loyal: bool) -> str:
    """The name of a field."""
    if profitable:
        return FRIENDS if loyal else BUTTERFLIES
    return BARNACLES if loyal else STRANGERS


def thirds(placed: Sequence[Placed]) -> list[Sequence[Placed]]:
    """The clients in three parts of as many each, the most profitable first; what does not divide
    goes to the first parts."""
    ends = [-(-len(placed) * part // 3) for part in range(4)]
    return [placed[start:end] for start, end in itertools.pairwise(ends)]
