"""Episodes on both databases: who is flagged after a night's scores, and what is kept of them."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select, update

from tests.reactivation.test_scoring import LAST, NOW, asked, days_of, fill, trade
from worker.catalogue.records import accounts, order_days
from worker.db.engine import reading
from worker.db.records import endpoints, notices
from worker.reactivation import flow
from worker.reactivation.episodes import Thresholds, flag
from worker.reactivation.records import episode_lines, episodes, scores

_DAY = timedelta(days=1)
ALL = Thresholds(at_least_score=0.0, per_week=1000)


@pytest.fixture
def scored(engine: Engine) -> Engine:
    """A trade of seventy clients, scored last night; all are Anna's."""
    fill(engine, trade())
    flow.score_and_keep(engine, asked())
    with engine.begin() as conn:
        conn.execute(update(accounts).values(account_manager="ANNA"))
    return engine


def flagged(engine: Engine, by: Thresholds = ALL, now: datetime = NOW) -> int:
    with engine.begin() as conn:
        return flag(conn, "reactivation", by, now, "Europe/Warsaw")


def rows(engine: Engine) -> list[Any]:
    with reading(engine) as conn:
        return list(conn.execute(select(episodes).order_by(episodes.c.id)))


def test_whoever_is_flagged_has_the_figures_of_that_nights_score(scored: Engine) -> None:
    count = flagged(scored)
    found = rows(scored)
    assert count == len(found) > 3
    with reading(scored) as conn:
        known = {row.account_id: row for row in conn.execute(select(scores))}
        lines = {row.episode_id for row in conn.execute(select(episode_lines))}
    for one in found:
        score = known[one.account_id]
        assert (one.number, one.flagged_on, one.as_of) == (1, date(2026, 6, 11), LAST)
        assert (one.lane, one.at_stake, one.reasons) == (score.lane, score.at_stake, score.reasons)
        assert one.facts["product_lines"] == score.product_lines
        assert not one.entered
        assert (one.id in lines) == bool(score.product_lines)
    assert [one.urgency for one in found] == sorted((one.urgency for one in found), reverse=True)


def test_nobody_is_flagged_twice_and_no_more_than_a_week_holds(scored: Engine) -> None:
    few = Thresholds(at_least_score=0.0, per_week=2)
    assert flagged(scored, few) == 2
    assert flagged(scored, few) == 0
    assert flagged(scored, few, NOW + 7 * _DAY) == 2
    assert len({one.account_id for one in rows(scored)}) == 4


def test_after_its_pause_a_client_may_be_flagged_again_under_the_next_number(
    scored: Engine,
) -> None:
    flagged(scored)
    with scored.begin() as conn:
        conn.execute(update(episodes).values(ended_on=NOW.date(), ended_why="closed"))
    assert flagged(scored, now=NOW + 89 * _DAY) == 0
    assert flagged(scored, now=NOW + 90 * _DAY) > 3
    assert {one.number for one in rows(scored)} == {1, 2}


def test_an_order_that_the_score_did_not_know_keeps_its_client_off_the_list(scored: Engine) -> None:
    with scored.begin() as conn:
        silent = list(
            conn.scalars(select(scores.c.account_id).where(scores.c.lane != "buying-less"))
        )
        today = days_of(silent[0], [-1])[0]
        conn.execute(order_days.insert().values(dict(zip(order_days.c.keys(), today, strict=True))))
    flagged(scored)
    assert silent[0] not in {one.account_id for one in rows(scored)}
    assert len(silent) > 1


def listen(engine: Engine) -> None:
    values = {"name": "crm", "url": "https://crm.example.com", "types": [], "changed_at": NOW}
    with engine.begin() as conn:
        conn.execute(endpoints.insert().values(values))


def test_other_systems_hear_who_fell_silent(scored: Engine) -> None:
    listen(scored)
    flagged(scored)
    with reading(scored) as conn:
        told = conn.execute(select(notices).order_by(notices.c.id)).all()
    first = rows(scored)[0]
    assert len(told) == len(rows(scored))
    assert {one.type for one in told} == {"client.dormant"}
    body = told[0].body
    assert (body["account"], body["episode"]) == (f"C-{first.account_id}", 1)
    assert body["at_stake"] == str(first.at_stake)


def test_without_scores_nobody_is_flagged(engine: Engine) -> None:
    assert flagged(engine) == 0
