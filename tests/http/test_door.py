"""The door to other systems: what it brings back, and whether anything left when it fails."""

from __future__ import annotations

import gzip
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from tests.http.server import Reply, Server
from worker.http.addresses import is_public
from worker.http.door import Door, ForbiddenError, NotSentError, UnsureError

SECOND = timedelta(seconds=1)
CERTIFICATE = Path(__file__).with_name("hooks.example.com.pem")  # signed by itself, for this name
Make = Callable[..., Door]


@pytest.fixture
def door() -> Iterator[Make]:
    made: list[Door] = []

    def make(timeout: timedelta = SECOND, **options: object) -> Door:
        made.append(Door(timeout, **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for each in made:
        each.close()


@contextmanager
def serving(reply: Reply | None) -> Iterator[Server]:
    with Server(lambda _: reply).running() as server:
        yield server


def answers(*addresses: str) -> Callable[[str, int, float], Sequence[str]]:
    return lambda _host, _port, _seconds: addresses


def test_an_answer_of_any_status_is_an_answer(door: Make) -> None:
    with serving(Reply(b"gone", 410, {"X-Reason": "old"})) as server:
        got = door().post(server.url + "/hook", b"{}", {"Content-Type": "application/json"})
        assert (got.status, got.body, got.headers["x-reason"]) == (410, b"gone", "old")
        (asked,) = server.asked
        assert (asked.method, asked.path, asked.body) == ("POST", "/hook", b"{}")
        assert asked.headers["Content-Type"] == "application/json"


def test_parameters_are_added_to_those_of_the_address(door: Make) -> None:
    with serving(Reply()) as server:
        door().get(server.url + "/a?x=1", params={"page": "2", "q": "ł&b"})
        assert server.asked[0].path == "/a?x=1&page=2&q=%C5%82%26b"


def test_a_redirect_is_an_answer_and_is_not_followed(door: Make) -> None:
    with serving(Reply(b"", 302, {"Location": "/elsewhere"})) as server:
        assert door().get(server.url).status == 302
        assert len(server.asked) == 1


def test_connections_are_kept_and_cookies_are_not(door: Make) -> None:
    with serving(Reply(b"ok", headers={"Set-Cookie": "a=b"})) as server:
        one = door()
        one.get(server.url)
        one.get(server.url)
        assert "Cookie" not in server.asked[1].headers
        assert server.asked[0].port == server.asked[1].port


def test_a_body_is_read_up_to_its_bound_even_when_it_was_packed(door: Make) -> None:
    packed = gzip.compress(bytes(5_000_000))
    with serving(Reply(packed, headers={"Content-Encoding": "gzip"})) as server:
        got = door(most_bytes=1000).get(server.url)
        assert (len(got.body), got.cut) == (1000, True)
        whole = door(most_bytes=5_000_000).get(server.url)
        assert (whole.status, whole.cut, len(whole.body)) == (200, False, 5_000_000)
        assert not any(whole.body)


def test_nothing_was_sent_where_nobody_listens(door: Make) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(NotSentError, match=rf"^127.0.0.1:{port}: .*refused"):
        door().post(f"http://127.0.0.1:{port}/secret-path", b"x")


@pytest.mark.parametrize(
    "url",
    ["ftp://example.com", "nonsense", "http://", "http://a b/", "http://[x", "http://h:99999"],
)
def test_nothing_was_sent_to_what_is_no_address(door: Make, url: str) -> None:
    with pytest.raises(NotSentError):
        door().get(url)


def test_nothing_was_sent_with_a_header_that_breaks_the_line(door: Make) -> None:
    with serving(Reply()) as server:
        for value in ("a\r\nX-Evil: 1", "Łódź"):
            with pytest.raises(NotSentError):
                door().get(server.url, {"X-Name": value})
        assert server.asked == []


def test_nothing_was_sent_when_tls_fails(door: Make) -> None:
    with serving(Reply()) as server:
        with pytest.raises(NotSentError):
            door().get(server.url.replace("http:", "https:"))
        assert server.asked == []


@pytest.mark.parametrize("reply", [None, Reply(b"half", cut=True), Reply(b"late", wait=3)])
def test_after_the_first_byte_nobody_knows(door: Make, reply: Reply | None) -> None:
    with serving(reply) as server:
        with pytest.raises(UnsureError):
            door(timedelta(seconds=0.3)).post(server.url, b"x")
        assert len(server.asked) == 1


@pytest.mark.parametrize("said", [b"HTTP/1.1 2", b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\n"])
def test_half_an_answer_is_none(door: Make, said: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            conn, _ = listening.accept()
            with conn:
                conn.recv(1000)
                conn.sendall(said)

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(UnsureError):
            door().get(f"http://127.0.0.1:{listening.getsockname()[1]}")
        thread.join()


def test_a_body_that_trickles_without_end_is_given_up(door: Make) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        stop = threading.Event()

        def trickle() -> None:
            conn, _ = listening.accept()
            with conn:
                conn.recv(1000)
                conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                while not stop.wait(0.05):
                    try:
                        conn.sendall(b"x")
                    except OSError:
                        return

        thread = threading.Thread(target=trickle)
        thread.start()
        try:
            with pytest.raises(UnsureError, match="no answer in time"):
                door(timedelta(seconds=0.3)).get(f"http://127.0.0.1:{listening.getsockname()[1]}")
        finally:
            stop.set()
            thread.join()


# --- addresses that somebody else chose -----------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0"),
        *("100.64.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1"),
        *("::1", "::", "fe80::1", "fe80::1%eth0", "fd00::1", "ff02::1", "2001:db8::1"),
        *("::ffff:8.8.8.8", "::8.8.8.8", "64:ff9b::8.8.8.8", "64:ff9b:1::1", "2002:808:808::1"),
        *("2001:0:1::1", "3fff::1", "fec0::1", "100::1", "4000::1", "not an address"),
    ],
)
def test_an_address_inside_the_house_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "2a00::1"])
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::1]"])
def test_a_call_to_this_machine_is_refused_however_it_is_written(door: Make, host: str) -> None:
    with serving(Reply()) as server:
        port = server.url.rpartition(":")[2]
        with pytest.raises(NotSentError):
            door(public_only=True).get(f"http://{host}:{port}/")
        assert server.asked == []


