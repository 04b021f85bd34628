"""Verdicts: who gets one, in which lane, in which order, in which words."""

from __future__ import annotations

import re
import tomllib
from importlib.resources import files

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reactivation.books import CUT, HOUSE, book_of, client_of, credit, rows_of
from worker.reactivation.calibration import Calibration, Evidence
from worker.reactivation.lanes import LESS, OVERDUE, QUIET, YEARLY, lost_yearly
from worker.reactivation.reasons import CODES
from worker.reactivation.rules import Measure, Verdict, judge, queue, verdicts
from worker.reactivation.sentences import LANGUAGES, sentences

BY = Measure(HOUSE, Calibration())


def verdict(*rows, by: Measure = BY) -> Verdict | None:
    return judge(client_of(*rows), by)


def lane(*rows) -> str | None:
    found = verdict(*rows)
    assert found is not None
    return found.lane


def codes(found: Verdict | None) -> list[str]:
    assert found is not None
    return [reason["code"] for reason in found.reasons]


# --- lanes ----------------------------------------------------------------------------------------


def test_a_client_who_buys_as_usual_stands_in_no_lane() -> None:
    found = verdict(rows_of(1, range(4, 400, 10)))
    assert found is not None
    assert found.lane is None
    assert codes(found) == []


def test_a_late_client_is_overdue_before_it_has_gone_quiet() -> None:
    assert lane(rows_of(1, range(24, 400, 10))) == OVERDUE
    assert lane(rows_of(1, range(60, 400, 10))) == QUIET


def test_a_client_who_still_orders_but_half_as_much_buys_less() -> None:
    before, now = rows_of(1, range(100, 400, 10), amount=500), rows_of(1, range(4, 100, 10))
    found = verdict(before, now)
    assert found is not None
    assert found.lane == LESS
    assert "bought-less" in codes(found)


def test_new_clients_and_those_without_an_order_for_a_year_have_no_score() -> None:
    assert verdict(rows_of(1, [10])) is None
    assert verdict(rows_of(1, [10]), [credit(1, 5, 20)]) is None
    assert verdict(rows_of(1, [365, 400, 430])) is None
    assert verdict(rows_of(1, [364, 400, 430])) is not None


def test_a_client_whose_orders_were_all_credited_has_nothing_at_stake() -> None:
    assert verdict(rows_of(1, [50, 80, 120]), [credit(1, 40, 300)]) is None


# --- yearly buyers --------------------------------------------------------------------------------


def test_a_yearly_buyer_is_not_flagged_while_its_year_runs() -> None:
    found = verdict(rows_of(1, [200, 565, 930]))
    assert found is not None
    assert (found.lane, found.score, found.usual_gap) == (YEARLY, None, 365)
    assert codes(found) == ["yearly-due"]


def test_a_yearly_buyer_is_lost_by_degrees_after_its_due_date() -> None:
    late = [verdict(rows_of(1, [365 + days, 730 + days, 1095 + days])) for days in (29, 30, 60, 90)]
    assert [found.score for found in late if found] == [None, 0.75, pytest.approx(0.84), 0.93]
    assert lost_yearly(300) == 0.93


def test_two_orders_around_one_renewal_are_one_purchase() -> None:
    found = verdict(rows_of(1, [200, 206, 565, 570, 930]))
    assert found is not None
    assert found.lane == YEARLY


def test_with_a_licence_one_gap_of_a_year_is_enough() -> None:
    assert lane(rows_of(1, [200, 565])) != YEARLY
    found = verdict(rows_of(1, [200, 565]), by=Measure(HOUSE, Calibration(), frozenset({1})))
    assert found is not None
    assert found.lane == YEARLY


# --- money ----------------------------------------------------------------------------------------


def test_currencies_are_never_added_up() -> None:
    found = verdict(
        rows_of(1, range(4, 300, 10), amount=100),
        rows_of(1, [50, 150], amount=9000, currency="PLN"),
    )
    assert found is not None
    assert (found.currency, found.at_stake) == ("EUR", 3000)
    assert "other-currencies" in codes(found)


def test_the_queue_weighs_chance_and_money_and_compares_currencies_by_their_own_clients() -> None:
    def one(account: int, score: float | None, at_stake: float, currency: str = "EUR") -> Verdict:
        return Verdict(account, score, at_stake, currency, None, CUT, 10, 0.0, (), (), None)

    found = [one(1, 0.9, 100), one(2, 0.5, 1000), one(3, None, 5000), one(4, 0.9, 900)]
    assert [v.account for v in queue(found)] == [4, 2, 1, 3]
    assert [v.account for v in queue(found, 12.0)] == [4, 1, 2, 3]
    in_yen = [one(5, 0.8, 90_000, "JPY"), one(6, 0.8, 110_000, "JPY")]
    euros = [one(7, 0.8, 900), one(8, 0.8, 1100)]
    assert {v.account for v in queue(in_yen + euros)[:2]} == {6, 8}


