"""The loyalty matrix as figures, words and pictures."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from worker.cadence.picture import counted, day_name
from worker.indicators import picture, rules
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
from worker.indicators.matrix import Lot, Matrices, Matrix
from worker.indicators.placing import BARNACLES, BUTTERFLIES, FRIENDS, STRANGERS, Placed
from worker.reports import words
from worker.reports.figures import Figure
from worker.surveys import words as survey_words

MOST_DOTS = 400
"""So many clients are drawn, those of most profit; the table behind has all of them."""


_CORNERS = (BUTTERFLIES, FRIENDS, STRANGERS, BARNACLES)


_HEARD = 5


_CLOSE = 0.05


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
