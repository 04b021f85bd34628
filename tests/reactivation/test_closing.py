"""What ends an episode: a person who closes its task, or an order that arrives."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine, select, update

from tests.reactivation.test_episodes import listen
from tests.reactivation.test_scoring import LAST, NOW, fill
from worker.access.audit import Actor
from worker.access.rules import Role
from worker.catalogue.records import order_days, staff
from worker.db.engine import reading
from worker.db.records import notices
from worker.kernel.errors import FindingsError
from worker.reactivation import closing
from worker.reactivation.closing import Named, named
from worker.reactivation.lanes import LESS, QUIET
from worker.reactivation.records import episodes
from worker.worklist import flow, store
from worker.worklist.flow import More
from worker.worklist.records import tasks
from worker.worklist.rules import Ending, Hand
from worker.worklist.store import NewTask

TODAY = NOW.date()
_DAY = timedelta(days=1)
SARA = Hand(Actor("sara", "page"), Role.SALES, "SARA")


def hears(conn: Any, task: Any, ending: Ending, who: str, now: Any) -> None:
    closing.hear(conn, task, ending, who, now, TODAY)


def key_of(account: int, step: str = "call", number: int = 1) -> str:
    return f"step:reactivation:{step}:account-{account}:{number}"


@pytest.fixture
def silent(engine: Engine) -> Engine:
    """Two clients that were flagged yesterday, each with a task: 1 is silent, 2 buys less."""
    fill(engine, [(one, LAST - 100 * _DAY, "", "EUR", *[Decimal(9)] * 2, 1) for one in (1, 2)])
    with engine.begin() as conn:
        conn.execute(staff.insert().values(key="SARA", name="Sara", updated_at=NOW))
        for account, lane in ((1, QUIET), (2, LESS)):
            conn.execute(episodes.insert().values(row_of(account, lane)))
            new = NewTask(key_of(account), "dormant", "Call", account_id=account, assignee="SARA")
            store.open_tasks(conn, [new], NOW)
    return engine


def row_of(account: int, lane: str) -> dict[str, Any]:
    values = {"schedule": "reactivation", "account_id": account, "number": 1, "lane": lane}
    values |= {"flagged_on": LAST, "as_of": LAST - _DAY, "score": 0.9, "currency": "EUR"}
    return values | {"at_stake": Decimal(3650), "reasons": [], "facts": {}, "entered": True}


def episode(engine: Engine, account: int) -> Any:
    with reading(engine) as conn:
        return conn.execute(select(episodes).where(episodes.c.account_id == account)).one()


def task(engine: Engine, key: str) -> Any:
    with reading(engine) as conn:
        return conn.execute(select(tasks).where(tasks.c.key == key)).one()


def order(engine: Engine, account: int, day: date, net: int = 10, orders: int = 1) -> None:
    with engine.begin() as conn:
        values = {"account_id": account, "day": day, "currency": "EUR", "product_line": ""}
        amounts = {"net": Decimal(net), "sold": Decimal(max(net, 0)), "orders": orders}
        conn.execute(order_days.insert().values(values | amounts))


def close(engine: Engine, account: int, outcome: str, **more: Any) -> None:
    found = task(engine, key_of(account))
    said = More(today=TODAY, hears=hears, **more)
    flow.close(engine, SARA, found.id, found.version, outcome, "Rang them.", NOW, said)


def see(engine: Engine, now: Any = NOW) -> int:
    return closing.see_orders(engine, now, "Europe/Warsaw")


def test_the_key_of_a_task_names_its_episode_and_no_other_key_does() -> None:
    assert named(key_of(17, number=3)) == Named("reactivation", 17, 3)
    for other in ("step:renewal:call:17:3", "todo:abc", "step:x:y:answer-5:1", "a:b:c:account-x:1"):
        assert named(other) is None


def test_closing_the_task_ends_the_episode_with_its_outcome(silent: Engine) -> None:
    close(silent, 1, "lost", why="price")
    found = episode(silent, 1)
    assert (found.ended_on, found.ended_why, found.closed_by) == (TODAY, "closed", "sara")
    assert (found.outcome, found.outcome_why, found.rests_until) == ("lost", "price", None)
    with reading(silent) as conn:
        told = store.history(conn, task(silent, key_of(1)).id)[-1]
    assert told.note == "lost: price; Rang them."
    assert episode(silent, 2).ended_on is None


def test_later_says_when_to_look_again(silent: Engine) -> None:
    close(silent, 1, "later", until=TODAY + 30 * _DAY)
    assert episode(silent, 1).rests_until == TODAY + 30 * _DAY


@pytest.mark.parametrize(
    ("outcome", "more", "said"),
    [
        ("lost", {}, "needs a reason, got nothing; it is one of: price, competitor"),
        ("lost", {"why": "prize"}, "did you mean 'price'?"),
        ("won-back", {"why": "price"}, "takes no reason"),
        ("later", {}, "needs the day on which to look again"),
        ("later", {"until": TODAY}, "expected a day after today"),
        ("won-back", {"until": TODAY + _DAY}, "takes no day"),
    ],
)
def test_an_outcome_that_asks_for_more_gets_it_or_nothing_happens(
    silent: Engine, outcome: str, more: dict[str, Any], said: str
) -> None:
    with pytest.raises(FindingsError, match=said.replace("?", r"\?")):
        close(silent, 1, outcome, **more)
    assert episode(silent, 1).ended_on is None
    assert task(silent, key_of(1)).closed_at is None


def test_other_tasks_of_the_same_episode_close_with_it(silent: Engine) -> None:
    with silent.begin() as conn:
        for key in (key_of(1, "visit"), key_of(1, number=2)):
            store.open_tasks(conn, [NewTask(key, "dormant", "Visit", account_id=1)], NOW)
    close(silent, 1, "won-back")
    assert task(silent, key_of(1, "visit")).outcome == "won-back"
    assert task(silent, key_of(1, number=2)).closed_at is None


def test_an_order_ends_a_silence_and_closes_its_task_by_itself(silent: Engine) -> None:
    listen(silent)
    assert see(silent) == 0
    order(silent, 1, LAST)
    assert see(silent) == 1
    found, closed = episode(silent, 1), task(silent, key_of(1))
    assert (found.ended_on, found.ended_why, found.back_on) == (TODAY, "ordered", LAST)
    assert (found.outcome, closed.outcome, closed.closed_by) == (None, "ordered", None)
    with reading(silent) as conn:
        told = [row.body for row in conn.execute(select(notices)) if row.type == "client.back"]
    assert [(body["account"], body["back_on"]) for body in told] == [("C-1", LAST.isoformat())]
    assert see(silent) == 0, "it is seen once"


def test_a_credit_note_is_no_order_and_one_of_tomorrow_is_not_here_yet(silent: Engine) -> None:
    order(silent, 1, LAST, net=-50, orders=0)
    order(silent, 1, TODAY + _DAY)
    assert see(silent) == 0


def test_a_drop_ends_once_more_than_half_of_a_usual_quarter_was_bought(silent: Engine) -> None:
    order(silent, 2, LAST, net=450)
    assert see(silent) == 0
    order(silent, 2, TODAY, net=1)
    assert see(silent) == 1
    assert episode(silent, 2).back_on == TODAY


def test_what_was_bought_long_ago_does_not_add_up_to_a_return(silent: Engine) -> None:
    order(silent, 2, LAST, net=450)
    order(silent, 2, LAST + 95 * _DAY, net=450)
    assert see(silent, NOW + 96 * _DAY) == 0


def test_a_client_who_was_given_up_and_orders_is_seen_to_come_back(silent: Engine) -> None:
    listen(silent)
    close(silent, 1, "lost", why="competitor")
    order(silent, 1, TODAY)
    assert see(silent, NOW + _DAY) == 1
    found = episode(silent, 1)
    assert (found.outcome, found.ended_why, found.ended_on) == ("lost", "closed", TODAY)
    assert found.back_on == TODAY


def test_after_a_year_nobody_looks_back(silent: Engine) -> None:
    with silent.begin() as conn:
        ended = {"ended_on": TODAY - 366 * _DAY, "ended_why": "closed", "outcome": "lost"}
        conn.execute(update(episodes).values(ended))
    order(silent, 1, LAST)
    assert see(silent) == 0
