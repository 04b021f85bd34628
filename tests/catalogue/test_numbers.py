"""Amounts and counts as people write them: declared, never guessed."""

from __future__ import annotations

from decimal import Decimal

import pytest

from worker.catalogue.numbers import Point, amounts, counts, signed
from worker.catalogue.values import BadValueError


@pytest.mark.parametrize(
    ("point", "text", "amount"),
    [
        (None, "1240", "1240.00"),
        (None, "1240.5", "1240.50"),
        (None, "1240.50", "1240.50"),
        (None, "1240.500", "1240.50"),
        (None, "0.240", "0.24"),
        (",", "1240", "1240.00"),
        (",", "1240,5", "1240.50"),
        (",", "1 240,50", "1240.50"),
        (",", "1\u00a0240,50", "1240.50"),
        (",", "1\u202f240\u202f000,5", "1240000.50"),
        (",", "1\u2009240", "1240.00"),
        (",", "1.240,50", "1240.50"),
        (",", "1.240", "1240.00"),
        (",", "12'345,60", "12345.60"),
        (".", "1,240.50", "1240.50"),
        (".", "1.240", "1.24"),
        (".", "1,240", "1240.00"),
        (".", "1’240.5", "1240.50"),
    ],
)
def test_an_amount_is_read_in_the_way_that_is_declared(
    point: Point | None, text: str, amount: str
) -> None:
    assert amounts(point)(text) == Decimal(amount)


@pytest.mark.parametrize(
    ("point", "text", "code"),
    [
        (None, "1.240", "ambiguous-amount"),
        (None, "999.999", "ambiguous-amount"),
        (None, "1,240", "amount"),
        (None, "1 240", "amount"),
        (None, "1240,50", "amount"),
        (",", "1240.5", "amount"),
        (",", "1,240.50", "amount"),
        (",", "1.24", "amount"),
        (",", "12.40,5", "amount"),
        (",", "1 24,5", "amount"),
        (",", "1.240 000,5", "amount"),
        (",", "1240,555", "amount"),
        (",", "-5", "amount"),
        (",", "1240,50 zł", "amount"),
        (",", ",5", "amount"),
        (",", "5,", "amount"),
        (".", "1.240,50", "amount"),
        (".", "१२", "amount"),
    ],
)
def test_what_is_written_otherwise_is_refused(point: Point | None, text: str, code: str) -> None:
    with pytest.raises(BadValueError) as caught:
        amounts(point)(text)
    assert caught.value.code == code


def test_the_refusal_says_what_to_declare() -> None:
    hints = {
        (None, "1.240"): "it may mean 1240 or 1,240; declare how the source writes numbers: "
        'decimal = "," or decimal = "."',
        (None, "1 240,50"): 'declare how the source writes numbers: decimal = "," or decimal = "."',
        (",", "1240.5"): "the declared decimal sign is \",\"; '.' may only stand between thousands",
        (",", "12,50 zł"): "the currency stands in a field of its own",
    }
    for (point, text), hint in hints.items():
        with pytest.raises(BadValueError) as caught:
            amounts(point)(text)  # type: ignore[arg-type]
        assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("point", "text", "number"),
    [(None, "12", 12), (",", "1 240", 1240), (",", "3,00", 3), (".", "1,240", 1240), (",", "0", 0)],
)
def test_a_count_may_be_grouped_where_that_is_declared(
    point: Point | None, text: str, number: int
) -> None:
    assert counts(point)(text) == number


@pytest.mark.parametrize(
    ("point", "text"),
    [(None, "1 240"), (None, "3.0"), (",", "3,5"), (",", "-1"), (",", "9999999999"), (",", "x")],
)
def test_a_count_is_whole(point: Point | None, text: str) -> None:
    with pytest.raises(BadValueError):
        counts(point)(text)


@pytest.mark.parametrize(
    ("point", "text", "number"),
    [
        (None, "12.50", "12.50"),
        (None, "-12.50", "-12.50"),
        (None, "- 12.50", "-12.50"),
        (None, "12.50-", "-12.50"),
        (None, "(12.50)", "-12.50"),
        (None, "\u221212.5", "-12.50"),
        (None, "-0.00", "0.00"),
        (None, "999999999999.99", "999999999999.99"),
        (",", "1.200,50-", "-1200.50"),
        (",", "(1 200,50)", "-1200.50"),
        (".", "-1,200.5", "-1200.50"),
    ],
)
def test_a_line_of_an_order_may_be_negative_as_accountants_write_it(
    point: Point | None, text: str, number: str
) -> None:
    found = signed(point, places=2)(text)
    assert str(found) == number


@pytest.mark.parametrize(
    ("point", "text", "code"),
    [
        (None, "--5", "number"),
        (None, "-5-", "number"),
        (None, "(-5)", "number"),
        (None, "(5", "number"),
        (None, "()", "number"),
        (None, "-", "number"),
        (None, "1e3", "number"),
        (None, "0.345", "number"),
        (None, "-12.345", "ambiguous-amount"),
        (None, "1000000000000", "number"),
        (",", "-1,200.50", "number"),
    ],
)
def test_a_line_of_an_order_that_is_no_number_is_refused(
    point: Point | None, text: str, code: str
) -> None:
    with pytest.raises(BadValueError) as caught:
        signed(point, places=2)(text)
    assert caught.value.code == code


def test_a_quantity_has_up_to_four_decimals() -> None:
    assert str(signed(None, places=4)("-0.1250")) == "-0.1250"
    assert str(signed(",", places=4)("3")) == "3.0000"
    with pytest.raises(BadValueError):
        signed(None, places=4)("0.00001")
