"""Those who are told of what happens: who is told what, and what becomes of one that fails."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, select
from standardwebhooks import Webhook

from tests.http.server import Reply, Server
from tests.webhooks.test_calls import SECRET, resolving
from tests.webhooks.world import KEYS, NOON, Answers, Caller, rows, serving
from worker.config.settings import EVENTS
from worker.db.engine import reading
from worker.db.notices import Notice, note
from worker.db.records import endpoints as table
from worker.db.records import notices
from worker.http.door import Door
from worker.kernel.clock import SystemClock
from worker.webhooks import endpoints
from worker.webhooks.endpoints import Endpoint
from worker.webhooks.flow import Calling, Outside, call_batch
from worker.webhooks.resting import PATIENCE, RESTS, TOO_LONG, Standing, Trouble, failed
from worker.webhooks.rules import TOLD_FOR

RENEWED = "licence.renewed"


class Hub(Caller):
    """A caller with endpoints; keeps what people are told of them."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.told: list[Trouble] = []
        self.tasks: set[str] = set()

    def warn(self, conn: object, trouble: Trouble, now: object) -> None:
        self.told.append(trouble)
        key = endpoints.task_key(trouble.endpoint)
        (self.tasks.discard if trouble.detail is None else self.tasks.add)(key)

    def declare(self, *types: str, **urls: str) -> None:
        """These endpoints and no others, as at the next beat."""
        said = {name: Endpoint(url, types or EVENTS) for name, url in urls.items()}
        endpoints.sync(self.engine, said, lambda conn: self.tasks, self.clock.now())

    def happens(self, *keys: str, type_: str = RENEWED) -> None:
        with self.engine.begin() as conn:
            told = [Notice(key, type_, {"licence": key}) for key in keys]
            note(conn, told, self.clock.now())

    def fan_out(self) -> int:
        return endpoints.fan_out(self.engine, self.clock.now())

    def calling(self, door: Door | None = None, **more: Any) -> Calling:
        return super().calling(door, warn=self.warn, **more)

    def call(self, *keys: str) -> int:
        """Tells of these, and makes a batch."""
        if keys:
            self.happens(*keys)
        self.fan_out()
        return call_batch(self.calling())

    def fares(self) -> dict[str, Standing]:
        with reading(self.engine) as conn:
            return dict(endpoints.fares(conn))

    def noted(self) -> Sequence[Any]:
        with reading(self.engine) as conn:
            return conn.execute(select(notices)).all()


@pytest.fixture
def hub(engine: Engine) -> Any:
    made = Hub(engine)
    yield made
    for door in made.doors:
        door.close()


# --- who is told what -----------------------------------------------------------------------------


def test_each_endpoint_is_told_once_of_what_it_wants_and_the_official_library_verifies(
    hub: Hub,
) -> None:
    hub.clock = SystemClock()
    with serving(Reply()) as crm, serving(Reply()) as chat:
        hub.declare(crm=crm.url, chat=chat.url)
        hub.happens("L-1")
        hub.happens("L-1")
        assert hub.call() == 2
        assert hub.call() == 0
        (asked,) = crm.asked
        assert len(chat.asked) == 1
    event = Webhook(SECRET).verify(asked.body, asked.headers)
    assert (event["type"], event["data"]) == (RENEWED, {"licence": "L-1"})
    assert asked.headers["webhook-id"] != chat.asked[0].headers["webhook-id"]
    assert hub.noted() == []


def test_an_endpoint_hears_of_nothing_that_it_did_not_ask_for(hub: Hub) -> None:
    with serving(Reply()) as server:
        hub.declare("task.opened", crm=server.url)
        hub.happens("L-1")
        assert hub.call() == 0
        hub.happens("7", type_="task.opened")
        assert hub.call() == 1
    assert hub.noted() == []


def test_nothing_piles_up_when_nobody_listens(hub: Hub) -> None:
    hub.happens("L-1")
    assert hub.noted() == []
    hub.declare(crm="https://crm.example.com/")
    hub.happens("L-1")
    assert len(hub.noted()) == 1
    hub.declare()
    assert hub.fan_out() == 1
    assert (hub.noted(), rows(hub.engine)) == ([], [])


