"""The ``smtp`` channel: whom it trusts, what it says on the wire, how long it waits."""

from __future__ import annotations

import json
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest

from tests.channels.letters import NOW, a_letter, an_envelope
from tests.providers.smtp_twin import Twin
from worker.channels.contract import Outcome, Result
from worker.channels.smtp import KEPT_MAILS, KEPT_SECONDS, SmtpChannel
from worker.config.settings import MailSettings, Settings
from worker.kernel.clock import Clock, SystemClock, VirtualClock

CERTIFICATE = Path(__file__).parents[1] / "http/hooks.example.com.pem"
LOGIN = ("renewals", "hunter22-canary")


def settings(port: int, timeout: str = "2 seconds", **smtp: object) -> MailSettings:
    server = {"host": "hooks.example.com", "port": port, "security": "none"} | smtp
    mail = {"timeout": timeout, "from": "Renewals <renewals@example.com>", "smtp": server}
    return Settings.model_validate_json(json.dumps({"mail": mail})).mail


@contextmanager
def channel_to(
    port: int, clock: Clock | None = None, timeout: str = "2 seconds", **smtp: object
) -> Iterator[SmtpChannel]:
    made = SmtpChannel(
        settings(port, timeout, **smtp), resolve=lambda *_: ["127.0.0.1"], clock=clock
    )
    yield made
    made.close()


def send(channel: SmtpChannel, key: str = "k" * 16) -> Result:
    return channel.send(an_envelope(key=key), a_letter(key=key), NOW)


def words(twin: Twin) -> list[str]:
    return [line.partition(" ")[0].upper() for line in twin.said]


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))


