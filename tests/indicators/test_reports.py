"""The reports of a small town, worked by hand, on both databases.

On 26 November 2026, a year ago is 26 November 2025 and a quarter ago 26 August 2026.

| client | a year ago | a quarter ago | today |
|---|---|---|---|
| A | first term | renewed once | renewed once; 600 a year, 50 to serve |
| B | first term | gone since 30 July, the end of grace | gone |
| C | renewed once | renewed once | in grace until 10 December; 600 a year |
| D | ordered 86 days before | ordered 178 days before | ordered 24 days before; 280 a year |
| E | ordered 42 days before | ordered 315 days before | gone |
"""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.indicators.conftest import QUARTER, YEAR, Town, figures, settled
from worker.indicators.asked import Costs
from worker.indicators.placing import FRIENDS
from worker.kernel.estimates import share_of
from worker.surveys import rules as promises


def test_the_four_indicators_of_the_town(town: Town) -> None:
    settled(town)
    town.said("A", 10, "2026-10-10")
    town.said("A", 5, "2026-03-10")
    town.said("C", 9, "2026-03-10")
    town.said("D", 0, "2025-11-20")  # more than a year ago
    found = figures(town.board("indicators", QUARTER))
    # All five were clients a year ago; A, C and D are.
    assert (found["retention"].value, found["retention"].n) == (0.6, 5)
    assert found["retention"].low == pytest.approx(share_of(3, 5).low)
    # A, C, D and E were clients a quarter ago; E is no more.
    assert (found["loss"].value, found["loss"].n) == (0.25, 4)
    # All three of today bought on more than one day; since 2025-01, 2024-11 and 2025-09.
    assert (found["loyalty"].value, found["loyalty"].n) == (1.0, 3)
    assert found["tenure"].value == pytest.approx(22 / 12)
    # A's two answers share one vote of 0, C votes 1: 50 of two accounts.
    assert (found["satisfaction"].value, found["satisfaction"].n) == (50.0, 2)


def test_indicators_are_split_by_what_the_book_says_of_clients(town: Town) -> None:
    settled(town)
    board = town.board("indicators", QUARTER, by="segment")
    assert figures(board, "mid")["retention"].n == 1
    assert (figures(board, "")["retention"].value, figures(board, "")["retention"].n) == (0.5, 4)
    for by in ("country", "account-manager", "channel"):
        assert town.board("indicators", QUARTER, by=by).tables["groups"]


def test_sales_after_the_last_day_are_not_known_yet(town: Town) -> None:
    settled(town)
    town.order("E", "2026-11-27", "900")
    town.order("F", "2026-11-27", "900")
    found = figures(town.board("indicators", QUARTER))
    assert (found["retention"].value, found["active"].value) == (0.6, 3)


def test_cancelling_ends_a_client_at_once_and_grace_does_not_double_its_value(town: Town) -> None:
    town.licence("A", ("2025-11-01", "2026-11-01"), ("2026-11-01", "2027-11-01"), amount="400")
    town.licence("B", ("2025-11-01", "2026-11-01"), amount="300", status="cancelled")
    found = figures(town.board("capital", QUARTER))
    assert found["active"].value == 1
    assert found["yearly_value"].value == Decimal(400)


def test_capital_is_yearly_value_times_the_chance_of_the_state(town: Town) -> None:
    settled(town)
    board = town.board("capital", QUARTER)
    found = figures(board)
    # 3 of 5 stayed: the mean is 0.6, and of each state of a year ago (stayed + 6) / (n + 10).
    first, once, ago_90 = (1 + 6) / 12, (1 + 6) / 11, (1 + 6) / 12
    never = 0.6  # nobody had ordered within 180 days, or within 30
    assert ago_90 == pytest.approx(first)
    # A and C, renewed once, 600 each; D 250 + 50 − 20 of the year.
    assert found["yearly_value"].value == Decimal(1480)
    now = 1200 * once + 280 * never
    assert float(found["expected_12_months"].value) == pytest.approx(now, abs=0.01)
    # A quarter ago: A had one licence of 400; D bought 350 in the year; E's 500 counted still.
    before = 1000 * once + 350 * never + 500 * never
    assert float(found["expected_12_months_before"].value) == pytest.approx(before, abs=0.01)
    lost = figures(board, "lost clients")["change"]
    assert (lost.value, lost.n) == (Decimal("-300.00"), 1)
    assert board.tables["movers-eur"][0]["account"] == "E"


