"""How promises are kept: on time, late, broken, overdue, counted by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import insert

from tests.worklist.conftest import NOW, Office, on
from worker.db.engine import reading
from worker.kernel.dates import Period
from worker.worklist import promises
from worker.worklist.promises import Line
from worker.worklist.records import tasks

UTC_ZONE, AUCKLAND = ZoneInfo("UTC"), ZoneInfo("Pacific/Auckland")


def promised(
    office: Office, who: str | None, due: date, outcome: str = "", closed: int = 0, hour: int = 12
) -> None:
    at = datetime(2026, 11, closed, hour, tzinfo=UTC) if closed else None
    row = {"key": f"{who}{due}{outcome}{closed}{hour}", "kind": "promise", "title": "t"}
    row |= {"assignee": who, "due_on": due, "outcome": outcome or None, "closed_at": at}  # type: ignore[dict-item]  # days
    with office.engine.begin() as conn:
        conn.execute(insert(tasks).values(row | {"opened_at": NOW}))


def test_late_is_counted_and_shares_leave_out_what_is_undecided(office: Office) -> None:
    promised(office, "SARA", on(10), "kept", 10)
    promised(office, "SARA", on(10), "kept", 11)
    promised(office, "SARA", on(12), "broken", 9)
    promised(office, "TOM", on(20))
    promised(office, "TOM", on(24))
    promised(office, "TOM", date(2026, 12, 1), "withdrawn", 20)
    promised(office, "TOM", date(2025, 6, 1), "kept", 20)  # of another period
    office.open("no promise", due_on=on(10))
    period = promises.usual_period(NOW.date())
    assert period == Period(date(2025, 12, 1), date(2026, 12, 31))
    with reading(office.engine) as conn:
        found = promises.count(promises.read(conn, period), period, NOW.date(), UTC_ZONE)
    assert found.whole.record("all") == {
        "by": "all",
        "group": "all",
        "promises": 6,
        "on_time": 1,
        "late": 1,
        "broken": 1,
        "overdue": 1,
        "open": 1,
        "withdrawn": 1,
        "share": 0.25,
    }
    assert [(line.name, line.total, line.kept_on_time) for line in found.people] == [
        ("SARA", 3, 1 / 3),
        ("TOM", 3, 0.0),
    ]
    assert [(line.name, line.total) for line in found.months if line.total] == [
        ("2026-11", 5),
        ("2026-12", 1),
    ]
    assert len(found.months) == 13


def test_the_day_on_which_it_was_kept_is_the_one_of_the_book(office: Office) -> None:
    promised(office, "SARA", on(10), "kept", 10, hour=23)
    period = Period(on(1), on(30))
    with reading(office.engine) as conn:
        rows = promises.read(conn, period)
    for zone, fate in ((UTC_ZONE, "on-time"), (AUCKLAND, "late")):
        found = promises.count(rows, period, NOW.date(), zone)
        assert found.whole.counts == {fate: 1}


@pytest.mark.parametrize("today", [date(2026, 1, 31), date(2026, 12, 31), date(2028, 2, 29)])
def test_the_usual_period_is_of_whole_months(today: date) -> None:
    period = promises.usual_period(today)
    assert period.first <= today <= period.last
    months = promises.months_of(period)
    assert (len(months), months[11]) == (13, f"{today:%Y-%m}")


def test_of_nothing_decided_there_is_no_share() -> None:
    assert Line("all").kept_on_time is None
