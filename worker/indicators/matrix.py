"""The loyalty matrix: profitability of clients against the chance that they stay.

Profitability is what a client buys by the year less the cost to serve it, where that is known. The
chance of staying is that of its state (``rules.chances``). The matrix of a currency is cut at the
median of profit and at the mean chance of the clients in it. The fields are those of Reinartz and
Kumar (2002).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from statistics import median

from sqlalchemy.engine import Connection

from worker.cadence.picture import counted, day_name
from worker.indicators import picture, reading, rules, store
from worker.indicators.asked import Asked
from worker.indicators.board import (
    Bar,
    Board,
    Row,
    Section,
    amount,
    exact,
    length_bar,
    percent,
    share,
    share_bar,
    share_figure,
    sum_figure,
)
from worker.indicators.reading import Known
from worker.indicators.rules import (
    BARNACLES,
    BUTTERFLIES,
    FIELDS,
    FRIENDS,
    STRANGERS,
    Placed,
)
from worker.kernel.estimates import NOTHING, Estimate
from worker.reports import words
from worker.reports.figures import Figure
from worker.surveys import numbers
from worker.surveys import words as survey_words

MOST_DOTS = 400
"""So many clients are drawn, those of most profit; the table behind has all of them."""
_CORNERS = (BUTTERFLIES, FRIENDS, STRANGERS, BARNACLES)
_THIRDS = ("largest third", "middle third", "smallest third")
_HEARD = 5
_CLOSE = 0.05


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
    placed, cut = rules.place(known.clients, known.chances, currency)
    fields = [
        _lot(name, [one for one in placed if one.field == name], touched, said) for name in FIELDS
    ]
    thirds = [
        _lot(name, some, touched, said)
        for name, some in zip(_THIRDS, rules.thirds(placed), strict=True)
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


# --- as figures, words and pictures ---


def board(found: Matrices) -> Board:
    """The matrices, ready to be shown."""
    return Board(
        "matrix",
        "Loyalty matrix",
        _lead(found),
        found.asked.year,
        list(figures(found)),
        sections=list(_sections(found)),
        notes=_notes(found),
        exports={"clients": list(_clients(found))},
    )


def figures(found: Matrices) -> Iterator[Figure]:
    """Clients, profit and profit for each contact of each field, for programs."""
    for matrix in found.found:
        size = len(matrix.placed)
        for lot in (*matrix.fields, *matrix.thirds):
            here = len(lot.placed)
            value = here / size
            yield Figure("clients", lot.name, matrix.currency, here, None, None, size, "count")
            yield Figure(
                "clients_share", lot.name, matrix.currency, value, None, None, size, "ratio"
            )
            yield sum_figure("profit", lot.name, matrix.currency, lot.profit, here)
            each = None if lot.each is None else exact(lot.each)
            metric = "profit_per_contact"
            yield Figure(metric, lot.name, matrix.currency, each, None, None, lot.contacts, "ratio")
    for one in found.known.chances.values():
        yield share_figure("stayed_a_year", one.state, one.seen, one.clients)


def _lead(found: Matrices) -> str:
    if not found.known.chances:
        return "Nobody in the book was a client a year ago: no loyalty can be learned yet."
    if not found.found:
        return "No client of today has a value: licences need amounts, or orders must be loaded."
    first = found.found[0]
    friends = next(lot for lot in first.fields if lot.name == FRIENDS)
    whole = sum(one.profit for one in first.placed)
    part = percent(friends.profit / whole) if whole > 0 else "–"
    return (
        f"{counted(len(friends.placed), 'client')} of {len(first.placed):,} that buy in "
        f"{words.currency_name(first.currency)} are profitable and likely to stay; they bring "
        f"{part} of the profit of {amount(whole, first.currency)} a year."
    )


def _sections(found: Matrices) -> Iterator[Section]:
    day = found.asked.period.last
    for matrix in found.found:
        name, slug = words.currency_name(matrix.currency), matrix.currency.lower()
        yield Section(
            f"fields-{slug}",
            f"Profit against loyalty, {name}",
            f"Each dot is a client. The lines lie at {amount(matrix.cut[0], matrix.currency)} a "
            f"year, which half of them bring or more, and at their mean chance to stay, "
            f"{percent(matrix.cut[1])}.",
            [_lot_row(lot, matrix, day) for lot in matrix.fields],
            drawn=_drawn(found, matrix),
        )
        yield Section(
            f"effort-{slug}",
            f"Profit for each contact made, {name}",
            "Clients in three parts of as many each. Contacts are mails and tasks of people "
            f"{_year(found)}.",
            [_lot_row(lot, matrix, day) for lot in matrix.thirds],
            bars=_effort(matrix),
        )
    if found.known.chances:
        chances = list(found.known.chances.values())
        yield Section(
            "chances",
            "Where the chances come from",
            "Of those in such a state a year ago, the share who are clients still. Ten clients of "
            "the book's own mean are added to each, so that a few say little.",
            [_chance_row(one) for one in chances],
            bars=[share_bar(one.state, one.seen, one.clients, "clients") for one in chances],
            axis=("0 %", "25 %", "50 %", "75 %", "100 %"),
        )


def _year(found: Matrices) -> str:
    year = found.asked.year
    return f"from {day_name(year.first)} to {day_name(year.last)}"


def _drawn(found: Matrices, matrix: Matrix) -> str:
    lots = {lot.name: lot for lot in matrix.fields}
    corners = [
        (name, f"{len(lots[name].placed):,} · {amount(lots[name].profit, matrix.currency)}")
        for name in _CORNERS
    ]
    dots = [
        picture.Dot(one.chance, one.profit, _CLASSES[one.field], _told(found, matrix, one))
        for one in matrix.placed[:MOST_DOTS]
    ]
    told = "; ".join(f"{name}: {said}" for name, said in corners)
    return picture.matrix(f"Loyalty matrix. {told}", dots, matrix.cut, corners)


_CLASSES = {
    FRIENDS: "friend",
    BUTTERFLIES: "butterfly",
    BARNACLES: "barnacle",
    STRANGERS: "stranger",
}


def _told(found: Matrices, matrix: Matrix, one: Placed) -> str:
    _, name = found.names[one.client.account]
    money = amount(one.profit, matrix.currency)
    return f"{name}: {money} a year, {percent(one.chance)} likely to stay ({one.client.last})"


def _effort(matrix: Matrix) -> list[Bar]:
    most = max((lot.each or 0 for lot in matrix.thirds), default=0)
    found = []
    for lot in matrix.thirds:
        value = "–" if lot.each is None else amount(lot.each, matrix.currency)
        size = max(lot.each, 0) if lot.each and most > 0 else None
        told = (
            f"{counted(len(lot.placed), 'client')}, {amount(lot.profit, matrix.currency)} a year, "
            f"{counted(lot.contacts, 'contact')}"
        )
        title = f"{lot.name}: {value} of profit for each contact"
        found.append(length_bar(lot.name.capitalize(), size, most, value, told, title=title))
    return found


def _lot_row(lot: Lot, matrix: Matrix, day: date) -> Row:
    size, whole = len(matrix.placed), sum(one.profit for one in matrix.placed)
    heard = lot.voters >= _HEARD
    return {
        "field": lot.name,
        "clients": len(lot.placed),
        "of_clients": share(len(lot.placed) / size),
        "profit_a_year": exact(lot.profit),
        "of_profit": share(lot.profit / whole) if whole > 0 else None,
        "chance_to_stay": share(lot.chance),
        "years_median": lot.years(day),
        "nps": survey_words.score(lot.nps.value) if heard else None,
        "nps_95_%_interval": survey_words.between(lot.nps) if heard else None,
        "nps_n": lot.voters,
        "contacts": lot.contacts,
        "profit_per_contact": None if lot.each is None else exact(lot.each),
    }


def _chance_row(one: rules.Chance) -> Row:
    return {
        "state_a_year_ago": one.state,
        "clients": one.clients,
        "stayed": one.stayed,
        "share": share(one.seen.value),
        "low": share(one.seen.low),
        "high": share(one.seen.high),
        "chance_taken": share(one.value),
    }


def _clients(found: Matrices) -> Iterator[Row]:
    """Every client in a matrix, for programs that make pictures of their own."""
    day = found.asked.period.last
    for matrix in found.found:
        for one in matrix.placed:
            key, name = found.names[one.client.account]
            mails, people, last = found.contacts.get(one.client.account, (0, 0, None))
            yield {
                "account": key,
                "name": name,
                "currency": matrix.currency,
                "profit_a_year": exact(one.profit),
                "yearly_value": exact(one.client.worth[matrix.currency][1]),
                "chance_to_stay": share(round(one.chance, 4)),
                "field": one.field,
                "state": one.client.last,
                "client_since": one.client.since,
                "years": round(one.client.years(day), 2),
                "mails": mails,
                "tasks": people,
                "last_contact_on": last,
            }


def _notes(found: Matrices) -> list[str]:
    known = sum(one.cost is not None for one in found.known.active)
    active = len(found.known.active)
    said = [
        f"The cost to serve is known of {known:,} of {counted(active, 'client')}; of the others, "
        "what they buy stands for profit.",
        "NPS of a field is told by named answers of at least five accounts, one vote each.",
        "Profit for each contact is no effect of contacts: large clients buy more and are written "
        "to more. It says where effort goes.",
    ]
    for matrix in found.found:
        sure = [one.chance for one in matrix.placed]
        if max(sure) - min(sure) < _CLOSE:
            said.append(
                f"In {words.currency_name(matrix.currency)} the chances to stay lie between "
                f"{percent(min(sure))} and {percent(max(sure))}: left and right of the line differ "
                "little."
            )
    drawn = [one for one in found.found if len(one.placed) > MOST_DOTS]
    if drawn:
        said.append(f"Drawn are the {MOST_DOTS} clients of most profit; the file has all of them.")
    return said
