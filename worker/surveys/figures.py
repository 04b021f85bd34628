"""What answers come to: NPS with its sample, its interval and its method, whole and by group.

Figures are shares of votes from −1 to 1 inside, and × 100 with two decimals in a record.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy.engine import Connection

from worker.db.engine import settle_in
from worker.kernel.dates import Period
from worker.kernel.estimates import Estimate
from worker.surveys import counting, numbers, rules, sampling, voting
from worker.surveys.counting import Asked, LeftOut
from worker.surveys.numbers import Change, Tally, Votes
from worker.surveys.voting import EVERY, FIRST, WORTH, Sums

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
    split = methods if split is None else split
    protected, out = _left_out(conn, asked)
    sums = _sums(conn, asked, methods, split, out)
    hidden_whole = sum(protected.values()) if out.all else 0
    known = _Known(conn, asked)
    if methods:
        known.of_whole(sum(one.n for one in sums if one[:2] == (EVERY, None)) + hidden_whole)
    reading = _Reading(asked.by, known)
    whole = list(reading.figures([one for one in sums if one.grp is None], methods))
    if asked.by is None:
        return Report(asked, whole, (), hidden_whole, hidden_whole)
    groups = list(reading.figures([one for one in sums if one.grp is not None], split))
    hidden = hidden_whole or sum(protected[group] for group in out.groups)
    return Report(asked, whole, groups, hidden, hidden_whole)


def _left_out(conn: Connection, asked: Asked) -> tuple[dict[str, int], LeftOut]:
    """How many protected answers each group has, and whose are in no figure."""
    found = counting.protected(conn, asked)
    inside = sum(found.values())
    nothing = bool(inside) and rules.holds_back(inside, counting.around(conn, asked))
    return found, LeftOut(rules.left_out(found) if asked.by else (), all=nothing)


def _sums(
    conn: Connection, asked: Asked, methods: Sequence[str], split: Sequence[str], out: LeftOut
) -> list[Sums]:
    if {*methods, *split} <= {ANSWERS} and asked.by not in counting.OF_ACCOUNT:
        return voting.of_answers(conn, asked, out)  # cheaper
    whole, groups = ({_KINDS[name] for name in names} for names in (methods, split))
    return voting.of_accounts(conn, asked, out, whole, groups)


_KINDS = {ANSWERS: EVERY, ACCOUNTS: EVERY, INFLUENCE: FIRST, REVENUE: WORTH}


class _Known:
    """What figures need beside the answers, of each group and of the whole (``None``): contacts and
    accounts of the book, and how many were asked and have answered."""

    def __init__(self, conn: Connection, asked: Asked) -> None:
        self._conn, self._asked = conn, asked
        self.people = sampling.population(conn, asked.by)
        self.sent = sampling.asked_of(conn, asked)
        self.once = False

    def of_whole(self, answers: int) -> None:
        """Reads the same of the whole, which has so many ``answers``."""
        self.sent[None] = _total(self.sent)
        parted = self._asked.by in (None, *_OF_ONE_GROUP)
        every = self.people if parted else sampling.population(self._conn, None)
        if every:
            self.people[None] = _total(every)
        # More answers than people: then they are not each another person's.
        few = answers <= self.people.get(None, (0, 0))[0]
        self.once = few and sampling.each_person_once(self._conn, self._asked)


_OF_ONE_GROUP = ("segment", *counting.OF_ACCOUNT)
"""Groups that part the accounts: each is in one of them."""


def _total(pairs: Mapping[Any, tuple[int, int]]) -> tuple[int, int]:
    return sum(one for one, _ in pairs.values()), sum(other for _, other in pairs.values())


class _Reading:
    """Makes figures of sums, and of what else is known."""

    def __init__(self, by: str | None, known: _Known) -> None:
        self._by, self._known = by, known

    def figures(self, sums: Iterable[Sums], methods: Sequence[str]) -> Iterator[Figure]:
        """Group by group, the figures of each method in the order of ``METHODS``."""
        found: dict[str | None, list[Sums]] = {}
        for one in sums:
            found.setdefault(one.grp, []).append(one)
        for group in sorted(found, key=str):
            for method in METHODS:
                kept = [one for one in found[group] if one.kind == _KINDS[method]]
                for one in kept if method in methods else ():
                    if method == ANSWERS or one.accounts:
                        yield self._figure(method, one)

    def _figure(self, method: str, one: Sums) -> Figure:
        if method == ANSWERS:
            tally = Tally(one.up, one.n - one.up - one.down, one.down)
            return self._made(method, one.grp, tally, numbers.votes_of(tally), self._size(one, 0))
        tally = Tally(one.ups, one.accounts - one.ups - one.downs, one.downs)
        votes = numbers.of_sums(one.total, one.squares, one.first, one.second)
        if method == REVENUE:
            return self._made(f"{method}-{one.currency}", one.grp, tally, votes, None)
        in_several = method == ACCOUNTS and self._by == "role" and one.grp is not None
        return self._made(method, one.grp, tally, votes, None if in_several else self._size(one, 1))

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

    def _size(self, one: Sums, at: int) -> int | None:
        known = self._known.people.get(one.grp)
        return known[at] if known else None


# --- against the period before ---


def before(period: Period) -> Period:
    """As many days, right before."""
    length = period.last - period.first
    last = period.first - timedelta(days=1)
    return Period(last - length, last)


def change(conn: Connection, asked: Asked, now: Sequence[Figure] | None = None) -> Change | None:
    """Against the period before, as if the two samples had nothing in common. ``now`` are figures
    of ``asked`` as a whole, where they are known already."""
    settle_in(conn)
    then = _tally(conn, asked.but(period=before(asked.period)))
    later = _tally(conn, asked) if now is None else now[0].tally if now else Tally()
    return numbers.change(numbers.votes_of(later), numbers.votes_of(then))


def _tally(conn: Connection, asked: Asked) -> Tally:
    """All answers that may be shown."""
    alone = asked.but(by=None)
    for one in voting.of_answers(conn, alone, _left_out(conn, alone)[1]):
        return Tally(one.up, one.n - one.up - one.down, one.down)
    return Tally()


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
