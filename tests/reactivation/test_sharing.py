"""A large book is judged by two processes: what comes of it is what one would say."""

from __future__ import annotations

import os
import random
from dataclasses import replace
from typing import Any

from tests.reactivation.books import CUT, HOUSE, book_of, credit, rows_of
from worker.reactivation.calibration import Calibration, Evidence
from worker.reactivation.history import Book
from worker.reactivation.house import House
from worker.reactivation.rules import Measure, verdicts
from worker.reactivation.sharing import judged

_STATES = Calibration(0.8, 0.1, 70, (-3.0, 0.5), (Evidence(35, 9), Evidence(35, 30)))
BY = Measure(HOUSE, _STATES, frozenset({3, 4, 18}))


def trade() -> Book:
    """Twenty clients: with product lines, in two currencies, two of them buying once a year."""
    draw, rows = random.Random(2), []
    for account in range(1, 21):
        money = draw.choice(("EUR", "PLN"))
        back = range(draw.randrange(60), 900, 365 if account in (3, 18) else draw.randrange(9, 70))
        rows += rows_of(account, back, amount=draw.randrange(1, 900), line="A", currency=money)
        rows.append(credit(account, 30, 10.0, currency=money))
    return book_of(rows)


def test_two_processes_say_of_each_client_what_one_says() -> None:
    book = trade()
    alone = list(verdicts(book.clients(CUT), BY))
    assert len(alone) == 20
    for size in (1, 3, 1000):
        assert judged(book, CUT, BY, worth_it=1, size=size) == alone


class Deadly(House):
    """Whoever unpacks it dies."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os._exit, (3,)


def test_a_helper_that_dies_costs_no_verdict() -> None:
    book = trade()
    by = replace(BY, house=Deadly(HOUSE.cut, HOUSE.gap))
    assert judged(book, CUT, by, worth_it=1, size=2) == list(verdicts(book.clients(CUT), BY))
