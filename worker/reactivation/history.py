"""What every client bought, day by day: columns of numbers, and one client cut out of them.

Days are ordinals (``date.toordinal``), amounts are floats of one currency. A book of 700,000 order
days takes some 20 MB so; as objects it would take twenty times as much.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import accumulate, chain, compress, groupby
from operator import gt, itemgetter
from typing import Any, NamedTuple

Row = tuple[int, int, str, str, float, int]
"""(account, day, product line, currency, net, positive rows): the columns of ``order_days``."""

Columns = tuple[int, Sequence[int], Sequence[str], Sequence[str], Sequence[float], Sequence[int]]
"""All rows of one account: its id, then a list for each other column of ``Row``."""

Packed = tuple[bytes, bytes, bytes, bytes, bytes, bytes]
"""Rows of some accounts as bytes, one value for each column of ``Row``, in its order: numbers in
network order (``account`` and ``net`` of eight bytes, the others of four), words in UTF-8 with a
NUL between them."""


class Line:
    """One product line of a client: the days on which it was ordered, and what moved when."""

    __slots__ = ("days", "nets", "ordered")

    def __init__(self) -> None:
        self.days: list[int] = []
        self.nets: list[float] = []
        self.ordered: list[int] = []


class Client:
    """One client up to a day, that day included; nothing later is in it.

    ``days`` are those on which money moved and ``nets`` what moved on each, in ``currency``, the
    one that most of its orders are in. ``ordered`` are its order days, in whatever currency: a
    credit note alone makes none. All ascend. ``lines`` is empty where the book knows none.
    """

    __slots__ = ("account", "currency", "days", "lines", "nets", "ordered", "others")

    def __init__(self, account: int, currency: str) -> None:
        self.account = account
        self.currency = currency
        self.days: list[int] = []
        self.nets: list[float] = []
        self.ordered: list[int] = []
        self.lines: dict[str, Line] = {}
        self.others = False  # whether it orders in other currencies as well

    def net(self, after: int, until: int) -> float:
        """What moved after the day ``after``, up to the day ``until``."""
        return total(self.days, self.nets, after, until)


class Span(NamedTuple):
    """The rows of one account: places ``first`` up to, not including, ``last``."""

    account: int
    first: int
    last: int


class Daily:
    """Something added up by day."""

    def __init__(self, sums: Mapping[int, float]) -> None:
        self.days = sorted(sums)
        self._until = [0.0, *accumulate(sums[day] for day in self.days)]

    def between(self, after: int, until: int) -> float:
        """The sum after the day ``after``, up to the day ``until``."""
        last, first = bisect_right(self.days, until), bisect_right(self.days, after)
        return self._until[last] - self._until[first]


def total(days: Sequence[int], nets: Sequence[float], after: int, until: int) -> float:
    """The sum of ``nets`` on ``days`` after the day ``after``, up to the day ``until``."""
    return sum(nets[bisect_right(days, after) : bisect_right(days, until)])


def count(days: Sequence[int], after: int, until: int) -> int:
    """How many of ``days`` lie after ``after``, up to ``until``."""
    return bisect_right(days, until) - bisect_right(days, after)


class _Codes(dict[Any, int]):
    """A number for each word, from 0, in the order in which they are first asked for."""

    def __missing__(self, word: Any) -> int:
        code = self[word] = len(self)
        return code


def by_account(rows: Iterable[Row]) -> Iterator[Columns]:
    """Rows, ordered by account, put together account by account."""
    for account, some in groupby(rows, key=itemgetter(0)):
        _, days, lines, currencies, nets, orders = zip(*some, strict=True)
        yield account, days, lines, currencies, nets, orders


def _unpacked(code: str, packed: bytes) -> array[Any]:
    numbers: array[Any] = array(code, packed)
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers


class Book:
    """The order days of all accounts, as columns. Rows come by account, then by day."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.days = array("i")
        self.nets = array("d")
        self.orders = array("i")
        self._line_at = array("i")
        self._currency_at = array("h")
        self._lines: list[str] = []
        self._currencies: list[str] = []

    @classmethod
    def of(cls, rows: Iterable[Row]) -> Book:
        """The book of ``rows``; raises ``ValueError`` when they are not in order."""
        book, lines, currencies = cls(), _Codes(), _Codes()
        for account, days, line_of, currency_of, nets, orders in by_account(rows):
            if any(map(gt, days, days[1:])):
                raise ValueError(f"the days of account {account} are not in order")
            book.spans.append(Span(account, len(book.days), len(book.days) + len(days)))
            book.days.extend(days)
            book.nets.extend(nets)
            book.orders.extend(orders)
            book._line_at.extend(map(lines.__getitem__, line_of))
            book._currency_at.extend(map(currencies.__getitem__, currency_of))
        book._lines, book._currencies = list(lines), list(currencies)
        return book

    @classmethod
    def of_packed(cls, parts: Iterable[Packed]) -> Book:
        """The book of these parts. They must be in order, and no account stands in two of them."""
        book, lines, currencies = cls(), _Codes(), _Codes()
        for accounts, days, line_of, currency_of, nets, orders in parts:
            first = len(book.days)
            for account, rows in Counter(_unpacked("q", accounts)).items():
                book.spans.append(Span(account, first, first := first + rows))
            book.days += _unpacked("i", days)
            book.nets += _unpacked("d", nets)
            book.orders += _unpacked("i", orders)
            book._line_at.extend(map(lines.__getitem__, line_of.split(b"\0")))
            book._currency_at.extend(map(currencies.__getitem__, currency_of.split(b"\0")))
        book._lines = [word.decode() for word in lines]
        book._currencies = [word.decode() for word in currencies]
        return book

    def part(self, start: int, accounts: int) -> Book:
        """A book of so many of its accounts, from the place ``start`` on; one there is at least."""
        spans = self.spans[start : start + accounts]
        first, last = spans[0].first, spans[-1].last
        part = self._empty()
        part._add(self, first, last)
        part.spans = [Span(one.account, one.first - first, one.last - first) for one in spans]
        return part

    def only(self, spans: Iterable[Span]) -> Book:
        """A book of these of its accounts."""
        found = self._empty()
        for account, first, last in spans:
            at = len(found.days)
            found.spans.append(Span(account, at, at + last - first))
            found._add(self, first, last)
        return found

    def _empty(self) -> Book:
        book = Book()
        book._lines, book._currencies = self._lines, self._currencies
        return book

    def _add(self, other: Book, first: int, last: int) -> None:
        self.days += other.days[first:last]
        self.nets += other.nets[first:last]
        self.orders += other.orders[first:last]
        self._line_at += other._line_at[first:last]
        self._currency_at += other._currency_at[first:last]

    @cached_property
    def has_lines(self) -> bool:
        """Whether any row names a product line."""
        return any(self._lines)

    @cached_property
    def order_days(self) -> Daily:
        """How many clients ordered on each day."""
        if self._is_plain:
            return Daily(Counter(compress(self.days, self.orders)))
        return Daily(Counter(chain.from_iterable(map(self._ordered_on, self.spans))))

    def _ordered_on(self, span: Span) -> set[int]:
        places = slice(span.first, span.last)
        return set(compress(self.days[places], self.orders[places]))

    @cached_property
    def moved(self) -> dict[str, Daily]:
        """What moved on each day, by currency."""
        sums: list[dict[int, float]] = [defaultdict(float) for _ in self._currencies]
        for day, net, code in zip(self.days, self.nets, self._currency_at, strict=True):
            sums[code][day] += net
        return dict(zip(self._currencies, map(Daily, sums), strict=True))

    def clients(self, cut: int, every: int = 1) -> Iterator[Client]:
        """The clients with rows up to ``cut``, by account; of every so many, one."""
        for span in self.spans[::every]:
            if self.days[span.first] <= cut:
                yield self.client(span, cut)

    def client(self, span: Span, cut: int) -> Client:
        """The client of these rows, as it was known at the end of the day ``cut``."""
        last = bisect_right(self.days, cut, span.first, span.last)
        if self._is_plain:
            return self._plain_client(span, last)
        currency = self._main_currency(span.first, last)
        found = Client(span.account, self._currencies[currency])
        day_of, nets, orders, codes = self.days, self.nets, self.orders, self._currency_at
        before = ordered = -1
        for place in range(span.first, last):
            day = day_of[place]
            if day != ordered and orders[place] > 0:
                found.ordered.append(day)
                ordered = day
            if codes[place] != currency:
                found.others = True
            elif day != before:
                found.days.append(day)
                found.nets.append(nets[place])
                before = day
            else:
                found.nets[-1] += nets[place]
        if self.has_lines:
            self._read_lines(found, range(span.first, last), currency)
        return found

    @cached_property
    def _is_plain(self) -> bool:
        """Whether a row is a day of a client: one currency, no product lines."""
        return len(self._currencies) == 1 and not self.has_lines

    def _plain_client(self, span: Span, last: int) -> Client:
        found = Client(span.account, self._currencies[0])
        found.days = list(self.days[span.first : last])
        found.nets = list(self.nets[span.first : last])
        orders = self.orders[span.first : last]
        found.ordered = found.days if all(orders) else list(compress(found.days, orders))
        return found

    def _read_lines(self, client: Client, places: range, currency: int) -> None:
        for place in places:
            name = self._lines[self._line_at[place]]
            if not name:
                continue
            line = client.lines.get(name)
            if line is None:
                line = client.lines[name] = Line()
            day = self.days[place]
            if self.orders[place] > 0 and (not line.ordered or line.ordered[-1] != day):
                line.ordered.append(day)
            if self._currency_at[place] == currency:
                line.days.append(day)
                line.nets.append(self.nets[place])

    def _main_currency(self, first: int, last: int) -> int:
        """The currency of most positive rows; of two with as many, the one that came first."""
        if len(self._currencies) == 1 or first == last:
            return 0
        counted: dict[int, int] = {}
        for place in range(first, last):
            code = self._currency_at[place]
            counted[code] = counted.get(code, 0) + self.orders[place]
        return max(counted, key=lambda code: (counted[code], -code))
