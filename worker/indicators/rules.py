"""The arithmetic of the indicators. Pure: what is known of clients in, figures out;
``docs/indicators.md`` says it in prose.

Sources. Chance of staying: the share of those in a like state a year ago who are clients still,
pulled to the book's own mean by ten clients of the mean (a beta-binomial mean; Gelman et al.,
Bayesian Data Analysis, section 2.4). Lifetime value: S. Gupta and D. Lehmann, Customers as Assets,
J. Interactive Marketing 17 (2003) 9.
"""

from __future__ import annotations

from calendar import monthrange
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from statistics import median

from worker.kernel.estimates import Estimate, share_of

STATES = (
    *("first term", "renewed once", "renewed twice or more"),
    *("ordered within 30 days", "ordered within 90 days"),
    *("ordered within 180 days", "ordered within a year"),
)
"""What an active client is like: by its renewals where it has a licence in force, else by the days
since its last order."""


MEAN_CLIENTS = 10
"""So many clients of the book's mean are added to those of a state."""


_ORDERED = ((30, STATES[3]), (90, STATES[4]), (180, STATES[5]), (365, STATES[6]))


def back(day: date, months: int) -> date:
    """The same day so many months before; the last of the month where it has no such day."""
    years, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(years, month + 1, min(day.day, monthrange(years, month + 1)[1]))


def state_of(renewals: int | None, ordered_ago: int | None) -> str | None:
    """The state of a client: ``renewals`` so far where it has a licence in force, and the days
    since its last order. ``None``: not active."""
    if renewals is not None:
        return STATES[min(renewals, 2)]
    if ordered_ago is None:
        return None
    return next((name for days, name in _ORDERED if ordered_ago <= days), None)


@dataclass(frozen=True, slots=True)
class Client:
    """What is known of an account: its state a year ago, on the first and on the last day of the
    period; since when it buys; what it buys by the year in each currency, in cents, on the first
    and on the last day; the cost to serve it, in cents of a year, where that is known."""

    account: int
    year_ago: str | None
    first: str | None
    last: str | None
    since: date
    worth: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    cost: int | None = None
    group: str = ""

    def years(self, day: date) -> float:
        """How long it has been a client, in years."""
        return (day - self.since).days / 365.25


# --- lives: who was active on which day ---


@dataclass(frozen=True, slots=True)
class Life:
    """``clients`` that were active on the same days (bit n of ``mask``: on the nth day asked for),
    that bought on more than one day or not (``again``), and have bought since a month."""

    group: str
    mask: int
    again: bool
    since: str
    clients: int


def kept(lives: Iterable[Life], then: int, now: int) -> tuple[int, int]:
    """Of the clients active on day ``then``, how many are on day ``now``; and how many there were.

    Retention is the share that this makes with a year between the days; loss is what is missing
    from it over a period.
    """
    both = start = 0
    for life in lives:
        if life.mask >> then & 1:
            start += life.clients
            both += life.clients * (life.mask >> now & 1)
    return both, start


def bought_again(lives: Iterable[Life], now: int) -> tuple[int, int]:
    """Of the clients active on day ``now``, how many bought on more than one day; all of them."""
    active = [life for life in lives if life.mask >> now & 1]
    return sum(one.clients for one in active if one.again), sum(one.clients for one in active)


def tenure(lives: Iterable[Life], now: int, day: date) -> float | None:
    """The median of the years, counted in months, that the clients active on ``day`` have been
    clients; half of them are so for longer."""
    months: Counter[int] = Counter()
    for life in lives:
        if life.mask >> now & 1:
            year, month = map(int, life.since.split("-"))
            months[(day.year - year) * 12 + day.month - month] += life.clients
    found = sorted(months.elements())
    return median(found) / 12 if found else None


# --- the chance that a client stays for a year ---


