"""Whom a schedule takes for silent: the first of the queue, as many as people can call, each once
until its pause is over."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest

from worker.reactivation.flagging import Candidate, Standing, Thresholds, chosen, is_back
from worker.reactivation.lanes import LESS, QUIET

TODAY = date(2026, 6, 11)
QUEUE = [Candidate(id_, "ANNA", QUIET, 0.9, Decimal(1000)) for id_ in range(1, 31)]


def ids(found: list[Candidate]) -> list[int]:
    return [one.account for one in found]


def of(**values: object) -> Candidate:
    return QUEUE[0]._replace(**values)


def test_a_manager_gets_fifteen_clients_a_week_and_the_first_of_the_queue() -> None:
    assert ids(chosen(QUEUE, Standing(), Thresholds(), TODAY)) == list(range(1, 16))
    after = Standing(lately={"ANNA": 13})
    assert ids(chosen(QUEUE, after, Thresholds(), TODAY)) == [1, 2]
    assert chosen(QUEUE, Standing(lately={"ANNA": 15}), Thresholds(), TODAY) == []


def test_each_manager_has_hands_of_their_own_and_those_without_one_share_a_pair() -> None:
    queue = [of(account=1), of(account=2), of(account=3, manager="IVAN")]
    queue += [of(account=4, manager=None), of(account=5, manager=None)]
    assert ids(chosen(queue, Standing(), Thresholds(per_week=1), TODAY)) == [1, 3, 4]


@pytest.mark.parametrize(
    "values",
    [
        {"score": 0.49},
        {"score": None},
        {"at_stake": Decimal("99.99")},
        {"lane": LESS},
        {"lane": None},
    ],
)
def test_who_is_below_a_threshold_or_in_another_lane_is_not_flagged(
    values: dict[str, object],
) -> None:
    by = Thresholds(at_least_stake=Decimal(100), lanes=[QUIET])
    assert chosen([of(**values)], Standing(), by, TODAY) == []
    assert chosen([of(score=0.5, at_stake=Decimal(100))], Standing(), by, TODAY) != []


def test_an_open_episode_and_an_order_that_just_came_are_no_reason_to_call() -> None:
    assert chosen(QUEUE[:1], Standing(open=frozenset({1})), Thresholds(), TODAY) == []
    assert chosen(QUEUE[:1], Standing(ordered=frozenset({1})), Thresholds(), TODAY) == []


def test_who_buys_less_still_orders_and_is_flagged_all_the_same() -> None:
    less = of(lane=LESS)
    assert chosen([less], Standing(ordered=frozenset({1})), Thresholds(), TODAY) == [less]


def test_after_an_episode_a_client_rests_for_the_pause() -> None:
    by = Thresholds(pause=timedelta(days=30))
    ended = TODAY - timedelta(days=30)
    assert chosen(QUEUE[:1], Standing(ended={1: ended + timedelta(days=1)}), by, TODAY) == []
    assert ids(chosen(QUEUE[:1], Standing(ended={1: ended}), by, TODAY)) == [1]


def test_what_a_person_said_of_when_to_look_again_goes_before_the_pause() -> None:
    yesterday = TODAY - timedelta(days=1)
    sooner = Standing(ended={1: yesterday}, resting={1: TODAY})
    later = Standing(ended={1: TODAY - timedelta(days=500)}, resting={1: TODAY + timedelta(days=1)})
    assert ids(chosen(QUEUE[:1], sooner, Thresholds(), TODAY)) == [1]
    assert chosen(QUEUE[:1], later, Thresholds(), TODAY) == []


def test_one_order_ends_a_silence_but_not_a_drop() -> None:
    assert is_back(QUIET, 3650.0, 1, 1.0)
    assert not is_back(QUIET, 3650.0, 0, 0.0)
    assert not is_back(LESS, 3650.0, 3, 450.0)
    assert is_back(LESS, 3650.0, 3, 451.0)
