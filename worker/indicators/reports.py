"""The reports of this room by name: how each is read, and over how many months by default."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy.engine import Connection

from worker.config.settings import IndicatorSettings
from worker.indicators import attention, capital, costs, four, matrix, matrix_board
from worker.indicators.asked import Asked, Costs
from worker.indicators.board import Board
from worker.kernel.dates import Period


@dataclass(frozen=True, slots=True)
class Kind:
    """A report: what it answers, whether it can be split, and how it is read."""

    name: str
    title: str
    says: str
    months: int
    splits: bool
    read: Callable[[Connection, Asked], Board]


def _kinds() -> tuple[Kind, ...]:
    return (
        Kind(
            "indicators",
            "Indicators",
            "Satisfaction, retention, loyalty and loss together, each with its sample.",
            3,
            True,
            lambda conn, asked: four.board(four.read(conn, asked)),
        ),
        Kind(
            "matrix",
            "Loyalty matrix",
            "Profitability of clients against the chance that they stay, in four fields.",
            12,
            False,
            lambda conn, asked: matrix_board.board(matrix.read(conn, asked)),
        ),
        Kind(
            "capital",
            "Client capital",
            "What the clients of today are expected to bring, how that changed, and by whom.",
            3,
            True,
            lambda conn, asked: capital.board(capital.read(conn, asked)),
        ),
        Kind(
            "attention",
            "Attention after a sale",
            "What clients hear from us week by week after they bought, and who heard nothing.",
            12,
            False,
            lambda conn, asked: attention.board(attention.read(conn, asked)),
        ),
        Kind(
            "costs",
            "Cost per channel",
            "Contacts by channel, what they cost, and what was sold soon after.",
            12,
            False,
            lambda conn, asked: costs.board(costs.read(conn, asked)),
        ),
    )


KINDS: Mapping[str, Kind] = {kind.name: kind for kind in _kinds()}
"""In the order in which pages list them."""


def asked_by(settings: IndicatorSettings, period: Period, by: str | None = None) -> Asked:
    """What an instance with these settings asks for: money in cents."""
    mail, task = (
        None if value is None else value * 100 for value in (settings.mail_cost, settings.task_cost)
    )
    return Asked(period, by, settings.discount, Costs(settings.currency, mail, task))
