"""What a client's orders say: a score, its lane, what is at stake, and why. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from worker.reactivation import reasons
from worker.reactivation.calibration import Calibration, Evidence, is_scorable
from worker.reactivation.history import Client, Line, total
from worker.reactivation.house import QUARTER, YEAR, House
from worker.reactivation.lanes import (
    YEARLY,
    Yearly,
    drop_of,
    lane_of,
    lost_yearly,
    share_missing,
    yearly,
)
from worker.reactivation.signals import look
from worker.reactivation.weights import log_odds

EXPONENT = 3.0
"""The queue's order is the chance to this power, times money: 1 lists large healthy clients, a
high one small lost ones (the field's notes)."""
MOST_LINES = 20
"""So many product lines of a client are told, the largest first."""
RESTS_AFTER = 10
"""Days without any order in the whole book, after which it is taken to end where its orders do."""

Reason = Mapping[str, Any]
"""A code and the figures of its sentence."""


class Verdict(NamedTuple):
    """What is known of a client on a cut-off.

    ``score``: the chance from 0 to 1 that the next 90 days bring half of its own pace or less;
    ``None`` for a yearly buyer of whom it is too early to say anything. ``at_stake``: what it
    bought in a year, in ``currency``. ``drop``: how far the last 90 days lie below what is usual.
    """

    account: int
    score: float | None
    at_stake: float
    currency: str
    lane: str | None
    last_order: int
    usual_gap: int
    drop: float
    product_lines: Sequence[Mapping[str, Any]]
    reasons: Sequence[Reason]
    evidence: Evidence | None


@dataclass(frozen=True, slots=True)
class Measure:
    """What clients are judged by: the house, the calibration, and who has a licence."""

    house: House
    calibration: Calibration
    licensed: frozenset[int] = frozenset()


def judge(client: Client, by: Measure) -> Verdict | None:
    """The verdict on a client. ``None`` where there is nothing to say: under two orders, none for a
    year, or nothing sold after credit notes."""
    rare = yearly(client, licensed=client.account in by.licensed)
    if rare is not None:
        return _of_yearly(client, rare, by.house.cut)
    if not is_scorable(client, by.house.cut):
        return None
    seen = look(client, by.house)
    if seen.net_a_year <= 0:
        return None
    z = log_odds(seen.signals)
    return Verdict(
        client.account,
        by.calibration.chance(z),
        seen.net_a_year,
        client.currency,
        lane_of(seen),
        client.ordered[-1],
        max(1, round(seen.rhythm.usual_gap)),
        drop_of(seen),
        _lines(client, by.house),
        reasons.of_client(client, seen, by.house),
        by.calibration.evidence(z),
    )


def _of_yearly(client: Client, rare: Yearly, cut: int) -> Verdict | None:
    late = cut - rare.due
    if late > YEAR:  # a whole purchase was missed
        return None
    last = client.ordered[-1]
    stake = client.net(last - YEAR + QUARTER, cut)
    if stake <= 0:
        return None
    return Verdict(
        client.account,
        lost_yearly(late),
        stake,
        client.currency,
        YEARLY,
        last,
        rare.gap,
        1.0 if late > 0 else 0.0,
        (),
        reasons.of_yearly(client, rare, cut),
        None,
    )


def _lines(client: Client, house: House) -> list[Mapping[str, Any]]:
    """The product lines of the last year, the largest first, each with its own drop."""
    if not client.lines:
        return []
    share = QUARTER / min(YEAR, max(QUARTER, house.cut - client.ordered[0]))
    found = [(_net(line, house.cut, YEAR), name, line) for name, line in client.lines.items()]
    largest = sorted((one for one in found if one[0] > 0), key=lambda one: (-one[0], one[1]))
    usual = house.season.get(client.currency, 1.0) * house.open_share * share
    return [
        {
            "product_line": name,
            "drop": round(share_missing(_net(line, house.cut, QUARTER), year * usual), 4),
        }
        for year, name, line in largest[:MOST_LINES]
    ]


def _net(line: Line, cut: int, days: int) -> float:
    return total(line.days, line.nets, cut - days, cut)


def queue(verdicts: Iterable[Verdict], exponent: float = EXPONENT) -> list[Verdict]:
    """The verdicts in the order in which to call: the chance to the power of ``exponent``, times
    money. Currencies are never added up: money is counted in what a mean client of its currency
    buys. Those without a score come last."""
    found = list(verdicts)
    sums: dict[str, list[float]] = {}
    for one in found:
        of = sums.setdefault(one.currency, [0.0, 0])
        of[0], of[1] = of[0] + one.at_stake, of[1] + 1

    def weight(one: Verdict) -> float:
        whole, clients = sums[one.currency]
        return float((one.score or 0.0) ** exponent * one.at_stake * clients / whole)

    return sorted(found, key=lambda one: (one.score is None, -weight(one), one.account))


def last_full_day(as_of: int, today: int, newest: int, read_on: int | None) -> int:
    """The last day whose orders are all there, no later than ``as_of``.

    ``newest`` is the last day up to ``as_of`` on which anybody ordered, ``read_on`` the day on
    which orders were last imported: that day itself, and ``today``, may lack some. Where the book
    has had no order for long, it ends with its last one: a file that stopped is not a client that
    did. Orders later than the last import have come another way, and it says nothing of them.
    """
    last = min(as_of, today - 1)
    if read_on is not None and newest <= read_on:
        last = min(last, read_on - 1)
    return last if last - newest <= RESTS_AFTER else newest


def verdicts(clients: Iterable[Client], by: Measure) -> Iterator[Verdict]:
    """The verdicts on all clients that have one."""
    for client in clients:
        verdict = judge(client, by)
        if verdict is not None:
            yield verdict
