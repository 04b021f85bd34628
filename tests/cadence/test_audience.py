"""Who a schedule is for."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.cadence.conftest import schedule_of, schedule_text
from worker.cadence.audience import matches, why_not

CLIENT = {
    "licence.auto_renew": False,
    "licence.amount": Decimal("99.50"),
    "licence.quantity": 10,
    "licence.product": "Antivirus Plus",
    "licence.vendor": None,
    "account.segment": "smb",
    "account.country": "PL",
    "account.tags": ["gold", "pilot"],
    "account.reseller": "",
}


@pytest.mark.parametrize(
    ("line", "is_in"),
    [
        ('"account.segment" = "smb"', True),
        ('"account.segment" = "mid"', False),
        ('"account.segment" = ["mid", "smb"]', True),
        ('"licence.auto_renew" = false', True),
        ('"licence.auto_renew" = true', False),
        ('"licence.quantity" = 10', True),
        ('"licence.amount" = { at_least = 100 }', False),
        ('"licence.amount" = { at_least = 99.5 }', True),
        ('"licence.amount" = { at_most = 99.5 }', True),
        ('"licence.amount" = { at_least = 50, at_most = 80 }', False),
        ('"account.segment" = { not = "mid" }', True),
        ('"account.segment" = { not = ["mid", "smb"] }', False),
        ('"licence.product" = { like = "anti*" }', True),
        ('"licence.product" = { like = "antivirus ????" }', True),
        ('"licence.product" = { like = "anti" }', False),
        ('"licence.vendor" = { set = false }', True),
        ('"licence.vendor" = { set = true }', False),
        ('"account.reseller" = { set = true }', False),  # an empty text is no value
        ('"account.segment" = { set = true }', True),
        # A field without a value satisfies nothing but `not` and `set`.
        ('"licence.vendor" = "Acme"', False),
        ('"licence.vendor" = { not = "Acme" }', True),
        ('"licence.vendor" = { like = "*" }', False),
        ('"licence.next_amount" = { at_most = 1000 }', False),
        # Of several values any may hold; `not` wants none.
        ('"account.tags" = "pilot"', True),
        ('"account.tags" = ["silver", "gold"]', True),
        ('"account.tags" = { not = "gold" }', False),
        ('"account.tags" = { not = "silver" }', True),
        ('"account.tags" = { like = "pi*" }', True),
    ],
)
def test_one_condition(line: str, is_in: bool) -> None:
    assert _is_in(f"[[audience]]\n{line}") is is_in


@pytest.mark.parametrize(
    ("tables", "is_in"),
    [
        ("", True),
        ('[[audience]]\n"account.segment" = "smb"\n"account.country" = "PL"', True),
        ('[[audience]]\n"account.segment" = "smb"\n"account.country" = "US"', False),
        ('[[audience]]\n"account.country" = "US"\n[[audience]]\n"account.segment" = "smb"', True),
        ('[[audience]]\n"account.country" = "US"\n[[audience]]\n"account.segment" = "mid"', False),
    ],
)
def test_any_one_table_suffices_and_inside_a_table_all_must_hold(tables: str, is_in: bool) -> None:
    assert _is_in(tables) is is_in


def _is_in(audience: str) -> bool:
    schedule = schedule_of(schedule_text("on the day", audience=audience))
    return matches(schedule.audience, CLIENT)


def test_the_condition_that_keeps_a_licence_out_is_named() -> None:
    audience = (
        '[[audience]]\n"licence.product" = { like = "anti*" }\n'
        '"licence.amount" = { at_least = 100 }\n'
        '[[audience]]\n"licence.vendor" = { set = true }\n'
    )
    tables = schedule_of(schedule_text("30 days before", audience=audience)).audience
    assert why_not(tables, CLIENT) == (
        "licence.amount is 99.50, asked is at least 100; or licence.vendor is empty, "
        "asked is any value"
    )
    assert why_not(tables, CLIENT | {"licence.amount": Decimal(100)}) == ""
