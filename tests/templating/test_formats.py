"""Dates, amounts, days and counts as they read in a language."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from babel import Locale
from babel.numbers import format_currency, format_decimal
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.templating.formats import Formats

_ALL = {name: Formats(name) for name in ("en", "pl", "ru", "de", "pt-BR", "hi", "ja", "ar")}


@pytest.mark.parametrize(
    ("language", "months"),
    [
        ("en", ["March 1, 2027", "May 1, 2027", "August 1, 2027"]),
        ("pl", ["1 marca 2027", "1 maja 2027", "1 sierpnia 2027"]),
        ("ru", ["1 марта 2027\u00a0г.", "1 мая 2027\u00a0г.", "1 августа 2027\u00a0г."]),
    ],
)
def test_a_date_is_written_in_full_with_the_month_in_the_right_case(
    language: str, months: list[str]
) -> None:
    formats = _ALL[language]
    assert [formats.date(date(2027, month, 1)) for month in (3, 5, 8)] == months


@pytest.mark.parametrize(
    ("language", "counts"),
    [
        ("en", "0 days, 1 day, 2 days, 5 days, 9 days, 21 days, 22 days, 30 days, 400 days"),
        ("pl", "0 dni, 1 dzień, 2 dni, 5 dni, 9 dni, 21 dni, 22 dni, 30 dni, 400 dni"),
        ("ru", "0 дней, 1 день, 2 дня, 5 дней, 9 дней, 21 день, 22 дня, 30 дней, 400 дней"),
        ("pt-BR", "0 dia, 1 dia, 2 dias, 5 dias, 9 dias, 21 dias, 22 dias, 30 dias, 400 dias"),
    ],
)
def test_days_are_counted_in_days_with_the_right_plural(language: str, counts: str) -> None:
    formats = _ALL[language]
    written = [formats.days(count) for count in (0, 1, 2, 5, 9, 21, 22, 30, 400)]
    assert ", ".join(written) == counts


@pytest.mark.parametrize("count", [-1, True, 1.5])
def test_days_that_cannot_be_counted_are_refused(count: int) -> None:
    with pytest.raises(ValueError, match="0 or more can be counted"):
        Formats("en").days(count)


@pytest.mark.parametrize(
    ("language", "amount", "currency", "written"),
    [
        ("en", "1234.5", "USD", "$1,234.50"),
        ("en", "1234.5", "JPY", "¥1,234"),
        ("pl", "12345.678", "PLN", "12\u00a0345,68\u00a0zł"),
        ("ru", "1234.5", "RUB", "1\u00a0234,50\u00a0₽"),
        ("en", "-5", "EUR", "-€5.00"),
        ("pl", "0", "eur", "0,00\u00a0€"),
    ],
)
def test_money_is_written_as_the_language_and_the_currency_have_it(
    language: str, amount: str, currency: str, written: str
) -> None:
    assert _ALL[language].money(Decimal(amount), currency) == written


@settings(deadline=None)
@given(
    amount=st.decimals(min_value=-(10**13), max_value=10**16, places=3),
    currency=st.sampled_from(["USD", "EUR", "PLN", "RUB", "JPY", "KWD", "INR"]),
    language=st.sampled_from(sorted(_ALL)),
)
def test_the_quick_formats_write_what_babel_writes(
    amount: Decimal, currency: str, language: str
) -> None:
    locale = Locale.parse(language, sep="-")
    babel = format_currency(amount, currency, locale=locale).replace("\u202f", "\u00a0")
    assert _ALL[language].money(amount, currency) == babel
    whole = format_decimal(int(amount), locale=locale).replace("\u202f", "\u00a0")
    assert _ALL[language].number(int(amount)) == whole


@pytest.mark.parametrize("name", ["xx-nowhere", "english", "", "e", "../en"])
def test_a_name_that_is_no_language_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is not a language"):
        Formats(name)


@pytest.mark.parametrize(
    ("language", "forms", "words"),
    [
        (
            "en",
            ("licence", "licences"),
            {1: "licence", 0: "licences", 2: "licences", 21: "licences"},
        ),
        (
            "pl",
            ("licencja", "licencje", "licencji"),
            {1: "licencja", 2: "licencje", 5: "licencji", 12: "licencji", 21: "licencji"}
            | {22: "licencje", 104: "licencje", 112: "licencji", 0: "licencji"},
        ),
        (
            "ru",
            ("лицензия", "лицензии", "лицензий"),
            {1: "лицензия", 2: "лицензии", 5: "лицензий", 11: "лицензий", 21: "лицензия"}
            | {22: "лицензии", 111: "лицензий", 4950: "лицензий", -1: "лицензия"},
        ),
        ("fr", ("jour", "jours"), {0: "jour", 1: "jour", 2: "jours", 1_000_000: "jours"}),
    ],
)
def test_a_word_takes_the_form_that_its_count_asks_for(
    language: str, forms: tuple[str, ...], words: dict[int, str]
) -> None:
    formats = Formats(language)
    assert {count: formats.plural(count, forms) for count in words} == words


def test_a_wrong_number_of_forms_is_told_with_the_counts_that_need_one() -> None:
    with pytest.raises(ValueError, match="2 plural forms, where one each for 1, 2, 5 is needed"):
        Formats("pl").plural(1, ("licencja", "licencje"))
