"""The arithmetic of the indicators, by cases worked by hand."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.indicators import placing, rules
from worker.indicators.placing import BARNACLES, BUTTERFLIES, FRIENDS, STRANGERS
from worker.indicators.rules import LESS, LOST, MORE, NEW, STATES, Chance, Client, Life

FIRST, ONCE, TWICE, MONTH, QUARTER, HALF, YEAR = STATES
SINCE = date(2024, 11, 26)


def client(
    account: int,
    year_ago: str | None = None,
    first: str | None = None,
    last: str | None = None,
    eur: tuple[int, int] = (0, 0),
    cost: int | None = None,
) -> Client:
    return Client(account, year_ago, first, last, SINCE, {"EUR": eur}, cost)


def chance(value: float) -> Chance:
    return Chance("", 0, 0, value)


@pytest.mark.parametrize(
    ("day", "months", "before"),
    [
        ("2026-11-26", 12, "2025-11-26"),
        ("2026-11-26", 3, "2026-08-26"),
        ("2026-05-31", 3, "2026-02-28"),
        ("2024-02-29", 12, "2023-02-28"),
        ("2026-01-15", 1, "2025-12-15"),
    ],
)
def test_a_quarter_back_is_the_same_day_or_the_last_of_a_shorter_month(
    day: str, months: int, before: str
) -> None:
    assert rules.back(date.fromisoformat(day), months) == date.fromisoformat(before)


@pytest.mark.parametrize(
    ("renewals", "ago", "state"),
    [
        (0, None, FIRST),
        (1, 400, ONCE),
        (2, None, TWICE),
        (7, 3, TWICE),
        (None, 30, MONTH),
        (None, 31, QUARTER),
        (None, 91, HALF),
        (None, 365, YEAR),
        (None, 366, None),
        (None, None, None),
    ],
)
def test_a_licence_in_force_says_more_of_a_client_than_its_orders(
    renewals: int | None, ago: int | None, state: str | None
) -> None:
    assert rules.state_of(renewals, ago) == state


def test_retention_loss_and_loyalty_are_counted_of_those_who_were_there() -> None:
    # Day 0 is today, day 1 a year ago: 6 were there, 4 of them are; 3 of today's 7 are new.
    lives = [
        Life("", 0b11, True, "2023-11", 3),
        Life("", 0b11, False, "2025-01", 1),
        Life("", 0b10, True, "2022-01", 2),
        Life("", 0b01, False, "2026-05", 3),
    ]
    assert rules.kept(lives, 1, 0) == (4, 6)
    assert rules.bought_again(lives, 0) == (3, 7)
    # Months as a client: 36, 36, 36, 22, 6, 6, 6. The middle one of seven is 22.
    assert rules.tenure(lives, 0, date(2026, 11, 26)) == pytest.approx(22 / 12)
    assert rules.tenure([], 0, date(2026, 11, 26)) is None


def test_a_chance_is_the_share_who_stayed_pulled_to_the_mean_by_ten_clients() -> None:
    # Of 20 in their first term 15 stayed, of 5 renewed once all 5 did: 20 of 25 in all, 0.8.
    clients = [client(n, FIRST, None, FIRST if n < 15 else None) for n in range(20)]
    clients += [client(n, ONCE, None, ONCE) for n in range(20, 25)]
    found = rules.chances(clients)
    assert found[FIRST].value == pytest.approx((15 + 8) / 30)
    assert found[ONCE].value == pytest.approx((5 + 8) / 15)
    assert found[YEAR].value == pytest.approx(0.8), "of nobody a mean is all that is known"
    assert (found[FIRST].stayed, found[FIRST].clients) == (15, 20)
    assert rules.chances([client(1, None, None, FIRST)]) == {}


def test_a_lifetime_is_the_sum_of_the_years_at_a_discount() -> None:
    years = sum(1000 * 0.8**t / 1.1**t for t in range(1, 200))
    assert rules.lifetime(1000, 0.8, 0.1) == pytest.approx(years)
    assert rules.lifetime(1000, 0.8, 0.1) == pytest.approx(1000 * 0.8 / 0.3)


def test_the_change_of_capital_is_told_by_whom_it_came() -> None:
    known = {FIRST: chance(0.8), ONCE: chance(0.9)}
    clients = [
        client(1, None, FIRST, ONCE, (100_00, 100_00)),  # surer to stay: 80 -> 90
        client(2, None, FIRST, None, (50_00, 0)),  # gone: 40 -> 0
        client(3, None, None, FIRST, (0, 200_00)),  # new: 160
        client(4, None, ONCE, ONCE, (100_00, 40_00)),  # less: 90 -> 36
        client(5, None, ONCE, ONCE, (10_00, 10_00)),  # the same: 9
        client(6, None, FIRST, FIRST, (0, -5_00)),  # credit notes alone are worth nothing
    ]
    found = rules.capital(clients, known, "EUR", 0.1)
    assert (found.clients, found.yearly) == (4, 350_00)
    assert found.expected_then == pytest.approx(219_00)
    assert found.expected == pytest.approx(295_00)
    told = {kind: (count, round(cents)) for kind, (count, cents) in found.changes.items()}
    assert told == {NEW: (1, 160_00), LOST: (1, -40_00), MORE: (1, 10_00), LESS: (1, -54_00)}
    assert [one[0] for one in found.movers] == [3, 4, 2, 1]
    whole = 100_00 * 0.9 / 0.2 + 200_00 * 0.8 / 0.3 + 40_00 * 0.9 / 0.2 + 10_00 * 0.9 / 0.2
    assert found.whole == pytest.approx(whole)


states = st.sampled_from([None, FIRST, ONCE])
people = st.lists(
    st.tuples(states, states, st.integers(-10_00, 10_000_00), st.integers(-10_00, 10_000_00))
)


@given(people)
def test_the_changes_add_up_to_the_difference(given_: list[tuple[str, str, int, int]]) -> None:
    clients = [client(n, None, a, b, (x, y)) for n, (a, b, x, y) in enumerate(given_)]
    found = rules.capital(clients, {FIRST: chance(0.7), ONCE: chance(0.95)}, "EUR", 0.1)
    moved = sum(cents for _, cents in found.changes.values())
    assert moved == pytest.approx(found.expected - found.expected_then, abs=0.01)


def test_the_matrix_is_cut_at_the_middle_client_and_at_the_mean_chance() -> None:
    known = {FIRST: chance(0.6), ONCE: chance(0.9)}
    clients = [
        client(1, None, None, ONCE, (0, 500_00)),
        client(2, None, None, FIRST, (0, 400_00)),
        client(3, None, None, ONCE, (0, 100_00), 30_00),
        client(4, None, None, FIRST, (0, 90_00)),
        client(5, None, None, None, (900_00, 0)),  # gone: in no field
        client(6, None, None, ONCE),  # without a value: in no field
    ]
    placed, (value, loyal) = placing.place(clients, known, "EUR")
    # Profits 500, 400, 70 (100 less its cost to serve) and 90: the middle is 245.
    assert (value, loyal) == (245_00, 0.75)
    fields = {one.client.account: one.field for one in placed}
    assert fields == {1: FRIENDS, 2: BUTTERFLIES, 3: BARNACLES, 4: STRANGERS}
    assert [one.client.account for one in placed] == [1, 2, 4, 3]
    placed, _ = placing.place(clients, known, "EUR", (80_00, 0.5))
    assert {one.client.account for one in placed if one.field == FRIENDS} == {1, 2, 4}


def test_clients_of_one_chance_are_all_loyal() -> None:
    known = {FIRST: chance(0.1 + 0.2)}
    clients = [client(n, None, None, FIRST, (0, 100_00)) for n in range(7)]
    placed, _ = placing.place(clients, known, "EUR")
    assert {one.field for one in placed} == {FRIENDS}


def test_the_cost_to_serve_is_borne_once_by_the_currency_of_most_value() -> None:
    both = Client(1, None, None, FIRST, SINCE, {"EUR": (0, 50_00), "USD": (0, 80_00)}, 10_00)
    assert placing.profit_of(both, "USD") == 70_00
    assert placing.profit_of(both, "EUR") == 50_00


def test_thirds_have_as_many_each_and_the_first_take_what_is_left() -> None:
    known = {FIRST: chance(0.5)}
    for size, parts in ((6, [2, 2, 2]), (5, [2, 2, 1]), (4, [2, 1, 1]), (1, [1, 0, 0])):
        clients = [client(n, None, None, FIRST, (0, 100_00 + n)) for n in range(size)]
        placed, _ = placing.place(clients, known, "EUR")
        assert [len(part) for part in placing.thirds(placed)] == parts


def test_a_sale_is_seen_in_the_weeks_that_lie_wholly_before_the_next() -> None:
    # 5 sales were followed by another within the week, 3 after one whole week, 2 after three.
    assert rules.weeks_seen({0: 5, 1: 3, 3: 2}, 4) == [5, 2, 2, 0]
