"""The page of an account shows what it ordered, month by month."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal

from sqlalchemy import insert

from tests.desk.conftest import House
from tests.desk.test_accounts import account
from worker.access.rules import Role
from worker.catalogue.records import order_days
from worker.db.engine import reading
from worker.desk.account_orders import ordered


def sold(
    house: House, account_id: int, day: str, net: str, orders: int = 1, line: str = ""
) -> None:
    row = {"account_id": account_id, "day": date.fromisoformat(day), "product_line": line}
    row |= {"currency": "EUR", "net": Decimal(net), "orders": orders}
    with house.engine.begin() as conn:
        conn.execute(insert(order_days).values(row | {"sold": Decimal(net) if orders else 0}))


def months(house: House, account_id: int, today: str) -> list[tuple[str, int, str]]:
    with reading(house.engine) as conn:
        found = ordered(conn, account_id, date.fromisoformat(today))
    return [
        (f"{one.first:%Y-%m}", len(one.days), str(one.net.get("EUR", "-"))) for one in found.months
    ]


def test_months_add_up_lines_and_credit_notes_and_show_those_without(house: House) -> None:
    one, other = account(house, "K-1"), account(house, "K-2")
    sold(house, one, "2026-03-31", "10.10")
    sold(house, one, "2026-03-31", "20.20", line="backup")
    sold(house, one, "2026-03-30", "-0.30", orders=0)
    sold(house, one, "2026-01-01", "5.00")
    sold(house, one, "2025-04-01", "7.00")
    sold(house, one, "2025-03-31", "999.00")  # too long ago
    sold(house, one, "2026-04-02", "999.00")  # is still to come
    sold(house, other, "2026-03-01", "999.00")
    found = months(house, one, "2026-03-31")
    assert len(found) == 12
    assert found[:3] == [("2026-03", 1, "30.00"), ("2026-02", 0, "-"), ("2026-01", 1, "5.00")]
    assert found[-1] == ("2025-04", 1, "7.00")


def test_the_page_says_when_the_last_order_was(house: House) -> None:
    one = account(house, "K-1")
    client = house.as_(Role.VIEWER)
    assert 'id="orders"' not in client.get("/accounts/K-1").text
    sold(house, one, "2019-05-06", "1250.00")
    sold(house, one, "2019-05-07", "-50.00", orders=0)
    html = re.sub(r"\s+", " ", client.get("/accounts/K-1").text)
    assert "The last one on Mon 6 May 2019." in html
