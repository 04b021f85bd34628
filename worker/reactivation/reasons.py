"""Why a client stands where it does: codes with the figures of their sentences. Pure.

A reason is told when it would be news to sales, not whenever its signal moves the score.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from worker.reactivation.calibration import REGULAR
from worker.reactivation.history import Client
from worker.reactivation.house import YEAR, House
from worker.reactivation.lanes import Yearly
from worker.reactivation.signals import Seen

Reason = Mapping[str, Any]

SILENT, FEWER, LESS, STOPPED = "silent", "fewer-orders", "bought-less", "lines-stopped"
BIG, YOUNG, SWINGS, FEW = "one-big-order", "young", "swings", "few-orders"
DIP, OTHERS = "house-dip", "other-currencies"
LATE, DUE = "yearly-late", "yearly-due"
CODES = (SILENT, FEWER, LESS, STOPPED, BIG, YOUNG, SWINGS, FEW, DIP, OTHERS, LATE, DUE)
"""All of them, in the order in which they are told."""

_SILENT_AT = 0.5  # the chance of such a silence
_FEWER_BELOW = 0.7  # of the usual orders
_LESS_BELOW = 0.7  # of the usual amount
_BIG_FROM = 0.4
_STOPPED_FROM = 0.1
_SWINGS_FROM, _SWINGS_KNOWN = 0.4, 6
_DIP_BELOW = 0.9
_MONTH = YEAR / 12


def of_client(client: Client, seen: Seen, house: House) -> list[Reason]:
    """The reasons of a client who buys more than once a year."""
    found: list[Reason] = [*_of_orders(seen), *_of_money(client, seen)]
    if seen.signals.one_big_order >= _BIG_FROM:
        found.append({"code": BIG, "share": _percent(seen.signals.one_big_order)})
    if seen.tenure < YEAR:
        found.append({"code": YOUNG, "months": max(1, round(seen.tenure / _MONTH))})
    if seen.quarters >= _SWINGS_KNOWN and seen.lows >= _SWINGS_FROM * seen.quarters:
        found.append({"code": SWINGS, "share": _percent(seen.lows / seen.quarters)})
    if seen.orders_a_year < REGULAR:
        found.append({"code": FEW, "orders": seen.orders_a_year})
    if house.open_share < _DIP_BELOW:
        found.append({"code": DIP})
    if client.others:
        found.append({"code": OTHERS})
    return found


def _of_orders(seen: Seen) -> list[Reason]:
    found: list[Reason] = []
    usual_gap = max(1, round(seen.rhythm.usual_gap))
    if seen.rhythm.chance <= _SILENT_AT and seen.silence > usual_gap:
        found.append({"code": SILENT, "days": seen.silence, "usual": usual_gap})
    usual = round(seen.usual_orders)
    if 0 < seen.orders < _FEWER_BELOW * seen.usual_orders and seen.orders < usual:
        found.append({"code": FEWER, "orders": seen.orders, "usual": usual})
    return found


def _of_money(client: Client, seen: Seen) -> list[Reason]:
    found: list[Reason] = []
    if seen.net < _LESS_BELOW * seen.usual_net:
        amounts = {"net": round(seen.net, 2), "usual": round(seen.usual_net, 2)}
        found.append({"code": LESS, **amounts, "currency": client.currency})
    if seen.lapsed and seen.lapsed_share >= _STOPPED_FROM:
        share = _percent(seen.lapsed_share)
        found.append({"code": STOPPED, "lines": list(seen.lapsed), "share": share})
    return found


def of_yearly(client: Client, rare: Yearly, cut: int) -> list[Reason]:
    """The reasons of a client who buys once a year."""
    due = date.fromordinal(rare.due).isoformat()
    late = cut - rare.due
    found: list[Reason] = [
        {"code": LATE, "days": late, "due": due} if late > 0 else {"code": DUE, "due": due}
    ]
    return [*found, {"code": OTHERS}] if client.others else found


def _percent(share: float) -> int:
    return min(100, max(0, round(100 * share)))
