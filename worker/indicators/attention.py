"""Attention after a sale: what clients hear from us, week by week; who heard nothing; and how soon
those hear who said that they are not content.

A week counts for a sale when it lies wholly between that sale and the account's next one, and ended
by the last day: so a client that buys weekly says nothing of the tenth week.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy.engine import Connection

from worker.cadence.picture import counted, day_name
from worker.indicators import answered, picture, reading, rules, store
from worker.indicators.asked import Asked
from worker.indicators.board import (
    Bar,
    Board,
    Row,
    Section,
    Tile,
    amount,
    between,
    count_figure,
    exact,
    length_bar,
    percent,
    period_words,
    share_bar,
    share_figure,
    share_row,
)
from worker.indicators.reading import Known
from worker.indicators.rules import Client
from worker.indicators.store import WEEKS
from worker.kernel.estimates import Estimate, share_of
from worker.reports.figures import Figure
from worker.surveys import attending
from worker.surveys.counting import Asked as AskedOf

MOST_SILENT = 20


@dataclass(frozen=True, slots=True)
class Week:
    """A week after a sale (1 is its own): of ``sales`` that were seen for the whole of it, those
    that had any contact, and how many contacts there were."""

    number: int
    sales: int
    reached: int
    mails: int
    people: int

    @property
    def heard(self) -> Estimate:
        return share_of(self.reached, self.sales)

    def rate(self, contacts: int) -> float | None:
        """Contacts for each hundred sales."""
        return contacts * 100 / self.sales if self.sales else None


@dataclass(frozen=True, slots=True)
class Attention:
    """Weeks after a sale, and the clients of today that heard nothing for a quarter, those that buy
    most first; ``last`` is the day of their last contact within a year."""

    asked: Asked
    weeks: Sequence[Week]
    active: int
    silent: Sequence[Client]
    last: Mapping[int, date]
    names: Mapping[int, tuple[str, str]]
    worth: Mapping[str, tuple[int, int]]  # currency -> cents of the silent, of all
    answered: attending.Attention  # after answers of clients who are not content

    @property
    def unheard(self) -> Estimate:
        return share_of(len(self.silent), self.active)


def read(conn: Connection, asked: Asked) -> Attention:
    """Reads the attention; the cost is that of the book, and of the sales and contacts of the
    period."""
    known = reading.read(conn, asked)
    whole = rules.weeks_seen(store.sale_spans(conn, asked.period), WEEKS)
    touched = store.touched_weeks(conn, asked.period)
    weeks = []
    for at, sales in enumerate(whole):
        mails, people, reached = touched.get(at, (0, 0, 0))
        weeks.append(Week(at + 1, sales, reached, mails, people))
    last = {account: one[2] for account, one in store.contacts_of(conn, asked.year).items()}
    silent = _silent(known, last, asked)
    return Attention(
        asked,
        weeks,
        len(known.active),
        silent,
        last,
        store.names(conn, [one.account for one in silent]),
        _worth(known, silent),
        attending.read(conn, AskedOf(asked.period)),
    )


def _silent(known: Known, last: Mapping[int, date], asked: Asked) -> list[Client]:
    since = asked.quarter.first
    found = [one for one in known.active if last.get(one.account, date.min) < since]
    return sorted(found, key=lambda one: (-_largest(one)[0], one.account))


def _largest(client: Client) -> tuple[int, str]:
    """What a client buys by the year, in its largest currency."""
    return max(((now, name) for name, (_, now) in client.worth.items()), default=(0, ""))


def _worth(known: Known, silent: Sequence[Client]) -> dict[str, tuple[int, int]]:
    found = {}
    for currency in known.currencies:
        sums = [
            sum(max(one.worth.get(currency, (0, 0))[1], 0) for one in some)
            for some in (silent, known.active)
        ]
        if sums[1]:
            found[currency] = sums[0], sums[1]
    return found


# --- as figures, words and pictures ---


def board(found: Attention) -> Board:
    """The attention, ready to be shown."""
    return Board(
        "attention",
        "Attention after a sale",
        _lead(found),
        found.asked.period,
        list(figures(found)),
        list(_tiles(found)),
        list(_sections(found)),
        _notes(found),
        {"silent": [_silent_row(found, one) for one in found.silent]},
    )


def figures(found: Attention) -> Iterator[Figure]:
    """The weeks and the silent, for programs."""
    for week in found.weeks:
        name = f"week {week.number}"
        yield share_figure("reached", name, week.heard, week.sales)
        for metric, contacts in (("mails", week.mails), ("tasks", week.people)):
            yield count_figure(metric, name, contacts, week.sales)
    yield share_figure("heard_nothing", None, found.unheard, found.active)
    for currency, (some, _) in found.worth.items():
        cents = exact(some)
        size = len(found.silent)
        yield Figure("heard_nothing_value", None, currency, cents, None, None, size, "sum")
    yield from answered.figures(found.answered)


def _lead(found: Attention) -> str:
    if not found.active:
        return f"Nobody is a client on {day_name(found.asked.period.last)}."
    return (
        f"{len(found.silent):,} of {counted(found.active, 'client')} heard nothing from us "
        f"{period_words(found.asked.quarter)}: no mail, and no task that a person closed."
    )


def _tiles(found: Attention) -> Iterator[Tile]:
    told = f"{between(found.unheard)}, n = {found.active:,}" if found.active else "no clients"
    yield Tile("Heard nothing for a quarter", told, percent(found.unheard.value))
    for currency, (some, whole) in found.worth.items():
        yield Tile("They buy by the year", f"of {amount(whole, currency)}", amount(some, currency))


def _sections(found: Attention) -> Iterator[Section]:
    yield Section(
        "weeks",
        "Contacts by week after a sale",
        "For each hundred sales or renewals, the mails and the tasks of people in each of the "
        "weeks after it, until the next one.",
        [_week_row(week) for week in found.weeks],
        drawn=_drawn(found.weeks),
        legend=(("mails", "mails"), ("people", "tasks of people")),
    )
    yield Section(
        "reached",
        "Sales that were followed by anything",
        "The share of sales with at least one contact in that week.",
        [
            {"week": one.number}
            | share_row(one.heard, one.reached, one.sales, ("reached", "sales"))
            for one in found.weeks
        ],
        bars=[
            share_bar(f"Week {one.number}", one.heard, one.sales, "sales") for one in found.weeks
        ],
        axis=("0 %", "25 %", "50 %", "75 %", "100 %"),
    )
    if found.answered.answers:
        yield answered.section(found.answered)
    if found.silent:
        yield Section(
            "silent-first",
            "Who heard nothing for a quarter",
            f"The {MOST_SILENT} that buy most; the file has all {len(found.silent):,}.",
            [_silent_row(found, one) for one in found.silent[:MOST_SILENT]],
            bars=_silent_bars(found),
        )


def _week_row(week: Week) -> Row:
    return {
        "week": week.number,
        "sales": week.sales,
        "mails": week.mails,
        "tasks_of_people": week.people,
        "mails_per_100_sales": week.rate(week.mails),
        "tasks_per_100_sales": week.rate(week.people),
    }


def _drawn(weeks: Sequence[Week]) -> str:
    shown = []
    for week in weeks:
        mails, people = week.rate(week.mails) or 0.0, week.rate(week.people) or 0.0
        told = (
            f"week {week.number}: {mails:.1f} mails and {people:.1f} tasks for each hundred of "
            f"{counted(week.sales, 'sale')}"
        )
        value = f"{mails + people:.1f}" if week.sales else "–"
        parts = [("mails", mails), ("people", people)]
        shown.append(picture.Column(str(week.number), parts, value, told))
    title = "Contacts by week after a sale: " + "; ".join(one.told for one in shown)
    return picture.columns("weeks", title, shown)


def _silent_bars(found: Attention) -> list[Bar]:
    some = found.silent[:MOST_SILENT]
    most = max((_largest(one)[0] for one in some), default=0)
    lines = []
    for one in some:
        cents, currency = _largest(one)
        key, name = found.names[one.account]
        value = amount(cents, currency) if cents > 0 else "no value"
        last = found.last.get(one.account)
        when = f"last on {day_name(last)}" if last else "nothing within a year"
        size, title = cents if cents > 0 else None, f"{name}: {value} a year"
        told = f"{key}, {when}; {one.last}"
        lines.append(length_bar(name, size, most, value, told, title=title))
    return lines


def _silent_row(found: Attention, one: Client) -> Row:
    key, name = found.names[one.account]
    cents, currency = _largest(one)
    return {
        "account": key,
        "name": name,
        "yearly_value": exact(cents),
        "currency": currency or None,
        "state": one.last,
        "last_contact_on": found.last.get(one.account),
    }


def _notes(found: Attention) -> list[str]:
    return [
        "A mail counts on the client's day for which it was decided, when its channel has accepted "
        "it; a task on the day on which a person closed it. Calls and mails that Perennial does "
        "not know of are in no figure.",
        "A sale is a day of orders, or the day on which a term was agreed; of one account and day "
        "there is one.",
        *(["No sale was seen for a whole week."] if not any(w.sales for w in found.weeks) else []),
    ]
