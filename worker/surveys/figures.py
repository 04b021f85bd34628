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
from worker.surveys.counting import ALL, OPEN, Asked, LeftOut, Sums
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


def read(
    conn: Connection,
    asked: Asked,
    methods: Sequence[str] = (ANSWERS, ACCOUNTS),
    split: Sequence[str] | None = None,
) -> Report:
    """Reads the figures in the view of one transaction: of the whole by ``methods``, of the groups
    by ``split``, which is the same unless it is given."""
    settle_in(conn)
    alone, split = asked.but(by=None), methods if split is None else split
    is_plain = ACCOUNTS not in (*methods, *split) and asked.by not in counting.OF_ACCOUNT
    sums = counting.plain(conn, asked) if is_plain else counting.cells(conn, asked)
    by_kind = {(one.kind, one.grp): one for one in sums}
    protected = {
        one.grp: one.n - (named.n if (named := by_kind.get((OPEN, one.grp))) else 0)
        for one in sums
        if one.kind == ALL
    }
    found = protected.pop(None, 0)
    nothing = bool(found) and rules.holds_back(found, counting.around(conn, alone))
    hidden_whole = found if nothing else 0
    known = _Known(conn, asked, by_kind)
    whole = list(_Reading(conn, alone, methods, LeftOut(all=nothing), known).figures([None]))
    if asked.by is None:
        return Report(asked, whole, (), hidden_whole, hidden_whole)
    groups = {group: count for group, count in protected.items() if group is not None}
    out = LeftOut(rules.left_out(groups), all=nothing)
    shown = list(_Reading(conn, asked, split, out, known).figures(sorted(groups)))
    hidden = hidden_whole or sum(groups[group] for group in out.groups)
    return Report(asked, whole, shown, hidden, hidden_whole)


class _Known:
    """What figures need beside the answers, of the whole (``None``) and of each group: contacts and
    accounts of the book, and how many were asked and have answered."""

    def __init__(
        self, conn: Connection, asked: Asked, sums: Mapping[tuple[str, str | None], Sums]
    ) -> None:
        self.sums = sums
        self.people = counting.population(conn, asked.by)
        self.sent = counting.asked_of(conn, asked)
        self.sent[None] = _total(self.sent)
        parted = asked.by in (None, *_OF_ONE_GROUP)
        every = self.people if parted else counting.population(conn, None)
        if every:
            self.people[None] = _total(every)
        # More answers than people: then they are not each another person's.
        found, most = sums.get((ALL, None)), self.people.get(None, (0, 0))[0]
        few = found is not None and found.n <= most
        self.once = few and counting.each_person_once(conn, asked)


_OF_ONE_GROUP = ("segment", *counting.OF_ACCOUNT)
"""Groups that part the accounts: each is in one of them."""


def _total(pairs: Mapping[Any, tuple[int, int]]) -> tuple[int, int]:
    return sum(one for one, _ in pairs.values()), sum(other for _, other in pairs.values())


class _Reading:
    """Makes figures of sums, and of what else is known."""

    def __init__(
        self,
        conn: Connection,
        asked: Asked,
        methods: Sequence[str],
        out: LeftOut,
        known: _Known,
    ) -> None:
        self._conn, self._asked, self._methods, self._out = conn, asked, methods, out
        self._known = known

    def figures(self, groups: Sequence[str | None]) -> Iterator[Figure]:
        """Group by group, the figures of each method in the order of ``METHODS``."""
        found: dict[str | None, list[Figure]] = {group: [] for group in groups}
        for group in groups:
            out = self._out.all or group in self._out.groups
            sums = self._known.sums.get((OPEN if out else ALL, group))
            if sums is not None:
                found[group] += self._of_sums(group, sums)
        if INFLUENCE in self._methods:
            for row in counting.influential(self._conn, self._asked, self._out):
                if row.accounts:
                    group = self._group(row.grp)
                    made = self._made(INFLUENCE, group, *_of_accounts(row), self._size(group, 1))
                    found[group].append(made)
        if REVENUE in self._methods:
            for row in counting.weighted(self._conn, self._asked, self._out):
                tally = Tally(row.ups, row.accounts - row.ups - row.downs, row.downs)
                votes = numbers.of_sums(row.total, row.squares, row.first, row.second)
                who, group = f"{REVENUE}-{row.currency}", self._group(row.grp)
                found[group].append(self._made(who, group, tally, votes, None))
        for figures in found.values():
            yield from figures

    def _of_sums(self, group: str | None, sums: Sums) -> Iterator[Figure]:
        if ANSWERS in self._methods:
            tally = Tally(sums.up, sums.n - sums.up - sums.down, sums.down)
            size = self._size(group, 0)
            yield self._made(ANSWERS, group, tally, numbers.votes_of(tally), size)
        if ACCOUNTS in self._methods and sums.accounts:
            size = None if self._asked.by == "role" else self._size(group, 1)
            yield self._made(ACCOUNTS, group, *_of_accounts(sums), size)

    def _made(
        self, who: str, group: str | None, tally: Tally, votes: Votes, size: int | None
    ) -> Figure:
        sent, back = self._known.sent.get(group, (0, 0))
        how = "kish" if who.startswith(REVENUE) else "adjusted-wald"
        sampled = size if self._known.once or who != ANSWERS else None
        finite = "/finite" if numbers.finite(votes.size, sampled) < 1 else ""
        found = numbers.estimate(votes, sampled)
        rate = back / sent if sent else None
        return Figure(group, tally, found, f"{who}/{how}{finite}", size, rate)

    def _group(self, told: str | None) -> str | None:
        return None if self._asked.by is None else told

    def _size(self, group: str | None, at: int) -> int | None:
        known = self._known.people.get(group)
        return known[at] if known else None


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


def change(conn: Connection, asked: Asked, now: Sequence[Figure] | None = None) -> Change | None:
    """Against the period before, as if the two samples had nothing in common. ``now`` are figures
    of ``asked`` as a whole, where they are known already."""
    then = read(conn, asked.but(period=before(asked.period), by=None), (ANSWERS,)).whole
    now = read(conn, asked.but(by=None), (ANSWERS,)).whole if now is None else now
    if not now or not then:
        return None
    return numbers.change(numbers.votes_of(now[0].tally), numbers.votes_of(then[0].tally))


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
