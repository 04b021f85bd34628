"""What every client bought, day by day: columns of numbers, and one client cut out of them.

Days are ordinals (``date.toordinal``), amounts are floats of one currency. A book of 700,000 order
days takes some 20 MB so; as objects it would take twenty times as much.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import NamedTuple

Row = tuple[int, int, str, str, float, int]
"""(account, day, product line, currency, net, positive invoices), in this order of columns."""


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
    credit note alone is none. All ascend. ``lines`` is empty where the book knows none.
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


class Span(NamedTuple):
    """The rows of one account: places ``first`` up to, not including, ``last``."""

    account: int
    first: int
    last: int


class Book:
    """The order days of all accounts, as columns. Rows come by account, then by day."""

    def __init__(self) -> None:
        self.days = array("i")
        self.nets = array("d")
        self.orders = array("i")
        self._lines = array("i")
        self._currencies = array("b")
        self.spans: list[Span] = []
        self._line_names: dict[str, int] = {}
        self._currency_names: dict[str, int] = {}

    @classmethod
    def of(cls, rows: Iterable[Row]) -> Book:
        """The book of ``rows``; raises ``ValueError`` when they are not in order."""
        book = cls()
        account, first, before = None, 0, 0
        line_of, currency_of = book._line_names, book._currency_names
        for row_account, day, line, currency, net, orders in rows:
            if row_account != account:
                if account is not None:
                    book.spans.append(Span(account, first, len(book.days)))
                account, first = row_account, len(book.days)
            elif day < before:
                raise ValueError(f"the days of account {account} are not in order")
            before = day
            book.days.append(day)
            book.nets.append(net)
            book.orders.append(orders)
            book._lines.append(line_of.setdefault(line, len(line_of)))
            book._currencies.append(currency_of.setdefault(currency, len(currency_of)))
        if account is not None:
            book.spans.append(Span(account, first, len(book.days)))
        return book

    @property
    def has_lines(self) -> bool:
        """Whether any row names a product line."""
        return any(self._line_names)

    def clients(self, cut: int, every: int = 1) -> Iterator[Client]:
        """The clients with rows up to ``cut``, by account; every so many of them alone."""
        for span in self.spans[::every]:
            if self.days[span.first] <= cut:
                yield self.client(span, cut)

    def client(self, span: Span, cut: int) -> Client:
        """The client of these rows, as it was known at the end of the day ``cut``."""
        last = bisect_right(self.days, cut, span.first, span.last)
        places = range(span.first, last)
        currency = self._main_currency(span.first, last)
        found = Client(span.account, list(self._currency_names)[currency])
        if self.has_lines:
            self._read_lines(found, places, currency)
        day_of, nets, orders = self.days, self.nets, self.orders
        before = ordered = -1
        for place in places:
            day = day_of[place]
            if orders[place] > 0 and day != ordered:
                found.ordered.append(day)
                ordered = day
            if self._currencies[place] != currency:
                found.others = True
            elif day != before:
                found.days.append(day)
                found.nets.append(nets[place])
                before = day
            else:
                found.nets[-1] += nets[place]
        return found

    def _read_lines(self, client: Client, places: range, currency: int) -> None:
        names = list(self._line_names)
        for place in places:
            name = names[self._lines[place]]
            if not name:
                continue
            line = client.lines.get(name)
            if line is None:
                line = client.lines[name] = Line()
            day = self.days[place]
            if self.orders[place] > 0 and (not line.ordered or line.ordered[-1] != day):
                line.ordered.append(day)
            if self._currencies[place] == currency:
                line.days.append(day)
                line.nets.append(self.nets[place])

    def _main_currency(self, first: int, last: int) -> int:
        """The currency of most positive rows; of two with as many, the one seen first."""
        if len(self._currency_names) == 1:
            return 0
        counted: dict[int, int] = {}
        for place in range(first, last):
            code = self._currencies[place]
            counted[code] = counted.get(code, 0) + (1 if self.orders[place] > 0 else 0)
        return max(counted, key=lambda code: (counted[code], -code))
