"""What becomes of calls when we misbehave: killed, asleep, told to stop, several at once."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import httpx
import pytest

from tests.http.server import Reply, Server
from tests.webhooks.world import KEYS, NOON, Caller, ids, rows, serving
from worker.db.engine import make_engine
from worker.http.door import Door
from worker.webhooks.flow import BUDGET, LEASE, Outside, call_batch
from worker.webhooks.rules import ATTEMPTS
from worker.webhooks.store import claim, hand_back


def _dies_at(label: str, url: str, backend_url: str) -> None:
    """A process of its own that makes calls until it comes to ``label``, where it is killed."""
    pid = os.fork()
    if pid == 0:
        try:
            engine = make_engine(backend_url)
            caller = Caller(engine)

            def reached(name: str) -> None:
                if name == label:
                    os.kill(os.getpid(), signal.SIGKILL)

            call_batch(caller.calling(pause=reached))
        finally:
            os._exit(1)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize(("label", "called"), [("claimed", 0), ("called", 1)])
def test_a_worker_that_is_killed_leaves_a_call_that_is_made_again_under_its_id(
    caller: Caller, database_url: str, label: str, called: int
) -> None:
    with serving(Reply()) as server:
        caller.add(server.url)
        caller.engine.dispose()
        _dies_at(label, server.url, database_url)
        assert ids(server) == ["call_1"] * called
        assert call_batch(caller.calling()) == 0
        caller.later(LEASE - timedelta(seconds=1))
        assert call_batch(caller.calling()) == 0
        caller.later(timedelta(seconds=1))
        assert call_batch(caller.calling()) == 1
        assert ids(server) == ["call_1"] * (called + 1)
        assert len({asked.body for asked in server.asked}) == 1
    assert caller.states() == [("done", None)]
    assert caller.desk.settled == [("call_1", "sent", None)]


class Death(BaseException):
    """The process ends here; nothing that it had in hand is recorded."""


def test_a_call_over_which_workers_die_is_given_up_like_any_other(caller: Caller) -> None:
    def die(label: str) -> None:
        if label == "claimed":
            raise Death

    with serving(Reply()) as server:
        caller.add(server.url)
        for _ in range(ATTEMPTS):
            with pytest.raises(Death):
                call_batch(caller.calling(pause=die))
            caller.later(LEASE)
        assert call_batch(caller.calling()) == 1
        assert server.asked == []
    assert caller.desk.settled == [("call_1", "failed", "gave-up")]
    assert caller.desk.failures[0].said == "was being called when our process ended"


def test_a_worker_that_woke_up_too_late_records_nothing(caller: Caller) -> None:
    def dawdle(label: str) -> None:
        if label == "called":
            caller.later(LEASE)
            with serving(Reply(status=500)) as other:
                call_batch(caller.calling(_elsewhere(caller, other)))

    with serving(Reply(status=200)) as server:
        caller.add(server.url)
        call_batch(caller.calling(pause=dawdle))
    assert caller.states() == [("due", "http-500")]
    assert caller.desk.settled == []


def test_a_worker_that_woke_up_while_another_is_calling_leaves_the_last_word_to_it(
    caller: Caller,
) -> None:
    def dawdle(label: str) -> None:
        if label == "called":
            caller.later(LEASE)
            now = caller.clock.now()
            with caller.engine.begin() as conn:
                assert len(claim(conn, now, now + LEASE, "another", 1)) == 1

    with serving(Reply(status=200)) as server:
        caller.add(server.url)
        call_batch(caller.calling(pause=dawdle))
    assert caller.states() == [("calling", None)]
    assert caller.desk.settled == []


def _elsewhere(caller: Caller, server: Server) -> Door:
    """A door that carries every call to ``server``."""
    client = httpx.Client(trust_env=False)

    def carry(request: httpx.Request) -> httpx.Response:
        with client:
            answer = client.post(server.url, content=request.read())
        return httpx.Response(answer.status_code)

    return caller.door(transport=httpx.MockTransport(carry))


def test_workers_that_call_at_the_same_moment_share_the_calls(caller: Caller) -> None:
    together = Barrier(4)

    def work(_: int) -> None:
        calling = caller.calling()
        together.wait()
        while call_batch(calling, 7):
            pass

    names = [f"call_{number}" for number in range(40)]
    with serving(Reply()) as server:
        caller.add(server.url, *names)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(4)))
        assert sorted(ids(server)) == sorted(names)
    assert caller.states() == [("done", None)] * 40
    assert len(caller.desk.settled) == 40


def test_told_to_stop_it_hands_back_what_it_has_not_begun(caller: Caller) -> None:
    with serving(Reply()) as server:
        caller.add(server.url, "call_1", "call_2", "call_3")
        stop = caller.calling(stop=lambda: bool(server.asked))
        assert call_batch(stop) == 3
        assert ids(server) == ["call_1"]
        assert [(row.state, row.attempts) for row in rows(caller.engine)] == [
            *(("done", 1), ("due", 0), ("due", 0)),
        ]
        assert call_batch(caller.calling()) == 2


def test_a_batch_that_takes_long_begins_no_call_that_could_outlive_its_lease(
    caller: Caller,
) -> None:
    def slow(label: str) -> None:
        if label == "called":
            caller.later(BUDGET / 2 + timedelta(seconds=1))

    with serving(Reply()) as server:
        caller.add(server.url, "call_1", "call_2", "call_3")
        call_batch(caller.calling(pause=slow))
        assert ids(server) == ["call_1", "call_2"]
    assert caller.states() == [("done", None), ("done", None), ("due", None)]


def test_only_who_holds_a_call_can_hand_it_back(caller: Caller) -> None:
    with serving(Reply()) as server:
        caller.add(server.url)
        call_batch(caller.calling())
    with caller.engine.begin() as conn:
        hand_back(conn, [row.id for row in rows(caller.engine)], "another", NOON)
    assert caller.states() == [("done", None)]


def test_while_calls_are_held_nobody_is_called_and_nothing_is_lost(caller: Caller) -> None:
    with serving(Reply()) as server:
        caller.add(server.url)
        door, brake = caller.door(), [True]
        outside = Outside(lambda _: door, KEYS, held=lambda: brake[0])
        calling = caller.desk.calling(caller.engine, caller.clock, outside)
        assert call_batch(calling) == 0
        caller.later(timedelta(days=3))
        assert call_batch(calling) == 0
        assert (server.asked, rows(caller.engine)[0].attempts) == ([], 0)
        brake[0] = False
        assert call_batch(calling) == 1
    assert caller.states() == [("done", None)]