def test_the_matrix_puts_profit_beside_the_chance_and_contacts_beside_profit(town: Town) -> None:
    settled(town)
    town.mail("A", "2026-09-01")
    town.mail("A", "2026-09-02", left=False)
    town.task("A", "2026-09-03")
    town.task("A", "2026-09-03", by=None)
    town.mail("D", "2025-11-26")  # a year and a day ago
    board = town.board("matrix", YEAR)
    rows = {row["account"]: row for row in board.tables["clients"]}
    assert rows.keys() == {"A", "C", "D"}
    assert (rows["A"]["profit_a_year"], rows["A"]["yearly_value"]) == (Decimal(550), Decimal(600))
    assert (rows["A"]["mails"], rows["A"]["tasks"]) == (1, 1)
    assert rows["D"]["last_contact_on"] is None
    # Profits 600, 550 and 280: the middle is 550. The mean chance lies below 7/11.
    assert rows["A"]["field"] == rows["C"]["field"] == FRIENDS
    friends = {figure.metric: figure for figure in board.figures if figure.group == FRIENDS}
    assert (friends["profit"].value, friends["clients"].value) == (Decimal(1150), 2)
    assert (friends["profit_per_contact"].value, friends["profit_per_contact"].n) == (
        Decimal(575),
        2,
    )


def test_the_satisfaction_of_a_field_needs_five_accounts_and_named_answers(town: Town) -> None:
    for key in "ABCDEF":
        town.licence(key, ("2025-01-01", "2027-12-31"))
        town.said(key, 10, "2026-06-01", promises.NAMED if key != "F" else promises.CONFIDENTIAL)
    (row,) = [row for row in town.board("matrix", YEAR).tables["fields-eur"] if row["clients"]]
    assert (row["field"], row["nps"], row["nps_n"]) == (FRIENDS, "+100.0", 5)
    town.said("A", 0, "2026-06-02")
    (row,) = [row for row in town.board("matrix", YEAR).tables["fields-eur"] if row["clients"]]
    assert row["nps"] == "+80.0", "A's two answers are one vote of 0"


def test_attention_is_counted_from_the_sale_before_up_to_the_next(town: Town) -> None:
    town.order("D", "2026-09-01")
    town.order("D", "2026-10-01")  # 30 days: four whole weeks are seen of the first
    town.mail("D", "2026-09-01")  # the first week
    town.mail("D", "2026-09-07")
    town.task("D", "2026-09-08")  # the second
    town.mail("D", "2026-09-30")  # in the fifth, which the next sale cuts short
    town.mail("D", "2026-10-03")  # the first week after the second sale
    town.mail("D", "2026-08-30")  # after no sale
    town.licence("E", ("2026-11-20", "2027-11-20"))  # a sale six days and today ago: one week
    weeks = town.board("attention", YEAR).tables["weeks"]
    assert [row["sales"] for row in weeks[:6]] == [3, 2, 2, 2, 1, 1]
    assert [(row["mails"], row["tasks_of_people"]) for row in weeks[:3]] == [(3, 0), (0, 1), (0, 0)]
    reached = town.board("attention", YEAR).tables["reached"]
    assert [(row["reached"], row["sales"]) for row in reached[:2]] == [(2, 3), (1, 2)]