@settings(deadline=None)
@given(st.floats(0.01, 1000))
def test_the_queue_is_the_same_in_any_money(factor: float) -> None:
    rows = [rows_of(account, range(account * 9, 400, 10 + account)) for account in range(1, 8)]
    plain = queue(verdicts(book_of(*rows).clients(CUT), BY))
    scaled = [[(a, d, li, c, net * factor, n) for a, d, li, c, net, n in some] for some in rows]
    other = queue(verdicts(book_of(*scaled).clients(CUT), BY))
    assert [v.account for v in plain] == [v.account for v in other]


def test_each_product_line_has_its_own_drop() -> None:
    found = verdict(
        rows_of(1, range(0, 365, 30), line="Backup", amount=50),
        rows_of(1, range(150, 365, 30), line="Antivirus"),
    )
    assert found is not None
    assert found.product_lines[0] == {"product_line": "Antivirus", "drop": 1.0}
    assert found.product_lines[1]["product_line"] == "Backup"
    assert found.product_lines[1]["drop"] < 0.2


# --- words ----------------------------------------------------------------------------------------


def said(language: str, *rows, evidence: Evidence | None = None) -> str:
    found = verdict(*rows)
    assert found is not None
    return sentences(language).whole(found.reasons, found.at_stake, found.currency, evidence)


STOPPED = (
    rows_of(1, range(82, 365, 12), line="Backup", amount=600),
    rows_of(1, [100, 130, 160, 190], line="Antivirus", amount=900),
)
"""The last order 82 days ago, usually every 11 or 12 days."""


def test_sales_reads_what_changed_in_plain_english() -> None:
    text = said("en", *STOPPED, evidence=Evidence(35, 31))
    assert text.startswith("No order for 82 days; usually every ")
    assert "Stopped buying Backup, Antivirus, 100% of the basket." in text
    assert "18,000 EUR a year at stake." in text
    assert text.endswith(
        "Of 35 clients in a similar state three months ago, 89% fell by half or more."
    )


def test_polish_has_its_plurals() -> None:
    text = said("pl", *STOPPED, evidence=Evidence(35, 31))
    assert text.startswith("Ostatnie zamówienie 82 dni temu; zwykle co ")
    assert "Spośród 35 klientów, którzy trzy miesiące temu" in text
    say = sentences("pl")
    orders = [say.reason({"code": "few-orders", "orders": n}) for n in (1, 2, 5, 22)]
    assert orders == [
        "Tylko 1 zamówienie w ciągu roku: słaba podstawa.",
        "Tylko 2 zamówienia w ciągu roku: słaba podstawa.",
        "Tylko 5 zamówień w ciągu roku: słaba podstawa.",
        "Tylko 22 zamówienia w ciągu roku: słaba podstawa.",
    ]
    assert say.reason({"code": "young", "months": 1}) == "Klient dopiero od 1 miesiąca."
    assert say.reason({"code": "young", "months": 3}) == "Klient dopiero od 3 miesięcy."


def test_russian_has_its_plurals() -> None:
    text = said("ru", *STOPPED, evidence=Evidence(41, 31))
    assert text.startswith("Последний заказ 82 дня назад; обычно раз в ")
    assert "Из 41 клиента, бывших три месяца назад" in text
    say = sentences("ru")
    orders = [say.reason({"code": "few-orders", "orders": n}) for n in (1, 3, 5, 21)]
    assert [text.split(" за ")[0] for text in orders] == [
        "Всего 1 заказ",
        "Всего 3 заказа",
        "Всего 5 заказов",
        "Всего 21 заказ",
    ]


def test_every_reason_has_a_sentence_with_the_same_figures_in_every_language() -> None:
    def words(language: str) -> dict[str, str]:
        text = (files("worker.reactivation") / f"words/{language}.toml").read_text("utf-8")
        return tomllib.loads(text)["reason"]

    english = words("en")
    assert set(english) == set(CODES)
    for language in LANGUAGES:
        of = words(language)
        assert set(of) == set(english)
        for code, text in of.items():
            assert set(re.findall(r"{(\w+)}", text)) == set(re.findall(r"{(\w+)}", english[code]))


def test_a_language_without_words_gets_english() -> None:
    assert sentences("de").reason({"code": "young", "months": 1}) == "Client for only 1 month."


def test_many_product_lines_are_counted() -> None:
    reason = {"code": "lines-stopped", "lines": ["A", "B", "C", "D", "E"], "share": 40}
    assert "A, B, C and 2 more" in sentences("en").reason(reason)
