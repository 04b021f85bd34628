"""What other systems read of clients that fell silent."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import insert, select

from tests.api.conftest import Api
from worker.catalogue.records import accounts
from worker.db.engine import reading
from worker.reactivation.records import episodes

DAY = date(2026, 11, 2)


def fall_silent(api: Api, number: int, **more: Any) -> None:
    """The account A-1 fell silent for that time, a week after the one before."""
    with reading(api.engine) as conn:
        account = conn.scalar(select(accounts.c.id).where(accounts.c.key == "A-1"))
    flagged = DAY + timedelta(days=7 * number)
    row = {"schedule": "reactivation", "account_id": account, "number": number, "facts": {}}
    row |= {"flagged_on": flagged, "as_of": flagged, "lane": "gone-quiet", "score": 0.8}
    row |= {"at_stake": Decimal("14200.00"), "currency": "EUR"}
    row |= {"reasons": [{"code": "silent", "days": 90, "usual": 30}]}
    with api.engine.begin() as conn:
        conn.execute(insert(episodes).values(row | more))


def test_clients_that_fell_silent_are_told_with_what_became_of_them(api: Api) -> None:
    fall_silent(api, 1, ended_on=DAY, ended_why="closed", outcome="won-back", closed_by="sara")
    fall_silent(api, 2, lane="buying-less", score=None, currency="")
    newest, oldest = api.reader.get("/episodes").json()["items"]
    assert (newest["number"], newest["score"], newest["currency"]) == (2, None, None)
    assert oldest == {
        "schedule": "reactivation",
        "account": "A-1",
        "number": 1,
        "flagged_on": "2026-11-09",
        "as_of": "2026-11-09",
        "lane": "gone-quiet",
        "score": 0.8,
        "at_stake": "14200.00",
        "currency": "EUR",
        "reasons": ["silent"],
        "ended_on": "2026-11-02",
        "ended_why": "closed",
        "outcome": "won-back",
        "outcome_why": None,
        "closed_by": "sara",
        "rests_until": None,
        "back_on": None,
    }


def test_they_are_chosen_by_state_lane_account_and_schedule(api: Api) -> None:
    fall_silent(api, 1, ended_on=DAY, ended_why="ordered", back_on=DAY)
    fall_silent(api, 2, lane="buying-less")

    def numbers(query: str) -> list[int]:
        return [one["number"] for one in api.reader.get(f"/episodes?{query}").json()["items"]]

    assert numbers("state=open") == [2]
    assert numbers("state=ended") == [1]
    assert numbers("lane=gone-quiet&account=A-1") == [1]
    assert numbers("account=A-2") == []
    assert numbers("schedule=reactivation&limit=1") == [2]
    assert numbers("schedule=another") == []


def test_a_long_list_comes_page_by_page(api: Api) -> None:
    for number in range(1, 6):
        fall_silent(api, number, flagged_on=DAY)
    seen, path = [], f"{api.base}/api/v1/episodes?limit=2"
    while path:
        page = api.reader.get(path).json()
        seen += [one["number"] for one in page["items"]]
        path = page["next"] and api.base + page["next"]
    assert seen == [5, 4, 3, 2, 1]