def test_many_things_at_once_are_told_of_in_pieces(hub: Hub) -> None:
    hub.declare(crm="https://crm.example.com/")
    hub.happens(*[f"L-{number}" for number in range(endpoints.BATCH + 20)])
    assert hub.fan_out() == endpoints.BATCH + 20
    assert len(rows(hub.engine)) == endpoints.BATCH + 20
    assert hub.noted() == []


def test_a_process_that_ends_between_notice_and_call_loses_and_doubles_nothing(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.declare(crm="https://crm.example.com/")
    hub.happens("L-1", "L-2")

    def ends(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(endpoints, "delete", ends)  # the calls are written, the notes still there
        with pytest.raises(KeyboardInterrupt):
            hub.fan_out()
    assert (len(hub.noted()), rows(hub.engine)) == (2, [])
    assert hub.fan_out() == 2
    ids = [row.key for row in rows(hub.engine)]
    hub.happens("L-1", "L-2")  # whoever notes it again, after a crash of his own
    hub.fan_out()
    assert [row.key for row in rows(hub.engine)] == ids
    assert len(set(ids)) == 2


# --- who rests ------------------------------------------------------------------------------------


def test_an_endpoint_that_keeps_failing_rests_longer_each_time(hub: Hub) -> None:
    with serving(Reply(status=500)) as server:
        hub.declare(crm=server.url)
        hub.call(*[f"L-{number}" for number in range(20)])
        assert len(server.asked) == PATIENCE
        standing = hub.fares()["crm"]
        assert standing == Standing(PATIENCE, NOON, NOON + RESTS[0], "answered 500")
        assert hub.call("L-99") == 0
        for rest in RESTS[1:]:
            until = hub.fares()["crm"].paused_until
            assert until is not None
            hub.later(until - hub.clock.now())
            before = len(server.asked)
            hub.call()
            assert len(server.asked) == before + 1
            assert hub.fares()["crm"].paused_until == hub.clock.now() + rest
        assert all(row.state == "due" for row in rows(hub.engine))
        server.answering = Answers(Reply())
        hub.later(RESTS[-1])
        while hub.call():
            pass
    assert all(row.state == "done" for row in rows(hub.engine))
    assert len(rows(hub.engine)) == 21
    assert hub.fares()["crm"] == Standing()


def test_one_that_rests_holds_up_nobody_else(hub: Hub) -> None:
    with serving(Reply(status=500)) as broken, serving(Reply()) as good:
        hub.declare(broken=broken.url, good=good.url)
        hub.call(*[f"L-{number}" for number in range(120)])
        while hub.call():
            pass
        assert len(good.asked) == 120
        assert len(broken.asked) == PATIENCE
        assert hub.call("L-new") == 1
        assert len(good.asked) == 121


def test_after_five_days_people_are_told_and_what_is_older_is_given_up(hub: Hub) -> None:
    with serving(Reply(status=503)) as server:
        hub.declare(crm=server.url)
        hub.call("L-1")
        while hub.clock.now() - NOON < TOO_LONG + timedelta(hours=11):
            hub.later(timedelta(hours=1))
            hub.call()
            if hub.clock.now() - NOON < TOO_LONG:
                assert hub.told == []
        assert {one.title for one in hub.told} == {"The endpoint crm has failed for days"}
        (row,) = rows(hub.engine)
        assert (row.state, row.reason) == ("failed", "gave-up")
        assert hub.clock.now() - NOON >= TOLD_FOR
        assert "answered 503" in (hub.told[0].detail or "")
        server.answering = Answers(Reply())
        hub.happens("L-2")
        for _ in range(20):  # a slow machine may time out
            hub.later(timedelta(hours=12))
            hub.call()
    assert hub.told[-1] == Trouble("crm")
    assert hub.fares()["crm"] == Standing()


def test_one_that_is_gone_is_not_called_until_a_person_says_so(hub: Hub) -> None:
    with serving(Reply(status=410)) as server:
        hub.declare(crm=server.url)
        hub.call("L-1")
        assert [one.title for one in hub.told] == ["The endpoint crm is gone"]
        hub.declare(crm=server.url)
        assert hub.call("L-2", "L-3") == 0
        assert len(server.asked) == 1
        server.answering = Answers(Reply())
        hub.tasks.clear()  # the task was closed
        hub.declare(crm=server.url)
        assert hub.call("L-4") == 1
    states = [(row.state, row.reason) for row in rows(hub.engine)]
    assert states == [("failed", "refused"), ("done", None)]


def test_one_that_moves_gets_what_waited_at_its_new_address(hub: Hub) -> None:
    with serving(Reply(status=500)) as old, serving(Reply()) as new:
        hub.declare(crm=old.url)
        hub.call(*[f"L-{number}" for number in range(8)])
        hub.declare(crm=new.url)
        assert hub.fares()["crm"] == Standing()
        assert hub.call() == 8
        assert len(new.asked) == 8


def test_what_waits_for_one_that_is_not_declared_any_more_is_not_sent(hub: Hub) -> None:
    with serving(Reply(status=500)) as server:
        hub.declare(crm=server.url)
        hub.call("L-1")
        hub.declare()
        hub.later(timedelta(days=1))
        assert hub.call() == 0
        assert len(server.asked) == 1
    assert [(row.state, row.reason) for row in rows(hub.engine)] == [("failed", "not-declared")]
    with reading(hub.engine) as conn:
        assert conn.execute(select(table)).all() == []


# --- where it may lead ----------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.7", "169.254.169.254", "::1"])
def test_an_endpoint_whose_name_leads_into_the_house_is_not_called(hub: Hub, address: str) -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200)

    lying = resolving("93.184.216.34", address)
    transport = httpx.MockTransport(answer)
    door = hub.door(public_only=True, resolve=lying, transport=transport)
    hub.declare(crm="https://crm.example.com/x")
    for key in ("L-1", "L-2"):
        hub.happens(key)
        hub.fan_out()
        call_batch(hub.calling(door))
    assert [request.url.host for request in seen] == ["93.184.216.34"]
    states = [(row.state, row.reason) for row in rows(hub.engine)]
    assert states == [("done", None), ("due", "not-public")]
    assert hub.fares()["crm"].why == "is not a public address"


def test_a_redirect_of_an_endpoint_is_not_followed(hub: Hub) -> None:
    with serving(Reply()) as inside:
        moved = Reply(status=307, headers={"Location": inside.url})
        with serving(moved) as server:
            hub.declare(crm=server.url)
            hub.call("L-1")
        assert inside.asked == []
    assert [(row.state, row.reason) for row in rows(hub.engine)] == [("due", "http-307")]


def test_ten_who_tell_at_once_tell_once(hub: Hub, server: Server) -> None:
    from concurrent.futures import ThreadPoolExecutor

    hub.declare(crm=server.url)
    hub.happens(*[f"L-{number}" for number in range(60)])
    door = hub.door()
    outside = Outside(lambda _: door, KEYS)

    def tell(_: int) -> None:
        hub.fan_out()
        while call_batch(hub.desk.calling(hub.engine, hub.clock, outside), 7):
            pass

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(tell, range(10)))
    ids = [asked.headers["webhook-id"] for asked in server.asked]
    assert (len(ids), len(set(ids))) == (60, 60)


def test_rests_grow_and_stay_at_the_longest() -> None:
    standing, seen = Standing(), []
    for _ in range(PATIENCE + len(RESTS) + 2):
        standing = failed(standing, "answered 500", NOON)
        seen.append(standing.paused_until and standing.paused_until - NOON)
    expected: list[Any] = [None] * (PATIENCE - 1)
    assert seen == [*expected, *RESTS, RESTS[-1], RESTS[-1], RESTS[-1]]
