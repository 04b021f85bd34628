"""What answers come to: NPS with its sample, its interval and its method, whole and by group.

Figures are shares of votes from −1 to 1 inside, and × 100 with two decimals in a record.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy.engine import Connection

from worker.db.engine import settle_in
from worker.kernel.dates import Period
from worker.kernel.estimates import Estimate
from worker.surveys import counting, numbers, rules
from worker.surveys.counting import Asked, LeftOut
from worker.surveys.numbers import Change, Tally, Votes

ANSWERS, ACCOUNTS, INFLUENCE, REVENUE = "answers", "accounts", "influence", "revenue"
METHODS = (ANSWERS, ACCOUNTS, INFLUENCE, REVENUE)
"""Who votes: every answer; every account, with the mean of its answers; the same, with its most
influential role alone; every account, as heavy as its revenue."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One NPS. ``group`` of ``None`` is the whole, an empty one those without the word. ``n`` is
    how many vote; ``population`` how many could, and ``response_rate`` the answered share of those
    who were asked in the period, where that is known."""

    group: str | None
    tally: Tally
    estimate: Estimate
    method: str
    population: int | None
    response_rate: float | None

    @property
    def n(self) -> int:
        return round(self.tally.n)

    @property
    def who(self) -> str:
        """The word of ``METHODS``."""
        return self.method.partition("/")[0].partition("-")[0]

    def record(self) -> dict[str, object]:
        """The figure as other programs read it (``nps --json``)."""
        return {
            "group": self.group,
            "n": self.n,
            "promoters": _plain(self.tally.promoters),
            "passives": _plain(self.tally.passives),
            "detractors": _plain(self.tally.detractors),
            "nps": points(self.estimate.value),
            "low": points(self.estimate.low),
            "high": points(self.estimate.high),
            "method": self.method,
            "population": self.population,
            "response_rate": None if self.response_rate is None else round(self.response_rate, 4),
        }


@dataclass(frozen=True, slots=True)
class Report:
    """Figures of one question: ``whole`` and ``groups``, each with every method asked for.

    ``hidden`` answers were left out of the split (of ``hidden_whole``, of everything): they were
    promised that fewer than five are not shown.
    """

    asked: Asked
    whole: Sequence[Figure]
    groups: Sequence[Figure]
    hidden: int
    hidden_whole: int


def _plain(count: float) -> float:
    """A count: whole where answers vote, with four decimals where accounts share a vote."""
    return round(count) if float(count).is_integer() else round(count, 4)


def points(value: float | None) -> float | None:
    """NPS as people know it: −100 to 100, rounded last."""
    return None if value is None else round(value * 100, 2) + 0.0


def read(conn: Connection, asked: Asked, methods: Sequence[str] = (ANSWERS, ACCOUNTS)) -> Report:
    """Reads the figures in the view of one transaction."""
    settle_in(conn)
    alone = asked.but(by=None)
    found = counting.protected(conn, alone).get("", 0)
    nothing = rules.holds_back(found, counting.around(conn, alone))
    whole = list(_figures(conn, alone, methods, LeftOut(all=nothing)))
    hidden_whole = found if nothing else 0
    if asked.by is None:
        return Report(asked, whole, (), hidden_whole, hidden_whole)
    each = counting.protected(conn, asked)
    out = rules.left_out(each)
    groups = list(_figures(conn, asked, methods, LeftOut(out, all=nothing)))
    hidden = hidden_whole or sum(each[group] for group in out)
    return Report(asked, whole, groups, hidden, hidden_whole)


def _figures(
    conn: Connection, asked: Asked, methods: Sequence[str], out: LeftOut
) -> Iterator[Figure]:
    """Group by group, the figures of each method in the order of ``METHODS``."""
    people, asked_of = counting.population(conn, asked.by), counting.asked_of(conn, asked)
    once = counting.each_person_once(conn, asked)

    def made(who: str, row: Any, tally: Tally, votes: Votes, size: int | None) -> Figure:
        sent, back = asked_of.get(row.grp, (0, 0))
        rate = back / sent if sent else None
        group = None if asked.by is None else row.grp
        how = "kish" if who.startswith(REVENUE) else "adjusted-wald"
        sampled = size if once or who != ANSWERS else None
        finite = "/finite" if numbers.finite(votes.size, sampled) < 1 else ""
        found = numbers.estimate(votes, sampled)
        return Figure(group, tally, found, f"{who}/{how}{finite}", size, rate)

    def size_of(row: Any, at: int) -> int | None:
        return people[row.grp][at] if row.grp in people else None

    found: list[tuple[str, int, Figure]] = []
    plain = counting.cells(conn, asked, out) if {ANSWERS, ACCOUNTS} & {*methods} else ()
    for row in plain:
        if ANSWERS in methods:
            tally = Tally(int(row.up), int(row.n) - int(row.up) - int(row.down), int(row.down))
            votes, size = numbers.votes_of(tally), size_of(row, 0)
            found.append((row.grp, 0, made(ANSWERS, row, tally, votes, size)))
        if ACCOUNTS in methods and row.accounts:
            size = None if asked.by == "role" else size_of(row, 1)
            found.append((row.grp, 1, made(ACCOUNTS, row, *_of_accounts(row), size)))
    for row in counting.influential(conn, asked, out) if INFLUENCE in methods else ():
        found.append((row.grp, 2, made(INFLUENCE, row, *_of_accounts(row), size_of(row, 1))))
    for row in counting.weighted(conn, asked, out) if REVENUE in methods else ():
        tally = Tally(row.ups, row.accounts - row.ups - row.downs, row.downs)
        votes = numbers.of_sums(row.total, row.squares, row.first, row.second)
        found.append((row.grp, 3, made(f"{REVENUE}-{row.currency}", row, tally, votes, None)))
    yield from (figure for *_, figure in sorted(found, key=lambda one: one[:2]))


def _of_accounts(row: Any) -> tuple[Tally, Votes]:
    """The votes of accounts, one each."""
    tally = Tally(row.ups, row.accounts - row.ups - row.downs, row.downs)
    return tally, numbers.of_sums(row.accounts, row.accounts, row.first, row.second)


# --- against the period before ---


def before(period: Period) -> Period:
    """As many days, right before."""
    length = period.last - period.first
    last = period.first - timedelta(days=1)
    return Period(last - length, last)


def change(conn: Connection, asked: Asked) -> Change | None:
    """Against the period before, as if the two samples had nothing in common."""
    now, then = (_answers(conn, one) for one in (asked, asked.but(period=before(asked.period))))
    return numbers.change(now, then) if now and then else None


def _answers(conn: Connection, asked: Asked) -> Votes | None:
    found = read(conn, asked.but(by=None), (ANSWERS,)).whole
    return numbers.votes_of(found[0].tally) if found else None


def shared_change(conn: Connection, asked: Asked) -> Change | None:
    """The same with whole accounts drawn anew, as is right where both periods asked the same ones.

    Takes seconds for many accounts: ask for it apart.
    """
    settle_in(conn)
    then, alone = asked.but(period=before(asked.period), by=None), asked.but(by=None)
    nothing = any(
        rules.holds_back(counting.protected(conn, one).get("", 0), counting.around(conn, one))
        for one in (then, alone)
    )
    rows = counting.waves(conn, then, alone, LeftOut(all=nothing))
    return numbers.bootstrap(list(_pairs(rows)))


def _pairs(rows: Sequence[Any]) -> Iterator[tuple[numbers.Wave, numbers.Wave]]:
    """The waves of each account; an anonymous answer stands for itself."""
    for row in rows:
        counts = [
            int(getattr(row, f"{when}_{vote}"))
            for when in ("before", "after")
            for vote in (2, 1, 0)
        ]
        if row.account_id is not None:
            yield (counts[0], counts[1], counts[2]), (counts[3], counts[4], counts[5])
            continue
        for place, count in enumerate(counts):
            one = [int(at == place) for at in range(6)]
            pair = (one[0], one[1], one[2]), (one[3], one[4], one[5])
            yield from (pair for _ in range(count))


def by_name(figures: Sequence[Figure]) -> Mapping[str | None, list[Figure]]:
    """Figures of one group together, in the order of the groups."""
    found: dict[str | None, list[Figure]] = {}
    for figure in figures:
        found.setdefault(figure.group, []).append(figure)
    return found