@dataclass(frozen=True, slots=True)
class Chance:
    """Of ``clients`` in a state a year ago, ``stayed`` are active now; ``value`` is the chance that
    is taken for those in this state today."""

    state: str
    stayed: int
    clients: int
    value: float

    @property
    def seen(self) -> Estimate:
        return share_of(self.stayed, self.clients)


def chances(clients: Iterable[Client]) -> dict[str, Chance]:
    """State -> the chance to be active a year later: (stayed + 10·mean) / (clients + 10). Empty
    where nobody was active a year ago: then there is nothing to learn it from."""
    stayed: Counter[str] = Counter()
    there: Counter[str] = Counter()
    for client in clients:
        if client.year_ago is not None:
            there[client.year_ago] += 1
            stayed[client.year_ago] += client.last is not None
    if not there:
        return {}
    mean = stayed.total() / there.total()
    return {
        state: Chance(
            state,
            stayed[state],
            there[state],
            (stayed[state] + MEAN_CLIENTS * mean) / (there[state] + MEAN_CLIENTS),
        )
        for state in STATES
    }


def lifetime(yearly: float, chance: float, discount: float) -> float:
    """All that a client is expected to bring, in money of today: v·p / (1 + d − p), which is the
    sum of v·pᵗ / (1 + d)ᵗ over the years t = 1, 2, … (Gupta and Lehmann 2003)."""
    return yearly * chance / (1 + discount - chance)


# --- client capital ---

NEW, LOST, MORE, LESS = CHANGES = ("new clients", "lost clients", "worth more", "worth less")


@dataclass(frozen=True, slots=True)
class Capital:
    """Expected money of one currency, in cents: yearly value on the first and last day, what is
    expected of the next 12 months on both, and of the whole lifetime on the last."""

    clients: int
    yearly: int
    expected_then: float
    expected: float
    whole: float
    changes: Mapping[str, tuple[int, float]]  # of CHANGES -> how many clients, cents
    movers: Sequence[tuple[int, float, float]]  # account, expected then and now; largest first


def capital(
    clients: Iterable[Client], known: Mapping[str, Chance], currency: str, discount: float
) -> Capital:
    """Σ yearly value × chance of staying, its change since the first day, and from whom.

    The chances are those of now on both days: what changes is the clients.
    """
    moved: list[tuple[int, float, float]] = []
    counts: Counter[str] = Counter()
    cents: Counter[str] = Counter()
    there = yearly = 0
    whole = 0.0
    for client in clients:
        then, now = client.worth.get(currency, (0, 0))
        before = expected(then, client.first, known)
        after = expected(now, client.last, known)
        if client.last is not None and now > 0:
            there, yearly = there + 1, yearly + now
            whole += lifetime(now, known[client.last].value, discount)
        if kind := _change(before, after):
            counts[kind] += 1
            cents[kind] += after - before  # type: ignore[assignment]  # a counter of money
        if before or after:
            moved.append((client.account, before, after))
    moved.sort(key=lambda one: (-abs(one[2] - one[1]), one[0]))
    changes = {kind: (counts[kind], float(cents[kind])) for kind in CHANGES}
    return Capital(
        there,
        yearly,
        sum(one[1] for one in moved),
        sum(one[2] for one in moved),
        whole,
        changes,
        [one for one in moved if one[1] != one[2]],
    )


def expected(cents: int, state: str | None, known: Mapping[str, Chance]) -> float:
    """What a client is expected to bring within 12 months: yearly value × chance of staying."""
    return max(cents, 0) * known[state].value if state is not None else 0.0


def _change(before: float, after: float) -> str | None:
    if before == after:
        return None
    if not before:
        return NEW
    if not after:
        return LOST
    return MORE if after > before else LESS


# --- attention ---


def weeks_seen(spans: Mapping[int, int], weeks: int) -> list[int]:
    """For each of so many weeks after a sale, how many sales were seen for the whole of it;
    ``spans`` are whole weeks until the next sale, or until today -> how many sales."""
    return [sum(count for whole, count in spans.items() if whole > week) for week in range(weeks)]
