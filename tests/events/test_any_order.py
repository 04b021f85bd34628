"""Events come in any order, doubled, split and replayed: the final state is the same (P11)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy.engine import Connection

from tests.events.test_stories import BROWSER, CLICK, OTHER_LINK
from tests.events.world import EventWorld, final_state, make
from worker.channels.told import Told, click_detail
from worker.events import flow

PERMUTATIONS = 500


@pytest.fixture
def busy(world: EventWorld) -> EventWorld:
    """Five accounts whose heads-up is out, the first one's to two people."""
    for number in range(1, 6):
        world.licence(f"L-{number}")
        world.person(f"anna{number}", licence=f"L-{number}")
        world.person(f"piotr{number}", "procurement", licence=f"L-{number}")
    world.person("jan1", licence="L-1")
    world.apply_ladder()
    world.run()
    assert len(world.addresses()) == 6
    with world.engine.begin() as conn:  # one whose outcome nobody knows
        conn.exec_driver_sql(
            "UPDATE messages SET state = 'unknown', accepted_at = NULL"
            " WHERE address = 'anna4@example.com'"
        )
    return world


def everything(world: EventWorld) -> list[Told]:
    """Events of every kind, contradictions among them."""

    def said(kind: str, who: str, after: float = 60, **more: Any) -> Told:
        return world.event(kind, f"{who}@example.com", after=after, **more)

    orphan = {"at": world.clock.now(), "address": "x@example.com", "raw": None}
    return [
        said("accepted", "anna1"),
        said("deferred", "anna1", 30),
        said("deferred", "anna1", 90),
        said("bounced", "anna1", 120, detail="550"),
        said("bounced", "anna1", 110, detail="551"),
        said("delivered", "jan1", 45),
        said("bounced", "jan1", 300, detail="550"),
        said("clicked", "jan1", 200, detail=CLICK),
        said("delivered", "anna2"),
        said("delivered", "anna2", 30),
        said("clicked", "anna2", 31, detail=CLICK),
        said("clicked", "anna2", 4000, detail=CLICK),
        said("opened", "anna2", 4000),
        said("unsubscribed", "anna2", 5000),
        said("delivered", "anna3", 50),
        said("clicked", "anna3", 4000, detail=CLICK),
        said("clicked", "anna3", 4001, detail=OTHER_LINK),
        said("complained", "anna3", 9000, detail="abuse"),
        said("blocked", "anna3", 40),
        said("accepted", "anna4"),
        said("delivered", "anna4", 80),
        said("clicked", "anna4", 900, detail=click_detail("x", "Slackbot")),
        said("bounced", "anna5", 70, detail="no such user"),
        said("complained", "anna5", 75, detail="abuse"),
        said("complained", "anna5", 74, detail="abuse, too"),
        said("dropped", "anna5", 60),
        said("delivered", "anna5", 65),
        said("clicked", "anna5", 800, detail=click_detail("y", BROWSER)),
        said("unknown", "anna1"),
        make(key="o1", kind="bounced", mail_key="zzzzzzzzzzzzzzzz", copy="0" * 12, **orphan),
        make(key="o2", kind="unknown", **orphan),
    ]


def batches(told: Sequence[Told], dice: random.Random) -> list[list[Told]]:
    """The same events, shuffled, some of them twice, in batches of any size."""
    many = [*told, *dice.choices(told, k=dice.randrange(len(told)))]
    dice.shuffle(many)
    cuts = sorted(dice.sample(range(len(many)), dice.randrange(4)))
    return [many[a:b] for a, b in zip([0, *cuts], [*cuts, len(many)], strict=True)]


def after(conn: Connection, told: Sequence[Sequence[Told]], now: datetime) -> dict[str, list[Any]]:
    """What the events leave behind; afterwards all is as it was."""
    with conn.begin_nested() as undone:
        for some in told:
            flow.take(conn, "sendgrid", some, now)
        state = final_state(conn)
        undone.rollback()
    return state


@pytest.mark.timeout(900)
def test_500_permutations_of_the_same_events_leave_the_same_state(busy: EventWorld) -> None:
    told, now = everything(busy), busy.clock.now()
    with busy.engine.begin() as conn:
        before = final_state(conn)
        first = after(conn, [told], now)
        assert before == final_state(conn)
        changed = {name for name in first if first[name] != before[name]}
        assert changed == set(first)  # the events touch all that they could touch
        for seed in range(PERMUTATIONS):
            found = after(conn, batches(told, random.Random(seed)), now)
            for name, rows in found.items():
                assert rows == first[name], (seed, name)


def test_the_state_they_leave_is_the_one_that_they_tell_of(busy: EventWorld) -> None:
    busy.tell(*everything(busy))
    assert busy.fates() == {
        "anna1@example.com": "bounced",
        "jan1@example.com": "bounced",
        "anna2@example.com": "delivered",
        "anna3@example.com": "complained",
        "anna4@example.com": "delivered",
        "anna5@example.com": "complained",
    }
    assert busy.silent() == {
        "anna1@example.com": "bounced",
        "jan1@example.com": "bounced",
        "anna3@example.com": "complained",
        "anna5@example.com": "complained",
    }
    assert busy.happened("L-1") == busy.happened("L-5") == set()
    assert busy.happened("L-2") == {"delivered", "clicked"}
    assert busy.happened("L-3") == busy.happened("L-4") == {"delivered"}
    assert {row.state for row in busy.ledger()} == {"accepted"}
    busy.run()
    assert busy.addresses()[-2:] == ["piotr1@example.com", "piotr5@example.com"]
    assert len(busy.addresses()) == 8


def test_a_replay_of_everything_changes_nothing(busy: EventWorld) -> None:
    told = everything(busy)
    busy.tell(*told)
    busy.run()
    with busy.engine.begin() as conn:
        before = final_state(conn)
    busy.tell(*reversed(told))
    with busy.engine.begin() as conn:
        assert final_state(conn) == before
