"""A real mail server takes what the SMTP channel sends, and delivers what was meant."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests import debian
from tests.channels.letters import (
    CALENDAR,
    SUBJECT,
    Words,
    a_letter,
    an_envelope,
    content,
    parsed,
)
from tests.folders import short_folder
from tests.providers.exim import Exim
from worker.channels.contract import Outcome, Result
from worker.channels.smtp import SmtpChannel
from worker.config.settings import Settings
from worker.kernel.clock import SystemClock

CERTIFICATE = Path(__file__).parents[1] / "http/hooks.example.com.pem"


@pytest.fixture
def exim() -> Iterator[Exim]:
    program = debian.needed("exim4")
    folder = short_folder()
    server = Exim(folder, program, CERTIFICATE)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def channel(exim: Exim, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmtpChannel]:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    server = {"host": "hooks.example.com", "port": exim.port}
    mail = {"from": "Renewals <renewals@example.com>", "smtp": server}
    settings = Settings.model_validate_json(json.dumps({"mail": mail})).mail
    made = SmtpChannel(settings, resolve=lambda *_: ["127.0.0.1"])
    yield made
    made.close()


def send(
    channel: SmtpChannel,
    key: str = "k" * 16,
    address: str = "anna@example.com",
    words: Words | None = None,
) -> Result:
    letter = a_letter(f"Anna <{address}>", address, key, words=words)
    return channel.send(an_envelope(address, key), letter, SystemClock().now())


def test_a_real_server_delivers_what_was_written(exim: Exim, channel: SmtpChannel) -> None:
    assert channel.check() is None
    result = send(channel)
    assert result.outcome is Outcome.ACCEPTED
    assert str(result.provider_id).startswith("OK id=")
    (raw,) = exim.delivered(1)
    mail, wanted = parsed(raw), parsed(a_letter("Anna <anna@example.com>").raw)
    assert mail["Return-path"] == "<renewals@example.com>"
    assert mail["Envelope-to"] == "anna@example.com"
    assert "TLS" in mail["Received"]
    for name, value in wanted.items():
        assert mail[name] == value, name
    assert mail["Subject"] == SUBJECT
    assert mail["Message-ID"] == f"<{'k' * 16}@example.com>"
    assert content(mail, "plain") == Words().text.rstrip("\n")
    assert content(mail, "html") == Words().html.rstrip("\n")
    (calendar,) = mail.iter_attachments()
    assert calendar.get_content_type() == "text/calendar"
    assert dict(calendar["Content-Type"].params) == {"method": "PUBLISH", "charset": "utf-8"}
    assert calendar.get_filename() == "odnowienie.ics"
    assert calendar.get_payload(decode=True) == CALENDAR


def test_many_mails_on_kept_lines_all_arrive_once(exim: Exim, channel: SmtpChannel) -> None:
    keys = [f"{number:06d}{'k' * 10}" for number in range(40)]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda key: send(channel, key), keys))
    assert {result.outcome for result in results} == {Outcome.ACCEPTED}
    names = [parsed(raw)["Message-ID"] for raw in exim.delivered(40, 60)]
    assert sorted(names) == [f"<{key}@example.com>" for key in keys]


def test_what_a_real_server_refuses_is_told_in_our_words(exim: Exim, channel: SmtpChannel) -> None:
    nobody = send(channel, address="nobody@example.com")
    assert (nobody.outcome, nobody.detail) == (
        Outcome.REFUSED,
        "RCPT: 550 no such mailbox",
    )
    assert send(channel, address="busy@example.com").outcome is Outcome.NOT_SENT
    virus = send(channel, words=Words(subject="VIRUS"))
    assert virus.outcome is Outcome.REFUSED
    large = send(channel, words=Words(text="x" * 70 + "\n" + ("y" * 70 + "\n") * 100_000))
    assert large.outcome is Outcome.REFUSED
    assert send(channel).outcome is Outcome.ACCEPTED
    assert len(exim.delivered(1)) == 1


def test_a_server_that_restarts_is_found_again(exim: Exim, channel: SmtpChannel) -> None:
    assert send(channel, "j" * 16).outcome is Outcome.ACCEPTED
    channel.close()  # the child that serves a line outlives the daemon
    exim.stop()
    assert send(channel).outcome is Outcome.NOT_SENT
    exim.start_again()
    assert send(channel).outcome is Outcome.ACCEPTED
    assert len(exim.delivered(2)) == 2