def test_a_name_with_one_inner_address_is_refused_as_a_whole(door: Make) -> None:
    resolve = answers("93.184.216.34", "10.0.0.5")
    with pytest.raises(ForbiddenError, match=r"^evil.example is not a public host: .*10.0.0.5$"):
        door(public_only=True, resolve=resolve, transport=never()).get("http://evil.example/")


def never() -> httpx.MockTransport:
    def refuse(_request: httpx.Request) -> httpx.Response:
        raise AssertionError("nothing may be sent")

    return httpx.MockTransport(refuse)


def test_a_redirect_into_the_house_is_not_followed(door: Make) -> None:
    carried = httpx.MockTransport(
        lambda _: httpx.Response(307, headers={"Location": "http://127.0.0.1/"})
    )
    made = door(public_only=True, resolve=answers("93.184.216.34"), transport=carried)
    assert made.post("https://example.com/", b"x").status == 307


def test_the_call_goes_to_the_address_that_was_judged_and_keeps_its_name(door: Make) -> None:
    seen: list[httpx.Request] = []
    asked: list[str] = []

    def resolve(host: str, _port: int, _seconds: float) -> Sequence[str]:
        asked.append(host)
        return ["93.184.216.34"] if len(asked) == 1 else ["127.0.0.1"]  # rebinding

    def carry(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200)

    made = door(public_only=True, resolve=resolve, transport=httpx.MockTransport(carry))
    made.post("https://hooks.example.com:8443/a?b=1", b"{}", {"X-A": "1"})
    assert asked == ["hooks.example.com"]
    assert str(seen[0].url) == "https://93.184.216.34:8443/a?b=1"
    assert seen[0].headers["Host"] == "hooks.example.com:8443"
    assert (seen[0].headers["X-A"], seen[0].read()) == ("1", b"{}")
    assert seen[0].extensions["sni_hostname"] == "hooks.example.com"
    with pytest.raises(ForbiddenError):  # the next call asks again, and is told the inner address
        made.post("https://hooks.example.com:8443/a?b=1", b"{}")


def test_the_certificate_must_bear_the_name_though_the_address_is_called(
    door: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    monkeypatch.setattr("worker.http.door.is_public", lambda _address: True)
    with Server(lambda _: Reply(b"ok"), CERTIFICATE).running() as server:
        made = door(public_only=True, resolve=answers("127.0.0.1"))
        assert made.get(f"https://hooks.example.com:{server.port}/").body == b"ok"
        with pytest.raises(NotSentError, match="certificate"):
            made.get(f"https://other.example.com:{server.port}/")
        assert [asked.headers["Host"] for asked in server.asked] == [
            f"hooks.example.com:{server.port}"
        ]


def test_the_next_address_is_tried_where_nobody_listens(door: Make) -> None:
    tried: list[str] = []

    def carry(request: httpx.Request) -> httpx.Response:
        tried.append(request.url.host)
        if len(tried) == 1:
            raise httpx.ConnectError("refused")
        return httpx.Response(204)

    resolve = answers("2606:4700::1111", "93.184.216.34")
    made = door(public_only=True, resolve=resolve, transport=httpx.MockTransport(carry))
    assert made.get("http://example.com").status == 204
    assert tried == ["2606:4700::1111", "93.184.216.34"]


def test_a_name_that_is_not_looked_up_in_time_was_not_called(door: Make) -> None:
    def slow(_host: str, _port: int, _seconds: float) -> Sequence[str]:
        raise TimeoutError("its name could not be looked up in time")

    made = door(public_only=True, resolve=slow, transport=never())
    with pytest.raises(NotSentError, match="in time"):
        made.get("http://example.com")
