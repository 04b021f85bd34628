"""Mails about many licences: their order, the fifty that are listed, sums and counts of all."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from time import thread_time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.templating.small import SHIPPED, texts, write
from worker.templating.context import MOST_LISTED, LicenceView, MailContext
from worker.templating.render import Renderer
from worker.templating.samples import bare, full, mixed, without
from worker.templating.texts import read_folder

_RENDERER = Renderer(read_folder(SHIPPED))
TODAY = full().today


def about(*licences: LicenceView) -> MailContext:
    return replace(full(), licences=licences)


def licence(key: str = "L", days: int = 30, **values: Any) -> LicenceView:
    made = replace(full().licence, key=key, days_left=days, expires_on=TODAY + timedelta(days=days))
    return replace(made, **values)


def row(**values: Any) -> dict[str, Any]:
    names = ("product", "vendor", "quantity", "amount", "next_amount", "currency", "starts_on")
    return {
        **dict.fromkeys((*names, "renew_url")),
        "key": "L",
        "auto_renew": True,
        "expires_on": TODAY + timedelta(days=30),
        **values,
    }


def test_licences_stand_in_the_order_of_their_dates_then_of_product_and_number() -> None:
    context = about(
        licence("c", 9, product="A"),
        licence("b", 2, product="B"),
        licence("d", 2, product=None),
        licence("a", 2, product="B"),
    )
    assert [one.key for one in context.licences] == ["d", "a", "b", "c"]
    assert context.licence.key == "d"


def test_where_each_has_a_deadline_for_notice_the_nearest_comes_first() -> None:
    late = replace(licence("late", 30), auto_renew=True, notice_on=TODAY + timedelta(days=20))
    soon = replace(licence("soon", 60), auto_renew=True, notice_on=TODAY + timedelta(days=5))
    assert [one.key for one in about(late, soon).licences] == ["soon", "late"]
    assert [one.key for one in about(late, soon, licence("none", 90)).licences] == [
        *("late", "soon", "none")
    ]


@given(days=st.lists(st.integers(-30, 60), min_size=1, max_size=120))
def test_no_licence_is_lost_and_what_is_not_listed_is_counted(days: list[int]) -> None:
    context = about(*(licence(f"L-{place}", left) for place, left in enumerate(days)))
    said = write(
        texts(body="{{ licences | length }} {{ more }} {{ licence_count }} {{ expired }}"), context
    )
    listed = min(len(days), MOST_LISTED)
    past = sum(left < 0 for left in days)
    assert said.text == f"{listed} {len(days) - listed} {len(days)} {past}\n"
    assert [one.days_left for one in context.licences] == sorted(days)


def test_first_and_last_dates_are_those_of_all_licences_listed_or_not() -> None:
    context = about(*(licence(f"L-{place:03}", place) for place in range(80)))
    body = "{{ first_on }}; {{ last_on }}; {{ first_notice_on | default('none') }}"
    assert write(texts(body=body), context).text == "January 30, 2027; April 19, 2027; none\n"


def test_the_first_deadline_for_notice_is_the_first_that_is_not_past() -> None:
    days = [20, 24, 25, 40]
    context = about(*(full(left, auto_renew=True).licence for left in days))
    assert write(texts(body="{{ first_notice_on }}"), context).text == "January 30, 2027\n"


@pytest.mark.parametrize(
    ("values", "notice_on", "days_to_notice"),
    [
        ({"notice_days": 10}, TODAY + timedelta(days=20), 20),
        ({"notice_days": 0}, TODAY + timedelta(days=30), 30),
        ({"notice_days": 45}, TODAY - timedelta(days=15), -15),
        ({"notice_days": None}, None, None),
        ({}, None, None),
        ({"notice_days": 10, "auto_renew": False}, None, None),
        ({"notice_days": 10**6}, None, None),
    ],
)
def test_the_last_day_to_give_notice_lies_so_many_days_before_the_expiry_date(
    values: dict[str, Any], notice_on: date | None, days_to_notice: int | None
) -> None:
    view = LicenceView.from_row(row(**values), TODAY)
    assert (view.notice_on, view.days_to_notice) == (notice_on, days_to_notice)


def test_a_licence_knows_its_term_and_the_one_before() -> None:
    numbered = [LicenceView.from_row(row(term=term), TODAY) for term in (1, 2, 7)]
    assert [(view.term, view.previous_term) for view in numbered] == [(1, None), (2, 1), (7, 6)]


# --- money ----------------------------------------------------------------------------------------


SUMS = (
    "{% for sum in sums %}{{ sum.currency }} {{ sum.amount | default('?') }}"
    " {{ sum.next_amount | default('?') }};{% endfor %}."
)


def test_prices_are_added_up_by_currency_over_all_licences() -> None:
    euros = [licence(f"E-{n}", n, amount=Decimal("10.50"), next_amount=None) for n in range(60)]
    zlotys = [licence(f"P-{n}", n, amount=Decimal(1), currency="PLN") for n in range(2)]
    said = write(texts(body=SUMS), about(*euros, *zlotys)).text
    assert said == "EUR 630 ?;PLN 2 2,605;.\n"


@pytest.mark.parametrize(
    "context",
    [
        full(),
        bare(),
        without("licence.currency", full(licences=3)),
        about(licence("a"), licence("b", currency=None)),
        about(licence("a"), licence("b", currency="PLN", amount=None, next_amount=None)),
    ],
)
def test_a_sum_that_would_leave_something_out_is_not_given(context: MailContext) -> None:
    assert write(texts(body=SUMS), context).text == ".\n"


def test_one_address_for_all_gives_one_button_and_different_ones_a_link_each() -> None:
    same = full(licences=3)
    same = replace(
        same, licences=tuple(replace(one, renew_url="https://a.example") for one in same.licences)
    )
    made = _RENDERER.render("renewal/reminder", "en", same)
    assert made.html.count("https://a.example") == made.text.count("https://a.example") == 1
    assert "Renew these licences" in made.html
    made = _RENDERER.render("renewal/reminder", "en", full(licences=3))
    assert made.html.count("https://renew.example.com") == 3
    assert "Renew these licences" not in made.html


# --- the mail -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "count", "said"),
    [
        ("en", 51, "and 1 more licence"),
        ("en", 5000, "and 4,950 more licences"),
        ("pl", 51, "oraz jeszcze 1 licencja"),
        ("pl", 53, "oraz jeszcze 3 licencje"),
        ("pl", 5000, "oraz jeszcze 4950 licencji"),
        ("ru", 71, "и ещё 21 лицензия"),
        ("ru", 52, "и ещё 2 лицензии"),
        ("ru", 5000, "и ещё 4950 лицензий"),
    ],
)
def test_a_mail_says_how_many_more_licences_there_are(language: str, count: int, said: str) -> None:
    made = _RENDERER.render("renewal/heads-up", language, full(30, count))
    for text in (made.text, made.html):
        assert re.search(rf"{said}\b", text.replace("\u00a0", ""))


def test_fifty_licences_are_all_listed_and_nothing_is_said_of_more() -> None:
    made = _RENDERER.render("renewal/heads-up", "en", full(30, MOST_LISTED))
    assert made.html.count("No. L-") == MOST_LISTED
    assert not re.search(r"and \d+ more", made.text + made.html)


def test_many_licences_stand_in_one_table_with_headers_and_one_licence_in_a_card() -> None:
    many = _RENDERER.render("renewal/heads-up", "en", mixed(30, 20)).html
    assert many.count('scope="col"') == 3
    assert many.count('scope="colgroup"') == 0
    one = _RENDERER.render("renewal/heads-up", "en", full()).html
    assert one.count('scope="colgroup"') == 1


@pytest.mark.parametrize("mail", ["renewal/heads-up", "auto-renewal/notice"])
def test_a_mail_about_five_thousand_licences_is_written_in_well_under_a_second(mail: str) -> None:
    rows = [
        row(
            key=f"L-{n}",
            product=f"Product {n % 7}",
            amount=Decimal(n),
            next_amount=Decimal(n),
            currency="EUR",
            notice_days=14,
            expires_on=TODAY + timedelta(days=20 + n % 40),
        )
        for n in range(5000)
    ]
    _RENDERER.render(mail, "pl", full())  # compiled before, as in a process that runs
    begun = thread_time()
    context = about(*(LicenceView.from_row(one, TODAY) for one in rows))
    made = _RENDERER.render(mail, "pl", context)
    assert thread_time() - begun < 0.5
    assert len(made.html) < 100_000  # Gmail hides what is beyond
    assert "4950 licencji" in made.text.replace("\u00a0", "")
