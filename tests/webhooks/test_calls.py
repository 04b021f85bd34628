"""What becomes of a call when those who are called misbehave. The servers are real."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path

import httpx
import pytest
from standardwebhooks import Webhook

from tests.http.server import Asked, Reply, Server
from tests.webhooks.world import NOON, Caller, ids, rows, serving
from worker.kernel.clock import SystemClock
from worker.webhooks.flow import SILENT_TIMES, call_batch
from worker.webhooks.rules import ATTEMPTS, WAITS

CERTIFICATE = Path(__file__).parents[1] / "http" / "hooks.example.com.pem"
SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="  # of KEYS

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


def test_calls_that_get_no_answer_among_others_do_not_stand_for_their_neighbours(
    caller: Caller,
) -> None:
    def answering(asked: Asked) -> Reply | None:
        return None if asked.headers["webhook-id"].startswith("odd") else Reply()

    with Server(answering).running() as server:
        names = [name for number in range(5) for name in (f"odd_{number}", f"call_{number}")]
        caller.add(server.url, *names)
        call_batch(caller.calling())
        assert ids(server) == names
    assert caller.states() == [("due", "no-answer"), ("done", None)] * 5


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
