"""What becomes of a call when those who are called, or we, misbehave. The servers are real."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from threading import Barrier

import httpx
import pytest
from sqlalchemy import Engine
from standardwebhooks import Webhook

from tests.http.server import Asked, Reply, Server
from tests.webhooks.world import KEYS, Answers, Desk, add, rows
from worker.db.engine import make_engine
from worker.http.door import Door
from worker.kernel.clock import Clock, SystemClock, VirtualClock
from worker.webhooks.flow import BUDGET, LEASE, SILENT_TIMES, Calling, Outside, call_batch
from worker.webhooks.rules import ATTEMPTS, WAITS
from worker.webhooks.store import hand_back

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
QUICK = timedelta(seconds=0.3)
CERTIFICATE = Path(__file__).parents[1] / "http" / "hooks.example.com.pem"
SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="  # of KEYS
FAILURE = ("call_1", "failed", "gave-up")


class Caller:
    """A process that makes calls, on a clock of the test's."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.desk = engine, Desk()
        self.clock: Clock = VirtualClock(NOON)
        self.doors: list[Door] = []

    def door(self, **options: object) -> Door:
        self.doors.append(Door(QUICK, **options))  # type: ignore[arg-type]
        return self.doors[-1]

    def calling(self, door: Door | None = None, **more: object) -> Calling:
        used = door or self.door()
        return self.desk.calling(self.engine, self.clock, Outside(lambda _: used, KEYS), **more)

    def add(self, url: str, *keys: str) -> None:
        """Calls that are due now."""
        add(self.engine, url, self.clock.now(), *(keys or ("call_1",)))

    def later(self, span: timedelta) -> None:
        assert isinstance(self.clock, VirtualClock)
        self.clock.advance(span)

    def states(self) -> list[tuple[str, str | None]]:
        return [(row.state, row.reason) for row in rows(self.engine)]

    def wait(self) -> timedelta:
        """How long the only call waits."""
        (row,) = rows(self.engine)
        waits: timedelta = row.next_at - self.clock.now()
        return waits


@pytest.fixture
def caller(engine: Engine) -> Iterator[Caller]:
    made = Caller(engine)
    yield made
    for door in made.doors:
        door.close()


@contextmanager
def serving(*replies: Reply | None) -> Iterator[Server]:
    with Server(Answers(*replies)).running() as server:
        yield server


def ids(server: Server) -> list[str]:
    return [asked.headers["webhook-id"] for asked in server.asked]


# --- answers --------------------------------------------------------------------------------------


def test_a_call_is_made_once_and_whoever_is_called_can_verify_it(caller: Caller) -> None:
    caller.clock = SystemClock()
    with serving(Reply(status=204)) as server:
        caller.add(server.url + "/renewals?x=1")
        assert call_batch(caller.calling()) == 1
        assert call_batch(caller.calling()) == 0
        (asked,) = server.asked
    event = Webhook(SECRET).verify(asked.body, asked.headers)
    assert (event["type"], event["data"]) == ("licence.step", {"licence": "Лицензия"})
    assert (asked.method, asked.path) == ("POST", "/renewals?x=1")
    assert asked.headers["Content-Type"] == "application/json"
    (row,) = rows(caller.engine)
    assert (row.state, row.status, row.attempts, row.next_at) == ("done", 204, 1, None)
    assert row.done_at is not None
    assert caller.desk.settled == [("call_1", "sent", None)]
    assert caller.desk.failures == []


def test_a_server_that_stumbles_is_called_again_with_the_same_id_and_body(caller: Caller) -> None:
    with serving(Reply(status=500), Reply(status=200)) as server:
        caller.add(server.url)
        calling = caller.calling()
        assert call_batch(calling) == 1
        assert caller.states() == [("due", "http-500")]
        assert caller.desk.settled == []
        assert call_batch(calling) == 0
        caller.later(WAITS[0])
        assert call_batch(calling) == 1
        first, second = server.asked
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == "call_1"
    assert first.body == second.body
    told = [int(asked.headers["webhook-timestamp"]) for asked in (first, second)]
    assert told[1] - told[0] == 5
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]
    assert caller.states() == [("done", None)]
    assert caller.desk.settled == [("call_1", "sent", None)]


def test_who_is_gone_is_called_once_and_staff_are_told(caller: Caller) -> None:
    with serving(Reply(status=410)) as server:
        caller.add(server.url)
        call_batch(caller.calling())
        caller.later(timedelta(days=30))
        assert call_batch(caller.calling()) == 0
        assert len(server.asked) == 1
    assert caller.states() == [("failed", "refused")]
    assert caller.desk.settled == [("call_1", "failed", "refused")]
    (failure,) = caller.desk.failures
    assert (failure.key, failure.host, failure.said, failure.attempts) == (
        *("call_1", "127.0.0.1", "answered 410", 1),
    )


def test_after_eight_attempts_it_is_given_up_and_staff_are_told_once(caller: Caller) -> None:
    waits = []
    with serving(Reply(status=502)) as server:
        caller.add(server.url)
        calling = caller.calling()
        for _ in range(ATTEMPTS - 1):
            assert call_batch(calling) == 1
            waits.append(caller.wait())
            caller.later(waits[-1])
        assert caller.desk.settled == []
        assert call_batch(calling) == 1
        assert ids(server) == ["call_1"] * ATTEMPTS
    assert waits == list(WAITS)
    assert caller.states() == [("failed", "gave-up")]
    assert caller.desk.settled == [("call_1", "failed", "gave-up")]
    assert [(one.said, one.attempts) for one in caller.desk.failures] == [("answered 502", 8)]


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("said", "waits"),
    [
        ("120", timedelta(minutes=2)),
        (format_datetime(NOON + timedelta(hours=3), usegmt=True), timedelta(hours=3)),
        ("99999999", timedelta(days=1)),
        ("soon", WAITS[0]),
    ],
)
def test_who_is_busy_says_when_to_come_again(
    caller: Caller, status: int, said: str, waits: timedelta
) -> None:
    with serving(Reply(status=status, headers={"Retry-After": said})) as server:
        caller.add(server.url)
        call_batch(caller.calling())
    assert caller.states() == [("due", f"http-{status}")]
    assert caller.wait() == waits


