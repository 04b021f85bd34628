"""What each channel costs: contacts, money, who was reached and what was sold soon after."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.engine import Connection

from worker.cadence.picture import counted
from worker.db.engine import settle_in
from worker.indicators import reading, store
from worker.indicators.asked import Asked, Costs
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
    period_words,
    sum_figure,
)
from worker.indicators.reading import Known
from worker.indicators.sales import CHANNELS, COMMERCIAL, CONTRACTUAL, PERSON, SURVEY
from worker.indicators.store import FOLLOWS
from worker.reports.figures import Figure

_NAMES = {
    CONTRACTUAL: "Notices and reminders",
    COMMERCIAL: "Commercial mail",
    SURVEY: "Surveys",
    PERSON: "People: tasks closed",
}


@dataclass(frozen=True, slots=True)
class Channel:
    """The contacts made by one channel in the period, the accounts that had any, the sales that
    followed one within 30 days, and the cost in cents (``None``: not said)."""

    name: str
    contacts: int
    accounts: int
    followed: int
    cost: float | None

    def each(self, count: int) -> float | None:
        """Cents for each of so many."""
        return self.cost / count if self.cost is not None and count else None


@dataclass(frozen=True, slots=True)
class Way:
    """Clients that are sold to in one way: direct, through a reseller, resellers; cents by
    currency, and what serving them costs by the year where that is known."""

    name: str
    clients: int
    worth: Mapping[str, int]
    served: int
    known: int
    contacts: int


@dataclass(frozen=True, slots=True)
class Spent:
    """All that the page of costs shows."""

    asked: Asked
    channels: Sequence[Channel]
    ways: Sequence[Way]


def read(conn: Connection, asked: Asked) -> Spent:
    """Reads the costs; the cost of that is the contacts and sales of the period, and the book."""
    settle_in(conn)
    made, after = store.channels(conn, asked.period), store.followed(conn, asked.period)
    channels = []
    for name in CHANNELS:
        contacts, accounts = made.get(name, (0, 0))
        unit = asked.costs.task if name == PERSON else asked.costs.mail
        cost = None if unit is None else contacts * unit
        channels.append(Channel(name, contacts, accounts, after.get(name, 0), cost))
    by = Asked(asked.period, "channel", asked.discount, asked.costs)
    touched = store.contacts_of(conn, asked.period)
    known = reading.read(conn, by)
    contacts_by = {account: mails + people for account, (mails, people, _) in touched.items()}
    return Spent(asked, channels, list(_ways(known, contacts_by)))


def _ways(known: Known, contacts: Mapping[int, int]) -> Iterator[Way]:
    for name in sorted({client.group for client in known.active}):
        mine = [client for client in known.active if client.group == name]
        worth = {
            currency: sum(max(one.worth.get(currency, (0, 0))[1], 0) for one in mine)
            for currency in known.currencies
        }
        costs = [one.cost for one in mine if one.cost is not None]
        touched = sum(contacts.get(one.account, 0) for one in mine)
        yield Way(name, len(mine), worth, sum(costs), len(costs), touched)


# --- as figures, words and pictures ---


def board(found: Spent) -> Board:
    """The costs, ready to be shown."""
    return Board(
        "costs",
        "Cost per channel",
        _lead(found),
        found.asked.period,
        list(figures(found)),
        list(_tiles(found)),
        list(_sections(found)),
        _notes(found),
    )


def figures(found: Spent) -> Iterator[Figure]:
    """Contacts, accounts, sales and money of each channel, for programs."""
    currency = found.asked.costs.currency or None
    for one in found.channels:
        yield count_figure("contacts", one.name, one.contacts, one.contacts)
        yield count_figure("accounts_reached", one.name, one.accounts, one.contacts)
        yield count_figure("sales_within_30_days", one.name, one.followed, one.contacts)
        if one.cost is not None:
            yield sum_figure("cost", one.name, currency, one.cost, one.contacts)
    for way in found.ways:
        yield count_figure("clients", way.name, way.clients, way.clients)
        yield count_figure("contacts_of_clients", way.name, way.contacts, way.clients)
        for name, cents in way.worth.items():
            yield sum_figure("yearly_value", way.name, name, cents, way.clients)
        yield sum_figure("cost_to_serve", way.name, None, way.served, way.known)


def _money(found: Spent, cents: float | None) -> str:
    if cents is None:
        return "not said"
    currency = found.asked.costs.currency
    return f"{cents / 100:,.2f} {currency}".strip()


def _lead(found: Spent) -> str:
    made = sum(one.contacts for one in found.channels)
    known = [one.cost for one in found.channels if one.cost is not None]
    when = period_words(found.asked.period)
    if not made:
        return f"No contact was made {when}."
    if not known:
        return f"{counted(made, 'contact')} were made {when}; what one costs is not said."
    return f"{counted(made, 'contact')} were made {when}, for {_money(found, sum(known))}."


def _tiles(found: Spent) -> Iterator[Tile]:
    for one in found.channels:
        told = f"{counted(one.accounts, 'account')} reached, {_money(found, one.cost)}"
        yield Tile(_NAMES[one.name], told, f"{one.contacts:,}")


def _sections(found: Spent) -> Iterator[Section]:
    yield Section(
        "channels",
        "Contacts by channel",
        f"And the sales or renewals that came within {FOLLOWS} days after one.",
        [_channel_row(one) for one in found.channels],
        bars=_contact_bars(found.channels),
    )
    if any(one.cost is not None for one in found.channels):
        yield Section(
            "cost",
            "Cost for each sale that followed",
            "The cost of the channel by the sales that came soon after; no effect, a proportion.",
            [_cost_row(one, found.asked.costs) for one in found.channels],
            bars=_cost_bars(found),
        )
    yield Section(
        "ways",
        "By way of sale",
        "What clients buy by the year, and what is done for them: direct clients, resellers, and "
        "clients of resellers.",
        [_way_row(one) for one in found.ways],
        bars=_way_bars(found.ways),
    )


def _contact_bars(channels: Sequence[Channel]) -> list[Bar]:
    most = max((one.contacts for one in channels), default=0)
    return [
        length_bar(
            _NAMES[one.name],
            one.contacts or None,
            most,
            f"{one.contacts:,}",
            f"{counted(one.accounts, 'account')} reached, {counted(one.followed, 'sale')} within "
            f"{FOLLOWS} days",
        )
        for one in channels
    ]


def _cost_bars(found: Spent) -> list[Bar]:
    each = {one.name: one.each(one.followed) for one in found.channels}
    most = max((cents for cents in each.values() if cents), default=0)
    lines = []
    for one in found.channels:
        cents = each[one.name]
        value = "–" if cents is None else _money(found, cents)
        told = f"{_money(found, one.cost)} in all, {counted(one.followed, 'sale')}"
        lines.append(length_bar(_NAMES[one.name], cents or None, most, value, told))
    return lines


def _way_bars(ways: Sequence[Way]) -> list[Bar]:
    most = max((one.contacts for one in ways), default=0)
    return [
        length_bar(
            named(one.name).capitalize(),
            one.contacts or None,
            most,
            counted(one.contacts, "contact"),
            f"{counted(one.clients, 'client')}, "
            + ", ".join(
                f"{amount(cents, name)} a year" for name, cents in one.worth.items() if cents
            ),
            title=f"{one.name}: {one.contacts:,}",
        )
        for one in ways
    ]


def _channel_row(one: Channel) -> Row:
    return {
        "channel": one.name,
        "contacts": one.contacts,
        "accounts_reached": one.accounts,
        "sales_within_30_days": one.followed,
        "contacts_per_sale": one.contacts / one.followed if one.followed else None,
    }


def _cost_row(one: Channel, costs: Costs) -> Row:
    found = {
        "cost": one.cost,
        "cost_per_contact": one.each(one.contacts),
        "cost_per_account": one.each(one.accounts),
        "cost_per_sale": one.each(one.followed),
    }
    row: Row = {"channel": one.name, "currency": costs.currency or None}
    return row | {name: None if cents is None else exact(cents) for name, cents in found.items()}


def _way_row(one: Way) -> Row:
    row: Row = {"way": named(one.name), "clients": one.clients, "contacts": one.contacts}
    row |= {f"yearly_value_{name.lower()}": exact(cents) for name, cents in one.worth.items()}
    served = exact(one.served) if one.known else None
    return row | {"cost_to_serve": served, "cost_known_of": one.known}


def _notes(found: Spent) -> list[str]:
    said = [
        "A sale that had several channels before it stands beside each of them. Nobody drew lots: "
        "a channel that is used when a client is about to buy anyway looks cheap.",
        "The cost to serve is what the book says of accounts, in the currency in which they buy.",
    ]
    if found.asked.costs.mail is None or found.asked.costs.task is None:
        said.append(
            "What a contact costs is your own figure: set indicators.mail_cost and "
            "indicators.task_cost in config.toml."
        )
    return said
