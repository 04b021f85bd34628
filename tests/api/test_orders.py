"""Orders over the API: entered, corrected, listed; their days add up as in an import."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from tests.api.conftest import Api
from tests.api.test_writing import faults
from worker.catalogue.records import order_days
from worker.db.engine import reading

SALE = {"account": "A-1", "ordered_on": "2026-03-02", "amount": "120.50", "currency": "EUR"}


def days(api: Api) -> list[tuple[Any, ...]]:
    c = order_days.c
    with reading(api.engine) as conn:
        rows = conn.execute(select(c.day, c.product_line, c.net, c.sold, c.orders).order_by(c.day))
        return [(str(r[0]), r[1], str(r[2]), str(r[3]), r[4]) for r in rows]


def test_an_order_is_entered_once_and_read_back(api: Api) -> None:
    client = api.writer
    made = client.put("/orders/R-1/1", json=SALE | {"product_line": "Mail", "quantity": "2.50"})
    assert (made.status_code, made.json()["outcome"]) == (201, "created")
    item = made.json()["item"]
    assert item.pop("updated_at").endswith("Z")
    assert item == SALE | {"key": "R-1/1", "product_line": "Mail", "quantity": "2.5"}
    again = client.put("/orders/R-1/1", json=SALE)
    assert (again.status_code, again.json()["outcome"]) == (200, "unchanged")
    assert client.get("/orders/R-1/1").headers["etag"] == made.headers["etag"]
    assert days(api) == [("2026-03-02", "Mail", "120.50", "120.50", 1)]
    assert api.log()[-1] == ("api", "order.entered", "order R-1/1")


def test_a_correction_and_a_credit_note_move_the_totals(api: Api) -> None:
    client = api.writer
    client.put("/orders/R-1", json=SALE)
    client.put("/orders/C-1", json=SALE | {"amount": "-20.50", "quantity": "-1"})
    assert days(api) == [("2026-03-02", "", "100.00", "120.50", 1)]
    client.put("/orders/R-1", json={"ordered_on": "2026-03-01"})
    assert days(api) == [
        ("2026-03-01", "", "120.50", "120.50", 1),
        ("2026-03-02", "", "-20.50", "0.00", 0),
    ]
    client.put("/orders/R-1", json={"amount": "0"})
    assert days(api) == [("2026-03-02", "", "-20.50", "0.00", 0)]


def test_an_order_that_an_import_would_reject_is_refused(api: Api) -> None:
    told = api.writer.put("/orders/R-1", json={"account": "A-99", "amount": "1.005"})
    assert faults(told) == {
        "body: /amount": ("a number such as 1234.50 or -1234.50", "'1.005'"),
    }
    told = api.writer.put("/orders/R-1", json={"account": "A-1", "currency": "EUR"})
    assert set(faults(told)) == {"body: /ordered_on", "body: /amount"}
    told = api.writer.put("/orders/R-1", json=SALE | {"amount": None})
    assert faults(told) == {"body: /amount": ("a value", "null")}
    assert days(api) == []


def test_orders_are_listed_by_account_line_and_day(api: Api) -> None:
    client = api.writer
    for key, account, day, line in (
        ("R-3", "A-1", "2026-03-03", "Mail"),
        ("R-1", "A-1", "2026-03-05", "Backup"),
        ("R-2", "A-2", "2026-03-04", "Mail"),
    ):
        sale = SALE | {"account": account, "ordered_on": day, "product_line": line}
        assert client.put(f"/orders/{key}", json=sale).status_code == 201

    def keys(**filters: str) -> list[str]:
        found, path = [], client.get("/orders", params=filters | {"limit": "1"}).json()
        while True:
            found += [item["key"] for item in path["items"]]
            if path["next"] is None:
                return found
            path = client.get(f"{api.base}{path['next']}").json()

    assert keys() == ["R-1", "R-2", "R-3"]
    assert keys(account="A-1") == ["R-3", "R-1"]
    assert keys(product_line="Mail") == ["R-2", "R-3"]
    assert keys(ordered_after="2026-03-03") == ["R-2", "R-1"]
    assert keys(ordered_after="2026-03-03", ordered_before="2026-03-05") == ["R-2"]