# --- no answer ------------------------------------------------------------------------------------


@pytest.mark.parametrize("reply", [None, Reply(wait=5), Reply(b"half", cut=True)])
def test_a_server_that_is_slow_or_hangs_up_is_called_again(
    caller: Caller, reply: Reply | None
) -> None:
    with serving(reply) as server:
        caller.add(server.url)
        call_batch(caller.calling())
        assert len(server.asked) == 1
    assert caller.states() == [("due", "no-answer")]


def test_where_nobody_listens_the_call_waits(caller: Caller) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        caller.add(f"http://127.0.0.1:{probe.getsockname()[1]}/")
        call_batch(caller.calling())
    assert caller.states() == [("due", "no-connection")]


def test_a_certificate_of_somebody_else_gets_no_call(caller: Caller) -> None:
    with Server(lambda _: Reply(), CERTIFICATE).running() as server:
        caller.add(server.url)
        call_batch(caller.calling())
        assert server.asked == []
    assert caller.states() == [("due", "no-connection")]


def test_a_silent_system_is_asked_three_times_and_the_rest_fare_as_the_third(
    caller: Caller,
) -> None:
    many = [f"call_{number}" for number in range(10)]
    with serving(None) as silent, serving(Reply()) as sound:
        caller.add(silent.url, *many)
        caller.add(sound.url, "sound")
        assert call_batch(caller.calling()) == 11
        assert len(silent.asked) == SILENT_TIMES
        assert ids(sound) == ["sound"]
        caller.later(WAITS[0])
        silent.answering = lambda _: Reply()
        assert call_batch(caller.calling()) == 10
        assert ids(silent)[SILENT_TIMES:] == many
    assert caller.states() == [("done", None)] * 11


def test_one_call_that_gets_no_answer_does_not_stand_for_its_neighbours(caller: Caller) -> None:
    def answering(asked: Asked) -> Reply | None:
        return None if asked.headers["webhook-id"] == "poison" else Reply()

    with Server(answering).running() as server:
        caller.add(server.url, "poison", *(f"call_{number}" for number in range(5)))
        call_batch(caller.calling())
        assert len(server.asked) == 6
    assert sorted(caller.states()) == [("done", None)] * 5 + [("due", "no-answer")]


# --- addresses inside the house -------------------------------------------------------------------


def resolving(*answers: str) -> Callable[[str, int, float], Sequence[str]]:
    """A name server that gives one answer after the other."""
    left = list(answers)
    return lambda _host, _port, _seconds: [left.pop(0) if len(left) > 1 else left[0]]


def carried(seen: list[httpx.Request], reply: httpx.Response) -> httpx.MockTransport:
    def carry(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return reply

    return httpx.MockTransport(carry)


def _reached_nobody(caller: Caller) -> None:
    assert caller.states() == [("failed", "not-public")]
    assert caller.desk.settled == [("call_1", "failed", "not-public")]
    assert len(caller.desk.failures) == 1


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.7", "169.254.169.254", "::1"])
def test_a_name_that_leads_into_the_house_is_not_called(caller: Caller, address: str) -> None:
    seen: list[httpx.Request] = []
    transport = carried(seen, httpx.Response(200))
    door = caller.door(public_only=True, resolve=resolving(address), transport=transport)
    caller.add("https://hooks.example.com/x")
    call_batch(caller.calling(door))
    assert seen == []
    _reached_nobody(caller)


def test_a_name_that_changes_its_answer_between_the_check_and_the_call_reaches_nothing(
    caller: Caller,
) -> None:
    seen: list[httpx.Request] = []
    transport = carried(seen, httpx.Response(500))
    lying = resolving("93.184.216.34", "127.0.0.1")
    door = caller.door(public_only=True, resolve=lying, transport=transport)
    caller.add("https://hooks.example.com/x")
    call_batch(caller.calling(door))
    assert [request.url.host for request in seen] == ["93.184.216.34"]
    assert caller.states() == [("due", "http-500")]
    caller.later(WAITS[0])
    call_batch(caller.calling(door))
    assert len(seen) == 1
    _reached_nobody(caller)


def test_a_redirect_into_the_house_is_not_followed(caller: Caller) -> None:
    with serving(Reply()) as inside:
        with serving(Reply(status=307, headers={"Location": inside.url})) as outside:
            caller.add(outside.url)
            call_batch(caller.calling())
            assert len(outside.asked) == 1
        assert inside.asked == []
    _reached_nobody(caller)


def test_a_redirect_to_another_name_is_not_followed_and_tried_again(caller: Caller) -> None:
    with serving(Reply(status=302, headers={"Location": "https://other.example/"})) as server:
        caller.add(server.url)
        call_batch(caller.calling())
        assert len(server.asked) == 1
    assert caller.states() == [("due", "http-302")]


# --- our own end ----------------------------------------------------------------------------------


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
    assert caller.desk.settled == [FAILURE]
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
