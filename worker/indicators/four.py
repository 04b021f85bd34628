"""The four indicators together: satisfaction, retention, loyalty, loss; each with its sample.

- *Satisfaction*: NPS of the year that ends with the period, one vote for each account.
- *Retention*: accounts active a year before the last day and on it / active a year before it.
- *Loyalty*: of the accounts active on the last day, the share that bought on more than one day; and
  the median of the years that they have been clients.
- *Loss*: accounts active on the first day and no more on the last / active on the first day.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy.engine import Connection

from worker.cadence.picture import day_name
from worker.db.engine import settle_in
from worker.indicators import rules, store
from worker.indicators.asked import QUARTERS, Asked
from worker.indicators.board import (
    PERCENT_AXIS,
    Bar,
    Board,
    Row,
    Section,
    Tile,
    between,
    count_figure,
    named,
    percent,
    period_words,
    share,
    share_bar,
    share_figure,
)
from worker.indicators.rules import Life
from worker.kernel.estimates import NOTHING, Estimate, share_of
from worker.reports import picture
from worker.reports.figures import Figure
from worker.surveys import counting
from worker.surveys import figures as survey_figures
from worker.surveys import words as survey_words
from worker.surveys.figures import ACCOUNTS

_SPLIT = {"segment": "segment", "account-manager": "owner", "channel": "channel"}
"""How surveys call a group; of a country they know nothing."""
_FIRST = QUARTERS + 4
"""The place of the first day of the period, after the ends of quarters."""


@dataclass(frozen=True, slots=True)
class Four:
    """The indicators of one group (``None``: of all), each a share with what it was counted of.

    ``nps`` is −1 to 1 of ``voters`` accounts; ``years`` the median of tenure.
    """

    group: str | None
    nps: Estimate
    voters: int
    method: str
    kept: tuple[int, int]
    again: tuple[int, int]
    years: float | None
    stayed: tuple[int, int]

    @property
    def retention(self) -> Estimate:
        return share_of(*self.kept)

    @property
    def loyalty(self) -> Estimate:
        return share_of(*self.again)

    @property
    def loss(self) -> Estimate:
        stayed, start = self.stayed
        return share_of(start - stayed, start)


@dataclass(frozen=True, slots=True)
class Quarter:
    """How many of the clients of a year before ``end`` were left, and of a quarter before it."""

    end: date
    year: tuple[int, int]
    quarter: tuple[int, int]

    @property
    def retention(self) -> Estimate:
        return share_of(*self.year)

    @property
    def loss(self) -> Estimate:
        stayed, start = self.quarter
        return share_of(start - stayed, start)


@dataclass(frozen=True, slots=True)
class Indicators:
    """All that the page of indicators shows; quarters are in order of time."""

    asked: Asked
    whole: Four
    groups: Sequence[Four]
    quarters: Sequence[Quarter]


def read(conn: Connection, asked: Asked) -> Indicators:
    """Reads the indicators in the view of one transaction: one pass over terms and order days, and
    the answers of a year."""
    settle_in(conn)
    lives = store.lives(conn, [*asked.quarters, asked.period.first], asked.by)
    said = survey_figures.read(
        conn, counting.Asked(asked.year, by=_SPLIT.get(asked.by or "")), (ACCOUNTS,)
    )
    heard = {figure.group: figure for figure in (*said.whole, *said.groups)}
    groups = sorted({life.group for life in lives}) if asked.by else []
    return Indicators(
        asked,
        _four(asked, None, lives, heard.get(None)),
        [
            _four(asked, name, [one for one in lives if one.group == name], heard.get(name))
            for name in groups
        ],
        [_quarter(asked, lives, place) for place in reversed(range(QUARTERS))],
    )


def _four(
    asked: Asked, group: str | None, lives: Sequence[Life], said: survey_figures.Figure | None
) -> Four:
    return Four(
        group,
        said.estimate if said else NOTHING,
        said.n if said else 0,
        said.method if said else ACCOUNTS,
        rules.kept(lives, 4, 0),
        rules.bought_again(lives, 0),
        rules.tenure(lives, 0, asked.period.last),
        rules.kept(lives, _FIRST, 0),
    )


def _quarter(asked: Asked, lives: Sequence[Life], place: int) -> Quarter:
    year, quarter = rules.kept(lives, place + 4, place), rules.kept(lives, place + 1, place)
    return Quarter(asked.quarters[place], year, quarter)


# --- as figures, words and pictures ---


def board(found: Indicators) -> Board:
    """The indicators, ready to be shown."""
    whole = found.whole
    return Board(
        "indicators",
        "Indicators",
        _lead(found),
        found.asked.period,
        [figure for one in (whole, *found.groups) for figure in figures(one)],
        list(_tiles(whole)),
        list(_sections(found)),
        _notes(found),
    )


def figures(one: Four) -> Iterator[Figure]:
    """The indicators of a group for programs; satisfaction as NPS from −100 to 100."""
    low, high = (survey_figures.points(end) for end in (one.nps.low, one.nps.high))
    value = survey_figures.points(one.nps.value)
    yield Figure("satisfaction", one.group, None, value, low, high, one.voters, one.method)
    yield share_figure("retention", one.group, one.retention, one.kept[1])
    yield share_figure("loyalty", one.group, one.loyalty, one.again[1])
    yield Figure("tenure", one.group, None, one.years, None, None, one.again[1], "median")
    yield share_figure("loss", one.group, one.loss, one.stayed[1])
    yield count_figure("active", one.group, one.again[1], one.again[1])


def _lead(found: Indicators) -> str:
    kept, year_ago = found.whole.kept
    stayed, start = found.whole.stayed
    if not found.whole.again[1] and not year_ago:
        return f"Nobody was a client {period_words(found.asked.period)}."
    return (
        f"{found.whole.again[1]:,} accounts are clients on {day_name(found.asked.period.last)}. "
        f"Of {year_ago:,} a year before, {kept:,} are so still; of {start:,} on "
        f"{day_name(found.asked.period.first)}, {start - stayed:,} are so no more."
    )


def _tiles(one: Four) -> Iterator[Tile]:
    heard = f"{survey_words.between(one.nps)}, n = {one.voters:,}" if one.voters else "no answers"
    yield Tile("Satisfaction, NPS by account", heard, survey_words.score(one.nps.value))
    for label, share_, size in (
        ("Retention of a year", one.retention, one.kept[1]),
        ("Loyalty: bought again", one.loyalty, one.again[1]),
        ("Loss in the period", one.loss, one.stayed[1]),
    ):
        told = f"{between(share_)}, n = {size:,}" if size else "no clients"
        yield Tile(label, told, percent(share_.value))
    years = "–" if one.years is None else f"{one.years:.1f}"
    yield Tile("Years as a client, median", f"n = {one.again[1]:,}", years)


def _sections(found: Indicators) -> Iterator[Section]:
    yield Section(
        "indicators",
        "The four together",
        "The line is the figure, the band the interval in which the true one lies with 95 % "
        "confidence. Satisfaction runs from −100 to 100, the others from 0 to 100 %.",
        [_row(found.whole)],
        bars=_bars(found.whole),
    )
    for name, title, hint in (
        (
            "retention",
            "Retention, quarter by quarter",
            "Clients of a year before who are so still.",
        ),
        ("loss", "Loss, quarter by quarter", "Clients of a quarter before who are so no more."),
    ):
        yield Section(
            f"{name}-by-quarter",
            title,
            hint,
            [_quarter_row(one, name) for one in found.quarters if _known(one, name)],
            bars=[_quarter_bar(one, name) for one in found.quarters if _known(one, name)],
            axis=PERCENT_AXIS,
        )
    if found.groups:
        by = (found.asked.by or "").replace("-", " ")
        yield Section(
            "groups",
            f"By {by}",
            "Retention of each group; the table has all four.",
            [_row(one) for one in found.groups],
            bars=[
                share_bar(named(one.group or ""), one.retention, one.kept[1], "clients a year ago")
                for one in found.groups
            ],
            axis=PERCENT_AXIS,
        )


def _bars(one: Four) -> list[Bar]:
    value, reach = survey_words.score(one.nps.value), survey_words.between(one.nps)
    title = f"Satisfaction: NPS {value}, interval {reach}, {one.voters:,} accounts"
    drawn = picture.whisker(title, one.nps, -1.0, 1.0) if one.voters else ""
    told = f"{reach}, n = {one.voters:,}" if one.voters else "nobody answered in that year"
    return [
        Bar("Satisfaction (−100 to 100)", drawn, value, told),
        share_bar("Retention", one.retention, one.kept[1], "clients a year ago"),
        share_bar("Loyalty", one.loyalty, one.again[1], "clients"),
        share_bar("Loss", one.loss, one.stayed[1], "clients on the first day"),
    ]


def _row(one: Four) -> Row:
    nps = [survey_figures.points(end) for end in (one.nps.value, one.nps.low, one.nps.high)]
    row: Row = {"group": "all" if one.group is None else named(one.group)}
    row |= {"nps": nps[0], "nps_low": nps[1], "nps_high": nps[2], "nps_n": one.voters}
    for name, found, size in (
        ("retention", one.retention, one.kept[1]),
        ("loyalty", one.loyalty, one.again[1]),
        ("loss", one.loss, one.stayed[1]),
    ):
        row |= {name: share(found.value), f"{name}_low": share(found.low)}
        row |= {f"{name}_high": share(found.high), f"{name}_n": size}
    return row | {"years_median": one.years}


def _share_of_quarter(one: Quarter, name: str) -> tuple[Estimate, int]:
    return (one.retention, one.year[1]) if name == "retention" else (one.loss, one.quarter[1])


def _known(one: Quarter, name: str) -> bool:
    return _share_of_quarter(one, name)[1] > 0


def _quarter_row(one: Quarter, name: str) -> Row:
    found, size = _share_of_quarter(one, name)
    row: Row = {"up_to": one.end, "clients_before": size, name: share(found.value)}
    return row | {"low": share(found.low), "high": share(found.high)}


def _quarter_bar(one: Quarter, name: str) -> Bar:
    found, size = _share_of_quarter(one, name)
    return share_bar(day_name(one.end), found, size, "clients before")


def _notes(found: Indicators) -> list[str]:
    said = [
        "An account is a client on a day when a licence of it is in force, or ran out at most 30 "
        "days before without being cancelled, or when it ordered in the 365 days up to that day.",
        "All of it is as the book knows it today. Intervals are 95 %: Wilson's for shares, "
        "adjusted Wald for NPS; they take accounts as independent.",
    ]
    if found.asked.by == "country":
        said.append("Surveys know of no country: satisfaction is not split by it.")
    if not found.whole.kept[1]:
        said.append("Nobody in the book was a client a year before: retention needs a year.")
    return said
