"""The loyalty matrix: profitability of clients against the chance that they stay.

Profitability is what a client buys by the year less the cost to serve it, where that is known. The
chance of staying is that of its state (``rules.chances``). The matrix of a currency is cut at the
median of profit and at the mean chance of the clients in it. The fields are those of Reinartz and
Kumar (2002).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from statistics import median

from sqlalchemy.engine import Connection

from worker.indicators import placing, reading, store
from worker.indicators.asked import Asked
from worker.indicators.placing import FIELDS, Placed
from worker.indicators.reading import Known
from worker.kernel.estimates import NOTHING, Estimate
from worker.surveys import numbers

_THIRDS = ("largest third", "middle third", "smallest third")


@dataclass(frozen=True, slots=True)
class Lot:
    """Clients that are looked at together: one field, or one third."""

    name: str
    placed: Sequence[Placed]
    contacts: int
    nps: Estimate
    voters: int

    @property
    def profit(self) -> int:
        return sum(one.profit for one in self.placed)

    def years(self, day: date) -> float | None:
        """The median of their years as clients."""
        return median(one.client.years(day) for one in self.placed) if self.placed else None

    @property
    def chance(self) -> float | None:
        size = len(self.placed)
        return sum(one.chance for one in self.placed) / size if size else None

    @property
    def each(self) -> int | None:
        """Cents of profit for each contact made in the year."""
        return round(self.profit / self.contacts) if self.contacts else None


@dataclass(frozen=True, slots=True)
class Matrix:
    """The matrix of one currency; ``cut`` is the profit (in cents) and the chance at its lines."""

    currency: str
    cut: tuple[float, float]
    placed: Sequence[Placed]
    fields: Sequence[Lot]
    thirds: Sequence[Lot]


@dataclass(frozen=True, slots=True)
class Matrices:
    """A matrix for each currency, and what is known of the accounts in them."""

    asked: Asked
    known: Known
    found: Sequence[Matrix]
    names: Mapping[int, tuple[str, str]]
    contacts: Mapping[int, tuple[int, int, date]]


def read(conn: Connection, asked: Asked) -> Matrices:
    """Reads the matrices: the clients of the book, and the contacts and answers of a year."""
    known = reading.read(conn, asked)
    touched = store.contacts_of(conn, asked.year)
    said = store.votes(conn, asked.year)
    found = [
        _matrix(known, currency, touched, said) for currency in known.currencies if known.chances
    ]
    ids = {one.client.account for each in found for one in each.placed}
    return Matrices(
        asked, known, [one for one in found if one.placed], store.names(conn, sorted(ids)), touched
    )


def _matrix(
    known: Known,
    currency: str,
    touched: Mapping[int, tuple[int, int, date]],
    said: Mapping[int, tuple[int, int, int]],
) -> Matrix:
    placed, cut = placing.place(known.clients, known.chances, currency)
    fields = [
        _lot(name, [one for one in placed if one.field == name], touched, said) for name in FIELDS
    ]
    thirds = [
        _lot(name, some, touched, said)
        for name, some in zip(_THIRDS, placing.thirds(placed), strict=True)
    ]
    return Matrix(currency, cut, placed, fields, thirds)


def _lot(
    name: str,
    placed: Sequence[Placed],
    touched: Mapping[int, tuple[int, int, date]],
    said: Mapping[int, tuple[int, int, int]],
) -> Lot:
    mine = [one.client.account for one in placed]
    contacts = sum(sum(touched[account][:2]) for account in mine if account in touched)
    votes = [said[account] for account in mine if account in said]
    means = [(up - down) / count for count, up, down in votes]
    size = len(means)
    worth = numbers.of_sums(size, size, sum(means), sum(mean * mean for mean in means))
    return Lot(name, placed, contacts, numbers.estimate(worth) if size else NOTHING, size)