# --- whom it trusts -------------------------------------------------------------------------------


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("tls", [False, True])
def test_mail_and_password_travel_encrypted(
    tmp_path: Path, tls: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with Twin(tmp_path, certificate=CERTIFICATE, tls=tls, login=LOGIN).running() as twin:
        how = {"security": "tls" if tls else "starttls", "username": LOGIN[0], "password": LOGIN[1]}
        with channel_to(twin.port, **how) as channel:
            result = send(channel)
            assert result.outcome is Outcome.ACCEPTED
            said = words(twin)
            assert said[-4:] == ["AUTH", "MAIL", "RCPT", "DATA"]
            assert said[:-4] == (["EHLO"] if tls else ["EHLO", "STARTTLS", "EHLO"])
            assert LOGIN[1] not in repr([channel, vars(channel), result]) + caplog.text
            assert channel.check() is None


@pytest.mark.usefixtures("trusted")
def test_a_certificate_for_another_name_shuts_the_door(tmp_path: Path) -> None:
    with (
        Twin(tmp_path, certificate=CERTIFICATE).running() as twin,
        channel_to(twin.port, security="starttls", host="mail.example.com") as channel,
    ):
        result = send(channel)
        assert result.outcome is Outcome.SHUT
        assert "mail.example.com" in result.detail
        assert "MAIL" not in words(twin)
        assert (channel.check() or "").startswith(f"mail.smtp: mail.example.com:{twin.port}: TLS")


def test_a_certificate_that_this_machine_does_not_trust_shuts_the_door(tmp_path: Path) -> None:
    with Twin(tmp_path, certificate=CERTIFICATE, login=LOGIN).running() as twin:
        how = {"username": LOGIN[0], "password": LOGIN[1]}
        with channel_to(twin.port, security="starttls", **how) as channel:
            assert send(channel).outcome is Outcome.SHUT
            assert not {"MAIL", "AUTH"} & set(words(twin))


def test_a_server_without_encryption_gets_nothing(tmp_path: Path) -> None:
    with Twin(tmp_path, login=LOGIN).running() as twin:
        how = {"username": LOGIN[0], "password": LOGIN[1]}
        with channel_to(twin.port, security="starttls", **how) as channel:
            result = send(channel)
        assert result.outcome is Outcome.SHUT
        assert "STARTTLS" in result.detail
        assert words(twin) == ["EHLO"]


def test_a_server_that_speaks_plainly_where_tls_is_wanted_is_turned_from(tmp_path: Path) -> None:
    with Twin(tmp_path).running() as twin, channel_to(twin.port, security="tls") as channel:
        assert send(channel).outcome is Outcome.SHUT
        assert "MAIL" not in words(twin)


def test_a_wrong_password_shuts_the_door_and_is_not_repeated(tmp_path: Path) -> None:
    with Twin(tmp_path, login=LOGIN).running() as twin:
        how = {"username": LOGIN[0], "password": "wrong-canary"}
        with channel_to(twin.port, **how) as channel:
            result = send(channel)
            said = channel.check() or ""
        assert result.outcome is Outcome.SHUT
        assert result.detail.endswith("535 5.7.8 no such user or password")
        assert "canary" not in result.detail + said


def test_a_login_that_the_server_does_not_know_shuts_the_door(tmp_path: Path) -> None:
    how = {"username": "me", "password": "hunter22"}
    with Twin(tmp_path).running() as twin, channel_to(twin.port, **how) as channel:
        assert send(channel).outcome is Outcome.SHUT


# --- what it says ---------------------------------------------------------------------------------


def test_bounces_come_back_to_the_house_and_one_address_gets_the_mail(tmp_path: Path) -> None:
    with Twin(tmp_path).running() as twin, channel_to(twin.port) as channel:
        send(channel)
        ((sender, recipient, _),) = twin.taken
        assert (sender, recipient) == ("renewals@example.com", "anna@example.com")
        assert [line for line in twin.said if line.upper().startswith("RCPT")] == [
            "rcpt TO:<anna@example.com>"
        ]


@pytest.mark.parametrize(
    ("machine", "name"),
    [
        ("host.example.net", "host.example.net"),
        ("host", "example.com"),
        ("łódź.example.net", "example.com"),
    ],
)
def test_it_goes_by_the_full_name_of_the_machine_or_by_that_of_the_house(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, machine: str, name: str
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: machine)
    with Twin(tmp_path).running() as twin, channel_to(twin.port) as channel:
        assert send(channel).outcome is Outcome.ACCEPTED
        assert twin.said[0] == f"ehlo {name}"


def test_a_line_is_kept_for_some_time_and_some_mails(tmp_path: Path) -> None:
    clock = VirtualClock(NOW)
    with Twin(tmp_path).running() as twin, channel_to(twin.port, clock) as channel:
        for number in range(KEPT_MAILS + 1):
            assert send(channel, f"{number:06d}{'k' * 10}").outcome is Outcome.ACCEPTED
        assert words(twin).count("EHLO") == 2
        clock.advance(timedelta(seconds=KEPT_SECONDS - 1))
        send(channel)
        assert words(twin).count("EHLO") == 2
        clock.advance(timedelta(seconds=KEPT_SECONDS + 1))
        send(channel)
        assert words(twin).count("EHLO") == 3


@pytest.mark.parametrize(
    "address",
    [
        "анна@example.com",
        "anna@exa mple.com",
        "anna@example.com>\r\nRCPT TO:<eve@example.com",
        "anna@example.com,eve@example.com",
        "no address",
        "a" * 65 + "@example.com",
        f"anna@{'d' * 64}.com",
        "",
    ],
)
def test_an_address_that_smtp_cannot_carry_is_never_tried(tmp_path: Path, address: str) -> None:
    with Twin(tmp_path).running() as twin, channel_to(twin.port) as channel:
        result = channel.send(an_envelope(), a_letter(recipient=address), NOW)
        assert result.outcome is Outcome.REFUSED
        assert twin.said == []


def test_a_domain_in_other_letters_is_called_by_its_ascii_name(tmp_path: Path) -> None:
    with Twin(tmp_path).running() as twin, channel_to(twin.port) as channel:
        channel.send(an_envelope(), a_letter(recipient="anna@gęślą.example"), NOW)
        assert [recipient for _, recipient, _ in twin.taken] == ["anna@xn--gl-qla2f4p.example"]


def test_the_channel_needs_the_text_of_a_mail() -> None:
    with channel_to(9) as channel, pytest.raises(ValueError, match="was given none"):
        channel.send(an_envelope(), None, NOW)


# --- how long it waits ----------------------------------------------------------------------------


def test_a_name_that_does_not_resolve_is_surely_not_sent() -> None:
    def unknown(*_: object) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    channel = SmtpChannel(settings(9), resolve=unknown)
    result = send(channel)
    assert result.outcome is Outcome.NOT_SENT
    assert "its name does not resolve" in result.detail


def test_nobody_there_is_surely_not_sent() -> None:
    with channel_to(9) as channel:
        assert send(channel).outcome is Outcome.NOT_SENT
        assert channel.check() == "mail.smtp: hooks.example.com:9: the connection was refused"


@contextmanager
def speaking(speak: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server that does one thing with whoever connects."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            conn, _ = listening.accept()
            with conn, suppress(OSError):  # the other side has had enough
                speak(conn)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1]
        thread.join()


def _trickle(conn: socket.socket) -> None:
    for _ in range(200):
        conn.sendall(b"2")
        time.sleep(0.05)


def _ramble(conn: socket.socket) -> None:
    for _ in range(200):
        conn.sendall(b"220-and another thing\r\n")
        time.sleep(0.05)


def _gush(conn: socket.socket) -> None:
    for _ in range(10_000):
        conn.sendall(b"x" * 10_000)


@pytest.mark.parametrize("speak", [_trickle, _ramble, _gush])
def test_a_server_that_never_comes_to_the_point_is_left_in_time(
    speak: Callable[[socket.socket], None],
) -> None:
    with speaking(speak) as port, channel_to(port, timeout="1 second") as channel:
        began = SystemClock().monotonic()
        assert send(channel).outcome is Outcome.NOT_SENT
        assert SystemClock().monotonic() - began < 4


def test_what_was_said_before_encryption_counts_for_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else a stranger on the way could answer for the server (CVE-2011-0411)."""
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)

    def speak(conn: socket.socket) -> None:
        for said in (b"220 hi\r\n", b"250-me\r\n250 STARTTLS\r\n"):
            conn.sendall(said)
            conn.recv(1000)
        conn.sendall(b"220 go\r\n250 I am the one you trust\r\n")
        with context.wrap_socket(conn, server_side=True) as safe:
            for said in (b"250 me\r\n", b"250 ok\r\n", b"550 not here\r\n"):
                safe.recv(1000)
                safe.sendall(said)

    with speaking(speak) as port, channel_to(port, security="starttls") as channel:
        assert send(channel).detail == "RCPT: 550 not here"