def test_who_heard_nothing_for_a_quarter_is_listed_those_who_buy_most_first(town: Town) -> None:
    settled(town)
    town.mail("A", "2026-08-27")  # 91 days ago, today included: the quarter is over
    town.mail("C", "2026-08-28")
    board = town.board("attention", YEAR)
    assert [row["account"] for row in board.tables["silent"]] == ["A", "D"]
    assert str(board.tables["silent"][0]["last_contact_on"]) == "2026-08-27"
    found = figures(board)
    assert (found["heard_nothing"].value, found["heard_nothing"].n) == (pytest.approx(2 / 3), 3)
    assert found["heard_nothing_value"].value == Decimal(880)


def test_attention_says_how_soon_those_hear_from_us_who_are_not_content(town: Town) -> None:
    assert "first_contact" not in figures(town.board("attention", YEAR))
    number = town.said("A", 3, "2026-09-01")
    town.answered_by(number, "2026-09-01")
    board = town.board("attention", YEAR)
    found = figures(board)
    assert (found["first_contact"].value, found["first_contact"].n) == (0.0, 1)
    assert (found["told_hours"].value, found["told_hours"].method) == (None, "median")
    assert [row["reached"] for row in board.tables["answered"]] == [0, 0]


def test_costs_are_contacts_times_what_one_costs_beside_the_sales_that_followed(town: Town) -> None:
    town.order("D", "2026-09-10")
    town.order("D", "2026-11-20")
    town.mail("D", "2026-08-11")  # 30 days before the first sale
    town.mail("D", "2026-09-10")  # on its day: after it
    town.task("D", "2026-11-19")
    town.task("E", "2026-11-19")
    town.mail("E", "2026-11-01", "survey")
    town.mail("F", "2026-11-01", "survey")
    board = town.board("costs", YEAR, costs=Costs("EUR", 2.0, 1500.0))
    notices, people = figures(board, "contractual"), figures(board, "person")
    assert (notices["contacts"].value, notices["accounts_reached"].value) == (2, 1)
    assert notices["sales_within_30_days"].value == 1
    assert notices["cost"].value == Decimal("0.04")
    assert (people["contacts"].value, people["sales_within_30_days"].value) == (2, 1)
    assert people["cost"].value == Decimal(30)
    assert figures(board, "survey")["accounts_reached"].value == 2
    (row,) = [row for row in board.tables["cost"] if row["channel"] == "person"]
    assert (row["cost_per_contact"], row["cost_per_sale"]) == (Decimal(15), Decimal(30))


def test_a_cost_that_is_not_said_is_in_no_figure(town: Town) -> None:
    town.mail("A", "2026-11-01")
    board = town.board("costs", YEAR)
    assert "cost" not in figures(board, "contractual")
    assert "cost" not in board.tables
    assert "what one costs is not said" in board.lead


def test_clients_of_resellers_are_told_apart_from_direct_ones(town: Town) -> None:
    town.licence("R", ("2026-01-01", "2027-01-01"), amount="100")
    town.account("X", reseller="R")
    town.licence("X", ("2026-01-01", "2027-01-01"), amount="200")
    town.licence("Y", ("2026-01-01", "2027-01-01"), amount="400")
    town.mail("X", "2026-05-05")
    rows = {row["way"]: row for row in town.board("costs", YEAR).tables["ways"]}
    assert {name: row["yearly_value_eur"] for name, row in rows.items()} == {
        "client of a reseller": Decimal(200),
        "direct client": Decimal(400),
        "reseller": Decimal(100),
    }
    assert rows["client of a reseller"]["contacts"] == 1


@pytest.mark.parametrize("name", ["indicators", "matrix", "capital", "attention", "costs"])
def test_an_empty_book_says_so_and_fails_nowhere(town: Town, name: str) -> None:
    board = town.board(name, YEAR)
    assert any(word in board.lead for word in ("Nobody", "No contact"))


@pytest.mark.parametrize("name", ["indicators", "matrix", "capital", "attention", "costs"])
def test_a_report_asks_as_many_questions_of_many_clients_as_of_few(town: Town, name: str) -> None:
    from tests.indicators.asking import asked

    settled(town)
    few = asked(town, name)
    for number in range(30):
        town.licence(f"N-{number}", ("2026-01-01", "2027-01-01"))
    assert asked(town, name) == few
