"""A city's records become a book: terms in order, what cannot be a term left out with a reason."""

from __future__ import annotations

from datetime import date

from tests.oracle.chicago import book

HEADER = (
    "account_number,license_number,license_description,license_status,"
    "license_term_start_date,license_term_expiration_date,payment_date"
)


def _lines(*rows: str) -> list[str]:
    return [HEADER, *(f"7,{row}" for row in rows)]


def test_terms_of_one_licence_are_numbered_by_their_start() -> None:
    found, rejected = book(
        _lines(
            "1,Tobacco,AAI,2005-06-16,2006-06-15,2005-06-20",
            "1,Tobacco,AAI,2004-06-16,2005-06-15,",
        )
    )
    assert rejected == {}
    assert [(row["number"], row["expires_on"].year) for row in found["terms"]] == [
        (1, 2005),
        (2, 2006),
    ]
    assert found["terms"][1]["closed_on"] == date(2005, 6, 20)
    assert found["contacts"] == [{"account": "7", "email": "licences+7@example.com"}]


def test_rows_that_cannot_be_a_term_are_rejected_with_a_reason() -> None:
    found, rejected = book(
        _lines(
            "1,Tobacco,AAI,2005-06-16,,",
            "2,Tobacco,AAI,2005-06-16,2005-06-16,",
            "3,Tobacco,AAI,2005-01-01,2006-01-01,",
            "3,Tobacco,AAI,2005-06-01,2006-06-01,",
            "4,Tobacco,AAC,,2006-06-01,",
            "4,Tobacco,AAC,,2006-06-01,",
        ),
        statuses={"AAC": "cancelled"},
    )
    assert sorted(rejected) == [2, 3, 4, 5]
    assert [(row["key"], row["status"]) for row in found["licences"]] == [("4", "cancelled")]
