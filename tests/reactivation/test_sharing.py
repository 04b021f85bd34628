"""A large book is judged by two processes: what comes of it is what one would say."""

from __future__ import annotations

import os
import random
from dataclasses import replace
from typing import Any

from tests.reactivation.books import CUT, HOUSE, book_of, credit, rows_of
from worker.reactivation.calibration import Calibration, Evidence, calibrate
from worker.reactivation.history import Book, Row
from worker.reactivation.house import House
from worker.reactivation.rules import Measure, verdicts
from worker.reactivation.sharing import calibrated, helping, judged

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
    with helping(book, worth_it=1) as helper:
        for size in (1, 3, 1000):
            assert judged(helper, book, CUT, BY, size=size) == alone


def test_two_processes_calibrate_as_one_does() -> None:
    """To the last digit: a score may not depend on how many cores there are."""
    book = book_of(regulars(120), [credit(7, 5, 20.0, "A"), credit(9, 40, 5.0, currency="PLN")])
    alone = calibrate(book, CUT)
    assert alone.fitted > 100
    with helping(book, worth_it=1) as helper:
        assert calibrated(helper, book, CUT) == alone


def test_a_small_book_gets_no_helper() -> None:
    with helping(trade(), worth_it=21) as helper:
        assert helper is None
        assert judged(helper, trade(), CUT, BY) == list(verdicts(trade().clients(CUT), BY))


def regulars(accounts: int) -> list[Row]:
    """Clients who order every 10 to 40 days; one in five stopped some time ago."""
    draw, rows = random.Random(5), []
    for account in range(1, accounts + 1):
        last = draw.randrange(30, 300) if account % 5 == 0 else draw.randrange(9)
        back = range(last, 800, draw.randrange(10, 40))
        rows += rows_of(account, back, amount=draw.randrange(100, 90_000) / 100, line="A")
    return rows


class Deadly(House):
    """Whoever unpacks it dies."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os._exit, (3,)


def test_a_helper_that_dies_costs_no_verdict() -> None:
    book = trade()
    by = replace(BY, house=Deadly(HOUSE.cut, HOUSE.gap))
    with helping(book, worth_it=1) as helper:
        assert judged(helper, book, CUT, by, size=2) == list(verdicts(book.clients(CUT), BY))
        assert calibrated(helper, book, CUT) == calibrate(book, CUT)
