"""Client capital: what the clients of today are expected to bring, how that changed, and by whom.

Expected within 12 months: Σ yearly value × chance of staying. Expected over the lifetime, in money
of today: Σ v·p / (1 + d − p) (Gupta and Lehmann 2003). Value is what is in force of licences, at
today's amounts, and the orders of the 365 days before, less credit notes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.engine import Connection

from worker.cadence.picture import counted, day_name
from worker.indicators import picture, reading, rules, store
from worker.indicators.asked import Asked
from worker.indicators.board import (
    Bar,
    Board,
    Row,
    Section,
    Tile,
    amount,
    count_figure,
    exact,
    length_bar,
    named,
    percent,
    share,
    sum_figure,
)
from worker.indicators.reading import Known
from worker.indicators.rules import LESS, LOST, MORE, NEW, Capital
from worker.reports import words
from worker.reports.figures import Figure

MOST_MOVERS = 20
_CLASSES = {NEW: "more", MORE: "more", LESS: "less", LOST: "less"}


@dataclass(frozen=True, slots=True)
class Purse:
    """The capital of one currency, whole and by group."""

    currency: str
    whole: Capital
    groups: Mapping[str, Capital]


@dataclass(frozen=True, slots=True)
class Capitals:
    """The capital of each currency, and the names of those who changed it most."""

    asked: Asked
    known: Known
    purses: Sequence[Purse]
    names: Mapping[int, tuple[str, str]]


def read(conn: Connection, asked: Asked) -> Capitals:
    """Reads the capital of the book; the cost is that of the book."""
    known = reading.read(conn, asked)
    purses = [_purse(known, currency, asked) for currency in known.currencies if known.chances]
    movers = {one[0] for purse in purses for one in purse.whole.movers[:MOST_MOVERS]}
    return Capitals(asked, known, purses, store.names(conn, sorted(movers)))


def _purse(known: Known, currency: str, asked: Asked) -> Purse:
    mine = (client for client in known.clients if currency in client.worth)
    groups = sorted({client.group for client in mine}) if asked.by else []
    return Purse(
        currency,
        rules.capital(known.clients, known.chances, currency, asked.discount),
        {
            name: rules.capital(
                (client for client in known.clients if client.group == name),
                known.chances,
                currency,
                asked.discount,
            )
            for name in groups
        },
    )


# --- as figures, words and pictures ---


def board(found: Capitals) -> Board:
    """The capital, ready to be shown."""
    return Board(
        "capital",
        "Client capital",
        _lead(found),
        found.asked.period,
        list(figures(found)),
        list(_tiles(found)),
        list(_sections(found)),
        _notes(found),
    )


def figures(found: Capitals) -> Iterator[Figure]:
    """The sums of each currency and group, for programs."""
    for purse in found.purses:
        for group, one in ((None, purse.whole), *purse.groups.items()):
            for metric, cents in (
                ("yearly_value", one.yearly),
                ("expected_12_months", one.expected),
                ("expected_12_months_before", one.expected_then),
                ("expected_lifetime", one.whole),
            ):
                yield sum_figure(metric, group, purse.currency, cents, one.clients)
        for kind, (clients, cents) in purse.whole.changes.items():
            yield sum_figure("change", kind, purse.currency, cents, clients)
    active = len(found.known.active)
    yield count_figure("active", None, active, active)


def _lead(found: Capitals) -> str:
    if not found.known.chances:
        return "Nobody in the book was a client a year ago: no chance can be learned yet."
    if not found.purses:
        return "No client has a value: licences need amounts, or orders must be loaded."
    first = found.purses[0]
    change = first.whole.expected - first.whole.expected_then
    verb = "more" if change >= 0 else "less"
    expected = amount(first.whole.expected, first.currency)
    return (
        f"The clients of today are expected to bring {expected} within 12 months: "
        f"{amount(abs(change), first.currency)} {verb} than was expected on "
        f"{day_name(found.asked.period.first)}."
    )


def _tiles(found: Capitals) -> Iterator[Tile]:
    for purse in found.purses:
        one, currency = purse.whole, purse.currency
        of = f"of {amount(one.yearly, currency)} a year, {counted(one.clients, 'client')}"
        yield Tile("Expected within 12 months", of, amount(one.expected, currency))
        told = f"at {percent(found.asked.discount)} discount a year"
        yield Tile("Over the lifetime", told, amount(one.whole, currency))


def _sections(found: Capitals) -> Iterator[Section]:
    for purse in found.purses:
        name, slug = words.currency_name(purse.currency), purse.currency.lower()
        yield Section(
            f"changes-{slug}",
            f"What changed, {name}",
            f"Expected within 12 months, as of {day_name(found.asked.period.first)} and as of "
            f"{day_name(found.asked.period.last)}.",
            _change_rows(purse),
            drawn=_drawn(purse),
            legend=(("more", "more expected"), ("less", "less expected"), ("whole", "the sum")),
        )
        yield Section(
            f"movers-{slug}",
            f"From whom, {name}",
            f"The {MOST_MOVERS} clients that changed it most.",
            [_mover_row(found, one) for one in purse.whole.movers[:MOST_MOVERS]],
            bars=_movers(found, purse),
        )
        if purse.groups:
            by = (found.asked.by or "").replace("-", " ")
            yield Section(
                f"groups-{slug}",
                f"By {by}, {name}",
                "Expected within 12 months.",
                [_group_row(group, one) for group, one in purse.groups.items()],
                bars=_groups(purse),
            )


def _change_rows(purse: Purse) -> list[Row]:
    one = purse.whole
    rows: list[Row] = [{"what": "before", "clients": None, "expected": exact(one.expected_then)}]
    for kind, (clients, cents) in one.changes.items():
        rows.append({"what": kind, "clients": clients, "expected": exact(cents)})
    return [*rows, {"what": "now", "clients": one.clients, "expected": exact(one.expected)}]


def _drawn(purse: Purse) -> str:
    """A bridge from the sum before to the sum now: each change stands where the one before
    ended."""
    one, level = purse.whole, purse.whole.expected_then
    told = amount(level, purse.currency)
    shown = [picture.Column("before", [("whole", level)], _short(level), f"before: {told}")]
    for kind, (clients, cents) in one.changes.items():
        base = min(level, level + cents)
        told = f"{kind}: {counted(clients, 'client')}, {amount(cents, purse.currency)}"
        parts = [(_CLASSES[kind], abs(cents))]
        shown.append(picture.Column(kind, parts, _short(cents, sign=True), told, max(base, 0)))
        level += cents
    told = f"now: {amount(one.expected, purse.currency)}"
    shown.append(picture.Column("now", [("whole", one.expected)], _short(one.expected), told))
    title = f"Change in {words.currency_name(purse.currency)}: " + "; ".join(c.told for c in shown)
    return picture.columns("bridge", title, shown)


def _short(cents: float, *, sign: bool = False) -> str:
    text = f"{cents / 100:+,.0f}" if sign else f"{cents / 100:,.0f}"
    return text.replace("-", "−")


def _movers(found: Capitals, purse: Purse) -> list[Bar]:
    movers = purse.whole.movers[:MOST_MOVERS]
    most = max((abs(now - then) for _, then, now in movers), default=0)
    lines = []
    for account, then, now in movers:
        _, name = found.names[account]
        value = _short(now - then, sign=True)
        kind = "on-time" if now > then else "leaked"
        told = f"{_short(then)} before, {_short(now)} now"
        lines.append(length_bar(name, abs(now - then), most, value, told, kind=kind))
    return lines


def _mover_row(found: Capitals, one: tuple[int, float, float]) -> Row:
    account, then, now = one
    key, name = found.names[account]
    row: Row = {"account": key, "name": name, "before": exact(then), "now": exact(now)}
    return row | {"change": exact(now) - exact(then)}


def _groups(purse: Purse) -> list[Bar]:
    most = max((one.expected for one in purse.groups.values()), default=0)
    lines = []
    for group, one in purse.groups.items():
        value = amount(one.expected, purse.currency)
        change = _short(one.expected - one.expected_then, sign=True)
        told = f"{counted(one.clients, 'client')}, {change}"
        lines.append(length_bar(named(group), one.expected if most else None, most, value, told))
    return lines


def _group_row(group: str, one: Capital) -> Row:
    whole = one.yearly
    return {
        "group": named(group),
        "clients": one.clients,
        "yearly_value": exact(one.yearly),
        "expected_before": exact(one.expected_then),
        "expected": exact(one.expected),
        "of_yearly_value": share(one.expected / whole) if whole else None,
        "lifetime": exact(one.whole),
    }


def _notes(found: Capitals) -> list[str]:
    active = found.known.active
    without = sum(not any(now > 0 for _, now in one.worth.values()) for one in active)
    said = [
        "The chances are those of today on both days, so that what changes is the clients. The "
        "page of the matrix shows where they come from.",
        "Licences count at today's amounts on both days, so a change of price shows in no change.",
        "Currencies are never added up.",
    ]
    if without:
        said.append(f"{counted(without, 'client')} without a value: in the counts, in no sum.")
    return said
