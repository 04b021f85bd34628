"""All that the page of surveys shows, read in one view of the database, and its tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy.engine import Connection

from worker.db.beside import beside
from worker.kernel.dates import Period
from worker.kernel.estimates import Estimate
from worker.surveys import attending, counting, coverage, figures, numbers, rules, words
from worker.surveys.attending import Attention, Reached
from worker.surveys.counting import MONTH, Asked
from worker.surveys.coverage import Part, Stance, ToAsk
from worker.surveys.figures import ACCOUNTS, ANSWERS, METHODS, Figure, Report
from worker.surveys.numbers import Change, Tally
from worker.surveys.themes import Reader

Table = list[dict[str, object]]
MOST_GROUPS = 50
"""Groups that a page shows; those with most votes."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """How many answers speak of a theme, and how they score."""

    theme: str
    name: str
    tally: Tally

    @property
    def estimate(self) -> Estimate:
        return numbers.estimate(numbers.votes_of(self.tally))


@dataclass(frozen=True, slots=True)
class Board:
    """The figures of one question, with everything that helps to judge them."""

    asked: Asked
    parts: Sequence[Part]
    report: Report
    months: Report
    change: Change | None
    stances: Sequence[Stance]
    spoken: Sequence[Spoken]
    next: Sequence[ToAsk]
    attention: Attention

    @property
    def groups(self) -> list[tuple[str | None, list[Figure]]]:
        """The groups with most votes, each with its figures, in their order."""
        found = list(figures.by_name(self.report.groups).items())
        largest = sorted(found, key=lambda each: -each[1][0].n)[:MOST_GROUPS]
        kept = {group for group, _ in largest}
        return [each for each in found if each[0] in kept]


def read(conn: Connection, asked: Asked, today: date, reader: Reader) -> Board:
    """Reads the board of ``asked``. Its cost is that of the answers in the period and the book."""
    alone = asked.but(by=None)
    with beside(conn, lambda other: _Rest.read(other, asked, today)) as counted:
        report = figures.read(conn, asked, METHODS, (ANSWERS, ACCOUNTS))
        change = figures.change(conn, alone, report.whole)
        attention = attending.read(conn, alone)
    rest = counted()
    spoken = list(_spoken(rest.themes, reader, report))
    return Board(
        asked, rest.parts, report, rest.months, change, rest.stances, spoken, rest.next, attention
    )


class _Rest(NamedTuple):
    """About half of the work: what needs no figure of the whole."""

    parts: Sequence[Part]
    next: Sequence[ToAsk]
    months: Report
    stances: Sequence[Stance]
    themes: Sequence[Any]

    @classmethod
    def read(cls, conn: Connection, asked: Asked, today: date) -> _Rest:
        return cls(
            *coverage.read(conn, asked.period, today),
            figures.read(conn, asked.but(by=MONTH), (), (ANSWERS,)),
            coverage.renewal_by_stance(conn, asked.period, today),
            counting.themes(conn, asked.but(by=None)),
        )


def _spoken(rows: Sequence[Any], reader: Reader, whole: Report) -> Iterator[Spoken]:
    """Theme by theme, in the order of the declaration; too few protected answers are left out."""
    for theme, name in reader.names.items():
        tally = Tally()
        for row in rows:
            hidden = row.flag and (whole.hidden_whole or row.n < rules.FEW)
            if row.theme == theme and not hidden:
                tally += Tally(row.up, row.n - row.up - row.down, row.down)
        if tally.n:
            yield Spoken(theme, name, tally)


def tables(board: Board) -> Mapping[str, Table]:
    """Every table behind a picture, by the name of its file; those without a row are left out."""
    by_group = [figure for _, found in board.groups for figure in found]
    found: dict[str, Table] = {
        "coverage": [_part(part) for part in board.parts],
        "figures": [words.row(figure) for figure in board.report.whole],
        "months": [words.row(figure) for figure in board.months.groups],
        "groups": [words.row(figure) for figure in by_group],
        "renewals": [_stance(stance) for stance in board.stances if stance.due],
        "themes": [_theme(spoken) for spoken in board.spoken],
        "next": [_next(row) for row in board.next],
        "loop": [_reached(name, one) for name, one in reached(board.attention)],
    }
    return {name: rows for name, rows in found.items() if rows}


def _part(part: Part) -> dict[str, object]:
    money = part.currency is not None
    shown = [f"{each / 100:,.2f}" if money else f"{each:,}" for each in (part.heard, part.all)]
    return {
        "of": part.what if not money else f"revenue in {part.currency}",
        "heard": shown[0],
        "all": shown[1],
        "share": words.share(part.share),
    }


def _stance(stance: Stance) -> dict[str, object]:
    rate = stance.rate
    assert rate.low is not None
    assert rate.high is not None
    return {
        "account_was": stance.name,
        "due": stance.due,
        "renewed": stance.renewed,
        "rate": words.share(rate.value),
        "95_%_interval": f"{words.share(rate.low)} to {words.share(rate.high)}",
    }


def _theme(spoken: Spoken) -> dict[str, object]:
    tally = spoken.tally
    return {
        "theme": spoken.name,
        "answers": round(tally.n),
        "promoters": round(tally.promoters),
        "passives": round(tally.passives),
        "detractors": round(tally.detractors),
        "nps": words.score(spoken.estimate.value),
        "95_%_interval": words.between(spoken.estimate),
    }


def _next(row: ToAsk) -> dict[str, object]:
    return {
        "account": row.key,
        "name": row.name,
        "revenue": f"{row.cents / 100:,.2f}",
        "currency": row.currency,
        "people_to_ask": row.people,
        "decision_makers": row.deciders,
        "last_asked": row.asked_on or "never",
    }


def reached(found: Attention) -> list[tuple[str, Reached]]:
    """What happens to answers of clients who are not content, by its name; nothing where there are
    none."""
    both = [("first contact", found.contact), ("told what was done", found.told)]
    return both if found.answers else []


def _reached(name: str, one: Reached) -> dict[str, object]:
    share = one.share
    assert share.low is not None
    assert share.high is not None
    return {
        "what": name,
        "answers": one.size,
        "of_them": len(one.spans),
        "share": words.share(share.value),
        "95_%_interval": f"{words.share(share.low)} to {words.share(share.high)}",
        "median": one.after,
    }


def longest(period: Period) -> bool:
    """Whether a period is too long to be counted for a page: more than ten years."""
    return (period.last - period.first).days > 3660
